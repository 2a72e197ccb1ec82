"""Every gate, for each task and surface: another provider answers, or another model, or the turn ends with its reason.

The table below is what is expected; docs/gates.md is written from it: python -m tests.selection.test_gates
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from starlette.testclient import TestClient

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Offer, Sandbox
from omni_router.error_kinds import Gate
from omni_router.server.serve import make_app
from tests.support.calls import FORMS, Call, ask
from tests.support.scripted_router import ScriptedRouter

DOCUMENT = Path(__file__).parents[2] / "docs" / "gates.md"
TEXT, DRAW, SEE = "text-generation", "text-to-image", "image-text-to-text"
ROUTES = {TEXT: "question_answering", DRAW: "image_generation", SEE: "image_understanding"}
PICTURE = "https://example.com/flower.png"
LONG = "tides " * 6_000  # about 10,000 tokens by any count
GATES: tuple[Gate, ...] = get_args(Gate)

PROVIDER, MODEL, NOT_THERE = "other provider", "other model", "-"
SITUATIONS = ("one provider fails", "all fail", "no model is left")

# By gate and task: how a turn ends when one provider of the router's pick does not pass the gate, when none of them
# passes and another model does, and when no model passes.
PASSES_BY_PROVIDER = (PROVIDER, MODEL, "no_provider")
MATRIX: dict[Gate, dict[str, tuple[str, str, str]]] = {
    "task": dict.fromkeys((TEXT, DRAW, SEE), PASSES_BY_PROVIDER),
    "gated": dict.fromkeys((TEXT, DRAW, SEE), (NOT_THERE, MODEL, "not_found")),
    "allowed": dict.fromkeys((TEXT, DRAW, SEE), PASSES_BY_PROVIDER),
    "tools": dict.fromkeys((TEXT, SEE), PASSES_BY_PROVIDER),
    "structured_output": dict.fromkeys((TEXT, SEE), PASSES_BY_PROVIDER),
    "images": {SEE: (NOT_THERE, MODEL, "no_provider")},
    "context": dict.fromkeys((TEXT, SEE), (PROVIDER, MODEL, "bad_request")),
    "price": dict.fromkeys((TEXT, SEE), PASSES_BY_PROVIDER),
}
CELLS = [
    (gate, task, situation)
    for gate, tasks in MATRIX.items()
    for task, ends in tasks.items()
    for situation, end in zip(SITUATIONS, ends, strict=True)
    if end != NOT_THERE
]
# What an offer looks like that does not pass; the rest of a cell is what the request or the policy requires.
FAILING: dict[Gate, dict[str, Any]] = {
    "task": {"status": "error"},
    "tools": {"tools": False},
    "structured_output": {"structured_output": False},
    "context": {"context_length": 4_096},
    "price": {"output_price": 9.0},
}
FAILING_PROVIDER, PASSING_PROVIDER = "together", "fal-ai"  # both draw, too
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object", "properties": {}}}}

KINDS_BY_CODE = {"model_not_found": "not_found"}  # OpenAI names this one otherwise


@dataclass
class Case:
    """One cell: the models of a task, and the gate that stands before some of their providers."""

    gate: Gate
    task: str
    situation: str
    refused: set[tuple[str, str]] = field(default_factory=set)  # models with providers that must not be called

    @property
    def expected(self) -> str:
        return MATRIX[self.gate][self.task][SITUATIONS.index(self.situation)]

    @property
    def main(self) -> str:
        return f"sandbox/{TEXT if self.gate == 'images' else self.task}-1"

    @property
    def other(self) -> str:
        if self.gate == "images" and self.situation == "no model is left":
            return f"sandbox/{TEXT}-2"
        return f"sandbox/{self.task}-2"

    @property
    def request(self) -> dict[str, Any]:
        text = LONG if self.gate == "context" else "please"
        return dict(ask(text, PICTURE if self.task == SEE else None))

    @property
    def settings(self) -> Settings:
        if self.gate == "tools":
            return Settings(tools=(TOOL,))
        return Settings(response_format=SCHEMA if self.gate == "structured_output" else None)

    def plan(self, box: Sandbox, policy: Path) -> None:
        for task in (TEXT, DRAW, SEE):
            for number in (1, 2, 3):
                box.set_mapping(f"sandbox/{task}-{number}", ())
        self._offer(box, self.main, all_fail=self.situation != "one provider fails")
        self._offer(box, self.other, all_fail=self.situation == "no model is left")
        entry: dict[str, Any] = {"name": ROUTES[self.task], "description": "all", "models": [self.main, self.other]}
        if self.gate == "allowed":
            entry["never"] = [f"*:{FAILING_PROVIDER}"]
        elif self.gate == "price":
            entry["max_price"] = 1
        policy.write_text(json.dumps([entry]))

    def _offer(self, box: Sandbox, model: str, *, all_fail: bool) -> None:
        failing = Offer(FAILING_PROVIDER, **FAILING.get(self.gate, {}))
        passing = Offer(PASSING_PROVIDER, input_price=0.5, output_price=0.9)  # never the one that a preference takes
        box.offer(model, *([failing] if all_fail else [failing, passing]))
        self.refused.add((model, FAILING_PROVIDER))
        if all_fail and self.gate == "gated":
            box.gate(model)

    def end_of(self, box: Sandbox, error: str | None) -> str:
        calls = [(record.model, record.provider) for record in box.requests if record.method == "POST"]
        if error is not None:
            assert calls == []
            return error
        ((model, provider),) = calls
        if self.situation == "one provider fails" or self.gate not in ("gated", "images"):
            assert (str(model), str(provider)) not in self.refused
        if model == self.other:
            return MODEL
        assert model == self.main
        return PROVIDER


@pytest.fixture
def cell(request: pytest.FixtureRequest, sandbox: Sandbox, route_config: Path, router: ScriptedRouter) -> Case:
    """Prepare one cell of the table."""
    case = Case(*request.param)
    case.plan(sandbox, route_config)
    router.choose(ROUTES[case.task], case.main)
    return case


each_cell = pytest.mark.parametrize("cell", CELLS, indirect=True, ids=map("-".join, CELLS))


@pytest.mark.parametrize("form", FORMS)
@each_cell
def test_cell(cell: Case, form: Call, services: Services, sandbox: Sandbox) -> None:
    result = form(build_graph(services).compile(), cell.request, cell.settings)
    end = cell.end_of(sandbox, result["error"] and result["error"]["kind"])
    assert end == cell.expected
    decision = result["decision"]
    if end == PROVIDER:
        assert decision["provider"] == PASSING_PROVIDER
    else:
        assert cell.gate in {rejection["gate"] for rejection in decision["passed_over"]}
        assert all(rejection["why"] for rejection in decision["passed_over"])


@each_cell
def test_cell_on_v1(cell: Case, services: Services, sandbox: Sandbox) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": cell.request["messages"][0].content}]}
    if cell.gate == "tools":
        body["tools"] = [TOOL]
    elif cell.gate == "structured_output":
        body["response_format"] = SCHEMA
    app = make_app(build_graph(services).compile(), only_local=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.post("/v1/chat/completions", json=body)
    error = response.json()["error"]["code"] if response.status_code != 200 else None
    assert cell.end_of(sandbox, KINDS_BY_CODE.get(str(error), error)) == cell.expected


def test_every_gate_has_its_row() -> None:
    assert tuple(MATRIX) == GATES


def test_the_document_shows_this_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_document()


def as_document() -> str:
    head = [
        "# What each gate lets through",
        "",
        "Before a model is called, each of its live providers has to pass these gates, in this order. The table shows",
        "how a turn ends when one provider of the router's pick does not pass, when none of them passes and another",
        "model does, and when no model is left: `other provider` and `other model` answer, anything else is the kind",
        "of error with which the turn ends before any call. A `-` means that the gate does not apply.",
        "",
        "Every cell is the same for `invoke`, `ainvoke`, `stream`, `astream` and `POST /v1/chat/completions`. The",
        "table is written by the test that checks every cell: `python -m tests.selection.test_gates`.",
        "",
        f"| gate | {' | '.join(f'{task}: {situation}' for task in ROUTES for situation in SITUATIONS)} |",
        f"| --- {'| --- ' * 9}|",
    ]
    rows = []
    for gate, tasks in MATRIX.items():
        ends = [end for task in ROUTES for end in tasks.get(task, (NOT_THERE,) * 3)]
        rows.append(f"| `{gate}` | {' | '.join(ends)} |")
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    DOCUMENT.write_text(as_document(), encoding="utf-8")
