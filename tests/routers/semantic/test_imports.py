"""What a process imports for the embedded router: each of the left-out packages takes seconds and hundreds of MB."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.processes import cache_folder

HEAVY = ("torch", "transformers", "sentence_transformers", "scipy", "matplotlib", "gradio", "safetensors")
ROUTE = """
import json, sys
from dataclasses import replace
from pathlib import Path
from omni_router.config.environment import Environment
from omni_router.routers import RouteOption
from omni_router.services.router import choose_router
router = choose_router(replace(Environment.read(router="semantic"), cache_dir=Path(sys.argv[1])))
before = sorted(sys.modules)
reply = router.reply([{"role": "user", "content": "will it rain?"}], [RouteOption("weather", "rain and wind")])
print(json.dumps([json.loads(reply.text)["route"], before, sorted(sys.modules)]))
"""


def test_routing_imports_nothing_heavy_and_choosing_the_router_loads_no_encoder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ROUTE, str(cache_folder(tmp_path))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    route, before, after = json.loads(done.stdout)
    assert route == "weather"
    assert "onnxruntime" in after
    assert set(after).isdisjoint(HEAVY)
    assert set(before).isdisjoint({*HEAVY, "onnxruntime", "tokenizers", "sentencepiece", "fasttext"})
