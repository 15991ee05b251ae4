"""Thinking blocks: real ones pass unchanged, those made here are recognised by their signature and become plain reasoning."""

from ...wire.values import JsonObject, items, obj, text
from ..carried import MARK, seal, unseal


class Thoughts:
    """What the thinking blocks of one assistant message say, in chat's words."""

    __slots__ = ("_details", "_extra", "_native", "_reasoning")

    def __init__(self) -> None:
        self._reasoning: list[str] = []
        self._native: list[JsonObject] = []
        self._details: list[JsonObject] = []
        self._extra: JsonObject = {}

    def add(self, block: JsonObject) -> None:
        """One ``thinking`` or ``redacted_thinking`` block."""
        redacted = block.get("type") == "redacted_thinking"
        sign = text(block.get("data" if redacted else "signature"))
        thought = text(block.get("thinking"))
        if thought:
            self._reasoning.append(thought)
        state = unseal(sign)
        if state is not None:
            self._restore(state)
        elif redacted:
            self._native.append({"type": "redacted_thinking", "data": sign})
        elif sign:
            self._native.append({"type": "thinking", "thinking": thought, "signature": sign})

    def _restore(self, state: JsonObject) -> None:
        self._native += [block for block in items(state.get("thinking_blocks")) if isinstance(block, dict)]
        self._details += [part for part in items(state.get("reasoning_details")) if isinstance(part, dict)]
        self._extra.update(obj(state.get("extra_content")))

    def tell(self, message: JsonObject) -> None:
        """Adds the members that hold reasoning to a chat message."""
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._native:
            message["thinking_blocks"] = [*self._native]
        if self._details:
            message["reasoning_details"] = [*self._details]
        if self._extra:
            message["extra_content"] = self._extra


def ours(block: JsonObject) -> bool:
    """Was the block made by this gateway? Anthropic refuses such a signature: it must not be sent there."""
    kind = block.get("type")
    member = "signature" if kind == "thinking" else "data"
    return kind in ("thinking", "redacted_thinking") and text(block.get(member)).startswith(MARK)


def thought(reasoning: str, state: JsonObject) -> JsonObject:
    """A thinking block for ``reasoning`` of a model that signs nothing."""
    return {"type": "thinking", "thinking": reasoning, "signature": seal(state)}


def remainder(state: JsonObject) -> JsonObject:
    """A block for state that no thinking block could take along."""
    return {"type": "redacted_thinking", "data": seal(state)}
