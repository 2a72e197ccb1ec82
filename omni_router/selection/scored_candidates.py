"""The candidates of a route in the order of their scores, and what evidence that is only shown would choose."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from omni_router.history.cooldowns import Cooldowns
from omni_router.selection.grounds import described, grounds_of
from omni_router.selection.known_models import Remembered
from omni_router.selection.order import IN_THREAD, Situation, choices_in_order
from omni_router.selection.ranked_models import RankedModel, Ranking
from omni_router.state import Candidate

KEPT = 20  # candidates of a route beside those that are cooling down: several times what a turn can try

_usual: Remembered[tuple[Candidate, ...]] = Remembered(128)


def scored_candidates(
    ranking: Ranking,
    *,
    previous: str | None,
    cooldowns: Cooldowns,
    now: datetime,
    with_failing: bool = False,
) -> list[Candidate]:
    """Return a route's models, best first: what a router is shown, and what follows the first choice.

    Args:
        ranking: the models by score.
        previous: the model that this thread used last for the route.
        cooldowns: the models that failed lately.
        now: the time at which cooldowns are read.
        with_failing: whether models that do not pass the gates follow; they do anyhow where none passes.
    """
    usual = _usual.get((ranking,), None, lambda: tuple(_candidates(ranking)))
    situation = Situation(now, cooldowns, previous)
    chosen = _kept(usual, situation)
    if with_failing or not usual:
        chosen += _failing(ranking)
    candidates = [candidate.copy() for candidate in chosen]
    for candidate in candidates:
        if candidate["model"] == previous:
            candidate["why"] = f"{IN_THREAD}; {candidate['why']}"
    return [choice.candidate for choice in choices_in_order(candidates, situation)]


def _kept(ranked: Iterable[Candidate], situation: Situation) -> list[Candidate]:
    """Return the first candidates, the thread's model, and all that are cooling down, in the order that they have."""
    cooling = set(filter(situation.cooldown, situation.cooldowns))
    kept: list[Candidate] = []
    free = 0
    for candidate in ranked:
        model = candidate["model"]
        free += model not in cooling
        if free <= KEPT or model in cooling or model == situation.previous:
            kept.append(candidate)
    return kept


def in_shadow(candidates: list[Candidate], ranking: Ranking) -> list[Candidate]:
    """Return candidates in the order that they have, each with what the evidence would have chosen."""
    if not ranking.models:
        return candidates
    best = ranking.models[0]
    shown: list[Candidate] = []
    for candidate in candidates:
        choice = "it, too" if candidate["model"] == best.model else best.model
        shown += with_grounds([candidate], f"evidence would choose {choice}: {described(best)}")
    return shown


def with_grounds(candidates: list[Candidate], text: str) -> list[Candidate]:
    """Return candidates that say more about why they have their place, and if a router picks one of them."""
    explained = with_remark(candidates, text)
    for candidate in explained:
        candidate["grounds"] = text
    return explained


def with_remark(candidates: list[Candidate], text: str) -> list[Candidate]:
    """Return candidates that say more about why they have their place."""
    return [{**candidate, "why": f"{candidate['why']}; {text}"} for candidate in candidates]


def _candidates(ranking: Ranking) -> Iterator[Candidate]:
    for place, ranked in enumerate(ranking.models, 1):
        grounds = grounds_of(ranking, place)
        yield _candidate(ranked, grounds)


def _candidate(ranked: RankedModel, grounds: str) -> Candidate:
    return Candidate(
        model=ranked.model,
        provider=ranked.provider,
        source="history" if ranked.record else "catalog",
        why=grounds,
        score=round(ranked.score.total, 4),
        grounds=grounds,
    )


def _failing(ranking: Ranking) -> Iterator[Candidate]:
    for model, terms in list(ranking.failing.items())[:KEPT]:
        why = terms.refused.why if terms.refused else ""
        yield Candidate(model=model, provider=None, source="catalog", why=why)
