"""The image and the compose file, as far as they can be checked without a daemon that builds and runs them."""

import fnmatch
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]  # LangChain brings it

from omni_router.server.shutdown import GRACE
from tests.support.dev_server import free_port, wait_until_up
from tests.support.processes import ROOT, child_environment

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KEY = "a-key-of-the-test"

# Everything but the data folder is read-only, as in the container; inside, the user has no rights outside.
READ_ONLY = 'mount --bind "$DATA" "$DATA" && mount -o remount,bind,ro / && exec "$@"'
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh")


def can_mount() -> bool:
    """Check whether this machine lets a process have mounts of its own."""
    probe = ("unshare", "--user", "--map-root-user", "--mount", "mount", "-o", "remount,bind,ro", "/")
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def instruction(name: str) -> str:
    """Return the arguments of the last instruction of a name, with its continuation lines joined."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return str(re.findall(rf"^{name} (.+)$", joined, re.MULTILINE)[-1])


def variables(data: Path) -> dict[str, str]:
    """Return what the image sets in the environment, with a folder in place of /data."""
    pairs = dict(pair.split("=", 1) for pair in instruction("ENV").split())
    del pairs["PATH"]
    return {name: value.replace("/data", str(data)) for name, value in pairs.items()}


def test_what_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied: set[str] = set()
    for arguments in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        copied.update(arguments.split()[:-1])
    assert copied == allowed
    for name in copied:
        assert (ROOT / name).exists()


def test_extras_of_the_image_are_extras_of_the_package() -> None:
    match = re.search(r'"\.\[([a-z,]+)\]"', DOCKERFILE)
    assert match is not None
    assert set(match[1].split(",")) <= set(metadata("omni-router").get_all("Provides-Extra") or ())


def test_the_image_does_not_run_as_root() -> None:
    user, _, group = instruction("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_every_container_is_read_only_without_capabilities_and_has_a_health_check() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "healthcheck" in service or name == "omni-router", "that of the image holds"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_a_container_is_stopped_after_its_answers_are_sent() -> None:
    grace = COMPOSE["services"]["omni-router"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > GRACE


def test_files_that_are_mounted_exist_and_named_volumes_are_declared() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).resolve().is_file(), source
            else:
                assert source in COMPOSE["volumes"]


def test_images_have_a_version() -> None:
    """The image of this package is built here; every other one is pinned."""
    images = [service["image"] for service in COMPOSE["services"].values()]
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in [*images, *bases]:
        assert image == "omni-router" or fnmatch.fnmatch(image, "*:*[0-9]*")


@pytest.fixture
def container(tmp_path: Path) -> Iterator[str]:
    """Start the command of the image with its environment, where only the data folder can be written."""
    if not can_mount():
        pytest.skip("this machine does not let a process have mounts of its own")
    data, port = tmp_path / "data", free_port()
    (data / "tmp").mkdir(parents=True)
    command = [*re.findall(r'"([^"]+)"', instruction("CMD"))[:-1], str(port)]
    environment = child_environment(data) | variables(data)
    environment |= {"DATA": str(data), "TMPDIR": str(data / "tmp"), "OMNI_SANDBOX": "1", "OMNI_API_KEY": KEY}
    program = [*NAMESPACE, sys.executable, str(ROOT / "omni_router_dev.py"), *command]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(program, cwd=data, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_up(process, f"{address}/omni/health", tmp_path / "log")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_the_server_of_the_image_answers_on_a_read_only_file_system(container: str, tmp_path: Path) -> None:
    probe = re.findall(r'"([^"]+)"', instruction("HEALTHCHECK").split("CMD", 1)[1])[-1]
    healthy = probe.replace("http://127.0.0.1:8080", container).replace("timeout=4", "timeout=60")
    for _ in range(120):  # the router is loading
        run = subprocess.run([sys.executable, "-c", healthy], capture_output=True, check=False)
        if run.returncode == 0:
            break
    assert run.returncode == 0, run.stderr
    question = {"model": "omni", "messages": [{"role": "user", "content": "How do tides work?"}]}
    headers = {"authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{container}/v1/chat/completions", json=question, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    image = {"prompt": "a lighthouse", "response_format": "b64_json"}
    drawn = httpx.post(f"{container}/v1/images/generations", json=image, headers=headers, timeout=60)
    assert drawn.status_code == 200, drawn.text
    assert "omni_decisions_total" in httpx.get(f"{container}/omni/metrics").text
    written = {path.suffix for path in (tmp_path / "data" / "outputs").rglob("*")}
    assert {".json", ".png"} <= written, "the history of the sandbox, and an image"
