"""The policy of the demo: its routes name models of the sandbox, as a user's own policy may name real ones."""

from typing import Any

from omni_router._sandbox.traits import known_for
from omni_router.config.route_file import RouteFile


def name_models(file: RouteFile) -> None:
    """Name a model for each route that has none yet, in the sandbox's own file; what is there is left as it is.

    Raises:
        PolicyFileError: the file is unusable; it is left untouched.
        OSError: it cannot be written.
    """

    def change(entries: list[dict[str, Any]]) -> bool:
        changed = False
        for entry in entries:
            model = known_for(entry["name"].strip().casefold())
            if model is not None and entry.get("models", []) == []:
                entry["models"] = [{"id": model, "uses": 0}]
                changed = True
        return changed

    file.update(change)
