"""The page as a Space: real models with the secret HF_TOKEN, simulated ones without."""  # noqa: INP001 (a script)

import os

from omni_router.cli import main

# A Space is public, and the proxy before it knows its names.
os.environ.setdefault("OMNI_HOSTS", "*")
# A Space says where to listen in these two.
host = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0")  # noqa: S104 (a Space is reached from outside its container)
port = os.environ.get("GRADIO_SERVER_PORT", "7860")
raise SystemExit(main(["ui", "--host", host, "--port", port]))
