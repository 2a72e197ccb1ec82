"""Drive one client through several features: `python run_features.py DRIVER BASE_URL FEATURE...`.

A client is imported once this way. For each feature there is one line of JSON, with what went wrong, or null.
"""

import json
import runpy
import sys
import traceback

MARK = "@feature "  # begins the lines that are not the client's own


def failure_of(driver: str, base_url: str, feature: str) -> str | None:
    """Return what went wrong with one feature; None when it works."""
    sys.argv = [driver, base_url, feature]
    try:
        runpy.run_path(driver, run_name="__main__")
    except SystemExit as end:
        return str(end.code) if end.code else None
    except BaseException:  # noqa: BLE001 (whatever a client raises is the finding)
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    _, driver_name, address, *features = sys.argv
    for name in features:
        failure = failure_of(driver_name, address, name)
        print(MARK + json.dumps({"feature": name, "failure": failure}), flush=True)
