"""The table of checks, and how they are made: in this order, since a later one may use what an earlier one found."""

import time
from collections.abc import Iterable, Iterator

from omni_router.doctor.examination import ADVICE, REPORT, Check, Examination, Outcome, Result
from omni_router.doctor.machine import check_caches, check_database, check_disk, check_encoder
from omni_router.doctor.model_calls import check_chat, check_image
from omni_router.doctor.online import (
    check_arena,
    check_benchmarks,
    check_board,
    check_checkpoint,
    check_hub_models,
    check_router_models,
    check_token,
)
from omni_router.errors import OmniRouterError, SpecialistError
from omni_router.hub.errors import kind_of

CHECKS = (
    Check("token", "GET /api/whoami-v2 of the Hub", check_token),
    Check("models", "GET /api/models of the Hub: who serves text models", check_hub_models),
    Check("router", "GET /v1/models of the router of Inference Providers", check_router_models),
    Check("benchmarks", "GET /api/datasets of the Hub: the official benchmarks", check_benchmarks),
    Check("board", "GET /api/datasets/{id}/leaderboard of the Hub", check_board),
    Check("arena", "GET /rows of the datasets server: ratings of LMArena", check_arena),
    Check("chat", "POST /v1/chat/completions: 16 tokens, streamed", check_chat),
    Check("image", "an image by the first provider of the first model", check_image, only_full=True),
    Check("checkpoint", "GET /api/models/{id} of the Hub: the checkpoint of --router arch", check_checkpoint),
    Check("encoder", "the encoder of the embedded router", check_encoder),
    Check("caches", "the files in OMNI_CACHE_DIR", check_caches),
    Check("database", "PostgreSQL, if OMNI_HISTORY names one", check_database),
    Check("disk", "the folders that are written, and the space there", check_disk),
)


def examine(examination: Examination, checks: Iterable[Check]) -> Iterator[Result]:
    """Make the checks, one after the other; none ends the examination."""
    for check in checks:
        started = time.monotonic()
        if check.only_full and not examination.full:
            outcome = Outcome("skipped", "only with --full, since it may cost more than a cent")
        else:
            outcome = _ask(examination, check)
        yield Result(check, outcome, time.monotonic() - started)


def _ask(examination: Examination, check: Check) -> Outcome:
    try:
        outcome = check.ask(examination)
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is what this command is for)
        outcome = _failure(error)
    return outcome.without_secrets(examination.token)


def _failure(error: Exception) -> Outcome:
    """Return the outcome of a check that an error ended."""
    if isinstance(error, SpecialistError):
        summary = f"{error.kind}: {error.cause} {error.detail}".strip()
        return Outcome("failed", summary, ADVICE.get(error.kind, REPORT))
    if isinstance(error, OmniRouterError):
        return Outcome("failed", str(error))
    kind = kind_of(error)
    response = getattr(error, "response", None)
    cause = type(error).__name__ if response is None else f"HTTP {response.status_code}"
    if kind is None:
        return Outcome("failed", cause, REPORT)
    return Outcome("failed", f"{kind.replace('_', ' ')} ({cause})", ADVICE.get(kind, REPORT))
