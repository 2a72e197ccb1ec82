#!/usr/bin/env python3
# ruff: noqa: T201 (a script, and printing is its job)
"""Check that the code is neither dense nor scattered: conditional expressions, comprehensions, and sizes.

    python .ci/density.py [FOLDER]

counts over the Python files of FOLDER, `omni_router` unless one is named, prints the figures and the worst offenders,
and exits with status 1 when a limit is exceeded. Code lines are those that are not blank, a comment or a docstring.
It needs the standard library alone.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_CONDITIONALS = 15  # conditional expressions in 1,000 code lines; httpx has 12, pydantic_graph 3
MAX_COMPREHENSIONS = 25  # comprehensions in 1,000 code lines; llm has 14, httpx and pydantic_graph 8
MAX_FILE_LINES = 250  # all lines, blank ones too
MAX_FUNCTION_LINES = 30  # from `def` to the last line, without the docstring and comments
MIN_FILE_LINES = 60  # a shorter file is a node, a command or a backend, or belongs into another one; reported only
WORST = 10  # offenders that are printed of each kind
SMALL_BY_DESIGN = ("__init__.py", "__main__.py", "_version.py")  # neither counted as short nor worth a merge
SMALL_FOLDERS = ("nodes", "cli")  # one file a node or a command, however short

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


class FileReport(NamedTuple):
    """What was counted in one file."""

    path: Path
    lines: int
    code_lines: int
    conditionals: int
    comprehensions: int
    functions: list[tuple[str, int]]
    """Name with its line, and the number of code lines."""


def main(folder: Path) -> int:
    """Print the figures of a folder, and return the exit status."""
    reports = [read_report(path) for path in sorted(folder.rglob("*.py"))]
    failures = [*check_density(reports), *check_sizes(reports)]
    print_short_files(reports, folder)
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


def read_report(path: Path) -> FileReport:
    """Count what one file holds."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = code_line_numbers(text, tree)
    nodes = list(ast.walk(tree))
    return FileReport(
        path=path,
        lines=text.count("\n"),
        code_lines=len(code),
        conditionals=sum(isinstance(node, ast.IfExp) for node in nodes),
        comprehensions=sum(isinstance(node, COMPREHENSIONS) for node in nodes),
        functions=[function_size(node, code) for node in nodes if isinstance(node, FUNCTIONS)],
    )


def code_line_numbers(text: str, tree: ast.Module) -> set[int]:
    """Return the numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for start, end in docstring_spans(tree):
        lines.difference_update(range(start, end + 1))
    return lines


def docstring_spans(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield the first and the last line of each string that stands as a statement of its own."""
    for node in ast.walk(tree):
        if not isinstance(node, DOCUMENTED):
            continue
        for statement in filter(is_string, node.body):
            yield statement.lineno, statement.end_lineno or statement.lineno


def is_string(statement: ast.stmt) -> bool:
    """Check whether a statement is nothing but a string."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)


def function_size(node: ast.FunctionDef | ast.AsyncFunctionDef, code: set[int]) -> tuple[str, int]:
    """Return the name of a function with its line, and how many code lines it has."""
    last = node.end_lineno or node.lineno
    return f"{node.lineno} {node.name}()", sum(line in code for line in range(node.lineno, last + 1))


def check_density(reports: list[FileReport]) -> Iterator[str]:
    """Print how dense the code is, and yield what is above a limit."""
    code = sum(report.code_lines for report in reports)
    print(f"{len(reports)} files, {sum(report.lines for report in reports)} lines, {code} code lines")
    for name, limit in (("conditionals", MAX_CONDITIONALS), ("comprehensions", MAX_COMPREHENSIONS)):
        total = sum(getattr(report, name) for report in reports)
        density = 1000 * total / max(code, 1)
        print(f"{name}: {total}, {density:.1f} per 1,000 code lines, at most {limit}")
        for report in sorted(reports, key=lambda report: -getattr(report, name))[:WORST]:
            print(f"  {getattr(report, name):4} {report.path}")
        if density > limit:
            yield f"{density:.1f} {name} per 1,000 code lines, at most {limit}"


def check_sizes(reports: list[FileReport]) -> Iterator[str]:
    """Print the files and functions that are too long, and yield one line for each."""
    long_files = [f"{report.path}: {report.lines} lines" for report in reports if report.lines > MAX_FILE_LINES]
    functions = [
        (size, f"{report.path}:{name}: {size} code lines")
        for report in reports
        for name, size in report.functions
        if size > MAX_FUNCTION_LINES
    ]
    print(f"files over {MAX_FILE_LINES} lines: {len(long_files)}")
    print(f"functions over {MAX_FUNCTION_LINES} code lines: {len(functions)}")
    yield from long_files
    for _, text in sorted(functions, reverse=True):
        yield text


def print_short_files(reports: list[FileReport], folder: Path) -> None:
    """Print the files that are short without being a node or a command; a note, not a failure."""
    short = [report for report in reports if report.lines < MIN_FILE_LINES and not small_by_design(report.path, folder)]
    print(f"files under {MIN_FILE_LINES} lines: {len(short)}")
    for report in sorted(short, key=lambda report: report.lines)[:WORST]:
        print(f"  {report.lines:4} {report.path}")


def small_by_design(path: Path, folder: Path) -> bool:
    """Check whether a file may be short: an `__init__`, a node, a command."""
    return path.name in SMALL_BY_DESIGN or path.relative_to(folder).parts[0] in SMALL_FOLDERS


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "omni_router")))
