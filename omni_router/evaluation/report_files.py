"""The files of a report: report.md, report.json and the plots, in one folder."""

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from omni_router import __version__
from omni_router.errors import ConfigurationError, install_command
from omni_router.evaluation.compare import Comparison
from omni_router.evaluation.metrics import Outcome
from omni_router.evaluation.plots import draw
from omni_router.evaluation.report import PLOTS, markdown
from omni_router.evaluation.result import Evaluation
from omni_router.storage.files import write_whole


def make_folder(folder: Path) -> None:
    """Create the folder of the report.

    Raises:
        ConfigurationError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot create the folder {folder}: {error}; choose another --output-dir") from error


def write_report(
    evaluation: Evaluation, comparisons: Sequence[Comparison], folder: Path
) -> tuple[list[Path], str | None]:
    """Write report and plots; return their paths, and what to install where there are no plots.

    Plots of an earlier run do not stay beside a report without any.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    try:
        return _write_report(evaluation, comparisons, folder)
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error}; choose another --output-dir") from error


def _write_report(
    evaluation: Evaluation, comparisons: Sequence[Comparison], folder: Path
) -> tuple[list[Path], str | None]:
    missing = None
    plots = draw(evaluation, folder)
    if plots is None:
        plots, missing = [], f"no plots, matplotlib is missing: {install_command('eval')}"
    for name in PLOTS.keys() - set(plots):
        (folder / name).unlink(missing_ok=True)
    compared = "\n\n".join(map(Comparison.markdown, comparisons))
    write_whole(folder / "report.md", markdown(evaluation, plots, compared))
    report = {**as_json(evaluation, comparisons), "items": items_as_json(evaluation)}
    write_whole(folder / "report.json", json.dumps(report, indent=1) + "\n")
    return list(map(folder.joinpath, ("report.md", "report.json", *plots))), missing


def as_json(evaluation: Evaluation, comparisons: Sequence[Comparison] = ()) -> dict[str, Any]:
    """Return the report as one object: the metrics of the first router on top, those of all below `routers`."""
    report = {
        "router": evaluation.first_router,
        **evaluation.measures[evaluation.first_router],
        "routers": evaluation.measures,
        "data": str(evaluation.data),
        "policy": str(evaluation.policy),
        "notes": evaluation.notes,
        "made": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "version": __version__,
    }
    if comparisons:
        report["comparisons"] = list(map(Comparison.as_json, comparisons))
    return report


def items_as_json(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the replies to each item, for a later comparison; the text stays in the data."""
    entries = []
    for number, item in enumerate(evaluation.items):
        replies = {}
        for router, outcomes in evaluation.outcomes.items():
            replies[router] = _reply_as_json(outcomes[number])
        entries.append({"id": item.id, "line": item.line, "route": item.route, "replies": replies})
    return entries


def _reply_as_json(outcome: Outcome) -> dict[str, Any]:
    milliseconds = None
    if outcome.seconds is not None:
        milliseconds = round(outcome.seconds * 1000, 1)
    return {"predicted": outcome.predicted, "confidence": outcome.confidence, "ms": milliseconds}
