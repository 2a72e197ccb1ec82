"""What a test sees of the sandbox and changes in it."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from omni_router._sandbox import faults, hub

if TYPE_CHECKING:
    from omni_router._sandbox.transport import SandboxTransport

KEPT = 1000  # requests, and prompts whose faults are counted: a server may run on the sandbox for days
SANDBOX_TOKEN = "hf_sandbox"  # noqa: S105 (opens nothing: the sandbox takes every token that starts with hf_ but hf_wrong)


@dataclass(frozen=True)
class Record:
    """One request as it arrived."""

    method: str
    host: str
    path: str
    query: dict[str, list[str]]
    model: str | None = None  # the Hub's id, also where the provider's own id was sent
    parameters: dict[str, Any] = field(default_factory=dict)  # of a chat, beside messages and tools
    # Not in the repr: a failing assertion prints it, and a developer may have sent a real token by mistake.
    token: str | None = field(default=None, repr=False)


@dataclass
class _Planned:
    fault: faults.Fault
    model: str | None
    left: int


class Sandbox:
    """One stand-in: its models, its pace, the faults it was asked for, and what it was asked."""

    token = SANDBOX_TOKEN

    def __init__(self, latency: float = 0.0, chunk_delay: float = 0.0) -> None:
        self.latency, self.chunk_delay = latency, chunk_delay  # seconds; both may be changed at any time
        self.requests: list[Record] = []
        self._models = hub.shipped_models()
        self._planned: list[_Planned] = []
        self._directives: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    @cached_property
    def transport(self) -> "SandboxTransport":
        """The httpx transport that answers; a client of one's own can fetch pictures through it."""
        from omni_router._sandbox.transport import SandboxTransport

        return SandboxTransport(self)

    def resolve(self, host: str) -> list[str]:
        """Stand in for a name look-up: the sandbox answers for every name; an address is itself."""
        return [host] if host.replace(".", "").isdecimal() or ":" in host else ["1.1.1.1"]

    def fail(self, kind_or_fault: str, model: str | None = None, times: int = 1) -> None:
        """Let the next `times` calls (of `model`, if given) fail, by a name of `FAULTS` or by an error kind.

        Raises:
            ValueError: There is no such fault.
        """
        fault = faults.find(kind_or_fault)
        with self._lock:
            self._planned.append(_Planned(fault, model, times))

    def recover(self) -> None:
        """Cancel the faults that `fail` planned and that no call has met yet."""
        with self._lock:
            self._planned.clear()

    def set_mapping(self, model: str, providers: Sequence[str] | None, task: str | None = None) -> None:
        """Change who serves `model` from now on: providers in the order of preference, or None for no mapping at all.

        The client's own memory of the mapping stays, as it would when the Hub changes. `task` is needed for an id other
        than `sandbox/<task>-<n>`, which becomes known by this.

        Raises:
            ValueError: The model is not known and no task is given.
        """
        with self._lock:
            known = self._models.get(model)
            task = task or (known.task if known else hub.task_of(model))
            listed = known.listed if known else False
            self._models[model] = hub.Model(task, None if providers is None else tuple(providers), listed)

    def rename(self, old: str, new: str) -> None:
        """Give a model a new id; the Hub answers for the old one with a redirect.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[new] = self._models[old]
            self._models[old] = hub.Model(self._models[new].task, None, renamed_to=new)

    def gate(self, model: str, open_to: Sequence[str] = ()) -> None:
        """Let the Hub ask for terms to be accepted before the model is used; these tokens have done so.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[model] = replace(self._models[model], gated=True, open_to=tuple(open_to))

    def set_tools(self, model: str, providers: Sequence[str]) -> None:
        """Say which providers of a model take tools, and keep to a JSON schema; at first it is the first of them.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[model] = replace(self._models[model], tools_at=tuple(providers))

    def asked_for_mapping(self, model: str) -> int:
        """Count how often the client asked the Hub who serves `model`; what the catalog asks is not counted."""
        path = f"{hub.MODELS_PATH}/{model}"
        return sum(
            record.path == path and record.query.get("expand", []) == ["inferenceProviderMapping"]
            for record in list(self.requests)
        )

    def models(self) -> dict[str, "hub.Model"]:
        """List the models as they are now."""
        with self._lock:
            return dict(self._models)

    def record(self, record: Record) -> None:
        """Remember one request."""
        with self._lock:
            self.requests.append(record)
            if len(self.requests) > KEPT:
                del self.requests[: KEPT // 2]

    def take_fault(self, where: faults.Where, model: str | None = None, prompt: str = "") -> faults.Fault | None:
        """Say what is to go wrong with this call; planned faults come before those the prompt asks for."""
        with self._lock:
            for planned in self._planned:
                if planned.fault.where == where and planned.left > 0 and planned.model in (None, model):
                    planned.left -= 1
                    return planned.fault
            for directive in faults.directives(prompt):
                if directive.times is None or self._count(prompt, directive) <= directive.times:
                    return directive.fault
        return None

    def _count(self, prompt: str, directive: faults.Directive) -> int:
        """Count how often a directive of this prompt came; the oldest counts go when there are too many."""
        seen = (hash(prompt), directive.text)  # the prompt itself may hold megabytes
        self._directives[seen] += 1
        if len(self._directives) > KEPT:
            del self._directives[next(iter(self._directives))]
        return self._directives[seen]
