"""The Python of the guides, run against a real dev server."""

import re
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

pytestmark = [pytest.mark.enable_socket, pytest.mark.loopback]


@pytest.mark.parametrize(
    ("guide", "shows"),
    [
        ("langgraph-server.md", "'task': 'image-text-to-text'"),
        ("mcp.md", "['text', 'image']"),
        ("a2a.md", "artifact_update [sandbox] Simulated answer"),
    ],
)
def test_the_python_of_a_guide_runs_and_shows_what_it_is_about(url: str, guide: str, shows: str) -> None:
    blocks = re.findall(r"```python notest\n(.*?)```", (ROOT / "docs" / "how-to" / guide).read_text(), re.DOTALL)
    code = "".join(blocks).replace("http://127.0.0.1:2024", url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout
