"""The policy file and the decision log against what was answered: who got an answer finds its use and its decision."""

import json
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.soak.answers import Summary
from omni_router.decisions.log import MAX_BYTES, DecisionLog

Uses = Counter[tuple[str, str]]  # by route and model

ROOM = 200_000  # bytes left in the decision log at the start: it is soon set aside
FILLING = b"#" * 4095 + b"\n"  # lines that the log's readers pass over


class Ledger:
    """What a place has acknowledged, and what its files hold of it."""

    def __init__(self, policy: Path) -> None:
        self._policy, self._log = policy, policy.with_name("decisions.jsonl")
        self._answered = Uses()
        self._decisions = tempfile.TemporaryFile("w+")  # noqa: SIM115 (ids in memory would look like growth)
        if not self._log.exists():
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.write_bytes(FILLING * ((MAX_BYTES - ROOM) // len(FILLING)))
        self._before = uses_in(policy)

    def acknowledge(self, summary: Summary) -> None:
        """Note a run whose client has received its end."""
        self._decisions.write(f"{summary['id']}\n")
        if not summary["error"]:
            self._answered[summary["route"].casefold(), summary["model"]] += 1

    def lost_uses(self) -> int:
        """Count the answers whose use the policy file lacks; that a run nobody saw the end of is there is no fault."""
        recorded = uses_in(self._policy)
        recorded.subtract(self._before)
        return sum((self._answered - recorded).values())

    def lost_decisions(self) -> int:
        """Count the acknowledged runs that the decision log lacks."""
        logged = {entry["id"] for entry in DecisionLog(self._log).entries()}
        self._decisions.seek(0)
        return sum(line.strip() not in logged for line in self._decisions)

    def close(self) -> None:
        """Forget what was acknowledged."""
        self._decisions.close()

    def files(self) -> str:
        """Return the sizes of the files beside the policy."""
        beside = sorted(path for path in self._policy.parent.iterdir() if path.stat().st_size)
        return ", ".join(f"{path.name} {path.stat().st_size / 1024:.0f} KiB" for path in beside)


def uses_in(policy: Path) -> Uses:
    """Read how often each model was used on each route; nothing where there is no file yet."""
    entries = json.loads(policy.read_text(encoding="utf-8")) if policy.exists() else []
    uses = Uses()
    for entry in entries:
        for model in entry.get("models", []):
            if isinstance(model, dict):  # else one that is named and not used yet
                uses[entry["name"].casefold(), model["id"].partition(":")[0]] += model.get("uses", 0)
    return uses
