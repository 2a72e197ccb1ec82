"""The trained head on small synthetic vectors, beside heads and kernels that are really fitted again."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from omni_router.routers import RouteOption
from omni_router.routers.semantic import calibration, head
from omni_router.routers.semantic import training_set as training_module
from omni_router.routers.semantic.calibration import fit_in_domain
from omni_router.routers.semantic.concurrency import single_threaded
from omni_router.routers.semantic.encoder import Vectors
from omni_router.routers.semantic.head import Head
from omni_router.routers.semantic.pooling import normalize
from omni_router.routers.semantic.training_set import ClassData, TeacherLabels, fair_limit, training_set

SIZE = 8  # dimensions
COLUMNS = 4  # three routes and what no route serves


@pytest.fixture(autouse=True)
def _single_threaded() -> Iterator[None]:
    with single_threaded():  # what is so small waits for its threads, for seconds when the machine is busy
        yield


def near(text: str) -> Vectors:
    """A vector near the axis of the column that the text is named after, `<column>x<number>`: one word."""
    column, _, number = text.partition("x")
    noise = torch.randn(SIZE, generator=torch.Generator().manual_seed(1000 * int(column) + int(number))).numpy()
    vector = np.eye(SIZE)[int(column)] + 0.4 * noise
    scaled: Vectors = normalize(vector[None].astype(np.float32))[0]
    return scaled


def embed(texts: Sequence[str]) -> Vectors:
    return np.stack([near(text) for text in texts]) if texts else np.empty((0, SIZE), np.float32)


def fit(columns: Sequence[ClassData]) -> Head:
    return Head(columns, embed)


def texts(column: int, n: int, start: int = 0) -> list[str]:
    return [f"{column}x{start + i}" for i in range(n)]


def taught(n: int = 12) -> list[ClassData]:
    """Phrases, examples and lessons; no text shares a word with another, so that each head has the same words: none."""
    lessons = [embed(texts(column, 3, 700)) for column in range(COLUMNS)]
    weights = np.array([1.0, 0.5, 0.25], np.float32)
    return [
        ClassData(texts(column, 4, 500) if column < COLUMNS - 1 else (), texts(column, n), lessons[column], weights)
        for column in range(COLUMNS)
    ]


class Spied(Head):
    """A head that keeps what it learns from."""

    left_out: Vectors
    doubt: Vectors
    inside: Vectors  # by the in-domain score
    outside: Vectors
    best_inside: Vectors  # by the best score of a route
    best_outside: Vectors


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Spied:
    """A head of `taught`, with the predictions it made without a text, or without a route."""
    tensors: dict[str, Vectors] = {}
    temperature, in_domain, logistic = calibration.fit_temperature, fit_in_domain, calibration.fit_logistic

    def spy_on_temperature(scores: Vectors, owners: NDArray[np.int64], doubt: Vectors) -> float:
        tensors.update(left_out=scores, doubt=doubt)
        return temperature(scores, owners, doubt)

    def spy_on_in_domain(inside: Vectors, outside: Vectors) -> tuple[float, float]:
        tensors.update(inside=inside, outside=outside)
        return in_domain(inside, outside)

    def spy_on_best(inside: Vectors, outside: Vectors) -> tuple[float, float]:
        tensors.update(best_inside=inside, best_outside=outside)
        return logistic(inside, outside)

    monkeypatch.setattr(head, "fit_temperature", spy_on_temperature)
    monkeypatch.setattr(head, "fit_in_domain", spy_on_in_domain)
    monkeypatch.setattr(head, "fit_logistic", spy_on_best)
    spy = Spied(taught(), embed)
    monkeypatch.undo()
    spy.left_out, spy.doubt = tensors["left_out"], tensors["doubt"]
    spy.inside, spy.outside = tensors["inside"], tensors["outside"]
    spy.best_inside, spy.best_outside = tensors["best_inside"], tensors["best_outside"]
    return spy


def without(column: int, number: int) -> list[ClassData]:
    """What `taught` knows but for one request: an example, or one of the lessons, which come after the examples."""
    columns = taught()
    had = columns[column]
    if number < len(had.examples):
        columns[column] = had._replace(examples=[*had.examples[:number], *had.examples[number + 1 :]])
        return columns
    left = [i for i in range(3) if i != number - len(had.examples)]
    assert had.label_vectors is not None
    assert had.label_weights is not None
    columns[column] = had._replace(label_vectors=had.label_vectors[left], label_weights=had.label_weights[left])
    return columns


def requests() -> list[tuple[int, int, Vectors]]:
    """The requests of `taught` in the order of the head: column, number, vector."""
    texts_and_columns = []
    for number, column in enumerate(taught()):
        assert column.label_vectors is not None
        texts_and_columns += [
            (number, i, vector)
            for i, vector in enumerate(np.concatenate([embed(column.examples), column.label_vectors]))
        ]
    return texts_and_columns


def narrow(fitted: Head, vector: Vectors) -> Vectors:
    """What the narrow regression says of a request without a known word, for each column."""
    likeness = vector[None] @ fitted.vectors.T
    scores: Vectors = fitted.narrow_scores(likeness, np.zeros_like(likeness))[0]
    return scores


# ---- left out in closed form, and really


def test_the_score_of_a_text_that_is_left_out_is_that_of_a_head_without_it(spied: Spied) -> None:
    for row, (column, number, vector) in enumerate(requests()):
        refitted = fit(without(column, number)).score(vector[None], ["?"])
        np.testing.assert_allclose(spied.left_out[row], refitted.classes[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_it_is_so_for_a_column_of_few_texts(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors: list[Vectors] = []
    monkeypatch.setattr(head, "fit_temperature", lambda scores, *_: tensors.append(scores) or 0.1)  # type: ignore[func-returns-value]
    columns = [ClassData((), texts(0, n)), ClassData((), texts(1, 6)), ClassData((), texts(2, 4))]
    fit(columns)
    for row in range(n):
        fewer = [columns[0]._replace(examples=[*texts(0, row), *texts(0, n - row - 1, row + 1)]), *columns[1:]]
        refitted = fit(fewer).score(embed([f"0x{row}"]), ["?"])
        np.testing.assert_allclose(tensors[0][row], refitted.classes[0], atol=1e-4, rtol=1e-4)


def test_how_familiar_a_text_that_is_left_out_is_to_the_rest_is_what_a_head_without_it_says(spied: Spied) -> None:
    of_routes = [each for each in requests() if each[0] < COLUMNS - 1]
    assert len(spied.inside) == len(of_routes)
    for row, (column, number, vector) in enumerate(of_routes):
        refitted = fit(without(column, number)).score(vector[None], ["?"])
        np.testing.assert_allclose(spied.inside[row], refitted.in_domain_score[0], atol=1e-4, rtol=1e-4)


def test_how_familiar_a_route_that_is_left_out_is_to_the_least_like_one_is_what_a_head_without_it_says(
    spied: Spied,
) -> None:
    scores = iter(spied.outside)
    for column in range(COLUMNS - 1):
        columns = taught()
        del columns[column]
        for vector in (vector for owner, _, vector in requests() if owner == column):
            without_it = fit(columns)
            of_routes = narrow(without_it, vector)[:-1]
            np.testing.assert_allclose(without_it.score(vector[None], ["?"]).in_domain_score[0], of_routes.max())
            np.testing.assert_allclose(next(scores), of_routes.max(), atol=1e-4, rtol=1e-4)
    for column, number, vector in requests():
        if column == COLUMNS - 1:  # and of what no route serves, each text
            refitted = fit(without(column, number)).score(vector[None], ["?"])
            np.testing.assert_allclose(next(scores), refitted.in_domain_score[0], atol=1e-4, rtol=1e-4)
    assert next(scores, None) is None


# ---- what scores mean


def test_it_tells_columns_apart_and_shares_are_probabilities() -> None:
    fitted = fit(taught())
    for column in range(COLUMNS):
        scores = fitted.score(embed(texts(column, 20, 900)), ["?"] * 20)
        shares = fitted.probabilities(scores.classes)
        np.testing.assert_allclose(shares.sum(1), np.ones(20, np.float32), rtol=1e-5)
        assert (shares.argmax(1) == column).mean() > 0.8


def test_the_best_score_without_a_text_or_its_route_is_that_of_a_head_without_them(spied: Spied) -> None:
    inside, outside = iter(spied.best_inside), iter(spied.best_outside)
    for column, number, vector in requests():
        if column < COLUMNS - 1:
            refitted = fit(without(column, number)).score(vector[None], ["?"])
            np.testing.assert_allclose(next(inside), refitted.classes[0, :-1].max(), atol=1e-4, rtol=1e-4)
    for column, _, vector in requests():
        if column < COLUMNS - 1:
            columns = taught()
            del columns[column]
            refitted = fit(columns).score(vector[None], ["?"])
            np.testing.assert_allclose(next(outside), refitted.classes[0, :-1].max(), atol=1e-4, rtol=1e-4)


def test_the_temperature_is_a_part_of_the_one_under_which_the_left_out_texts_are_likeliest(spied: Spied) -> None:
    owners = np.array([column for column, _, _ in requests()])
    doubt = spied.doubt
    assert sorted(set(doubt.tolist())) == [0.0, pytest.approx(calibration.LABEL_ERROR_RATE)]  # examples, and lessons
    surprise = []
    for temperature in calibration.TEMPERATURES:
        share = calibration.softmax(spied.left_out / temperature)[np.arange(len(owners)), owners]
        likelihood = (1 - doubt) * share + doubt * (1 - share) / (spied.left_out.shape[1] - 1)
        surprise.append(-np.log(likelihood).mean())
    likeliest = calibration.TEMPERATURES[int(np.argmin(surprise))]
    assert spied.fit.temperature == calibration.LEFT_OUT_FACTOR * likeliest


def test_descriptions_alone_have_the_temperature_for_it() -> None:
    alone = fit([ClassData(texts(0, 3)), ClassData(texts(1, 3)), ClassData((), texts(2, 40))])
    assert alone.fit.temperature == calibration.DESCRIBED_TEMPERATURE


@pytest.mark.parametrize("n", [1, 5, calibration.MIN_EXAMPLES - 1])
def test_a_few_requests_make_it_no_surer_than_descriptions_alone(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nonsense is easy to separate, and would give the lowest temperature."""
    monkeypatch.setattr(head, "fit_temperature", lambda *_: calibration.TEMPERATURES[0])
    lessons = [embed(texts(column, n - n // 2 if column else n // 2, 700)) for column in range(2)]
    columns = [ClassData(texts(column, 3), (), lessons[column]) for column in range(2)]
    other = ClassData((), texts(2, 40))
    assert fit([*columns, other]).fit.temperature == calibration.DESCRIBED_TEMPERATURE
    more = [column._replace(examples=texts(i, 20)) for i, column in enumerate(columns)]
    lowest = calibration.LEFT_OUT_FACTOR * calibration.TEMPERATURES[0]
    assert fit([*more, other]).fit.temperature == lowest


def test_requests_for_few_of_the_routes_say_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "fit_temperature", lambda *_: calibration.TEMPERATURES[0])
    columns = [ClassData(texts(column, 3)) for column in range(5)]
    columns[1] = columns[1]._replace(label_vectors=embed(texts(1, 60, 700)))
    other = ClassData((), texts(6, 40))
    for second in (columns[2], taught()[2]):
        fitted = fit([*columns[:2], second, *columns[3:], other])
        assert (fitted.fit.temperature, fitted.fit.in_domain) == (calibration.DESCRIBED_TEMPERATURE, calibration.PRIOR)
    most = fit([columns[0], columns[1], *taught()[2:], columns[4], other])
    assert most.fit.temperature == calibration.LEFT_OUT_FACTOR * calibration.TEMPERATURES[0]
    assert most.fit.in_domain != calibration.PRIOR


def test_no_lessons_are_as_good_as_none_at_all() -> None:
    columns = [
        ClassData(texts(0, 3), (), np.empty((0, SIZE), np.float32), np.empty(0, np.float32)),
        ClassData(texts(1, 3)),
    ]
    other = ClassData((), texts(2, 40))
    without_any = fit([columns[0]._replace(label_vectors=None, label_weights=None), columns[1], other])
    vectors = embed(texts(0, 5, 900))
    np.testing.assert_allclose(
        fit([*columns, other]).score(vectors, ["?"] * 5).classes, without_any.score(vectors, ["?"] * 5).classes
    )


def test_requests_of_routes_are_known_and_others_are_not() -> None:
    fitted = fit(taught(30))
    inside = fitted.in_domain_probability(fitted.score(embed(texts(1, 20, 900)), ["?"] * 20).in_domain_score)
    outside = fitted.in_domain_probability(fitted.score(embed(texts(6, 20, 900)), ["?"] * 20).in_domain_score)
    assert inside.mean() > 0.9
    assert outside.mean() < 0.5


def test_a_request_that_no_route_scores_high_is_less_credible_than_its_likeness_says() -> None:
    made = fit(taught())
    scores = made.score(embed(["0x900"]), [""])
    own = scores.classes[:, :-1].max()
    credible = []
    for share in (0.25, 0.5, 1.0):
        best = np.array([[share * own, 0.0, 0.0, 2.0]], np.float32)  # the last class is no route
        credible.append(made.credibility(scores._replace(classes=best)).tolist())
    assert credible == sorted(credible)
    assert credible[0][0] < credible[2][0] - 0.2
    assert credible[2] == made.credibility(scores).tolist()


def test_a_text_that_is_left_out_is_taken_to_be_harder_than_a_new_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "fit_temperature", lambda *_: 0.3)
    assert fit(taught()).fit.temperature == pytest.approx(0.3 * calibration.LEFT_OUT_FACTOR)


def test_known_is_the_prior_where_too_little_is_known() -> None:
    few = fit([ClassData(texts(0, 2), texts(0, 5)), ClassData(texts(1, 2), texts(1, 5)), ClassData((), texts(2, 5))])
    probabilities = few.in_domain_probability(np.array([0.0, 0.5, 1.0], np.float32))
    np.testing.assert_allclose(probabilities, np.full(3, 1 - calibration.OUT_OF_SCOPE_SHARE))


def test_the_in_domain_probability_is_the_prior_where_nothing_separates_them() -> None:
    same = np.random.default_rng(0).random(100)
    for inside, outside in ((same, same), (same / 2, same), (np.ones(40, np.float32), np.ones(40, np.float32))):
        slope, offset = fit_in_domain(inside, outside)
        assert slope == 0
        assert 1 / (1 + math.exp(-offset)) == pytest.approx(1 - calibration.OUT_OF_SCOPE_SHARE)


def test_a_column_without_texts_never_wins() -> None:
    columns = taught()
    columns[1] = ClassData()
    fitted = fit(columns)
    vectors = embed([text for column in range(SIZE) for text in texts(column, 20, 900)])
    scores = fitted.score(vectors, ["?"] * len(vectors)).classes
    assert np.isfinite(scores).all()
    assert not (scores.argmax(1) == 1).any()


# ---- lessons


def pull(weight: float | None) -> float:
    """How much a request that is near a lesson, or near an example without a weight, gains for its route by it."""
    there = near("5x1")
    columns = taught()
    vector = normalize((there + np.float32(0.2) * near("6x1"))[None])
    assert columns[0].label_vectors is not None
    assert columns[0].label_weights is not None
    if weight is None:
        more = columns[0]._replace(examples=[*columns[0].examples, "5x1"])
    else:
        more = columns[0]._replace(
            label_vectors=np.concatenate([columns[0].label_vectors, there[None]]),
            label_weights=np.concatenate([columns[0].label_weights, np.array([weight], np.float32)]),
        )
    fitted = fit([more, *columns[1:]])
    return float(fitted.broad_scores(vector @ fitted.vectors.T, np.zeros((1, len(fitted.texts)), np.float32))[0, 0])


def test_a_lesson_pulls_less_the_less_it_weighs_and_always_less_than_an_example() -> None:
    pulls = [pull(weight) for weight in (0.001, 0.25, 0.5, 1.0, None)]
    assert pulls == sorted(pulls)
    assert min(after - before for before, after in pairwise(pulls)) > 0.002


# ---- the bound


@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=12), room=st.integers(-20, 400))
def test_a_fair_share_fills_the_room_and_leaves_the_small_ones_whole(sizes: list[int], room: int) -> None:
    most = fair_limit(sizes, room)
    shares = [min(size, most) for size in sizes]
    assert most >= 0
    assert sum(shares) <= max(room, 0)
    if sum(sizes) <= room:
        assert shares == sizes
    else:  # one more for each would be too many
        assert sum(min(size, most + 1) for size in sizes) > room


def test_of_ten_thousand_texts_the_fullest_routes_are_thinned_out_and_the_small_ones_stay_whole() -> None:
    def route(name: str, n: int) -> RouteOption:
        return RouteOption(name, "one; two", tuple(f"{name} {i}" for i in range(n)))

    columns = training_set([route("big", 6000), route("large", 4000), route("small", 50)], TeacherLabels())
    total = sum(len(column.phrases) + len(column.examples) for column in columns)
    assert training_module.MAX_TEXTS - 2 <= total <= training_module.MAX_TEXTS
    big, large, small, _ = (list(column.examples) for column in columns)
    assert small == [f"small {i}" for i in range(50)]
    assert len(big) == len(large)
    newest = len(big) // 4
    assert big[-newest:] == [f"big {i}" for i in range(6000 - newest, 6000)]
    assert large[-1] == "large 3999"
    assert list(dict.fromkeys(big)) == sorted(big, key=lambda text: int(text.split()[1]))
    assert all(len(column.phrases) == 3 for column in columns[:3])


def test_of_a_full_route_no_language_is_left_out_that_stands_first() -> None:
    languages = ("de", "en", "fr", "zh")  # one after another, as in a file that has grown
    texts = tuple(f"{language} {i}" for language in languages for i in range(3000))
    column = training_set([RouteOption("a", "", texts)], TeacherLabels())[0]
    kept = Counter(text.split()[0] for text in column.examples)
    assert kept.keys() == set(languages)
    assert min(kept.values()) > 0.15 * len(column.examples)


def test_of_a_full_route_the_newest_stay_and_lessons_take_no_more_than_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_module, "MAX_TEXTS", 60)
    monkeypatch.setattr(training_module, "NONSENSE", "x|y")
    route = RouteOption("a", "", tuple(f"example {i}" for i in range(80)))
    for n, lessons, examples in ((20, 20, 37), (100, 28, 29)):
        vectors, weights = np.arange(n, dtype=np.float32)[:, None], np.arange(n, dtype=np.float32)
        column = training_set([route], TeacherLabels({"a": vectors}, {"a": weights}))[0]
        assert column.label_vectors is not None
        assert column.label_weights is not None
        assert (
            column.label_vectors[:, 0].tolist()
            == column.label_weights.tolist()
            == list(map(float, range(n - lessons, n)))
        )
        assert len(column.examples) == examples
        newest = examples // 4
        assert list(column.examples[-newest:]) == [f"example {i}" for i in range(80 - newest, 80)]
