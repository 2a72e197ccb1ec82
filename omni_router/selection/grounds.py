"""Why a model has its place in the order, in one sentence: its place on the boards, its price, and who comes next."""

from omni_router.history import ModelRecord
from omni_router.selection.ranked_models import RankedModel, Ranking

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
SAME_PRICE = 0.05  # of a price: differences below are none
LESS_OFTEN = 0.05  # of availability: differences below are not worth a word
NOTHING_YET = "without evidence: no board could be read yet"
NONE_KNOWN = "without evidence: boards know none of the route's models"


def grounds_of(ranking: Ranking, place: int) -> str:
    """Return why a model has its place, from 1; the first is compared with the runner-up."""
    ranked = ranking.models[place - 1]
    if place > 1:
        return f"number {place} by score: {described(ranked)}"
    parts = [f"best score: {described(ranked)}"]
    if len(ranking.models) > 1:
        parts.append(_compared(ranking.models[1], ranked))
    if ranking.failing:
        gates = dict.fromkeys(str(terms.refused.gate) for terms in ranking.failing.values() if terms.refused)
        names = ", ".join(gate.replace("_", " ") for gate in gates)
        parts.append(f"{len(ranking.failing)} did not pass: {names}")
    return "; ".join(parts)


def described(ranked: RankedModel) -> str:
    """Return what is known of a model: its place on the boards, its price, and its record."""
    parts = [standing_text(ranked)]
    if ranked.terms.price is not None:
        parts.append(f"{ranked.terms.price:.2f} US dollars a million tokens")
    facts = ranked.score.facts
    if calls := facts.answers + facts.failures:
        parts.append(f"{facts.answers:g} of {calls:g} answered")
    record = ranked.record or ModelRecord(id=ranked.model)
    if good := record.get("good"):
        parts.append(f"{good} good")
    if bad := record.get("bad"):
        parts.append(f"{bad} bad")
    return ", ".join(parts)


def standing_text(ranked: RankedModel) -> str:
    """Return the place of a model on the boards."""
    if ranked.standing is None:
        return "on no board"
    boards = ranked.score.facts.strength.boards
    place = ranked.standing.place
    ordinal = ORDINALS[place - 1] if place <= len(ORDINALS) else f"number {place}"
    return f"{ordinal} of {ranked.standing.of} on {boards} board{'s' * (boards != 1)}"


def _compared(other: RankedModel, ranked: RankedModel) -> str:
    points = round(100 * (other.score.quality - ranked.score.quality))
    words = f"is {'better' if points > 0 else 'worse'} by {abs(points)} point{'s' * (abs(points) != 1)}"
    if not points:
        words = "is as good"
    text = f"{other.model} {words}{_price_compared(other.terms.price, ranked.terms.price)}"
    if other.score.availability < ranked.score.availability - LESS_OFTEN:
        return f"{text}, and answers less often"
    return text


def _price_compared(other: float | None, price: float | None) -> str:
    if not price or other is None:
        return ""
    ratio = other / price
    if abs(ratio - 1) <= SAME_PRICE:
        return " at the same price"
    if ratio < 1:
        return f" at {ratio:.0%} of the price".replace("%", " %")
    return f" at {ratio:.2g} times the price"
