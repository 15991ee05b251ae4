"""A configuration in two halves: how requests are routed, which a trial can try, and the rest, which holds for everybody at once."""

from typing import TypeVar

from msgspec import Struct, structs

C = TypeVar("C", bound=Struct)

ROUTING = (
    "providers",
    "models",
    "successors",
    "passthrough",
    "retry",
    "health",
    "routing",
    "timeouts",
    "streaming",
)
"""Sections that are tried. Not the catalogue: a process has one, and prices must not depend on the arm."""


def base_of(old: C, new: C) -> C | None:
    """``new`` with the routing of ``old``: what most requests get during a trial. ``None``: the routing is the same."""
    routing = {name: getattr(old, name) for name in ROUTING}
    if all(value == getattr(new, name) for name, value in routing.items()):
        return None
    return structs.replace(new, **routing)
