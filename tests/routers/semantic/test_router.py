"""The embedded router on real weights, with the policy that is shipped."""

import json
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import omni_router
from omni_router.config.route_file import RouteFile
from omni_router.config.routes import DEFAULT_POLICY
from omni_router.evaluation.data import read_items
from omni_router.evaluation.run import route_options
from omni_router.routers import RouteOption, Turn, parse_reply
from omni_router.routers.semantic.encoder import Encoder, Vectors
from omni_router.routers.semantic.judgement import LEAST_CONFIDENCE
from omni_router.routers.semantic.multilingual_router import MultilingualRouter
from omni_router.routers.semantic.router import MIDDLE_LAYER_WEIGHT, SemanticRouter
from omni_router.routers.semantic.sentence_encoder import SentenceEncoder
from omni_router.routers.semantic.training_set import COUNTEREXAMPLES_TO_ONE, NO_LABELS, NONSENSE, training_set
from omni_router.routers.semantic.vector_cache import CachedEncoder
from tests.support.default_policy import entries_with_examples

POLICY = entries_with_examples()
NAMES = (
    "casual_conversation creative_writing summarization question_answering code_generation code_debugging "
    "math_reasoning translation image_generation image_understanding"
)
OTHERS = tuple(POLICY[-1]["examples"])
ROUTES = [
    RouteOption(entry["name"], entry["description"], tuple(entry["examples"]), out_of_scope_examples=OTHERS)
    for entry in POLICY[:-1]
]
WITHOUT_PICTURES = ROUTES[:-1]  # what is offered when no picture is in the thread
SMOKE = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data/routing_smoke.jsonl").read_text(encoding="utf-8").splitlines()
]
LABELLED = Path(omni_router.__file__).parent / "evaluation/data/default_policy.jsonl"
FLOOR = 0.89  # five points below what was measured: 94 of 100


@dataclass
class CountingEncoder:
    """The real encoder, and what it was asked."""

    inner: Encoder
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return self.inner.encode(texts)


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder(middle_layer_weight=MIDDLE_LAYER_WEIGHT)  # as it ships


@pytest.fixture(scope="module")
def fresh(minilm: SentenceEncoder, embeddings: Path) -> SemanticRouter:
    """Return a router that has learnt nothing from other tests."""
    return SemanticRouter(minilm, CachedEncoder(minilm, embeddings))


@pytest.fixture(scope="module")
def ask(fresh: SemanticRouter) -> Callable[..., dict[str, Any]]:
    def ask(*texts: str, routes: Sequence[RouteOption] = WITHOUT_PICTURES) -> dict[str, Any]:
        reply = fresh.reply([Turn(role="user", content=text) for text in texts], routes)
        assert reply.confidence is not None
        assert 0 <= reply.confidence <= 1
        answer: dict[str, Any] = json.loads(reply.text)
        assert list(answer) == ["route", "model", "reason"]
        return answer

    return ask


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("Hello! How are you today?", "casual_conversation"),
        ("Tell me a joke about computers.", "casual_conversation"),
        (
            "Summarize the following article: Artificial intelligence in healthcare is growing rapidly...",
            "summarization",
        ),
        ("Who was the first woman to win a Nobel Prize in Physics?", "question_answering"),
        ("Write a Python function to check if a number is prime.", "code_generation"),
        (
            "I have this code that's failing, can you fix it?\npython\nx = [1,2,3]\nprint(x[::-1]",
            "code_debugging",
        ),
        ("Generate an image of a tropical beach at sunset with palm trees.", "image_generation"),
    ],
)
def test_demo_query_goes_to_its_route(ask: Callable[..., dict[str, Any]], text: str, route: str) -> None:
    assert ask(text)["route"] == route


@pytest.mark.parametrize(
    "text",
    [
        "[Image attached] Here's a photo of my garden. What kind of flower is the one with purple petals?",
        "Is that safe to eat?\n[Image attached]",
        "[Image attached]",
    ],
)
def test_request_with_a_picture_goes_to_the_only_route_for_pictures(
    ask: Callable[..., dict[str, Any]], text: str
) -> None:
    assert ask(text, routes=ROUTES[-1:])["route"] == "image_understanding"


def test_unseen_prompts_reach_their_route_as_often_as_measured(ask: Callable[..., dict[str, Any]]) -> None:
    wrong = []
    for line in SMOKE:
        # A question about a picture of an earlier turn competes with all routes, the others never meet that route.
        routes = ROUTES if line["route"] == "image_understanding" else WITHOUT_PICTURES
        if (got := ask(line["text"], routes=routes)["route"]) != line["route"]:
            wrong.append(f"{line['route']} -> {got}: {line['text']!r}")
    assert 1 - len(wrong) / len(SMOKE) >= FLOOR, "\n".join(wrong)


def test_the_labelled_set_that_ships_is_routed_as_well_as_measured(minilm: SentenceEncoder) -> None:
    document = RouteFile(DEFAULT_POLICY).document()
    lines = LABELLED.read_text(encoding="utf-8").splitlines()
    items = [i for i in read_items(LABELLED, document.routes) if json.loads(lines[i.line - 1])["split"] == "test"]
    requests = [(item.conversation, route_options(item, document)) for item in items]
    replies = MultilingualRouter(minilm).replies(requests)
    predicted_routes = [json.loads(reply.text)["route"] for reply in replies]
    right = sum(route == item.route for route, item in zip(predicted_routes, items, strict=True))
    assert right / len(items) >= 0.92  # 94.0 % was measured


@pytest.mark.parametrize("text", ["", "asdf qwer zxcv", "!!!", "dfgkjh sdlkfj 8237", "hjkl hjkl"])
@pytest.mark.parametrize("routes", [WITHOUT_PICTURES, ROUTES[7:8]], ids=["nine routes", "one route"])
def test_gibberish_is_other_without_a_model(
    ask: Callable[..., dict[str, Any]], text: str, routes: list[RouteOption]
) -> None:
    routes = [replace(route, candidates=("org/a",)) for route in routes]
    answer = ask(text, routes=routes)
    assert (answer["route"], answer["model"]) == ("other", None)


FIRST_POLICIES = [  # as people begin: a name and a description
    RouteOption("everything", "everything, any request, any picture, any question"),
    RouteOption("chat", "general chat, questions and answers, writing, coding"),
    RouteOption("weather", "weather forecasts; will it rain; temperature and wind today"),
    RouteOption("nameless", ""),
]
ORDINARY = ("say hi", "draw a fox", "what is the capital of France?", "Implement a binary heap in C.", "asdf qwer", "")
LIGHTS = ("turn off the lights", "play some jazz", "book me a table for two", "call my mother", "set an alarm for six")


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("route", FIRST_POLICIES, ids=lambda route: route.name)
def test_the_only_route_without_examples_takes_every_request(
    minilm: SentenceEncoder, route: RouteOption, text: str
) -> None:
    reply = SemanticRouter(minilm).reply([Turn(role="user", content=text)], [route])
    assert json.loads(reply.text)["route"] == route.name
    assert reply.confidence is not None
    assert 0.2 < reply.confidence < 0.8  # nothing speaks for it, and nothing against it


def test_a_choice_by_description_alone_is_the_surer_the_closer_it_is(minilm: SentenceEncoder) -> None:
    router, weather = SemanticRouter(minilm), FIRST_POLICIES[2]
    near, far = (
        router.reply([Turn(role="user", content=text)], [weather]).confidence
        for text in ("will it rain tomorrow?", "Implement a binary heap in C.")
    )
    assert near is not None
    assert far is not None
    assert near > 0.9 > far + 0.2


@pytest.mark.parametrize("text", ORDINARY)
def test_routes_without_examples_abstain_only_where_the_policy_lists_other(
    ask: Callable[..., dict[str, Any]], text: str
) -> None:
    assert ask(text, routes=FIRST_POLICIES[:3])["route"] != "other"
    listed = [replace(FIRST_POLICIES[1], out_of_scope_examples=LIGHTS)]
    assert ask("turn on the lights", routes=listed)["route"] == "other"
    assert ask(text, routes=listed)["route"] == "chat"


def test_a_mixed_policy_refuses_nothing_and_its_described_routes_get_their_requests(
    ask: Callable[..., dict[str, Any]],
) -> None:
    translation = next(route for route in ROUTES if route.name == "translation")
    mixed = [FIRST_POLICIES[0], replace(translation, examples=translation.examples[:5], out_of_scope_examples=())]
    for text in ORDINARY:
        assert ask(text, routes=mixed)["route"] != "other"
    for text in ("say hi", "will it rain tomorrow?", "turn on the lights"):
        assert ask(text, routes=mixed)["route"] == "everything"
    assert ask("How do you say good night in Polish?", routes=mixed)["route"] == "translation"
    listed = [replace(route, out_of_scope_examples=LIGHTS) for route in mixed]
    assert ask("turn on the lights", routes=listed)["route"] == "other"


def test_routes_without_examples_take_their_share_beside_those_with_some(minilm: SentenceEncoder) -> None:
    """Half of the default policy without examples: 75 % of what has a route were right, 59 % by one rule for all."""
    bare = {"casual_conversation", "translation", "creative_writing", "question_answering"}
    document = RouteFile(DEFAULT_POLICY).document()
    routes = {route.name: replace(route, examples=() if route.name in bare else route.examples) for route in ROUTES}
    items = [item for item in read_items(LABELLED, document.routes) if item.route != "other"]
    requests = [(item.conversation, [routes[each.name] for each in route_options(item, document)]) for item in items]
    predicted_routes = [json.loads(reply.text)["route"] for reply in MultilingualRouter(minilm).replies(requests)]
    right = [route == item.route for route, item in zip(predicted_routes, items, strict=True)]
    assert sum(right) / len(items) >= 0.68


def test_first_candidate_is_the_model_and_none_is_null(ask: Callable[..., dict[str, Any]]) -> None:
    with_models = [replace(route, candidates=(f"org/{route.name}", "org/second")) for route in WITHOUT_PICTURES]
    assert ask("Translate to Danish: good evening", routes=with_models)["model"] == "org/translation"
    assert ask("Translate to Danish: good evening")["model"] is None


def test_reason_names_what_was_close_and_the_runner_up(ask: Callable[..., dict[str, Any]]) -> None:
    reason = ask("how do you say good luck in italian?")["reason"]
    assert re.fullmatch(r'closest to "how do you say good luck in italian"; next: \w+ \(\d+%\)', reason)


def test_routes_with_only_phrases_or_only_a_name_work(ask: Callable[..., dict[str, Any]]) -> None:
    bare = [replace(route, examples=()) for route in WITHOUT_PICTURES]
    assert ask("Translate to Danish: good evening", routes=bare)["route"] == "translation"
    named = [RouteOption("cooking_recipes", ""), RouteOption("tax_law", "")]
    assert ask("How do I make a tomato soup?", routes=named)["route"] == "cooking_recipes"


def test_short_follow_up_stays_on_the_route_and_a_clear_change_of_subject_leaves_it(
    ask: Callable[..., dict[str, Any]],
) -> None:
    assert ask("draw a cat with a hat", "and in red?")["route"] == "image_generation"
    assert ask("draw a cat with a hat", "and in red?", "now with a dog")["route"] == "image_generation"
    assert ask("draw a cat with a hat", "who was Napoleon?")["route"] == "question_answering"


def test_only_new_texts_are_embedded(minilm: SentenceEncoder) -> None:
    counting = CountingEncoder(minilm)
    router = SemanticRouter(counting)
    conversation = [Turn(role="user", content="Translate to Danish: good evening")]
    # Twelve examples a route, and so few out-of-scope examples that none is left out, whatever is offered.
    few = [
        replace(route, examples=route.examples[:12], out_of_scope_examples=OTHERS[:20]) for route in WITHOUT_PICTURES
    ]
    router.reply(conversation, few)
    assert len(counting.asked) > 9 * 12 + 20
    for routes, new in (
        (few, []),
        ([replace(route, candidates=("org/a",)) for route in few], []),
        ([*few[:-1], replace(few[-1], examples=("a fresh example",))], ["a fresh example"]),
        ([replace(route, out_of_scope_examples=(*OTHERS[:20], "never asked")) for route in few], ["never asked"]),
        (few[:3], []),
    ):
        counting.asked.clear()
        router.reply(conversation, routes)
        assert counting.asked == [conversation[0]["content"], *new]


def test_caches_are_bounded(minilm: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omni_router.routers.semantic.router.MAX_HEADS", 2)
    monkeypatch.setattr("omni_router.routers.semantic.router.MAX_VECTORS", 30)
    router = SemanticRouter(minilm)
    for n in range(5):
        route = RouteOption("a", "", tuple(f"example {n} {i}" for i in range(5)))
        router.reply([Turn(role="user", content="hello")], [route])
    assert (len(router.heads), len(router.vectors)) == (2, 30)


def test_the_library_embeds_the_policy_and_the_encoder_what_is_asked(minilm: SentenceEncoder) -> None:
    embedder, policy = CountingEncoder(minilm), CountingEncoder(minilm)
    router = SemanticRouter(embedder, policy)
    route = RouteOption("weather", "weather forecasts", ("will it rain?",), out_of_scope_examples=("write a poem",))
    router.reply([Turn(role="user", content="do I need an umbrella?")], [route])
    assert embedder.asked == ["do I need an umbrella?"]
    assert {"weather forecasts", "will it rain?", "write a poem"} < set(policy.asked)


def test_counterexamples_are_thinned_to_a_routes_examples(minilm: SentenceEncoder) -> None:
    """Evenly, from all routes' lists and that of `other`, each once; all of them where there are enough examples."""
    nonsense = NONSENSE.count("|") + 1
    others = tuple(f"nobody serves {n}" for n in range(100))

    def thinned(examples: int, *more: RouteOption) -> list[str]:
        routes = [
            RouteOption(name, "", tuple(f"{name} {n}" for n in range(examples)), out_of_scope_examples=others[:50])
            for name in ("a", "b")
        ]
        return list(training_set([*routes, *more], NO_LABELS)[-1].examples[nonsense:])

    other = RouteOption("other", "", others[40:])
    assert thinned(50, other) == list(others)
    assert thinned(10, other) == list(others[::5])
    assert len(thinned(10, other)) == COUNTEREXAMPLES_TO_ONE * 10
    assert thinned(0, other) == []
    assert thinned(10) == [others[n * 50 // 20] for n in range(20)]


def test_a_picture_with_words_of_no_route_goes_to_a_route_all_the_same(ask: Callable[..., dict[str, Any]]) -> None:
    for text in ("xx [Image attached]", OTHERS[0] + "\n[Image attached]"):
        assert ask(text, routes=ROUTES)["route"] in NAMES.split()


def test_who_has_a_head_does_not_wait_while_another_is_fitted(minilm: SentenceEncoder) -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(CountingEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if "slow" in texts:
                entered.set()
                assert release.wait(10)
            return super().encode(texts)

    router = SemanticRouter(minilm, Slow(minilm))
    ready, fitted = [RouteOption("a", "weather")], [RouteOption("a", "weather", ("slow",))]
    router.head(ready)
    with ThreadPoolExecutor(2) as pool:
        fitting = [pool.submit(router.head, fitted) for _ in range(2)]
        assert entered.wait(10)
        assert router.head(ready)
        assert not any(each.done() for each in fitting)
        release.set()
        first, second = (each.result(10) for each in fitting)
        assert first is second


def test_default_policy_is_well_formed() -> None:
    assert [entry["name"] for entry in POLICY] == [*NAMES.split(), "other"]
    assert list(POLICY[-1]) == ["name", "description", "examples"]
    examples = [example for entry in POLICY for example in entry["examples"]]
    assert len({" ".join(example.lower().split()) for example in examples}) == len(examples)
    assert not {line["text"] for line in SMOKE} & set(examples)
    for entry in POLICY[:-1]:
        keys = [key for key in entry if key not in {"fallback", "boards", "prefer"}]
        assert keys == ["name", "description", "task", "examples"]
        assert len(entry["examples"]) >= 12
        assert len(entry["description"].split("; ")) >= 3
        assert not any(re.fullmatch(r"[\w.-]+/[\w.-]+", example.strip()) for example in entry["examples"])
        pictures = {"image_generation": "text-to-image", "image_understanding": "image-text-to-text"}
        assert entry["task"] == pictures.get(entry["name"], "text-generation")


def test_a_reason_quotes_the_policy_and_no_words_of_a_user(semantic: SemanticRouter) -> None:
    text = "my landlord wants me out by Friday because I was late with the rent"
    law = RouteOption(
        "law", "contracts and tenancy", ("can a landlord raise the rent?", text), learned=frozenset([text])
    )
    others = RouteOption("cooking", "recipes; baking", ("how long do eggs boil?",))
    reason = parse_reply(semantic.reply([Turn(role="user", content=text)], [law, others]).text).reason
    assert 'closest to "' in reason
    assert text[:20] not in reason


HOTEL = [
    RouteOption(name, description, tuple(f"{start} {end}" for start in starts for end in ends))
    for name, description, starts, ends in (
        (
            "book",
            "book a room",
            ("book", "reserve", "i need", "get me"),
            ("a double room for friday", "a single room next week", "two rooms with a sea view"),
        ),
        (
            "cancel",
            "cancel a booking",
            ("cancel", "call off", "i can't make", "drop"),
            ("my booking for friday", "my reservation", "the stay in may"),
        ),
        (
            "breakfast",
            "breakfast",
            ("when is", "how much is", "where is", "is there vegan"),
            ("breakfast", "breakfast on sunday", "the morning buffet"),
        ),
    )
]
NEAR_MISS = [([Turn(role="user", content="how much is parking on friday")], HOTEL)]


def test_an_uncertain_choice_is_other_where_the_policy_does_not_teach_what_no_route_serves(
    minilm: SentenceEncoder,
) -> None:
    (bold,) = SemanticRouter(minilm, least_confidence=0.0).judge(NEAR_MISS)
    assert bold.route == "breakfast"
    assert bold.confidence < LEAST_CONFIDENCE
    (careful,) = SemanticRouter(minilm).judge(NEAR_MISS)
    assert careful.route == "other"
    assert careful.second is not None
    assert careful.second[0] == "breakfast"


def test_where_the_policy_teaches_other_its_examples_decide(minilm: SentenceEncoder) -> None:
    commands = tuple(f"{verb} the {thing}" for verb in ("dim", "mute", "open") for thing in "abcdefghijkl")
    taught = [replace(route, out_of_scope_examples=commands) for route in HOTEL]
    (judgement,) = SemanticRouter(minilm).judge([(NEAR_MISS[0][0], taught)])
    assert judgement.route != "other"
    assert judgement.confidence < LEAST_CONFIDENCE
