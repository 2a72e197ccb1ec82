"""Ask the Hub, the router of Inference Providers and LMArena: nothing here costs anything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omni_router.doctor.examination import ADVICE, TIMEOUT, TOKEN_PAGE, Examination, Outcome, Reading, read
from omni_router.doctor.expected_answers import ARENA, BENCHMARKS, BOARD, CARD, HUB_MODELS, ROUTER_MODELS, WHO_AM_I
from omni_router.hub.listing import ModelEntry, chat_models, served_models
from omni_router.hub.session import DATASETS_SERVER, hub_session
from omni_router.model_id import is_model_id, split_revision
from omni_router.routers.arch.router import ARCH_ROUTER

TEXT = "text-generation"
PERMISSION = "inference.serverless.write"  # the Hub's name of "Make calls to Inference Providers"
FINE_GRAINED = "fineGrained"
ARENA_ROWS = f"https://{DATASETS_SERVER}/rows"
ARENA_QUERY = {
    "dataset": "lmarena-ai/leaderboard-dataset",
    "config": "text_style_control",
    "split": "latest",
    "offset": "0",
    "length": "100",
}


def check_token(examination: Examination) -> Outcome:
    """Check that there is a token, that the Hub knows it, and that it permits calls of providers."""
    from huggingface_hub import HfApi

    token = examination.token
    if not token:
        return Outcome("failed", "there is none: models cannot be called", ADVICE["token"])
    if not token.startswith("hf_"):
        return Outcome("failed", "a token of the Hub starts with hf_; this one does not", ADVICE["token"])
    with hub_session(token, TIMEOUT):
        reading = read(HfApi(token=token).whoami, WHO_AM_I, shows_values=False)
    auth = _object(_object(reading.body).get("auth"))
    access = _object(auth.get("accessToken"))
    if not access:
        return reading.outcome(f"a login of the kind {auth.get('type')}")
    role = access.get("role")
    if role != FINE_GRAINED:
        return reading.outcome(f"a token with the role {role}, which may call Inference Providers")
    if reading.comparison.differences or PERMISSION in _permissions(access):
        return reading.outcome("a fine-grained token, which may call Inference Providers")
    return Outcome(
        "failed",
        "a fine-grained token, which may not call Inference Providers",
        f'Give it the permission "Make calls to Inference Providers" at {TOKEN_PAGE}.',
    )


def _permissions(access: dict[str, Any]) -> set[str]:
    details = _object(access.get(FINE_GRAINED))
    names = set(details.get("global", ()))
    for scope in details.get("scoped", ()):
        names.update(scope["permissions"])
    return names


def check_hub_models(_examination: Examination) -> Outcome:
    """Check the Hub's list of the models that providers serve."""
    reading = read(lambda: served_models(TEXT, None, TIMEOUT), HUB_MODELS)
    models: Sequence[ModelEntry] = reading.value or ()
    live = sum(bool(model["providers"]) for model in models)
    outcome = reading.outcome(f"{len(models)} trending models of {TEXT}, {live} of them with a live provider")
    if not live and outcome.status == "ok":
        return Outcome("failed", outcome.summary, "No text model is served now, which cannot last: try again later.")
    return outcome


def check_router_models(examination: Examination) -> Outcome:
    """Check the router's list of chat models: providers, prices, contexts, speeds."""
    reading = read(lambda: chat_models(None, TIMEOUT), ROUTER_MODELS)
    examination.chat_models = reading.value or []
    return reading.outcome(_summary_of(reading, examination.chat_models))


def _summary_of(reading: Reading, models: Sequence[ModelEntry]) -> str:
    """Count what is known of the offers: what providers do not publish is unknown to the choice, too."""
    known: Counter[str] = Counter()
    entries = [model["providers"] for model in _objects(_object(reading.body).get("data")) if "providers" in model]
    offers = [offer for providers in entries for offer in _objects(providers) if offer.get("status") == "live"]
    for offer in offers:
        known.update(key for key in ("pricing", "context_length", "throughput") if offer.get(key) is not None)
    return (
        f"{len(models)} chat models, {len(offers)} live offers; known prices: {known['pricing']}, "
        f"contexts: {known['context_length']}, speeds: {known['throughput']}"
    )


def check_benchmarks(examination: Examination) -> Outcome:
    """Check the Hub's list of official benchmarks."""
    from huggingface_hub import HfApi

    api = HfApi(token=examination.token or False)
    with hub_session(examination.token, TIMEOUT):
        reading = read(lambda: list(api.list_datasets(benchmark=True, limit=100)), BENCHMARKS)
    datasets = reading.value or []
    open_ones = [dataset.id for dataset in datasets if not dataset.gated]
    examination.benchmark = next(iter(open_ones), None)
    return reading.outcome(f"{len(datasets)} benchmarks, {len(datasets) - len(open_ones)} of them gated")


def check_board(examination: Examination) -> Outcome:
    """Check the board of one benchmark."""
    from huggingface_hub import HfApi

    name = examination.benchmark
    if name is None:
        return Outcome("skipped", "there is no open benchmark in the list")
    api = HfApi(token=examination.token or False)
    with hub_session(examination.token, TIMEOUT):
        reading = read(lambda: api.get_dataset_leaderboard(name, base_model_only=False, timeout=TIMEOUT), BOARD)
    rows = _objects(reading.body)
    models = {row.get("modelId") for row in rows}
    return reading.outcome(f"{name}: {len(rows)} rows of {len(models)} models")


def check_arena(_examination: Examination) -> Outcome:
    """Check one page of LMArena's ratings; no token is sent there."""
    with hub_session(None, TIMEOUT):
        reading = read(_ask_arena, ARENA)
    rows = [_object(row.get("row")) for row in _objects(_object(reading.body).get("rows"))]
    dates = sorted({str(row["leaderboard_publish_date"]) for row in rows if "leaderboard_publish_date" in row})
    names = {row.get("model_name") for row in rows}
    return reading.outcome(f"{len(rows)} rows of {len(names)} models, published {', '.join(dates[-2:])}")


def _ask_arena() -> None:
    from huggingface_hub import get_session

    get_session().get(ARENA_ROWS, params=ARENA_QUERY, timeout=TIMEOUT).raise_for_status()


def check_checkpoint(examination: Examination) -> Outcome:
    """Check that the router's checkpoint can be reached, and under which terms."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError

    environment = examination.environment
    name = ARCH_ROUTER
    if environment.router_model and environment.router in ("auto", "arch"):
        name = environment.router_model
    if Path(name).expanduser().is_dir():
        return Outcome("ok", f"the folder {name}")
    model, revision = split_revision(name)
    if not is_model_id(model):
        return Outcome("failed", f"{name} is neither a folder nor the id of a model", "Correct OMNI_ROUTER_MODEL.")
    api = HfApi(token=examination.token or False)
    with hub_session(examination.token, TIMEOUT):
        reading = read(lambda: api.model_info(model, revision=revision, timeout=TIMEOUT), CARD)
        if reading.comparison.differences:
            return reading.outcome(model)
        try:
            if reading.value.gated:
                api.auth_check(model)
        except GatedRepoError:
            advice = f"Accept its terms at https://huggingface.co/{model}, or use --router semantic."
            return Outcome("failed", f"{model} is gated, and this token has no access", advice)
    return reading.outcome(f"{model}: {_terms(reading.body)}")


def _terms(card: Any) -> str:
    data = _object(_object(card).get("cardData"))
    gated = _object(card).get("gated")
    access = "gated, with access" if gated else "open"
    return f"{access}, licence {data.get('license_name') or data.get('license') or 'not named'}"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(values: Any) -> list[dict[str, Any]]:
    items: Iterable[Any] = values if isinstance(values, list) else ()
    return [item for item in items if isinstance(item, dict)]
