"""Tool results as chat takes them: chat's tool messages hold text, so images and files follow in a message of the user."""

from collections.abc import Sequence

from ..catalogue.behaviour import canonical
from ..wire.values import Json, JsonObject, text
from .ask import Ask

_FOLLOWS = "(The {kind} of this result follows in the next message.)"
_KINDS = {"image_url": "image", "file": "file", "input_audio": "audio"}


def keeps_images(ask: Ask) -> bool:
    """Do the model's own tool results hold images and files? Claude's do, wherever it is served."""
    return canonical(ask.model).startswith("claude")


def tool_message(ident: str, parts: Sequence[JsonObject], ask: Ask) -> tuple[JsonObject, list[Json]]:
    """The tool message for ``parts``, and what has to follow it in a user message."""
    content: list[JsonObject] = []
    following: list[Json] = []
    plain = True
    for part in parts:
        kind = part["type"]
        if kind == "text":
            content.append(part)
            plain = plain and len(part) == 2
        elif keeps_images(ask):
            content.append(part)
            plain = False
        else:
            content.append({"type": "text", "text": _FOLLOWS.format(kind=_KINDS.get(text(kind), "content"))})
            following += [{"type": "text", "text": f"Result of the tool call {ident}:"}, part]
    told: Json = "\n".join([text(part["text"]) for part in content]) if plain else [*content]
    return {"role": "tool", "tool_call_id": ident, "content": told}, following
