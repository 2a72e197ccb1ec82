# ruff: noqa: INP001, T201 (a script, not a package)
"""Draw the layers of the package from its imports, as docs/images/layers.svg and docs/images/imports.svg.

    python docs/draw_layers.py            # write both pictures
    python docs/draw_layers.py --figures  # print what was counted, for docs/decisions/029-the-house.md

A box is a module or a folder at the top level of `omni_router`. An arrow stands for any import between two boxes, also
inside a function or under TYPE_CHECKING. The output depends on the code alone, and a test fails when it is out of date.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "omni_router"
LAYERS_SVG = DOCS / "images" / "layers.svg"
IMPORTS_SVG = DOCS / "images" / "imports.svg"

# From the top of the picture to its bottom: a box imports only from layers below its own, and inside a layer only from
# boxes to its left. The facts may import each other.
LAYERS = (
    ("Surfaces", "render events", ("evaluation", "doctor", "agents", "server", "ui", "cli")),
    ("The graph", "which model is called, and calls it", ("selection", "nodes", "graph")),
    ("Composition", "the only place that reads variables and opens things", ("_sandbox", "services")),
    ("Parts", "know facts, never the environment", ("hub", "routers", "own_models", "history", "decisions")),
    (
        "Facts",
        "import only each other",
        ("config", "simulation", "telemetry", "storage", "events", "run_result", "artifacts", "images"),
    ),
    ("", "", ("messages", "model_id", "tasks", "hints", "costs", "error_kinds", "errors", "state", "_version")),
)
FACTS = frozenset(LAYERS[-1][2] + LAYERS[-2][2])
OUTSIDE = ("__init__", "__main__")  # the public names, and `python -m omni_router`


class Imports(NamedTuple):
    """The boxes, and which of them imports which."""

    boxes: list[str]
    arrows: Counter[tuple[str, str]]
    """From the importing box to the imported one, with the number of import statements."""

    def unplaced(self) -> list[str]:
        """Return the boxes that stand in no layer."""
        return [box for box in self.boxes if box not in order()]

    def upward(self) -> list[tuple[str, str]]:
        """Return the arrows that point against the order of the layers."""
        return sorted(arrow for arrow in self.arrows if is_upward(*arrow))

    def two_way(self) -> list[tuple[str, str]]:
        """Return the pairs of boxes that import each other."""
        return sorted((a, b) for a, b in self.arrows if a < b and (b, a) in self.arrows)

    def circles(self) -> list[list[str]]:
        """Return the groups of boxes that reach each other by imports."""
        reach = {box: reachable(box, self.arrows) for box in self.boxes}
        groups = {tuple(sorted({box, *(b for b in reach[box] if box in reach[b])})) for box in self.boxes}
        return sorted(list(group) for group in groups if len(group) > 1)


def main(arguments: list[str]) -> None:
    """Write the pictures, or print the figures."""
    imports = read_imports(PACKAGE)
    if arguments == ["--figures"]:
        print_figures(imports)
        return
    if imports.unplaced():
        raise SystemExit(f"give these a place in LAYERS: {', '.join(imports.unplaced())}")
    LAYERS_SVG.write_text(draw_layers(imports), encoding="utf-8")
    IMPORTS_SVG.write_text(draw_imports(imports), encoding="utf-8")


def read_imports(package: Path) -> Imports:
    """Read every import statement of the package."""
    boxes = sorted({box_of(path, package) for path in package.rglob("*.py")} - set(OUTSIDE))
    public = public_names(package / "__init__.py")
    arrows: Counter[tuple[str, str]] = Counter()
    for path in sorted(package.rglob("*.py")):
        source = box_of(path, package)
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            target = public.get(name, name)
            if source in boxes and target in boxes and source != target:
                arrows[source, target] += 1
    return Imports(boxes, arrows)


def box_of(path: Path, package: Path) -> str:
    """Return the module or folder at the top level that a file belongs to."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def public_names(init: Path) -> dict[str, str]:
    """Return the box behind each name that `from omni_router import NAME` offers."""
    names = {}
    for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omni_router."):
            box = (node.module or "").split(".")[1]
            names.update({alias.name: box for alias in node.names})
    return names


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the first name below `omni_router` of each import statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "omni_router":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omni_router."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("omni_router."))


def reachable(start: str, arrows: Iterable[tuple[str, str]]) -> set[str]:
    """Return every box that can be reached from one by following arrows."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        targets = {target for source, target in arrows if source == here} - seen
        seen |= targets
        waiting.extend(sorted(targets))
    return seen


def order() -> list[str]:
    """Return all boxes, so that each imports only from those after it."""
    return [box for _, _, boxes in LAYERS for box in reversed(boxes)]


def is_upward(source: str, target: str) -> bool:
    """Check whether an import points against the order of the layers; the facts may import each other."""
    if source in FACTS and target in FACTS:
        return False
    if source not in order() or target not in order():
        return False
    return order().index(target) < order().index(source)


def print_figures(imports: Imports) -> None:
    """Print the size of the package and the shape of its imports."""
    files = sorted(PACKAGE.rglob("*.py"))
    print(f"files: {len(files)}")
    print(f"lines: {sum(path.read_text(encoding='utf-8').count(chr(10)) for path in files)}")
    print(f"boxes at the top level: {len(imports.boxes)}")
    print(f"boxes without a layer: {len(imports.unplaced())} {', '.join(imports.unplaced())}")
    print(f"arrows between boxes: {len(imports.arrows)}")
    print(f"arrows upward: {len(imports.upward())} {arrow_text(imports.upward())}")
    print(f"pairs that import each other: {len(imports.two_way())} {arrow_text(imports.two_way())}")
    print(f"circles: {len(imports.circles())} {imports.circles() or ''}")


def arrow_text(arrows: Iterable[tuple[str, str]]) -> str:
    """Return arrows as text."""
    return ", ".join(f"{source} -> {target}" for source, target in arrows)


# ---- the pictures ----------------------------------------------------------------------------------------------------

STYLE = """<style>
  text { font-family: sans-serif; font-size: 14px; fill: #1f2937; }
  .note { font-size: 12px; fill: #6b7280; }
  .box { fill: #ffffff; stroke: #4f46e5; stroke-width: 1.4; }
  .arrow { fill: none; stroke: #6366f1; stroke-width: 1.3; opacity: 0.75; }
  .upward { fill: none; stroke: #dc2626; stroke-width: 2; }
  .right { fill: #c7d2fe; }
  .wrong { fill: #fca5a5; stroke: #dc2626; }
</style>"""
BANDS = ("#eef2ff", "#e0e7ff", "#c7d2fe", "#e0f2fe", "#f1f5f9", "#f1f5f9")
BOX_WIDTH, BOX_HEIGHT, BAND_HEIGHT = 112, 34, 120
LEFT, TOP, SLOT = 200, 16, 130
CELL, MATRIX_LEFT, MATRIX_TOP = 26, 120, 110


def draw_layers(imports: Imports) -> str:
    """Return the picture of the layers, with as few arrows as show every dependency above the facts."""
    places = box_places(imports.boxes)
    width = LEFT + SLOT * max(len(boxes) for _, _, boxes in LAYERS)
    height = TOP + BAND_HEIGHT * len(LAYERS)
    parts = [start_svg(width, height + 40), ARROW_HEADS]
    for number, (title, note, _) in enumerate(LAYERS):
        parts.append(band(number, title, note, width))
    parts.extend(arrow(places[source], places[target], "arrow") for source, target in drawn_arrows(imports))
    parts.extend(arrow(places[source], places[target], "upward") for source, target in imports.upward())
    parts.extend(box(name, *place) for name, place in places.items())
    legend = "Everything may import the facts: those arrows are left out, and so are arrows that others imply."
    parts.append(f'<text class="note" x="12" y="{height + 24}">{legend}</text>')
    return "\n".join([*parts, "</svg>\n"])


def box_places(boxes: list[str]) -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each box."""
    places = {}
    most = max(len(names) for _, _, names in LAYERS)
    for row, (_, _, names) in enumerate(LAYERS):
        there = [name for name in names if name in boxes]
        start = LEFT + SLOT * (most - len(there)) // 2
        for column, name in enumerate(there):
            places[name] = (start + SLOT * column, TOP + BAND_HEIGHT * row + (BAND_HEIGHT - BOX_HEIGHT) // 2)
    return places


def drawn_arrows(imports: Imports) -> list[tuple[str, str]]:
    """Return the downward arrows above the facts that no chain of other arrows implies."""
    downward = {arrow for arrow in imports.arrows if not is_upward(*arrow) and not FACTS & set(arrow)}
    return sorted(arrow for arrow in downward if arrow[1] not in reachable(arrow[0], downward - {arrow}))


ARROW_HEADS = """<defs>
  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
    <path d="M0 0 L8 4 L0 8 z" fill="#6366f1"/>
  </marker>
</defs>"""


def start_svg(width: int, height: int) -> str:
    """Return the beginning of a picture on a white ground, since the page around it may be dark."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{STYLE}\n<rect width="100%" height="100%" fill="#fff"/>'


def band(number: int, title: str, note: str, width: int) -> str:
    """Return the ground of a layer, its title, and what holds for it."""
    y = TOP + BAND_HEIGHT * number
    ground = f'<rect x="0" y="{y}" width="{width}" height="{BAND_HEIGHT}" fill="{BANDS[number]}"/>'
    heading = f'<text x="12" y="{y + 28}" font-weight="bold">{escape(title)}</text>'
    return "\n".join([ground, heading, *(note_line(line, y, row) for row, line in enumerate(wrap(note)))])


def note_line(line: str, y: int, row: int) -> str:
    """Return one line of a layer's note."""
    return f'<text class="note" x="12" y="{y + 48 + 16 * row}">{escape(line)}</text>'


def wrap(text: str, width: int = 27) -> list[str]:
    """Return the text in lines of at most so many characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def box(name: str, x: int, y: int) -> str:
    """Return one box with its name."""
    ground = f'<rect class="box" x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    return f'{ground}<text x="{x + BOX_WIDTH // 2}" y="{y + 22}" text-anchor="middle">{name}</text>'


def arrow(source: tuple[int, int], target: tuple[int, int], style: str) -> str:
    """Return a curve from one box to another; within a layer it goes above both."""
    x1, x2 = source[0] + BOX_WIDTH // 2, target[0] + BOX_WIDTH // 2
    y1, y2 = source[1], target[1]
    middle = y1 - 30
    if y1 < y2:
        y1 += BOX_HEIGHT
        middle = (y1 + y2) // 2
    elif y1 > y2:
        y2 += BOX_HEIGHT
        middle = (y1 + y2) // 2
    path = f"M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}"
    return f'<path class="{style}" d="{path}" marker-end="url(#head)"/>'


def draw_imports(imports: Imports) -> str:
    """Return the table of all arrows: a row for each importing box, a column for each imported one."""
    names = [name for name in order() if name in imports.boxes]
    size = CELL * len(names)
    parts = [start_svg(MATRIX_LEFT + size + 20, MATRIX_TOP + size + 40)]
    for number, name in enumerate(names):
        x, y = MATRIX_LEFT + CELL * number, MATRIX_TOP + CELL * number
        parts.append(f'<text x="{MATRIX_LEFT - 8}" y="{y + 18}" text-anchor="end">{name}</text>')
        parts.append(f'<text transform="translate({x + 18} {MATRIX_TOP - 8}) rotate(-60)">{name}</text>')
        parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="#9ca3af"/>')
    for (source, target), count in sorted(imports.arrows.items()):
        parts.append(cell(names.index(source), names.index(target), count, upward=is_upward(source, target)))
    parts.extend(grid(names))
    legend = (
        "The number says how often the box of a row imports that of a column. Red: against the order of the layers."
    )
    parts.append(f'<text class="note" x="12" y="{MATRIX_TOP + size + 26}">{legend}</text>')
    return "\n".join([*parts, "</svg>\n"])


def cell(row: int, column: int, count: int, *, upward: bool) -> str:
    """Return one cell of the table."""
    x, y = MATRIX_LEFT + CELL * column, MATRIX_TOP + CELL * row
    fill = 'class="wrong"' if upward else 'class="right"'
    ground = f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" {fill}/>'
    return f'{ground}<text class="note" x="{x + CELL // 2}" y="{y + 17}" text-anchor="middle">{count}</text>'


def grid(names: list[str]) -> Iterator[str]:
    """Yield the lines of the table, thicker where a layer ends."""
    last = {next(name for name in boxes if name in names) for _, _, boxes in LAYERS if set(boxes) & set(names)}
    size = CELL * len(names)
    for number in range(len(names) + 1):
        thick = number > 0 and names[number - 1] in last
        line = f'stroke="#9ca3af" stroke-width="{1.5 if thick else 0.4}"'
        x, y = MATRIX_LEFT + CELL * number, MATRIX_TOP + CELL * number
        yield f'<path d="M{x} {MATRIX_TOP} v{size} M{MATRIX_LEFT} {y} h{size}" {line}/>'


if __name__ == "__main__":
    main(sys.argv[1:])
