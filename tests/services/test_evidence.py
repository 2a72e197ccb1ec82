"""Whether the services of an environment read what is published about models, and where they keep it."""

from pathlib import Path

import pytest

from omni_router import Services
from omni_router._sandbox import Sandbox
from omni_router.config.environment import Environment
from omni_router.hub.evidence import HubEvidence


def services(tmp_path: Path, **variables: str) -> Services:
    return Services.from_environment(Environment.read(variables={"OMNI_CACHE_DIR": str(tmp_path), **variables}))


@pytest.mark.parametrize(("mode", "shadow"), [("", False), ("on", False), ("shadow", True)])
def test_evidence_is_read_unless_it_is_switched_off(tmp_path: Path, mode: str, shadow: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    opened = services(tmp_path, OMNI_EVIDENCE=mode)
    assert isinstance(opened.evidence, HubEvidence)
    assert opened.shadow_evidence is shadow


def test_nothing_reads_evidence_that_is_switched_off(tmp_path: Path) -> None:
    opened = services(tmp_path, OMNI_EVIDENCE="off")
    assert opened.evidence is None
    assert not opened.shadow_evidence


def test_opening_the_services_reads_and_writes_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    services(tmp_path)
    assert not sandbox.requests
    assert not list(tmp_path.iterdir())
