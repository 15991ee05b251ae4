"""Model shims: a request in OpenAI's own dialect adapted to what its model takes, instead of failing.

The client's bytes travel but for the members that have to change, and every change is named in ``ask.notes``. What a model
takes: ``catalogue/behaviours.json``.
"""

import re

import msgspec
import orjson

from ...translation.ask import Ask
from ...wire.values import JsonObject, dumps, object_in
from .edits import Edits, spliced
from .messages import adapted
from .rules import chat_edits, responses_edits

_CHAT = re.compile(
    rb'"(?:max_tokens|max_completion_tokens|temperature|top_p|presence_penalty|frequency_penalty|logprobs|top_logprobs'
    rb"|logit_bias|prediction|verbosity|n|stop|stream|tools|functions|tool_choice|function_call|parallel_tool_calls"
    rb'|response_format|reasoning_effort|system|developer|tool|function|tool_calls|image_url)"'
)
"""A chat request without any of these words needs no shim."""

_RESPONSES = re.compile(rb'"(?:temperature|top_p|top_logprobs|reasoning|parallel_tool_calls|max_output_tokens|text)"')

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def shim(endpoint_name: str, body: bytes, ask: Ask) -> bytes:
    """``body`` as ``ask.behaviour`` takes it; the same bytes when nothing is due. Raises ``InvalidRequest``.

    ``endpoint_name``: ``chat`` or ``responses``; other operations have no shims. Sets ``ask.stop``, ``ask.choices`` and
    ``ask.whole`` for the way back (``translation.shimmed``).
    """
    if not ask.behaviour.adapt:
        return body
    if endpoint_name == "chat" and _CHAT.search(body) is not None:
        return _chat(body, ask)
    if endpoint_name == "responses" and _RESPONSES.search(body) is not None:
        raws = _members(body)
        return spliced(body, responses_edits(_read(raws), ask)) if raws is not None else body
    return body


def shim_chat(chat: JsonObject, ask: Ask) -> JsonObject:
    """The same for the hub: ``chat`` itself when nothing is due, else a changed copy. Raises ``InvalidRequest``."""
    if not ask.behaviour.adapt:
        return chat
    edits = chat_edits(chat, ask)
    messages = chat.get("messages")
    if isinstance(messages, list):
        changed = adapted(messages, ask, edits.instruction)
        if changed is not None:
            edits.values["messages"] = [messages[item] if isinstance(item, int) else item for item in changed]
    if not edits:
        return chat
    found = {edits.names.get(name, name): value for name, value in chat.items() if name not in edits.removed}
    return found | edits.values


def _chat(body: bytes, ask: Ask) -> bytes:
    raws = _members(body)
    if raws is None:
        return body
    edits = chat_edits(_read(raws), ask)
    messages = raws.get("messages")
    if messages is not None and _about_messages(body, ask, edits):
        edits.raw_messages = _messages(messages, ask, edits.instruction)
    return spliced(body, edits)


def _about_messages(body: bytes, ask: Ask, edits: Edits) -> bool:
    """Could a message have to change? Decided on bytes, because messages are long."""
    behaviour = ask.behaviour
    if edits.instruction or behaviour.system_role == "none" or not behaviour.tools:
        return True
    if behaviour.system_role == "developer" and b'"developer"' in body and b'"system"' in body:
        return True
    return not behaviour.images and b'"image_url"' in body


def _members(body: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read(raws: dict[str, msgspec.Raw]) -> JsonObject:
    """The members that rules look at."""
    return {
        name: orjson.loads(memoryview(raw))
        for name, raw in raws.items()
        if name not in ("messages", "input", "metadata")
    }


def _messages(raw: msgspec.Raw, ask: Ask, instruction: str) -> bytes | None:
    """The new ``messages``, each unchanged one with its own bytes; ``None`` when none had to change."""
    try:
        raws = _ITEMS.decode(raw)
    except msgspec.DecodeError:
        return None
    changed = adapted([object_in(bytes(item)) for item in raws], ask, instruction)
    if changed is None:
        return None
    return b"[" + b",".join(bytes(raws[item]) if isinstance(item, int) else dumps(item) for item in changed) + b"]"
