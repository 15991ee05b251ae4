"""One turn of a conversation, and what may be done to it."""

from msgspec import Struct

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, text

CONTINUE = "Continue your last message from exactly where it ends; do not repeat any of it."
"""Asks for what an answer begun by the client would have done."""


class Turn(Struct, kw_only=True):
    """``role`` is user, assistant or system; ``content`` never empty."""

    role: str
    content: list[JsonObject]

    def join(self, blocks: list[JsonObject]) -> None:
        """More blocks of the same role; an assistant's calls stay last."""
        self.content = [*self.content, *blocks]
        if self.role == "assistant" and len(self.content) > 1:
            self.content.sort(key=_is_call)

    def sent(self) -> JsonObject:
        """As Anthropic takes it."""
        return {"role": self.role, "content": [*self.content] if self.role == "system" else compact(self.content)}


def prefill(turns: list[Turn], *, allowed: bool, ask: Ask) -> None:
    """A conversation that ends with the assistant begins the answer for it, where the model takes that; else the user asks for the rest.

    A turn that ends with a server's tool was paused: sending it back as it is continues it.
    """
    last = turns[-1]
    end = last.content[-1]
    if last.role != "assistant" or end.get("type") != "text":
        return
    if allowed:
        last.content = [*last.content[:-1], {**end, "text": text(end.get("text")).rstrip()}]
    else:
        ask.notes.rewrite("messages")
        turns.append(Turn(role="user", content=[{"type": "text", "text": CONTINUE}]))


def mark(blocks: list[JsonObject], message: JsonObject) -> None:
    """``cache_control`` of a whole message stands on its last block."""
    if blocks and isinstance(message.get("cache_control"), dict):
        blocks[-1] = {**blocks[-1], "cache_control": message["cache_control"]}


def compact(blocks: list[JsonObject]) -> Json:
    """One plain text as a string, anything else as it is."""
    if len(blocks) == 1 and len(blocks[0]) == 2 and "text" in blocks[0]:
        return blocks[0]["text"]
    return [*blocks]


def _is_call(block: JsonObject) -> bool:
    return block.get("type") == "tool_use"
