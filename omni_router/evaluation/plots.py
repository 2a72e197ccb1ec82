"""The plots, where matplotlib is installed (the extra `eval`): figures without a window, one file each."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router.evaluation.formatting import without_empty
from omni_router.evaluation.metrics import BINS
from omni_router.evaluation.report import PLOTS
from omni_router.evaluation.result import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
COLOURS = ("#3b6fb6", "#d9822b", "#4c9a6a")  # of the routers, apart for colour-blind eyes too
GREY = "#8a8f98"
ENOUGH = 10  # outcomes below this many say little about a share


def draw(done: Evaluation, folder: Path) -> list[str] | None:
    """Draw what there is to draw, and give the files' names; None without matplotlib."""
    if find_spec("matplotlib") is None:
        return None
    sure = {router: found for router, found in done.measures.items() if found["reliability"]}
    figures = {"confusion.png": _confusion(done.measures)}
    if sure:
        figures |= {"reliability.png": _reliability(sure), "coverage.png": _coverage(sure)}
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return [name for name in PLOTS if name in figures]


def _confusion(measures: Mapping[str, Any]) -> "Figure":
    """Draw a square of counts for each router, side by side."""
    squares = without_empty([found["confusion"] for found in measures.values()])
    size = 2.4 + 0.46 * len(squares[0]["routes"])
    figure = _figure(size * len(measures) + 0.6, size)
    for place, (router, square) in enumerate(zip(measures, squares, strict=True), 1):
        _square(figure.add_subplot(1, len(squares), place), router, square, names=place == 1)
    return figure


def _square(axes: "Axes", router: str, found: Mapping[str, Any], *, names: bool) -> None:
    """Draw rows as shares of the right route, so that rare routes show as well as common ones; write the counts."""
    counts = found["counts"]
    columns = [*map(_words, found["routes"]), "no route"]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(counts)), [_words(name) for name in found["routes"]] if names else [])
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count:
                colour = "white" if shares[y][x] > 0.6 else "#222222"  # noqa: PLR2004 (half way to dark blue)
                axes.text(x, y, count, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks([x - 0.5 for x in range(1, len(columns))], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(counts))], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(router, loc="left", fontsize=11)
    axes.set_xlabel("predicted route (shade: share of the row)")
    if names:
        axes.set_ylabel("right route")


def _reliability(measures: Mapping[str, Any]) -> "Figure":
    """Draw accuracy over confidence, the size of a dot by how many outcomes it stands for, and their distribution."""
    figure = _figure(6.4, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    width = 0.8 / BINS / len(measures)
    for place, (router, found) in enumerate(measures.items()):
        curve, colour = found["reliability"], COLOURS[place % len(COLOURS)]
        told = f"{router} (ECE {found['ece']:.3f})"
        x, y = [point["confidence"] for point in curve], [point["accuracy"] for point in curve]
        above.plot(x, y, color=colour, linewidth=1.5, label=told, clip_on=False)
        sizes = [min(160, 18 + 3 * point["n"]) for point in curve]
        faces = [colour if point["n"] >= ENOUGH else "white" for point in curve]
        above.scatter(x, y, s=sizes, c=faces, edgecolors=colour, linewidths=1.5, zorder=3, clip_on=False)
        left = [point["from"] + 0.1 / BINS + place * width for point in curve]
        below.bar(left, [point["n"] for point in curve], width=width, align="edge", color=colour)
    _shares(above, x="", y="accuracy")
    above.set_title("How reliable the confidence is", loc="left", fontsize=12)
    above.legend(loc="upper left", frameon=False)
    above.text(0.985, 0.03, f"hollow: fewer than {ENOUGH} requests", ha="right", color=GREY, fontsize=9)
    below.set(xlabel="confidence", ylabel="requests")
    below.yaxis.get_major_locator().set_params(integer=True)
    _quiet(below)
    return figure


def _coverage(measures: Mapping[str, Any]) -> "Figure":
    """Draw accuracy over the share of requests that are routed, the surest first."""
    figure = _figure(6.4, 4.6)
    axes = figure.subplots()
    lowest = 1.0
    for place, (router, found) in enumerate(measures.items()):
        curve, colour = found["coverage"], COLOURS[place % len(COLOURS)]
        x, y = [point["coverage"] for point in curve], [point["accuracy"] for point in curve]
        told = f"{router} ({y[-1]:.3f} on {'all' if x[-1] == 1 else f'{100 * x[-1]:.0f} %'})"
        axes.plot(x, y, color=colour, linewidth=2, label=told, clip_on=False)
        axes.plot(x[-1:], y[-1:], "o", color=colour, clip_on=False)
        lowest = min(lowest, *y)
    _shares(axes, x="share of requests that are routed, the surest first", y="accuracy on those")
    axes.set_ylim(max(0.0, lowest - 0.08), 1.0)
    axes.set_title("Accuracy on the requests of which the router is surest", loc="left", fontsize=12)
    axes.legend(loc="lower left", frameon=False)
    return figure


def _shares(axes: "Axes", *, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y)
    _quiet(axes)


def _quiet(axes: "Axes") -> None:
    """Leave out what is no data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))


def _words(name: str) -> str:
    return name.replace("_", " ")
