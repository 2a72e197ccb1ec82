"""The plots, where matplotlib is installed (the extra `eval`): figures without a window, one file each."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omni_router.evaluation.formatting import drop_empty_routes
from omni_router.evaluation.metrics import BINS
from omni_router.evaluation.result import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
COLOURS = ("#3b6fb6", "#d9822b", "#4c9a6a")  # the routers' colours; colour-blind people can distinguish them
GREY = "#8a8f98"
ENOUGH = 10  # outcomes; fewer say little about a share
DARK = 0.6  # a share from which the shade is dark enough for white figures


def draw(evaluation: Evaluation, folder: Path) -> list[str] | None:
    """Draw the plots that there are data for, and return the names of their files; None without matplotlib."""
    if find_spec("matplotlib") is None:
        return None
    figures = {"confusion.png": _confusion(evaluation.measures)}
    with_confidence = {router: measures for router, measures in evaluation.measures.items() if measures["reliability"]}
    if with_confidence:
        figures["reliability.png"] = _reliability(with_confidence)
        figures["coverage.png"] = _coverage(with_confidence)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return list(figures)


def _confusion(measures_by_router: Mapping[str, Any]) -> "Figure":
    """Draw a confusion matrix for each router, side by side."""
    matrices = drop_empty_routes([measures["confusion"] for measures in measures_by_router.values()])
    size = 2.4 + 0.46 * len(matrices[0]["routes"])
    figure = new_figure(size * len(matrices) + 0.6, size)
    for place, (router, matrix) in enumerate(zip(measures_by_router, matrices, strict=True), 1):
        axes = figure.add_subplot(1, len(matrices), place)
        _matrix(axes, router, matrix, names=place == 1)
    return figure


def _matrix(axes: "Axes", router: str, matrix: Mapping[str, Any], *, names: bool) -> None:
    """Draw rows as shares of the right route, so that rare routes show as well as common ones; write the counts."""
    import numpy as np

    counts = np.array(matrix["counts"])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    routes = list(map(_words, matrix["routes"]))
    columns = [*routes, "no route"]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(counts)), routes if names else [])
    for (y, x), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[y, x] > DARK else "#222222"
            axes.text(x, y, str(count), ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(counts)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(router, loc="left", fontsize=11)
    axes.set_xlabel("predicted route (shade: share of the row)")
    if names:
        axes.set_ylabel("right route")


def _reliability(measures_by_router: Mapping[str, Any]) -> "Figure":
    """Draw accuracy over confidence, and below it the distribution of confidence."""
    import numpy as np

    figure = new_figure(6.4, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    width = 0.8 / BINS / len(measures_by_router)
    for place, (router, measures) in enumerate(measures_by_router.items()):
        curve, colour = measures["reliability"], COLOURS[place % len(COLOURS)]
        _reliability_curve(above, curve, colour, f"{router} (ECE {measures['ece']:.3f})")
        left = np.array(_values(curve, "from")) + 0.1 / BINS + place * width
        below.bar(left, _values(curve, "n"), width=width, align="edge", color=colour)
    _shares(above, x="", y="accuracy")
    above.set_title("How reliable the confidence is", loc="left", fontsize=12)
    above.legend(loc="upper left", frameon=False)
    above.text(0.985, 0.03, f"hollow: fewer than {ENOUGH} requests", ha="right", color=GREY, fontsize=9)
    below.set(xlabel="confidence", ylabel="requests")
    below.yaxis.get_major_locator().set_params(integer=True)
    quiet_axes(below)
    return figure


def _reliability_curve(axes: "Axes", curve: Sequence[Mapping[str, Any]], colour: str, label: str) -> None:
    """Draw a dot for each bin, the larger the more requests are in it; hollow if these are few."""
    x, y = _values(curve, "confidence"), _values(curve, "accuracy")
    axes.plot(x, y, color=colour, linewidth=1.5, label=label, clip_on=False)
    sizes, faces = [], []
    for point in curve:
        sizes.append(min(160, 18 + 3 * point["n"]))
        faces.append(colour if point["n"] >= ENOUGH else "white")
    axes.scatter(x, y, s=sizes, c=faces, edgecolors=colour, linewidths=1.5, zorder=3, clip_on=False)


def _coverage(measures_by_router: Mapping[str, Any]) -> "Figure":
    """Draw accuracy over the share of requests that are routed, those with the highest confidence first."""
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    lowest = 1.0
    for place, (router, measures) in enumerate(measures_by_router.items()):
        colour = COLOURS[place % len(COLOURS)]
        x, y = _values(measures["coverage"], "coverage"), _values(measures["coverage"], "accuracy")
        part = "all" if x[-1] == 1 else f"{100 * x[-1]:.0f} %"
        axes.plot(x, y, color=colour, linewidth=2, label=f"{router} ({y[-1]:.3f} on {part})", clip_on=False)
        axes.plot(x[-1:], y[-1:], "o", color=colour, clip_on=False)
        lowest = min(lowest, *y)
    _shares(axes, x="share of requests that are routed, the most confident first", y="accuracy on those")
    axes.set_ylim(max(0.0, lowest - 0.08), 1.0)
    axes.set_title("Accuracy on the requests with the highest confidence", loc="left", fontsize=12)
    axes.legend(loc="lower left", frameon=False)
    return figure


def _values(curve: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return [point[key] for point in curve]


def _shares(axes: "Axes", *, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y)
    quiet_axes(axes)


def quiet_axes(axes: "Axes") -> None:
    """Draw as little as possible beside the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure without a window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))


def _words(name: str) -> str:
    return name.replace("_", " ")
