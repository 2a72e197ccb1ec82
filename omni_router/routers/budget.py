"""Shorten a conversation to fit a prompt of so many tokens, losing what matters least for the choice of a route."""

from collections.abc import Callable, Sequence

from omni_router.errors import ConfigurationError
from omni_router.routers.conversation import shorten
from omni_router.routers.protocol import Turn

# No readable text averages more characters a token (English 4 to 5, code 3): a text longer than this times the budget
# cannot fit, and is cut before it is tokenized. Five megabytes would take ten seconds.
_CHARACTERS_A_TOKEN = 16
# An older message that has to give way keeps about two hundred words, enough to show what the conversation is about.
_OLDER_MESSAGE = 1200
# Below this many tokens for the conversation a request cannot be understood: the policy is what has to change.
_LEAST_ROOM = 32
_STEP = 0.9  # shortening aims a little below the goal, since tokens are not evenly spread over a text

Count = Callable[[Sequence[Turn]], int]


def fit(conversation: Sequence[Turn], limit: int, count: Count) -> list[Turn]:
    """Shorten and drop older messages, then shorten the newest user message, until the prompt has `limit` tokens.

    Args:
        conversation: oldest first.
        limit: the tokens the whole prompt may have, routes and chat template included.
        count: the tokens of the whole prompt for a conversation.

    Raises:
        ConfigurationError: the routes leave no room for a request.
    """
    frame = count([])
    if frame + _LEAST_ROOM > limit:
        raise ConfigurationError(
            f"The routes alone take {frame} of the router's {limit} prompt tokens. Shorten their descriptions, offer "
            f"fewer routes or candidates, or raise max_prompt_tokens."
        )
    characters = limit * _CHARACTERS_A_TOKEN
    if sum(len(turn["content"]) for turn in conversation) <= characters and count(conversation) <= limit:
        return list(conversation)
    position = _newest_user(conversation)
    newest = _shortened(conversation[position], characters)
    if count([newest]) > limit:
        return [_shrink(newest, limit, frame, count)]
    turns = [_shortened(turn, _OLDER_MESSAGE) for turn in conversation]
    turns[position] = newest
    while count(turns) > limit:  # the newest message alone fits, so there is another one to drop
        turns.pop(0 if turns[0] is not newest else 1)
    return turns


def _newest_user(conversation: Sequence[Turn]) -> int:
    """Return the index of the newest user turn, or of the last turn when no user has spoken."""
    last = len(conversation) - 1
    for index in range(last, -1, -1):
        if conversation[index]["role"] == "user":
            return index
    return last


def _shrink(turn: Turn, limit: int, frame: int, count: Count) -> Turn:
    while (tokens := count([turn])) > limit:  # each round takes off at least a tenth, so a few rounds are enough
        share = _STEP * (limit - frame) / (tokens - frame)
        turn = _shortened(turn, int(len(turn["content"]) * share))
    return turn


def _shortened(turn: Turn, limit: int) -> Turn:
    return Turn(role=turn["role"], content=shorten(turn["content"], limit))
