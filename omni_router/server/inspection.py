"""The routes under /omni for a command line elsewhere: routes, models in their order, decisions, and feedback on them.

They are guarded by the keys of /v1. A user with a key of their own names a decision by its whole id, which nobody can
guess; the operator's key also finds the newest one, or one by the beginning of its id.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request

from omni_router.decisions.feedback import rate
from omni_router.decisions.log import DecisionLog
from omni_router.decisions.recent import RecentDecisions
from omni_router.errors import ConfigurationError, HistoryUnreachable, InvalidRequest
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.evidence import HubEvidence
from omni_router.own_models.joined_catalog import JoinedCatalog
from omni_router.selection.listings import ModelSources, list_models, route_as_json
from omni_router.server.bodies import ModelJSONResponse
from omni_router.server.graph_access import identity_of, services_of
from omni_router.server.openai.bodies import read_json
from omni_router.server.openai.errors import SERVER, ApiError, shown, wrong
from omni_router.server.openai.run import Api
from omni_router.server.openai.users import User
from omni_router.services import Services

PLACE = "the history of the server"
LATEST = "latest"  # in place of the id: the newest decision


async def routes(api: Api, _: Request) -> ModelJSONResponse:
    """Return the routes of the policy, with the models of their history."""
    return await _on_thread(api, _routes)


async def models(api: Api, request: Request) -> ModelJSONResponse:
    """Return the models that providers serve for a route, in the order of choice, or for a task."""
    return await _on_thread(api, partial(_models, name=request.path_params["name"]))


async def decision(api: Api, request: Request) -> ModelJSONResponse:
    """Return the entry of a decision, and what later ones say of its answer."""
    start = request.path_params["id"]
    return await _on_thread(api, partial(_decision, start=start, whole=_is_user(request)))


async def feedback(api: Api, request: Request) -> ModelJSONResponse:
    """Rate a decision: `id`, `verdict` (good, bad, a route or other), and optionally `text`, its request."""
    body = await read_json(request)
    for name in ("id", "verdict"):
        if not isinstance(body.get(name), str):
            raise wrong(name, body.get(name), "it is a string")
    if not body["id"]:
        raise wrong("id", "", f"it is the id of a decision, or with the operator's key {LATEST}")
    if not isinstance(body.get("text"), str | None):
        raise wrong("text", body["text"], "it is a string")
    return await _on_thread(api, partial(_feedback, body=body, whole=_is_user(request)))


async def _on_thread(api: Api, answer: Callable[[Services], dict[str, Any]]) -> ModelJSONResponse:
    """Answer on a thread: the policy, the history and the Hub are waited for."""
    return ModelJSONResponse(await asyncio.to_thread(lambda: answer(services_of(api.graph))))


def _is_user(request: Request) -> bool:
    """Return whether a request comes from one user among several."""
    user = request.scope.get("user")
    return isinstance(user, User) or identity_of(user) != ""


def _routes(services: Services) -> dict[str, Any]:
    history = services.history
    return {"routes": [route_as_json(route, history.models(route.name)) for route in services.policy.routes()]}


def _models(services: Services, name: str) -> dict[str, Any]:
    if not isinstance(services.catalog, HubCatalog | JoinedCatalog):
        raise ApiError("The catalog of this server cannot be listed.", status=501, code="not_listed", type=SERVER)
    evidence = services.evidence if isinstance(services.evidence, HubEvidence) else None
    sources = ModelSources(
        policy=services.policy,
        history=services.history,
        catalog=services.catalog,
        evidence=evidence,
        shadow=services.shadow_evidence,
        prefer=services.defaults.prefer,
    )
    try:
        return list_models(sources, name)
    except ConfigurationError as error:
        raise ApiError(str(error), status=404, code="unknown_route", param="name") from error


def _decision(services: Services, start: str, *, whole: bool) -> dict[str, Any]:
    entry, log = _find(services, start, whole=whole)
    doubts = [{"id": later["id"], "doubt": later["doubt"]} for later in log.doubts_about(entry["id"])]
    return {"decision": entry, "doubts": doubts}


def _feedback(services: Services, body: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    entry, _ = _find(services, body["id"], whole=whole)
    text = body.get("text")
    if text is not None:
        text = text.strip()  # as the log has it
    if text is not None and hashlib.sha256(text.encode(errors="replace")).hexdigest() != entry["asked"].get("sha256"):
        text = None  # the log has the text itself, or it is that of another request
    try:
        rating = rate(entry, body["verdict"], services, text=text, shown_place=PLACE)
    except InvalidRequest as error:
        raise ApiError(str(error), param="verdict", code="invalid_value") from error
    except HistoryUnreachable as error:
        raise ApiError(str(error), status=503, type=SERVER, code="history") from error
    return rating._asdict()


def _find(services: Services, start: str, *, whole: bool) -> tuple[dict[str, Any], DecisionLog | RecentDecisions]:
    """Return the entry of a decision, and where it was found."""
    log = services.decision_log
    if not isinstance(log, DecisionLog | RecentDecisions):
        raise _unknown("This server keeps no decisions: set OMNI_DECISION_LOG on the server for later ones.")
    found = _matching(log, "" if start == LATEST and not whole else start)
    if whole:
        found = [entry for entry in found if entry["id"] == start]
    if len(found) > 1:
        raise ApiError(f"Several ids start with {shown(start)}; send more of it.", param="id", code="invalid_value")
    if not found:
        raise _unknown(
            f"This server knows no decision {shown(start)}. It keeps the newest ones in memory, and all of them with "
            "OMNI_DECISION_LOG; a user names their own by the whole id."
        )
    return found[0], log


def _matching(log: DecisionLog | RecentDecisions, start: str) -> list[dict[str, Any]]:
    try:
        return log.with_id(start)
    except ConfigurationError:  # there is no file before the first decision
        return []


def _unknown(message: str) -> ApiError:
    return ApiError(message, status=404, code="decision_not_found", param="id")
