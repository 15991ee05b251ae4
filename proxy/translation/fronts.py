"""What clients speak besides chat, by path: for models whose provider does not speak it."""

from .contract import Front
from .messages import MessagesFront
from .responses import ResponsesFront

FRONTS: dict[str, type[Front]] = {"/messages": MessagesFront, "/responses": ResponsesFront}
