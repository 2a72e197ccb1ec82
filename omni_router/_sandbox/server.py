"""The sandbox itself: what a test sees of it, and changes in it."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from omni_router._sandbox import faults, models
from omni_router._sandbox.calls import Record
from omni_router._sandbox.models import MAPPING, MODELS_PATH, Reasoning
from omni_router._sandbox.offers import Offer

if TYPE_CHECKING:
    from omni_router._sandbox.transport import SandboxTransport

MAX_RECORDS = 1000  # requests, and prompts whose faults are counted: a server may run on the sandbox for days
SANDBOX_TOKEN = "hf_sandbox"  # noqa: S105 (opens nothing: the sandbox accepts every token that starts with hf_ but hf_wrong)


@dataclass
class _PlannedFault:
    fault: faults.Fault
    model: str | None
    provider: str | None
    times: int  # how many are left

    def is_for(self, where: faults.Where, model: str | None, provider: str | None) -> bool:
        """Return whether the fault is for such a call."""
        if self.fault.where != where or self.times <= 0:
            return False
        return self.model in (None, model) and self.provider in (None, provider)


class Sandbox:
    """A stand-in for the Hub and its providers: its models, pace and planned faults, and the requests it received."""

    token = SANDBOX_TOKEN

    def __init__(self, latency: float = 0.0, chunk_delay: float = 0.0) -> None:
        self.latency, self.chunk_delay = latency, chunk_delay  # seconds; both may be changed at any time
        self.requests: list[Record] = []
        self._models = models.shipped_models()
        self._planned: list[_PlannedFault] = []
        self._bends: dict[str, Callable[[Any], Any]] = {}
        self._directives: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    def list_more(self) -> None:
        """List more models, so that there are enough to compare: the catalog of `--sandbox` on the command line."""
        from omni_router._sandbox.more_models import more_models

        with self._lock:
            self._models |= more_models()

    @cached_property
    def transport(self) -> "SandboxTransport":
        """The httpx transport that answers; another client can fetch images through it."""
        from omni_router._sandbox.transport import SandboxTransport

        return SandboxTransport(self)

    def resolve(self, host: str) -> list[str]:
        """Return the addresses of a name: the sandbox answers for every one; an address is itself."""
        if host.replace(".", "").isdecimal() or ":" in host:
            return [host]
        return ["1.1.1.1"]

    def fail(self, kind_or_fault: str, model: str | None = None, times: int = 1, provider: str | None = None) -> None:
        """Fail the next `times` calls, by a name of `FAULTS` or by an error kind.

        With `model` or `provider` only the calls of that model, or those that this provider answers, fail.

        Raises:
            ValueError: There is no such fault.
        """
        fault = faults.find(kind_or_fault)
        with self._lock:
            self._planned.append(_PlannedFault(fault, model, provider, times))

    def recover(self) -> None:
        """Cancel the faults that `fail` planned and that no call has met yet."""
        with self._lock:
            self._planned.clear()

    def set_mapping(self, model: str, providers: Sequence[str] | None, task: str | None = None) -> None:
        """Set who serves `model` from now on: providers in the order of preference, or None for no mapping at all.

        What the client has cached of the mapping stays, as it would when the Hub changes. A new model needs a `task`,
        unless its id has the form `sandbox/<task>-<n>`.

        Raises:
            ValueError: The model is not known and no task is given.
        """
        with self._lock:
            known = self._models.get(model)
            if known is None:
                known = models.Model(task or models.task_of(model), None)
            served_by = None if providers is None else tuple(providers)
            self._models[model] = models.Model(task or known.task, served_by, known.listed)

    def rename(self, old: str, new: str) -> None:
        """Rename a model; the Hub answers for the old id with a redirect.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[new] = self._models[old]
            self._models[old] = models.Model(self._models[new].task, None, renamed_to=new)

    def gate(self, model: str, open_to: Sequence[str] = ()) -> None:
        """Gate a model: only the owners of these tokens have accepted its terms.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[model] = replace(self._models[model], gated=True, open_to=tuple(open_to))

    def set_tools(self, model: str, providers: Sequence[str]) -> None:
        """Set which providers of a model support tools and JSON schemas; by default it is only the first one.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            known = self._models[model]
            offers = [
                replace(offer, tools=offer.provider in providers, structured_output=offer.provider in providers)
                for offer in known.offers
            ]
            self._models[model] = replace(known, tools_at=tuple(providers), offers=tuple(offers))

    def bend(self, path: str, change: Callable[[Any], Any]) -> None:
        """Let `change` replace the JSON that is answered under a path from now on, and each event of a stream there.

        It gets what would be answered: a field can be taken away, renamed or filled with nonsense.
        """
        with self._lock:
            self._bends[path] = change

    def change_for(self, path: str) -> Callable[[Any], Any] | None:
        """Return what `bend` set for a path."""
        with self._lock:
            return self._bends.get(path)

    def set_reasoning(self, model: str, reasoning: Reasoning | None) -> None:
        """Set how a model reasons before it answers; None: not at all.

        Raises:
            KeyError: The model is not known.
        """
        with self._lock:
            self._models[model] = replace(self._models[model], reasoning=reasoning)

    def asked_for_mapping(self, model: str) -> int:
        """Count how often the client asked the Hub who serves `model`; requests of the catalog do not count."""
        path = f"{MODELS_PATH}/{model}"
        count = 0
        for record in list(self.requests):
            count += record.path == path and record.query.get("expand") == [MAPPING]
        return count

    def models(self) -> dict[str, models.Model]:
        """Return the models as they are now."""
        with self._lock:
            return dict(self._models)

    def record(self, record: Record) -> None:
        """Record a request."""
        with self._lock:
            self.requests.append(record)
            if len(self.requests) > MAX_RECORDS:
                del self.requests[: MAX_RECORDS // 2]

    def offer(self, model: str, *offers: Offer, task: str | None = None) -> None:
        """Set what each provider of `model` lists and serves from now on: prices, speed, context, status, tools.

        A new model is listed by the catalog; it needs a `task`, unless its id has the form `sandbox/<task>-<n>`.

        Raises:
            ValueError: The model is not known and no task is given.
        """
        with self._lock:
            known = self._models.get(model)
            if known is None:
                known = models.Model(task or models.task_of(model), None, listed=True)
            providers = tuple(offer.provider for offer in offers)
            self._models[model] = replace(known, providers=providers, offers=offers, tools_at=None)

    def take_fault(
        self, where: faults.Where, model: str | None = None, prompt: str = "", provider: str | None = None
    ) -> faults.Fault | None:
        """Return what is to go wrong with this call; planned faults come before those in the prompt."""
        with self._lock:
            for planned in self._planned:
                if planned.is_for(where, model, provider):
                    planned.times -= 1
                    return planned.fault
            for directive in faults.directives(prompt):
                if directive.times is None or self._count(prompt, directive) <= directive.times:
                    return directive.fault
        return None

    def _count(self, prompt: str, directive: faults.Directive) -> int:
        """Count how often a prompt came with this directive; the oldest counts are dropped when there are too many."""
        key = (hash(prompt), directive.text)  # the prompt itself may hold megabytes
        self._directives[key] += 1
        if len(self._directives) > MAX_RECORDS:
            del self._directives[next(iter(self._directives))]
        return self._directives[key]
