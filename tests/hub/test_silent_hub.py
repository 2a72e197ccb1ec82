"""A Hub that takes questions and never answers: nobody waits for it as long as for a model."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omni_router import Services, Settings, build_graph
from omni_router._sandbox import Sandbox
from omni_router.errors import SpecialistError
from omni_router.hub import cache, session
from omni_router.hub.catalog import HubCatalog
from omni_router.hub.client import HubInference
from omni_router.hub.session import forget_providers
from tests.support.calls import ask
from tests.support.scripted_router import ScriptedRouter
from tests.support.silent_hub import SilentHub, silent_hub

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

MINE, PICTURE_TASK = "hf_mine", "text-to-image"
PICTURE, OTHER_PICTURE = "sandbox/text-to-image-1", "sandbox/text-to-image-3"
TINY_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def hung(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SilentHub]:
    """A Hub that takes every question and never answers; models are served by the sandbox."""
    monkeypatch.setattr(session, "HUB_TIMEOUT", 0.3)
    monkeypatch.setattr(cache, "TIMEOUT", 0.3)
    forget_providers()
    with silent_hub(sandbox) as hub:
        yield hub


@pytest.mark.parametrize("call", ["text_to_image", "image_to_text"])
def test_a_hub_that_hangs_ends_the_call_after_the_hubs_own_limit_and_is_not_asked_again(
    hung: SilentHub, call: str
) -> None:
    hub = HubCatalog()
    call_model: Callable[..., object] = getattr(HubInference(MINE, hub=hub), call)
    for model, kind in ((PICTURE, "timeout"), (OTHER_PICTURE, "connection")):
        with pytest.raises(SpecialistError) as failed:
            call_model(model, None, "data:image/png;base64," + TINY_PNG, Settings(timeout=30))
        assert failed.value.kind == kind
    assert hung.asked == [f"/api/models/{PICTURE}"], "the second model's call did not ask what is known to be down"


def test_where_nobody_keeps_the_hubs_health_each_call_gives_up_after_the_hubs_own_limit(hung: SilentHub) -> None:
    for _ in range(2):
        with pytest.raises(SpecialistError, match="did not answer in time"):
            HubInference(MINE).text_to_image(PICTURE, None, "a cat", Settings(timeout=30))
    assert len(hung.asked) == 2


def test_a_picture_fails_at_once_when_the_catalog_found_the_hub_down(
    hung: SilentHub, services: Services, router: ScriptedRouter, write_policy: Callable[..., Path]
) -> None:
    catalog = HubCatalog()
    services = replace(services, catalog=catalog, inference=HubInference(hub=catalog))
    write_policy(image_generation=[PICTURE, OTHER_PICTURE])
    router.choose("image_generation", PICTURE)
    result = build_graph(services).compile().invoke(ask("a cat"), context=Settings(timeout=30))
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["connection"]
    assert hung.asked == ["/api/models"], "only the catalog's list was asked for"
    assert services.history.cooling() == {}, "it is not the model's fault"


def test_the_catalog_gives_the_hub_another_chance_after_a_while(sandbox: Sandbox) -> None:
    now = [1000.0]
    catalog = HubCatalog(clock=lambda: now[0])
    assert not catalog.is_down()
    catalog.note_down()
    assert catalog.is_down()
    assert catalog.models([PICTURE_TASK]) == {PICTURE_TASK: ()}, "nothing is asked"
    now[0] += cache.KEEP_FAILURE
    assert not catalog.is_down()
    assert catalog.models([PICTURE_TASK])[PICTURE_TASK]
