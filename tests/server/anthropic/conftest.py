from collections.abc import Iterator

import pytest
from anthropic import Anthropic

from omni_router import Services
from tests.support.openai_server import TEXT, openai_server
from tests.support.scripted_router import ScriptedRouter


@pytest.fixture
def url(services: Services, router: ScriptedRouter) -> Iterator[str]:
    router.choose("question_answering", TEXT)
    with openai_server(services) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=0) as client:
        yield client
