"""The plot of what is served for a route: quality against price, the frontier, and which model is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from omni_router.evaluation.choice_plot import frontier
from omni_router.evaluation.plots import COLOURS, DPI, new_figure, quiet_axes
from omni_router.selection.scoring import LOWEST_PRICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import BboxBase

Across = Literal["left", "right"]
Up = Literal["top", "center", "bottom"]
MODEL, CHOSEN, FRONTIER = COLOURS
LABELS = 14  # models that have a name in the plot, as far as there is room
ROOM = 1.15  # around the points, as a factor of the price
# Where a name may stand beside its point: the distance in points, and how it is aligned.
PLACES: tuple[tuple[tuple[int, int], Across, Up], ...] = (
    ((-7, 7), "right", "bottom"),
    ((7, -7), "left", "top"),
    ((7, 0), "left", "center"),
    ((-7, 0), "right", "center"),
    ((7, 7), "left", "bottom"),
    ((-7, -7), "right", "top"),
)


class ServedModel(NamedTuple):
    """A model that may be called."""

    name: str
    quality: float
    price: float | None  # US dollars for a million tokens; None: not known


def draw_served(title: str, models: Sequence[ServedModel], path: Path) -> bool:
    """Draw the models of a route into a file; return False without matplotlib.

    Args:
        title: what the plot is about.
        models: in the order of choice, the chosen one first.
        path: whose suffix says in which format.
    """
    if find_spec("matplotlib") is None:
        return False
    priced = {model.name: (model.quality, _shown(model.price)) for model in models if model.price is not None}
    best = frontier(priced.values())
    figure = new_figure(9.2, 5.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    _draw_frontier(axes, best)
    for name, (quality, price) in priced.items():
        colour, size, marker = _look(name == models[0].name, (quality, price) in best)
        axes.scatter([price], [quality], s=size, color=colour, marker=marker, linewidths=0, zorder=3)
    _describe(axes, title, models)
    figure.draw_without_rendering()  # names are placed in the final layout
    _name_points(axes, priced, models[0].name, best)
    figure.savefig(path, dpi=DPI)
    return True


def _shown(price: float) -> float:
    """Return where a price stands: a logarithmic axis has no place for what is free."""
    return max(price, LOWEST_PRICE)


def _look(is_chosen: bool, is_best: bool) -> tuple[str, int, str]:  # noqa: FBT001 (two facts about a point)
    if is_chosen:
        return CHOSEN, 110, "*"
    if is_best:
        return FRONTIER, 32, "o"
    return MODEL, 26, "o"


def _draw_frontier(axes: "Axes", best: Sequence[tuple[float, float]]) -> None:
    qualities, prices = zip(*best, strict=True)
    label = "frontier: nothing is better for less"
    axes.plot(prices, qualities, color=FRONTIER, drawstyle="steps-post", linewidth=1.2, label=label)


def _describe(axes: "Axes", title: str, models: Sequence[ServedModel]) -> None:
    from matplotlib.ticker import LogLocator

    low, high = axes.get_xlim()
    axes.set_xlim(low / ROOM, high * ROOM)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set(xlabel="US dollars for a million tokens, three of four of them input", ylabel="quality, from 0 to 1")
    axes.set_title(title, loc="left", fontsize=12)
    axes.scatter([], [], s=110, color=CHOSEN, marker="*", linewidths=0, label=f"chosen: {models[0].name}")
    unknown = [model.price for model in models].count(None)
    if unknown:
        axes.plot([], [], linestyle="", label=f"not shown, as the price is not known: {unknown}")
    axes.legend(loc="best", frameon=False, fontsize=8)
    quiet_axes(axes)


def _name_points(
    axes: "Axes", points: Mapping[str, tuple[float, float]], chosen: str, best: Sequence[tuple[float, float]]
) -> None:
    """Write names beside points where they cover nothing: the chosen one, the frontier, then by the order of choice."""
    taken = [*_boxes_of_points(axes, points), *_boxes_of_line(axes, best), *_box_of_legend(axes)]
    ranked = sorted(points, key=lambda name: (name != chosen, points[name] not in best))
    for name in ranked[:LABELS]:
        quality, price = points[name]
        for shift, across, up in PLACES:
            text = axes.annotate(name.rpartition("/")[2], (price, quality), shift, textcoords="offset points")
            text.set(fontsize=8, horizontalalignment=across, verticalalignment=up)
            box = text.get_window_extent().padded(1)
            if _is_inside(box, axes.bbox) and not any(map(box.overlaps, taken)):
                taken.append(box)
                break
            text.remove()


def _boxes_of_points(axes: "Axes", points: Mapping[str, tuple[float, float]]) -> Iterator["BboxBase"]:
    from matplotlib.transforms import Bbox

    around = 5 * axes.figure.dpi / 72
    for quality, price in points.values():
        x, y = axes.transData.transform((price, quality))
        yield Bbox.from_extents(x - around, y - around, x + around, y + around)


def _boxes_of_line(axes: "Axes", best: Sequence[tuple[float, float]]) -> Iterator["BboxBase"]:
    """Yield the steps of the frontier: to the right from each point, then up to the next."""
    from matplotlib.transforms import Bbox

    qualities, prices = zip(*best, strict=True)
    corners = axes.transData.transform(list(zip(prices, qualities, strict=True)))
    for (x, y), (next_x, next_y) in pairwise(corners):
        yield Bbox.from_extents(x, y - 1, next_x, y + 1)
        yield Bbox.from_extents(next_x - 1, y, next_x + 1, next_y)


def _box_of_legend(axes: "Axes") -> Iterator["BboxBase"]:
    if legend := axes.get_legend():
        yield legend.get_window_extent()


def _is_inside(box: "BboxBase", frame: "BboxBase") -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
