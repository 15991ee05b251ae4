"""How targets and their keys do now."""

from . import answers
from .asked import Nothing
from .calls import Call
from .desk import Desk


async def health(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Health:
    """As the process that answers sees them."""
    return answers.Health(targets=desk.health())
