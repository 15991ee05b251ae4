"""How the Python that runs us was built: one without profile-guided optimisation takes about a quarter more CPU for every request.

Distributions, uv and the official images optimise theirs; pyenv and a plain ``./configure`` do not.
"""

import sys
import sysconfig
from typing import Literal

Build = Literal["optimised", "distribution", "plain", "unknown"]
"""``distribution``: below /usr, whose settings do not say (Debian and Fedora optimise); ``unknown``: no settings are kept."""


def build() -> Build:
    """As far as the interpreter's own build settings tell."""
    settings = sysconfig.get_config_var("CONFIG_ARGS")
    if not isinstance(settings, str):
        return "unknown"
    if "--enable-optimizations" in settings:
        return "optimised"
    return "distribution" if sys.base_prefix == "/usr" else "plain"
