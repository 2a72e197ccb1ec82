"""The folder of a report: report.md, report.json and the plots beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omni_router.errors import ConfigurationError, install_command
from omni_router.evaluation.compare import Comparison
from omni_router.evaluation.plots import draw
from omni_router.evaluation.report import PLOTS, markdown
from omni_router.evaluation.result import Evaluation, as_json, items_as_json
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


def write_report(done: Evaluation, comparisons: Sequence[Comparison], folder: Path) -> tuple[list[Path], str | None]:
    """Write report and plots; return their paths, and what to install where there are no plots.

    Plots of an earlier run do not stay beside a report without any.

    Raises:
        ConfigurationError: a file cannot be written.
    """
    try:
        return _write_report(done, comparisons, folder)
    except OSError as error:
        raise ConfigurationError(f"cannot write the report: {error}; choose another --output-dir") from error


def _write_report(done: Evaluation, comparisons: Sequence[Comparison], folder: Path) -> tuple[list[Path], str | None]:
    plots = draw(done, folder)
    missing = f"no plots, matplotlib is missing: {install_command('eval')}" if plots is None else None
    names = plots or []
    for name in PLOTS.keys() - set(names):
        (folder / name).unlink(missing_ok=True)
    compared = "\n\n".join(comparison.markdown() for comparison in comparisons)
    write_whole(folder / "report.md", markdown(done, names, compared))
    report = {**as_json(done), **comparisons_as_json(comparisons), "items": items_as_json(done)}
    write_whole(folder / "report.json", json.dumps(report, indent=1) + "\n")
    return [folder / name for name in ("report.md", "report.json", *names)], missing


def comparisons_as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the comparisons of a report, or nothing."""
    return {"comparisons": [comparison.as_json() for comparison in comparisons]} if comparisons else {}
