"""The documentation: its code runs, its commands parse, its links lead somewhere. `make docs` builds the site."""

import contextlib
import hashlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
import pytest

import omni_router
from omni_router._sandbox.faults import FAULTS
from omni_router.cli.root import parse
from omni_router.config.parameters import PARAMETERS
from omni_router.config.settings import Settings
from omni_router.routers.semantic.router import SemanticRouter
from omni_router.server.openai.overrides import HEADERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTES = DOCS / "working-notes.md"  # for those who work on the project: no page of the site
SPACE = DOCS / "space" / "README.md"  # the front page of a Space, not of the site
PAGES = sorted(set(DOCS.rglob("*.md")) - {NOTES, SPACE})
LEARNING = [page for page in PAGES if page.parent.name in ("tutorial", "how-to")]


def location(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


class Example(NamedTuple):
    """A block of Python, and what the page says that it prints."""

    page: Path
    line: int
    code: str
    prints: str | None

    def __str__(self) -> str:
        return f"{location(self.page)}:{self.line}"


def examples() -> Iterator[Example]:
    """Every block that is not marked `python notest`."""
    block = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
    for page in PAGES:
        text = page.read_text()
        for match in block.finditer(text):
            yield Example(page, text.count("\n", 0, match.start()) + 2, match[1], match[2])


EXAMPLES = list(examples())
TESTS = [example for example in EXAMPLES if "\ndef test_" in example.code]


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example not in TESTS], ids=str)
def test_code_runs_and_prints_what_the_page_says(
    example: Example, semantic: SemanticRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNI_ROUTER", "semantic")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.code, str(example), "exec"), {"__name__": "docs"})  # noqa: S102
    if example.prints is not None:
        expected = re.escape(example.prints).replace(re.escape("..."), ".*")
        assert re.fullmatch(expected, printed.getvalue(), re.DOTALL), printed.getvalue()


def test_tests_pass_in_a_project_of_their_own(tmp_path: Path) -> None:
    for number, example in enumerate(TESTS):
        (tmp_path / f"test_example_{number}.py").write_text(f"# {example}\n{example.code}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert TESTS


def commands(page: Path) -> Iterator[list[str]]:
    """Every command of the console blocks: its words, up to a pipe, without what is set for it."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        lines = block.replace("\\\n", " ").splitlines()
        marked = [line[2:] for line in lines if line.startswith("$ ")]  # what else there is then is what they print
        for command in chain.from_iterable(map(split, closed(marked or lines))):
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                command.pop(0)
            if command:
                yield command


def closed(lines: list[str]) -> Iterator[str]:
    """Join lines until no quotation is left open."""
    begun = ""
    for line in lines:
        begun = f"{begun}\n{line}" if begun else line
        try:
            shlex.split(begun, comments=True)
        except ValueError:
            continue
        yield begun
        begun = ""


def split(line: str) -> Iterator[list[str]]:
    """Split a line at what the shell puts between commands; a file that is written or read is no word of one."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    command: list[str] = []
    for word in words:
        if not set(word) <= set("|&;<>"):
            command.append(word)
        elif set(word) & set("<>"):
            next(words, None)
        else:
            yield command
            command = []
    yield command


GIVEN = {(location(page), shlex.join(command)) for page in LEARNING for command in commands(page)}


def parses(words: list[str], where: str) -> None:
    try:
        parse(words)
    except click.UsageError as error:
        pytest.fail(f"{where}: {error.format_message()}")
    except click.exceptions.Exit:  # --help
        pass


@pytest.mark.parametrize(("page", "command"), sorted(GIVEN))
def test_commands_are_those_of_the_real_parser_and_the_makefile(page: str, command: str) -> None:
    name, *words = shlex.split(command)
    if name == "omni-router":
        parses(words, f"{page}: {command}")
    if name == "make":
        targets = [word for word in words if "=" not in word]
        assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets), f"{page}: {command}"


def navigation() -> list[str]:
    _, _, nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    return re.findall(r"([\w/-]+\.md)$", nav, re.MULTILINE)


def test_every_page_is_in_the_navigation_once(hooks: Any) -> None:
    decisions = {"Decisions": "decisions"}
    hooks.on_config({"nav": [{"Home": "index.md"}, {"Explanation": [decisions]}]})
    assert sorted([*navigation(), *decisions["Decisions"]]) == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_every_decision_has_a_title_a_status_and_a_date_and_stands_in_the_index() -> None:
    form = re.compile(r"# (\d{3}): (.+)\n\n- Status: ((?:accepted|superseded by) ?.*)\n- Date: (\d{4}-\d\d-\d\d)\n\n")
    rows = []
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        head = form.match(path.read_text())
        assert head, path.name
        assert path.name.startswith(f"{head[1]}-"), path.name
        rows.append(f"| {head[1]} | [{head[2]}]({path.name}) | {head[3]} | {head[4]} |")
    index = (DOCS / "decisions" / "index.md").read_text()
    assert re.findall(r"^\| \d{3} .*$", index, re.MULTILINE) == rows


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What may be linked to: headings, and what the reference makes of the code."""
    text = prose(page)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    symbols = re.findall(r"(?:^::: |fields of )([\w.]+)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings} | set(symbols)


FRONT = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]


def test_the_readme_counts_the_faults_of_the_sandbox() -> None:
    assert f"with {len(FAULTS)} faults on request" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", [*PAGES, NOTES, *FRONT], ids=location)
def test_links_to_files_and_headings_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"(https?|data):", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", [DOCS / "explanation" / "architecture.md", ROOT / "CONTRIBUTING.md"], ids=location)
def test_files_and_folders_of_the_code_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`([\w./-]+(?:\.py|/))`", page.read_text())
    assert len(named) > 5
    assert [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "omni_router"))] == []


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=location)
def test_variables_that_are_named_are_read_somewhere(page: Path) -> None:
    source = "".join(path.read_text() for folder in ("omni_router", "tests") for path in (ROOT / folder).rglob("*.py"))
    assert [name for name in set(re.findall(r"\bOMNI_[A-Z_]+", page.read_text())) if name not in source] == []


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_takes_from_the_code_what_it_asks_for(hooks: Any) -> None:
    pages = {page.stem: hooks.on_page_markdown(page.read_text()) for page in (DOCS / "reference").glob("*.md")}
    assert all("<!-- from" not in text for text in pages.values())
    assert all(f"`{name}`" in pages["settings"] for name in Settings.model_fields)
    assert all(f"| `{name}` |" in pages["errors"] for name in omni_router.errors.KINDS)
    assert "--list-routes" in pages["command-line"]
    assert "omni-router eval" in pages["command-line"]
    assert "OMNI_ROUTER" in pages["environment"]


def test_reference_names_all_that_is_public() -> None:
    text = (DOCS / "reference" / "package.md").read_text()
    assert [name for name in omni_router.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_links_out_of_the_site_become_words_there(hooks: Any) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/routes.md"))
    markdown = "[why](../decisions/003-stop-iteration.md), [more](../../README.md#start)"
    assert hooks.on_page_markdown(markdown, page=page) == "[why](../decisions/003-stop-iteration.md), more"


def test_commands_are_read_as_a_shell_does(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\nA=1 one 'two\nthree' | four < five > six  # seven\neight && nine &\n```\n")
    assert list(commands(page)) == [["one", "two\nthree"], ["four"], ["eight"], ["nine"]]


def test_a_page_that_loads_from_another_host_is_refused(hooks: Any) -> None:
    hooks.on_post_page('<a href="https://example.org">there</a><img src="images/graph.svg">')
    for part in ('<script src="https://cdn.example/x.js">', '<link href="//fonts.example/x.css" rel="stylesheet">'):
        with pytest.raises(ValueError, match="another host"):
            hooks.on_post_page(part)


def test_picture_of_the_graph_is_drawn_from_what_the_graph_is_now() -> None:
    digest = hashlib.sha256((DOCS / "graph.mmd").read_bytes()).hexdigest()
    assert digest in (DOCS / "images" / "graph.svg").read_text(), "python docs/draw_graph.py draws it anew"


def test_the_page_on_parameters_names_every_key_variable_header_and_flag() -> None:
    page = (DOCS / "reference" / "parameters.md").read_text()
    routes = (DOCS / "how-to" / "routes.md").read_text()
    for key in PARAMETERS:
        assert f"| `{key}` |" in page
        assert f"`{key}`" in routes
    own = {header: name for header, name in HEADERS.items() if name not in ("route", "fallback_route", "another")}
    limits = [f"OMNI_{name.upper()}" for name in own.values()]
    for name in (*own, *limits):
        assert f"`{name}`" in page
