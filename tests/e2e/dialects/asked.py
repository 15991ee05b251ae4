"""What the tests ask, in OpenAI's words, and how they fold a stream back into an answer."""

from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

ASK: list[Any] = [
    {"role": "system", "content": "You know every road."},
    {"role": "user", "content": "How long is the road to the mill — in metres?"},
]


def tool(name: str, **properties: Any) -> Any:
    """A function whose parameters are all required."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": parameters}}


TOOLS = [
    tool("look_up", place={"type": "string"}, near={"type": "number"}),
    tool("measure", stones={"type": "array", "items": {"type": "integer"}}, kind={"type": "string", "enum": ["long", "short"]}),
]  # fmt: skip
RESULT = "9007199254740993 m — and ½ more"


class Road(BaseModel):
    """A structured answer."""

    name: str
    metres: int
    stones: list[str]


def fold(chunks: Iterable[ChatCompletionChunk]) -> dict[str, Any]:
    """The message that a stream's chunks make, its finish reason and its usage."""
    text, thought, finish, usage = "", "", None, None
    calls: dict[int, dict[str, Any]] = {}
    blocks: list[Any] = []
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            delta = choice.delta
            extra = delta.model_extra or {}
            text += delta.content or ""
            thought += extra.get("reasoning_content") or ""
            blocks += extra.get("thinking_blocks") or []
            finish = choice.finish_reason or finish
            for call in delta.tool_calls or []:
                whole = calls.setdefault(call.index, {"id": call.id, "name": "", "arguments": ""})
                assert call.function is not None
                whole["name"] += call.function.name or ""
                whole["arguments"] += call.function.arguments or ""
    return {
        "text": text,
        "thought": thought,
        "blocks": blocks,
        "calls": [calls[index] for index in sorted(calls)],
        "finish": finish,
        "usage": usage.model_dump(exclude_none=True) if usage is not None else None,
    }


def whole(completion: Any) -> dict[str, Any]:
    """The same members of a plain answer."""
    choice = completion.choices[0]
    message = choice.message
    extra = message.model_extra or {}
    return {
        "text": message.content or "",
        "thought": extra.get("reasoning_content") or "",
        "blocks": extra.get("thinking_blocks") or [],
        "calls": [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in message.tool_calls or []
        ],
        "finish": choice.finish_reason,
        "usage": completion.usage.model_dump(exclude_none=True) if completion.usage is not None else None,
    }


def results(message: Any) -> list[Any]:
    """The message as the SDK gave it, and an answer to each of its calls."""
    kept = message.model_dump(exclude_none=True)
    return [kept, *({"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in message.tool_calls)]
