"""Every fault of the sandbox, for each task, with another model in history and with none: where the turn ends.

The table below is what is expected; docs/fault-matrix.md is written from it: python -m tests.nodes.test_fault_matrix
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omni_router import Services, build_graph
from omni_router._sandbox import FAULTS, Sandbox
from omni_router.errors import KINDS
from omni_router.hub.evidence import HubEvidence
from tests.support.calls import Compiled, ask
from tests.support.scripted_router import ScriptedRouter

DOCUMENT = Path(__file__).parents[2] / "docs" / "fault-matrix.md"
TASKS = ("text-generation", "text-to-image", "image-text-to-text")
ROUTES = dict(zip(TASKS, ("question_answering", "image_generation", "image_understanding"), strict=True))
PICTURE = "https://example.com/flower.png"

OTHER, FINE = "other model", "unharmed"


def ends(kind: str) -> tuple[str, str]:
    """A failure that the caller has to act on: the same end, whether there is another model or not."""
    return kind, kind


def goes_on(kind: str) -> tuple[str, str]:
    """A failure of this model: another one answers, or, when there is none, the failure is reported."""
    return OTHER, kind


def broken_off(kind: str) -> tuple[str, str]:
    """A failure in the middle of an answer: what had arrived is kept, and no other model begins anew."""
    return ends(f"{kind}, partial answer kept")


def all_tasks(end: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return end, end, end


UNHARMED = (FINE, FINE)

# By fault: for text, a picture made, a picture understood, the end with another model in history and the one without.
MATRIX: dict[str, tuple[tuple[str, str], ...]] = {
    "token_401": all_tasks(ends("token")),
    "token_403": all_tasks(ends("token")),
    "payment_402": all_tasks(ends("payment")),
    "not_found_404": all_tasks(goes_on("not_found")),
    "gone_410": all_tasks(goes_on("not_found")),
    "rate_limited_429": all_tasks(goes_on("rate_limited")),
    "overloaded_503": all_tasks(goes_on("overloaded")),
    "overloaded_500": all_tasks(goes_on("overloaded")),
    "failed_dependency_424": all_tasks(goes_on("overloaded")),
    "bad_request_400": all_tasks(goes_on("bad_request")),
    "unprocessable_422": all_tasks(goes_on("bad_request")),
    "model_not_supported": all_tasks(goes_on("not_found")),
    "gateway_timeout_504": all_tasks(goes_on("timeout")),
    "read_timeout": all_tasks(goes_on("timeout")),
    "refused_connection": all_tasks(ends("connection")),
    "html_body": all_tasks(goes_on("malformed_answer")),
    "empty_body": all_tasks(goes_on("malformed_answer")),
    "error_body": all_tasks(goes_on("malformed_answer")),
    "null_content": all_tasks(goes_on("malformed_answer")),
    "no_choices": all_tasks(goes_on("malformed_answer")),
    "not_an_image": all_tasks(goes_on("malformed_answer")),
    "content_filter": (broken_off("refused"), goes_on("bad_request"), broken_off("refused")),
    "stream_error_frame": (broken_off("malformed_answer"), goes_on("malformed_answer"), broken_off("malformed_answer")),
    "stream_cut": (broken_off("overloaded"), goes_on("overloaded"), broken_off("overloaded")),
    "stream_cut_at_start": all_tasks(goes_on("overloaded")),
    # The client asks the Hub about models that make pictures only, and no model of theirs can be called without it.
    "no_provider": (UNHARMED, goes_on("no_provider"), UNHARMED),
    "catalog_503": all_tasks(UNHARMED),
    "boards_429": all_tasks(UNHARMED),
    "boards_503": all_tasks(UNHARMED),
    "boards_html": all_tasks(UNHARMED),
    "hub_503": (UNHARMED, ends("overloaded"), UNHARMED),
    "hub_timeout": (UNHARMED, ends("timeout"), UNHARMED),
    "hub_refused_connection": (UNHARMED, ends("connection"), UNHARMED),
    # A picture at an address: of a provider, or of the user, who alone can give another one.
    "web_404": (UNHARMED, goes_on("malformed_answer"), ends("bad_image")),
    "web_html": (UNHARMED, goes_on("malformed_answer"), ends("bad_image")),
}
# A model that no provider chats with may still be a describer; so it is asked once more, and that is how it ends.
for _fault in ("not_found_404", "gone_410", "model_not_supported"):
    MATRIX[_fault] = (goes_on("not_found"), goes_on("not_found"), goes_on("no_provider"))


class Case:
    """One cell: the models of a task, and what goes wrong with the first of them."""

    def __init__(self, fault: str, task: str) -> None:
        self.fault, self.task = fault, task
        where = FAULTS[fault].where
        self.main = f"sandbox/{task}-1"
        if where == "web" and task == "text-to-image":
            self.main = "sandbox/text-to-image-3"  # its provider leaves the picture at an address
        if where == "web" and task == "image-text-to-text":
            self.main = "sandbox/image-to-text-1"  # a describer: the picture is fetched here
        self.other = f"sandbox/{task}-2"

    def plan(self, box: Sandbox, services: Services) -> None:
        where = FAULTS[self.fault].where
        if where == "mapping":
            box.fail("catalog_503", times=50)  # the client asks for itself only where the catalog could not tell
        elif where != "catalog":  # what it knows already, so that the fault meets the call
            services.catalog.models(TASKS)
            for model in (self.main, self.other):
                services.catalog.check(model, None, self.task)
        box.fail(self.fault, model=self.main if where in ("specialist", "mapping") else None, times=50)


def end_of(result: dict[str, Any], case: Case) -> str:
    attempts = result["attempts"]
    if result["error"]:
        kind = str(result["error"]["kind"])
        assert kind in KINDS
        return f"{kind}, partial answer kept" if attempts and attempts[-1]["partial"] else kind
    if attempts[-1]["model"] == case.main:
        assert len(attempts) == 1
        return FINE
    return OTHER


@pytest.fixture
def run(
    services: Services, router: ScriptedRouter, sandbox: Sandbox, write_policy: Callable[..., Path]
) -> Callable[[Case, bool], str]:
    """Play one cell, and give its end."""

    def play(case: Case, with_other: bool) -> str:  # noqa: FBT001 (a column of the table)
        models = [case.main, case.other] if with_other else [case.main]
        for number in (1, 2, 3):
            if (model := f"sandbox/{case.task}-{number}") not in models:
                sandbox.set_mapping(model, ())
        write_policy(**{ROUTES[case.task]: models})
        router.choose(ROUTES[case.task], case.main)
        case.plan(sandbox, services)
        evidence: HubEvidence | None = None
        if FAULTS[case.fault].where == "boards":
            evidence = HubEvidence(pause=lambda _seconds: None)
            assert not evidence.wait(20).boards
        graph: Compiled = build_graph(replace(services, evidence=evidence)).compile()
        request = ask("please", PICTURE if case.task == "image-text-to-text" else None)
        *_, (_, result) = graph.stream(request, stream_mode=["messages", "values"])
        assert result["messages"][-1].text, "every turn ends with words for the user"
        return end_of(result, case)

    return play


@pytest.mark.parametrize("with_other", [True, False], ids=["another", "none"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_cell(
    fault: str,
    task: str,
    with_other: bool,  # noqa: FBT001 (pytest gives it)
    run: Callable[[Case, bool], str],
) -> None:
    end = run(Case(fault, task), with_other)
    assert end == MATRIX[fault][TASKS.index(task)][0 if with_other else 1]


def test_every_fault_has_its_row() -> None:
    assert set(MATRIX) == set(FAULTS)


def test_the_document_shows_this_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_document()


def as_document() -> str:
    head = [
        "# Where a turn ends when something fails",
        "",
        "This table shows every fault of the sandbox for each task, when the model that the router chose fails with it",
        "at every call: with another model in the route's history, and without one. `other model` means that the other",
        "model answers, `unharmed` that the fault does not affect this task. Anything else is the kind of error with",
        "which the turn ends; its hint says what to do. Text and image understanding are streamed.",
        "",
        "The table is written by the test that checks every cell: `python -m tests.nodes.test_fault_matrix`.",
        "",
        f"| fault | {' | '.join(f'{task}, another | {task}, none' for task in TASKS)} |",
        f"| --- {'| --- ' * 6}|",
    ]
    rows = [
        f"| `{fault}` | {' | '.join(end for cells in row for end in cells)} |"
        for fault, row in sorted(MATRIX.items(), key=lambda item: list(FAULTS).index(item[0]))
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    DOCUMENT.write_text(as_document(), encoding="utf-8")
