"""Changes of the messages that some providers' rules ask for. Each gives back the very list when nothing is due."""

import re
from collections.abc import Callable
from hashlib import blake2b

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, items, obj, objects, text
from .history import without_extensions
from .params import MessageEdit

_NINE = re.compile(r"[a-zA-Z0-9]{9}")


def each(change: Callable[[JsonObject, Ask], JsonObject], *hints: bytes) -> MessageEdit:
    """An edit that looks at one message at a time."""

    def run(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
        found = [change(message, ask) for message in messages]
        return found if any(new is not old for new, old in zip(found, messages, strict=True)) else messages

    return MessageEdit(run=run, hints=hints)


def _system(message: JsonObject, ask: Ask) -> JsonObject:
    return {**message, "role": "system"} if message.get("role") == "developer" else message


SYSTEM = each(_system, b'"developer"')
"""``developer`` is OpenAI's newer word for ``system``."""


def _nameless(message: JsonObject, ask: Ask) -> JsonObject:
    if "name" not in message or message.get("role") == "tool":
        return message
    ask.notes.drop("messages[].name")
    return {name: value for name, value in message.items() if name != "name"}


NAMELESS = each(_nameless, b'"name"')
"""No ``name`` but on tool messages."""


def _text_result(message: JsonObject, ask: Ask) -> JsonObject:
    content = message.get("content")
    if message.get("role") != "tool" or not isinstance(content, list):
        return message
    if any(part.get("type") != "text" for part in objects(content)):
        ask.notes.drop("messages[].content[]")
    return {**message, "content": "".join(text(part.get("text")) for part in objects(content))}


TEXT_RESULTS = each(_text_result, b'"tool"')
"""Tool results as one string."""


def plain(*keep: str) -> MessageEdit:
    """None of the extension members, which make strict providers refuse the request, other than ``keep``."""
    kept = frozenset(keep)

    def run(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
        return without_extensions(messages, ask, keep=kept)

    hints = (
        b'"reasoning',
        b'"thinking_blocks"',
        b'"provider_blocks"',
        b'"annotations"',
        b'"cache_control"',
        b'"images"',
    )
    return MessageEdit(run=run, hints=(*hints, b'"extra_content"', b'"native_finish_reason"'))


# ---- Mistral --------------------------------------------------------------------------------------------------------
def _short_ids(message: JsonObject, ask: Ask) -> JsonObject:
    ident = text(message.get("tool_call_id"))
    if ident and _NINE.fullmatch(ident) is None:
        message = {**message, "tool_call_id": _nine(ident)}
    calls = objects(message.get("tool_calls"))
    if any(text(call.get("id")) and _NINE.fullmatch(text(call.get("id"))) is None for call in calls):
        message = {**message, "tool_calls": [{**call, "id": _nine(text(call.get("id")))} for call in calls]}
    return message


def _nine(ident: str) -> str:
    if _NINE.fullmatch(ident) is not None:
        return ident
    return blake2b(ident.encode("utf-8", "replace"), digest_size=8).hexdigest()[:9]


SHORT_IDS = each(_short_ids, b'"tool_call')
"""Ids of exactly nine letters and digits: older models take no others. The same id always becomes the same."""


def _strict_order(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
    found: list[JsonObject] = []
    for message in messages:
        if found and found[-1].get("role") == "tool" and message.get("role") == "user":
            found.append({"role": "assistant", "content": ""})
            ask.notes.rewrite("messages")
        found.append(message)
    last = found[-1] if found else {}
    if last.get("role") == "assistant" and not last.get("tool_calls") and "prefix" not in last:
        found[-1] = {**last, "prefix": True}
        return found
    return found if len(found) != len(messages) else messages


STRICT_ORDER = MessageEdit(run=_strict_order, hints=(b'"tool"', b'"assistant"'))
"""No user message right after a tool's, and a last assistant message says that it is to be continued."""


def _thinking_parts(message: JsonObject, ask: Ask) -> JsonObject:
    reasoning = message.get("reasoning_content")
    if message.get("role") != "assistant" or not isinstance(reasoning, str):
        return message
    message = {name: value for name, value in message.items() if name != "reasoning_content"}
    if not reasoning:
        return message
    if "magistral" not in ask.model and not (ask.info is not None and ask.info.reasoning):
        ask.notes.drop("messages[].reasoning_content")
        return message
    content = message.get("content")
    answer: list[JsonObject] = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    thinking: JsonObject = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}
    return {**message, "content": [thinking, *(objects(content) or answer)]}


THINKING_PARTS = each(_thinking_parts, b'"reasoning_content"')
"""Reasoning as Mistral's reasoning models wrote it: a part of the content."""


# ---- others ---------------------------------------------------------------------------------------------------------
def _renamed(message: JsonObject, ask: Ask) -> JsonObject:
    if "reasoning_content" not in message or "reasoning" in message:
        return message
    return {("reasoning" if name == "reasoning_content" else name): value for name, value in message.items()}


REASONING = each(_renamed, b'"reasoning_content"')
"""Reasoning is called ``reasoning`` (Groq, OpenRouter)."""


def _rewrapped(message: JsonObject, ask: Ask) -> JsonObject:
    reasoning = text(message.get("reasoning_content"))
    if message.get("role") != "assistant" or not reasoning or "m3.1-flash" in ask.model.lower():
        return message
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        return message
    kept = {name: value for name, value in message.items() if name != "reasoning_content"}
    return {**kept, "content": f"<think>\n{reasoning}\n</think>\n\n{content or ''}"}


REWRAPPED = each(_rewrapped, b'"reasoning_content"')
"""MiniMax' older models want their ``<think>`` back where they wrote it; it was told apart for the client."""


def placeheld(models: re.Pattern[str]) -> MessageEdit:
    """Reasoning models of Moonshot refuse tool calls without reasoning in the history; a blank is accepted."""

    def change(message: JsonObject, ask: Ask) -> JsonObject:
        if not message.get("tool_calls") or text(message.get("reasoning_content")) or models.search(ask.model) is None:
            return message
        return {**message, "reasoning_content": " "}

    return each(change, b'"tool_calls"')


def _old_reasoner(message: JsonObject, ask: Ask) -> JsonObject:
    if ask.model != "deepseek-reasoner" or "reasoning_content" not in message or message.get("tool_calls"):
        return message
    return {name: value for name, value in message.items() if name != "reasoning_content"}


OLD_REASONER = each(_old_reasoner, b'"reasoning_content"')
"""``deepseek-reasoner`` refuses its own reasoning, but for tool calls, which need it."""


def _alternating(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
    system = [message for message in messages if message.get("role") in ("system", "developer")]
    rest = [message for message in messages if message.get("role") not in ("system", "developer")]
    found: list[JsonObject] = []
    if system:
        joined: JsonObject = {"role": "system", "content": "\n\n".join(map(_plain_text, system))}
        found.append(system[0] if len(system) == 1 else joined)
    for message in rest:
        if found and found[-1].get("role") == message.get("role") != "tool":
            found[-1] = {**found[-1], "content": _together(found[-1], message)}
        else:
            found.append(message)
    if len(found) == len(messages) and all(new is old for new, old in zip(found, messages, strict=True)):
        return messages
    ask.notes.rewrite("messages")
    return found


def _together(one: JsonObject, two: JsonObject) -> Json:
    first, second = one.get("content"), two.get("content")
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(one), *_parts(two)]


def _parts(message: JsonObject) -> list[JsonObject]:
    content = message.get("content")
    return objects(content) if isinstance(content, list) else [{"type": "text", "text": text(content)}]


def _plain_text(message: JsonObject) -> str:
    return "\n".join(text(part.get("text")) for part in _parts(message))


ALTERNATING = MessageEdit(run=_alternating)
"""One system message, first; after it user and assistant in turns."""


def _said_something(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
    found = [
        message
        for message in messages
        if message.get("role") != "assistant" or message.get("content") or message.get("tool_calls")
    ]
    return found if len(found) != len(messages) else messages


SAID_SOMETHING = MessageEdit(run=_said_something, hints=(b'"assistant"',))
"""No empty assistant messages."""


def _named_results(messages: list[JsonObject], ask: Ask) -> list[JsonObject]:
    if "claude" not in ask.model.lower():
        return messages
    names = {
        text(call.get("id")): text(obj(call.get("function")).get("name"))
        for message in messages
        for call in objects(message.get("tool_calls"))
    }
    found = [
        {**message, "name": names[text(message.get("tool_call_id"))]}
        if message.get("role") == "tool" and "name" not in message and text(message.get("tool_call_id")) in names
        else message
        for message in messages
    ]
    return found if any(new is not old for new, old in zip(found, messages, strict=True)) else messages


NAMED_RESULTS = MessageEdit(run=_named_results, hints=(b'"tool"',))
"""Databricks' Claude wants the tool's name on its result."""


def with_instruction(messages: list[JsonObject], instruction: str) -> list[JsonObject]:
    """``messages`` with one more sentence for the model, in the system message or before the others."""
    for at, message in enumerate(messages):
        if message.get("role") in ("system", "developer"):
            content = message.get("content")
            told: Json = f"{text(content)}\n\n{instruction}"
            if isinstance(content, list):
                told = [*objects(items(content)), {"type": "text", "text": instruction}]
            return [*messages[:at], {**message, "content": told}, *messages[at + 1 :]]
    return [{"role": "system", "content": instruction}, *messages]
