"""Why a model has its place in the order, in one sentence: its place on the boards, its price, and who comes next."""

from omni_router.history import ModelRecord
from omni_router.hub.evidence import EvidenceSnapshot
from omni_router.selection.ranked_models import RankedModel, Ranking

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
ENDINGS = {1: "st", 2: "nd", 3: "rd"}
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}
PARTS = {2: "half", 3: "a third of", 4: "a quarter of", 5: "a fifth of"}
LARGE = 10  # times a price: then its decimals do not matter
SAME_PRICE = 0.05  # of a price: differences below are none
LESS_OFTEN = 0.05  # of availability: differences below are not worth a word
CENT = 0.01
SLOWER = 0.01  # of the score: what a slow answer has to cost before it is worth a word


def grounds_of(ranking: Ranking, place: int) -> str:
    """Return why a model has its place, from 1; the first is compared with the runner-up."""
    ranked = ranking.models[place - 1]
    if place > 1:
        return f"number {place} by score: {described(ranked)}"
    parts = [f"{_first_by(ranking)}: {described(ranked)}"]
    if len(ranking.models) > 1:
        parts.append(f"{ranking.models[1].model} is {_compared(ranking.models[1], ranked)}")
    if ranking.failing:
        gates = dict.fromkeys(str(terms.refused.gate) for terms in ranking.failing.values() if terms.refused)
        names = ", ".join(gate.replace("_", " ") for gate in gates)
        parts.append(f"{_count(len(ranking.failing), 'other')} did not pass: {names}")
    return "; ".join(parts)


def without_evidence(snapshot: EvidenceSnapshot | None, *, is_kept: bool = False) -> str:
    """Return why the models of a route have no scores.

    Args:
        snapshot: what boards say; None where evidence is switched off.
        is_kept: whether the run is kept to models of one's own, so that no board is asked.
    """
    if is_kept:
        return "without evidence: only models of one's own may be called"
    if snapshot is None:
        return "without evidence: it is switched off"
    if snapshot.at is None:
        return "without evidence: no board has been read yet"
    return "without evidence: boards know none of the route's models"


def compared_with_first(ranking: Ranking, place: int) -> str:
    """Return how a model behind the first compares with it, and its record: a table says the rest."""
    ranked = ranking.models[place - 1]
    first = ranking.models[0]
    parts = [_compared(ranked, first)]
    for number, other in enumerate(ranking.models[place:], place + 1):
        if other.score.total > ranked.score.total:
            parts.append(f"a tie with number {number} by score")
            break
    return "; ".join([*parts, *_record(ranked)])


def described(ranked: RankedModel) -> str:
    """Return what is known of a model: its place on the boards, its price, and its record."""
    price = "price not known"
    if ranked.terms.price is not None:
        price = price_text(ranked.terms.price)
    return ", ".join([standing_text(ranked), price, *_record(ranked)])


def standing_text(ranked: RankedModel) -> str:
    """Return the place of a model on the boards."""
    if ranked.standing is None:
        return "on no board"
    boards = _count(ranked.score.facts.strength.boards, "board")
    return f"{_ordinal(ranked.standing.place)} of {ranked.standing.of} on {boards}"


def price_text(price: float) -> str:
    """Return a price in words."""
    if not price:
        return "free"
    return f"{price_figure(price)} US dollars a million tokens"


def price_figure(price: float) -> str:
    """Return a price in US dollars with two decimals, or more of one below a cent."""
    if 0 < price < CENT:
        return f"{price:.1g}"
    return f"{price:.2f}"


def _record(ranked: RankedModel) -> list[str]:
    """Return what the history knows of a model; nothing for one that was not called."""
    parts = []
    facts = ranked.score.facts
    if calls := facts.answers + facts.failures:
        parts.append(f"{facts.answers:g} of {calls:g} answered")
    record = ranked.record or ModelRecord(id=ranked.model)
    if good := record.get("good"):
        parts.append(f"{good} good")
    if bad := record.get("bad"):
        parts.append(f"{bad} bad")
    return parts


def _first_by(ranking: Ranking) -> str:
    """Return what makes the first model the first."""
    first, *others = ranking.models
    if not others:
        return "the only one that may be called"
    highest = max(others, key=lambda ranked: ranked.score.total)
    if highest.score.total <= first.score.total:
        return "best score"
    if highest.score.facts.released != first.score.facts.released:
        return "newest of those that tie for the best score"
    return "first listed of those that tie for the best score"


def _compared(other: RankedModel, ranked: RankedModel) -> str:
    """Return how another model compares: its quality, its price, and what else counts against it."""
    points = round(100 * (other.score.quality - ranked.score.quality))
    words = "as good"
    if points:
        words = f"{'better' if points > 0 else 'worse'} by {_count(abs(points), 'point')}"
    text = f"{words}{_price_compared(other.terms.price, ranked.terms.price)}"
    if other.score.availability < ranked.score.availability - LESS_OFTEN:
        text += ", and answers less often"
    if other.score.latency_term > ranked.score.latency_term + SLOWER:
        text += ", and slower"
    return text


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}s"


def _ordinal(place: int) -> str:
    if place <= len(ORDINALS):
        return ORDINALS[place - 1]
    if place % 100 in (11, 12, 13):
        return f"{place}th"
    return f"{place}{ENDINGS.get(place % 10, 'th')}"


def _price_compared(other: float | None, price: float | None) -> str:
    if other is None:
        return "" if price is None else " at a price that is not known"
    if not price and other:
        return f" at {price_text(other)}"
    ratio = other / price if price else 1.0
    if abs(ratio - 1) <= SAME_PRICE:
        return " at the same price"
    if not other:
        return " for free"
    if ratio < 1:
        return f" at {_share(ratio)} the price"
    return f" at {_times(ratio)} the price"


def _times(ratio: float) -> str:
    """Return by how much a price is higher, before "the price"."""
    whole = round(ratio)
    if whole in TIMES and abs(ratio - whole) <= SAME_PRICE * whole:
        return TIMES[whole]
    if whole >= LARGE:
        return f"{whole:,} times"
    return f"{ratio:.1f} times"


def _share(ratio: float) -> str:
    """Return which part of a price another one is, before "the price"."""
    whole = round(1 / ratio)
    if whole in PARTS and abs(1 / ratio - whole) <= SAME_PRICE * whole:
        return PARTS[whole]
    percent = max(round(100 * ratio), 1)
    return f"{percent} % of"
