"""Models are chosen by what boards, prices and verdicts say; without evidence the order is as it always was."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from omni_router import Services
from omni_router._sandbox import Offer, Sandbox
from omni_router.cli import main
from omni_router.config.parameters import RouteParameters
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY, Route
from omni_router.decisions.log import DecisionLog
from omni_router.graph import build_graph
from omni_router.history import Feedback, UsageRecord
from omni_router.history.cooldowns import write_time
from omni_router.history.protocol import ModelRecord
from omni_router.hub.evidence import ATTRIBUTION, EvidenceSnapshot, HubEvidence
from omni_router.hub.requirements import Requirements
from omni_router.selection import known_models
from omni_router.selection.candidates import candidates_by_route
from omni_router.selection.ranked_models import RouteModels, rank_models
from omni_router.selection.scored_candidates import KEPT
from omni_router.selection.verdicts import VERDICT_HALF_LIFE, trial_term
from omni_router.selection.warm_up import warm_up
from omni_router.state import Candidate, Previous
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter

TASK = "text-generation"
FIRST, SECOND, FLUENT, MATHS, SMALL = (f"sandbox/text-generation-{n}" for n in (1, 2, 11, 12, 13))
CODE = Route("code_generation", TASK, "", parameters=RouteParameters(boards=("SWE-bench/SWE-bench_Verified",)))


@pytest.fixture
def known(services: Services, sandbox: Sandbox) -> Services:
    """Services that have read the boards of the sandbox, whose catalog is the larger one."""
    sandbox.list_more()
    evidence = HubEvidence(pause=lambda _seconds: None)
    evidence.wait(30)
    return replace(services, evidence=evidence)


def candidates(services: Services, route: Route = CODE, **required: Any) -> list[Candidate]:
    return candidates_by_route(services, [route], None, {route.name: Requirements(**required)})[route.name]


def use(services: Services, model: str, verdicts: int = 0) -> None:
    now = write_time(datetime.now(timezone.utc))
    services.history.record(UsageRecord(CODE.name, model, "a test", now, called=True, seconds=1.0))
    for _ in range(verdicts):
        services.history.add_feedback(Feedback(CODE.name, model, "bad"))


def test_routes_of_the_default_policy_differ_and_each_says_why(known: Services) -> None:
    file = RouteFile(DEFAULT_POLICY)
    text = [route for route in file.routes() if route.task == TASK]
    required = {route.name: Requirements(prefer=route.parameters.prefer or "balanced") for route in text}
    best = {name: order[0] for name, order in candidates_by_route(known, text, None, required).items()}
    chosen = {name: best[name]["model"] for name in ("casual_conversation", "code_generation", "math_reasoning")}
    assert chosen == {"casual_conversation": FLUENT, "code_generation": SECOND, "math_reasoning": MATHS}
    assert best["code_generation"]["why"] == (
        "first listed of those that tie for the best score: second of 7 on 10 boards, "
        "1.00 US dollars a million tokens; sandbox/text-generation-10 is better by 2 points at 2.6 times the price"
    )
    assert all("boards" in each["why"] for each in best.values())


def test_without_a_service_the_order_is_as_it_was_and_the_reason_says_so(services: Services) -> None:
    order = candidates(services)
    assert [each["why"] for each in order] == [
        f"number {n} in the catalog; without evidence: it is switched off" for n in (1, 2, 3)
    ]


class Nothing:
    """Evidence of which nothing has been read yet."""

    def __init__(self) -> None:
        self.calls = 0

    def current(self) -> EvidenceSnapshot:
        self.calls += 1
        return EvidenceSnapshot()


def test_before_anything_is_read_the_order_is_as_it_was_and_the_reason_says_so(services: Services) -> None:
    use(services, SECOND)
    plain = candidates(services, prefer="cheapest")
    order = candidates(replace(services, evidence=Nothing()), prefer="cheapest")
    assert [each["model"] for each in order] == [each["model"] for each in plain] == [SECOND, FIRST, order[2]["model"]]
    assert order[0]["why"] == plain[0]["why"].replace("it is switched off", "no board has been read yet")


def test_a_task_whose_models_no_board_knows_says_so(known: Services, sandbox: Sandbox) -> None:
    sandbox.set_mapping("sandbox/text-to-image-10", [])  # boards compare four models at least
    order = candidates(known, Route("image_generation", "text-to-image", ""))
    assert order[0]["why"] == "number 1 in the catalog; without evidence: boards know none of the route's models"


def test_evidence_in_the_shadow_is_shown_and_not_followed(known: Services) -> None:
    order = candidates(replace(known, shadow_evidence=True))
    assert order[0]["model"] == FIRST
    assert order[0]["why"].startswith(f"number 1 in the catalog; evidence would choose {SECOND}: second of 7")


def test_a_model_with_bad_verdicts_comes_after_those_that_nobody_has_called(known: Services) -> None:
    use(known, SECOND, verdicts=9)
    order = candidates(known)
    assert order[0]["model"] != SECOND
    (bad,) = (each for each in order if each["model"] == SECOND)
    assert bad["source"] == "history"
    assert "1 of 1 answered, 9 bad" in bad["why"]


def test_few_verdicts_on_many_answers_give_others_less_of_a_trial(known: Services) -> None:
    listing = known.catalog.models([TASK])[TASK]
    assert known.evidence
    now = datetime.now(timezone.utc)
    terms = []
    for age in (timedelta(), VERDICT_HALF_LIFE):
        record = ModelRecord(id=SECOND, successes=40, bad=2, last_used=write_time(now - age))
        ranking = rank_models(RouteModels(CODE, [record], listing, Requirements(), now), known.evidence.current())
        assert ranking
        (ranked,) = (each for each in ranking.models if each.model == SECOND)
        terms.append(ranked.score.trial_term)
    # 2 of 40 answers have a verdict, a fifth of what counts in full; both fade alike.
    assert terms == pytest.approx([0.2 * trial_term(2), 0.2 * trial_term(1)], rel=1e-3)


def test_answers_alone_do_not_make_a_weak_model_the_best_of_a_route(known: Services) -> None:
    for _ in range(3):
        use(known, SMALL)
    assert candidates(known)[0]["model"] == SECOND


@pytest.mark.parametrize(("prefer", "model"), [("best", 2), ("cheapest", 12), (0.005, 2), (0.2, 11)])
def test_the_preference_decides_what_a_point_may_cost(known: Services, prefer: Any, model: int) -> None:
    assert candidates(known, prefer=prefer)[0]["model"] == f"sandbox/text-generation-{model}"


def test_what_does_not_pass_the_gates_has_no_score_and_the_winner_says_so(known: Services) -> None:
    order = candidates(known, max_price=1.5)
    assert SECOND not in [each["model"] for each in order]
    assert order[0]["why"].endswith("2 others did not pass: price")
    all_of_them = candidates_by_route(known, [CODE], None, {CODE.name: Requirements(max_price=1.5)}, with_failing=True)[
        CODE.name
    ]
    assert [each["model"] for each in all_of_them][: len(order)] == [each["model"] for each in order]
    assert SECOND in [each["model"] for each in all_of_them[len(order) :]]


def test_the_price_that_counts_is_that_of_an_offer_that_passes(known: Services, sandbox: Sandbox) -> None:
    cheap = Offer("together", input_price=0.01, output_price=0.01, tools=False)
    dear = Offer("novita", input_price=40.0, output_price=40.0)
    sandbox.offer(SECOND, cheap, dear)
    assert candidates(known)[0]["model"] == SECOND
    order = candidates(known, capabilities=("tools",))
    assert order[0]["model"] != SECOND
    assert any("40.00 US dollars" in each["why"] for each in order if each["model"] == SECOND)


def test_a_long_conversation_counts_offers_that_hold_it(known: Services) -> None:
    short, long = candidates(known), candidates(known, tokens_in=200_000, tokens_out=1_000)
    assert {FIRST, SMALL} <= {each["model"] for each in short}
    assert not {FIRST, SMALL} & {each["model"] for each in long}


def test_the_threads_model_stays_first_and_cooling_models_come_last(known: Services) -> None:
    previous = Previous(route=CODE.name, model=SMALL)
    failed = UsageRecord(CODE.name, SECOND, "why", write_time(datetime.now(timezone.utc)), "overloaded", called=True)
    known.history.record(failed)
    order = candidates_by_route(known, [CODE], previous)[CODE.name]
    assert order[0]["model"] == SMALL
    assert order[0]["why"].startswith("this thread's model for the route; number ")
    assert order[-1]["model"] == SECOND


def test_a_model_whose_cooldown_is_over_has_its_place_again(known: Services) -> None:
    before = candidates(known)
    a_minute_ago = write_time(datetime.now(timezone.utc) - timedelta(minutes=1))
    known.history.record(UsageRecord(CODE.name, SECOND, "why", a_minute_ago, "overloaded", called=True))
    assert SECOND in known.history.cooling()
    assert candidates(known) == before


def test_boards_are_read_once_for_as_long_as_nothing_changes(known: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates(known)

    def again(*_: object) -> None:
        raise AssertionError("the boards were read again")

    monkeypatch.setattr(known_models, "board_values", again)
    monkeypatch.setattr(known_models, "model_terms", again)
    before = candidates(known, tokens_in=10)
    use(known, MATHS)
    assert candidates(known, tokens_in=20) != before


def test_a_change_of_one_lists_candidates_changes_no_later_one(known: Services) -> None:
    order = candidates(known)
    order[0]["why"] = "changed"
    assert candidates(known)[0]["why"] != "changed"


def test_a_router_is_not_handed_hundreds_of_models(known: Services, sandbox: Sandbox) -> None:
    for number in range(20, 60):
        sandbox.set_mapping(f"sandbox/text-generation-{number}", ["novita"])
        sandbox._models[f"sandbox/text-generation-{number}"] = replace(
            sandbox.models()[f"sandbox/text-generation-{number}"], listed=True
        )
    assert len(known.catalog.models([TASK])[TASK]) > KEPT
    assert len(candidates(known)) == KEPT


def test_the_graph_calls_the_best_and_then_the_next(known: Services, router: ScriptedRouter, sandbox: Sandbox) -> None:
    file = RouteFile(DEFAULT_POLICY)
    services = replace(known, policy=file)
    router.choose("code_generation")
    sandbox.fail("overloaded", SECOND)
    state = build_graph(services).compile().invoke(ask("Write a function."))
    assert [attempt["model"] for attempt in state["attempts"]] == [SECOND, "sandbox/text-generation-10"]
    assert "number 2 by score: first of 7 on 10 boards" in state["decision"]["reason"]


def test_a_pick_of_the_router_says_what_boards_say_of_it(known: Services, router: ScriptedRouter) -> None:
    services = replace(known, policy=RouteFile(DEFAULT_POLICY))
    router.choose("code_generation", SECOND)
    state = build_graph(services).compile().invoke(ask("Write a function."))
    assert state["decision"]["source"] == "router"
    assert "best score: second of 7" in state["decision"]["reason"]


def no_more(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let no board be read, and no offer be weighed, any more."""

    def again(*_: object) -> None:
        raise AssertionError("it was worked out in a request")

    for name in names:
        monkeypatch.setattr(known_models, name, again)


def test_a_process_that_is_prepared_has_ranked_all_routes(
    known: Services, router: ScriptedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = replace(known, policy=RouteFile(DEFAULT_POLICY))
    router.choose("code_generation")
    warm_up(services)
    no_more(monkeypatch, "board_values", "strengths", "model_terms")
    state = build_graph(services).compile().invoke(ask("Write a function."))
    assert "best score: second of 7" in state["decision"]["reason"]


def test_new_evidence_is_ranked_in_the_background(known: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert candidates(known)
    assert isinstance(known.evidence, HubEvidence)
    assert known.evidence.prepare is not None
    old = known.evidence.current()
    new = replace(old, rows=tuple(replace(row, value=row.value / 2) for row in old.rows))
    known.evidence.prepare(new)
    no_more(monkeypatch, "board_values", "strengths", "model_terms")
    assert candidates(replace(known, evidence=Fixed(new)))
    assert candidates(replace(known, evidence=Fixed(replace(new, stale=True))))


class Fixed:
    """Evidence that does not change."""

    def __init__(self, snapshot: EvidenceSnapshot) -> None:
        self._snapshot = snapshot

    def current(self) -> EvidenceSnapshot:
        return self._snapshot


TEXT_ROUTES = (
    *("casual_conversation", "creative_writing", "summarization", "question_answering", "code_generation"),
    *("code_debugging", "math_reasoning", "translation"),
)


def test_the_routes_of_the_sandbox_differ_on_the_command_line_and_each_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNI_EVIDENCE", "on")
    files = ["--route-config", str(tmp_path / "policy.json"), "--decision-log", str(tmp_path / "log.jsonl")]
    calls: dict[str, tuple[str, str]] = {}
    for route in TEXT_ROUTES:
        assert main(["--sandbox", "--prompt", "Hello", "--route", route, "--json", *files]) == 0
        result = json.loads(capsys.readouterr().out)
        calls[route] = result["model"], result["provider"]
        assert "best score" in result["reason"], f"{route}: {result['reason']}"
        assert " on 10 boards, " in result["reason"]
        assert main(["--why", *files]) == 0
        assert "10 boards" in " ".join(capsys.readouterr().out.split())
    assert len(set(calls.values())) >= 3
    chosen = {model for model, _ in calls.values()}
    assert {FLUENT, SECOND, MATHS} <= chosen


@pytest.mark.parametrize("task", ["text-to-image", "image-text-to-text"])
def test_boards_compare_the_models_of_the_sandbox_for_images_too(known: Services, task: str) -> None:
    order = candidates(known, Route("images", task, ""))
    assert "best score: " in order[0]["why"]
    assert " of 4 on " in order[0]["why"]


def test_a_log_without_text_has_what_boards_say_of_the_routers_pick(
    known: Services, router: ScriptedRouter, tmp_path: Path
) -> None:
    log = DecisionLog(tmp_path / "log.jsonl")
    router.choose("code_generation", SECOND, "the user wants a function")
    build_graph(replace(known, policy=RouteFile(DEFAULT_POLICY), decision_log=log)).compile().invoke(ask("Write one."))
    [entry] = log.entries()
    assert entry["reason"].startswith(
        "the router's choice, 90% sure; first listed of those that tie for the best score: second of 7"
    )


def test_in_the_shadow_what_the_evidence_would_choose_as_well_says_so(known: Services) -> None:
    shadow = replace(known, shadow_evidence=True)
    [same] = [each for each in candidates(shadow) if each["model"] == SECOND]
    assert "evidence would choose it, too: second of 7 on 10 boards" in same["why"]


# ---- --list-models


@pytest.fixture
def switched_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.list_more()
    monkeypatch.setenv("OMNI_EVIDENCE", "on")


@pytest.mark.usefixtures("switched_on")
def test_the_ranking_of_a_route_is_shown_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-models", "code_generation"]) == 0
    out, err = capsys.readouterr()
    line = next(line for line in out.splitlines() if line.startswith(SECOND))
    assert line.split()[1:9] == ["0.790", "2", "of", "7", "(10)", "0.84", "0.95", "1.00"]
    assert "number 1; first listed of those that tie for the best score: second of 7 on 10 boards" in line
    assert ATTRIBUTION in err


@pytest.mark.usefixtures("switched_on")
def test_the_ranking_in_json_holds_each_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps([{"name": "chat", "description": "all", "max_price": 1.5}]))
    assert main(["--list-models", "chat", "--json", "--route-config", str(policy)]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    best = next(iter(rows.values()))
    assert best["place"] == 1
    assert best["ranking"]["price"] == pytest.approx(0.75 * best["providers"][0]["input_price"] + 0.25 * 1.1, abs=0.3)
    assert best["ranking"]["availability"] == 0.95
    assert rows[SECOND]["ranking"] is None
    assert rows[SECOND]["out"].startswith("price: max_price is 1.5")


@pytest.mark.usefixtures("sandbox")
def test_a_ranking_without_evidence_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-models", "code_generation"]) == 0
    assert "without evidence: it is switched off" in capsys.readouterr().err
