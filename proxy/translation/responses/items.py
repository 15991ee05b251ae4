"""Output items of a response. Ids are made from the request's, so that a stream and a whole answer name them alike."""

from ...wire.values import Json, JsonObject, obj, text
from ..ask import Ask
from ..carried import seal
from .tools import Tool, unwrapped

ENCRYPTED = ("thinking_blocks", "reasoning_details", "extra_content")
"""Members of a chat message that no item shows and a follow-up turn needs: they travel as ``encrypted_content``."""


def item_id(kind: str, index: int, ask: Ask) -> str:
    """``kind``: OpenAI's prefix (``msg``, ``fc``, ``rs``); ``index``: the place in the output."""
    return f"{kind}_{ask.request_id[-40:]}_{index}"


def reasoning_item(index: int, summary: str, state: JsonObject, ask: Ask, *, encrypted: bool) -> JsonObject:
    """``encrypted``: did the client ask for it? State is carried even when it did not, because nothing is stored here."""
    item: JsonObject = {
        "id": item_id("rs", index, ask),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": summary}] if summary else [],
    }
    if state or encrypted:
        item["encrypted_content"] = seal(state)
    return item


def text_part(spoken: str, annotations: list[Json], logprobs: list[Json]) -> JsonObject:
    """A part that was said."""
    return {"type": "output_text", "text": spoken, "annotations": annotations, "logprobs": logprobs}


def refusal_part(refusal: str) -> JsonObject:
    """A part that was refused."""
    return {"type": "refusal", "refusal": refusal}


def message_item(index: int, content: list[Json], ask: Ask, status: str) -> JsonObject:
    """What the model said."""
    return {
        "id": item_id("msg", index, ask),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def call_item(index: int, call_id: str, tool: Tool, arguments: str, ask: Ask, status: str) -> JsonObject:
    """A call of a function or of a custom tool; ``arguments``: the function's."""
    named: JsonObject = {"call_id": call_id, "name": tool.name}
    if tool.namespace:
        named["namespace"] = tool.namespace
    if tool.custom:
        given = unwrapped(arguments) if arguments else ""
        return {"id": item_id("ctc", index, ask), "type": "custom_tool_call", "status": status, **named, "input": given}
    return {"id": item_id("fc", index, ask), "type": "function_call", "status": status, **named, "arguments": arguments}


def image_item(index: int, image: JsonObject, ask: Ask) -> JsonObject | None:
    """An image that the model made; ``None`` for one that is not given as data."""
    head, mark, data = text(obj(image.get("image_url")).get("url")).partition(";base64,")
    if not mark or not head.startswith("data:image/"):
        return None
    return {"id": item_id("ig", index, ask), "type": "image_generation_call", "status": "completed", "result": data}


def flat_annotation(annotation: JsonObject) -> JsonObject:
    """Chat nests a citation's members under its type."""
    kind = text(annotation.get("type"))
    inner = annotation.get(kind)
    return {"type": kind, **inner} if isinstance(inner, dict) else annotation


def logprobs_of(choice: JsonObject) -> list[Json]:
    """The log probabilities of a choice or of one of its chunks."""
    listed = obj(choice.get("logprobs")).get("content")
    return listed if isinstance(listed, list) else []
