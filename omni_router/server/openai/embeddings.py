"""POST /v1/embeddings: the vectors of texts, by the model that is named, or by the first that the catalog lists."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import quote

from langchain_core.runnables.config import run_in_executor, set_config_context
from pydantic import BeforeValidator, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from omni_router.config.parameters import NO_PARAMETERS
from omni_router.config.settings import OMNI, Settings
from omni_router.errors import BUDGET, SpecialistError
from omni_router.events import Finished, RunEvent
from omni_router.hub.availability import Availability
from omni_router.hub.cancellation import cancelled_after
from omni_router.hub.requirements import requirements_with
from omni_router.images import encode_base64
from omni_router.model_id import split_model_id
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import config_for, identity_of, services_of
from omni_router.server.headers import MODEL_HEADER
from omni_router.server.openai.bodies import ignored_names, note_ignored, read_as, read_json
from omni_router.server.openai.errors import ApiError, failed_run, wrong
from omni_router.server.openai.models import settings_of_model
from omni_router.server.openai.overrides import FIELDS, read_overrides
from omni_router.server.openai.requests import Body
from omni_router.server.openai.run import Api, RunStream
from omni_router.server.openai.users import User
from omni_router.services import Services

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

TASK = "feature-extraction"  # the Hub's name
MAX_TEXTS = 2048  # OpenAI's own limit

_TOKENS = (
    "it is a text, or a list of texts, not of tokens, which each model numbers differently (LangChain's "
    "OpenAIEmbeddings sends texts with check_embedding_ctx_length=False)"
)
_Text = Annotated[str, StringConstraints(min_length=1)]


def _as_list(texts: Any) -> Any:
    return [texts] if isinstance(texts, str) else texts


class EmbeddingRequest(Body):
    """The parameters that are served."""

    input: Annotated[list[_Text], BeforeValidator(_as_list), Field(min_length=1, max_length=MAX_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1)


class _Call(NamedTuple):
    """A request with the settings of its call."""

    request: EmbeddingRequest
    settings: Settings


class _Vectors(NamedTuple):
    model: str
    matrix: "NDArray[float32]"


async def embeddings(api: Api, request: Request) -> Response:
    """Embed texts; a client that disconnects has the call cancelled.

    Raises:
        ApiError: the request cannot be served, or the user's budget is spent. What a vector costs adds nothing to it.
    """
    body = await read_json(request)
    call = await asyncio.to_thread(_prepare, api, request, body)
    if isinstance(user := request.scope.get("user"), User):
        await api.accounts.of(user).admit(call.settings)
    run = RunStream(request, _embedded(api, request, call))
    try:
        event = await run.next()
    finally:
        await run.close()
    assert isinstance(event, Finished)  # noqa: S101 (the only event)
    vectors: _Vectors = event.state["vectors"]
    answer = await asyncio.to_thread(_as_json, call.request, vectors)
    return ModelJSONResponse(answer, headers={MODEL_HEADER: quote(vectors.model, safe="/:")})


def _prepare(api: Api, request: Request, body: Mapping[str, Any]) -> _Call:
    texts = body.get("input")
    if isinstance(texts, list) and not all(isinstance(text, str) for text in texts):
        raise wrong("input", texts, _TOKENS)
    embedding_request = read_as(EmbeddingRequest, body)
    services = services_of(api.graph)
    routes = services.policy.routes()
    model = settings_of_model(embedding_request.model, routes)
    if "route" in model:
        raise wrong("model", embedding_request.model, f"no route embeds texts; allowed are {OMNI} and a model id")
    overrides = read_overrides(request.headers, body, routes)
    note_ignored(request, [name for name in ignored_names(EmbeddingRequest, body) if name not in FIELDS])
    return _Call(embedding_request, api.settings(**{**model, **overrides}).filled_from(services.defaults))


async def _embedded(api: Api, request: Request, call: _Call) -> AsyncGenerator[RunEvent, None]:
    """Call the model as the user of the request, on a thread whose connection is closed when this ends."""
    config = config_for(identity_of(request.scope.get("user")))
    with set_config_context(config) as context, cancelled_after(context):
        embed = partial(context.copy().run, _embed, services_of(api.graph), call)
        vectors = await run_in_executor(None, embed)
    yield Finished({"vectors": vectors})


def _embed(services: Services, call: _Call) -> _Vectors:
    try:
        _check_budget(services, call.settings.model)
        choice = _choose(services, call.settings)
        matrix = services.inference.embed(
            choice.model, choice.provider, call.request.input, call.settings, call.request.dimensions
        )
    except SpecialistError as failure:
        raise failed_run(failure.info, headers={}, omni={"attempts": [], "error": failure.info}) from failure
    if call.request.dimensions not in (None, matrix.shape[1]):
        raise ApiError(
            f"dimensions is {call.request.dimensions}: {choice.model} has vectors of {matrix.shape[1]} numbers, "
            "which its provider does not shorten; leave it out, or name another model.",
            param="dimensions",
            code="invalid_value",
        )
    return _Vectors(choice.model, matrix)


def _choose(services: Services, settings: Settings) -> Availability:
    """Return the model that is named, or the first one of the catalog that may be called.

    Raises:
        SpecialistError: it may not be called, or there is none.
    """
    required = requirements_with(settings, 0, NO_PARAMETERS)
    if settings.model is not None:
        model, provider = split_model_id(settings.model)
        choice = services.catalog.check(str(model), provider, TASK, required)
        if choice.refused is not None:
            raise SpecialistError(choice.refused, model=choice.model, cause=choice.why, detail=choice.why)
        return choice
    for listed in services.catalog.models([TASK])[TASK]:
        choice = services.catalog.check(listed.id, None, TASK, required)
        if choice.refused is None:
            return choice
    raise SpecialistError("no_model", model=None, cause="catalog", detail="no model of the catalog embeds texts now")


def _check_budget(services: Services, model: str | None) -> None:
    """Raise if the budget of the day is spent; what a vector costs is not known, so that it adds nothing."""
    day, ledger = services.budget.day, services.ledger
    if day is not None and ledger is not None and ledger.spent() >= day:
        raise SpecialistError("payment", model=model, cause=BUDGET, detail="the budget of the day is spent")


def _as_json(request: EmbeddingRequest, vectors: _Vectors) -> dict[str, Any]:
    data = []
    for index, vector in enumerate(vectors.matrix):
        embedding: Any = vector.tolist()
        if request.encoding_format == "base64":
            embedding = encode_base64(vector.astype("<f4").tobytes())
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    usage = {"prompt_tokens": 0, "total_tokens": 0}  # the client of the Hub does not pass the counts on
    return {"object": "list", "model": vectors.model, "data": data, "usage": usage}
