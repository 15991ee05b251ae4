"""Builds a whole ``chat.completion``, and folds a stream of chunks into the same."""

from collections.abc import Iterable

from ..wire.values import Json, JsonObject, count, items, obj, objects, text
from .ask import Ask
from .finish import Finish

MOST_CALLS = 1024
"""Tool calls of one answer that are kept; an index beyond it is a mistake."""

_CHOICE = frozenset(("index", "delta", "logprobs", "message"))
"""Members of a choice that are put together; of all others the last one holds."""


def tool_call(ask: Ask, index: int, ident: str, name: str, arguments: str, /, **beside: Json) -> JsonObject:
    """One finished tool call. A missing id is made; ``name`` is the provider's spelling; ``arguments`` is JSON text."""
    return {
        "id": ident or f"call_{ask.request_id[-24:]}_{index}",
        "type": "function",
        "function": {"name": ask.names.back(name), "arguments": arguments},
        **beside,
    }


def choice(
    *,
    content: str | None,
    finish: Finish,
    native: str = "",
    reasoning: str = "",
    refusal: str | None = None,
    tool_calls: list[JsonObject] | None = None,
    index: int = 0,
    logprobs: Json = None,
    **beside: Json,
) -> JsonObject:
    """One choice. ``content`` is ``None`` only beside tool calls; ``beside``: more members of the message (``thinking_blocks``)."""
    message: JsonObject = {"role": "assistant", "content": content, "refusal": refusal}
    if reasoning:
        message["reasoning_content"] = reasoning
    if tool_calls:
        message["tool_calls"] = [*tool_calls]
    message.update(beside)
    found: JsonObject = {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}
    if native and native.lower() != finish:
        found["native_finish_reason"] = native
    return found


def completion(
    ask: Ask, choices: list[JsonObject], usage: JsonObject | None, *, ident: str = "", model: str = ""
) -> JsonObject:
    """The whole answer. ``usage``: see ``chunks.usage_object``; ``None`` when the provider reported none."""
    found: JsonObject = {
        "id": ident or f"chatcmpl-{ask.request_id}",
        "object": "chat.completion",
        "created": ask.created,
        "model": model or ask.model,
        "choices": [*choices],
    }
    if usage is not None:
        found["usage"] = usage
    return found


def fold(chunks: Iterable[JsonObject]) -> JsonObject:
    """What ``chunks`` add up to: the answer that the same request would have had without a stream."""
    found: JsonObject = {}
    choices: dict[int, JsonObject] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if value is not None and (name == "usage" or name not in found):
                found[name] = value
        for part in objects(chunk.get("choices")):
            index = count(part.get("index")) or 0
            if index not in choices:
                message: JsonObject = {"role": "assistant", "content": None, "refusal": None}
                choices[index] = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            _fold_choice(choices[index], part)
    found["object"] = "chat.completion"
    found["choices"] = [choices[index] for index in sorted(choices)]
    for whole in objects(found["choices"]):
        message = obj(whole["message"])
        if "tool_calls" in message:
            message["tool_calls"] = [call for call in objects(message["tool_calls"]) if call]
            if message["content"] == "":
                message["content"] = None
    return found


def _fold_choice(whole: JsonObject, part: JsonObject) -> None:
    message = obj(whole["message"])
    for name, value in obj(part.get("delta")).items():
        if name == "tool_calls":
            _fold_calls(message, objects(value))
        elif name == "role" or value is None:
            continue
        elif isinstance(value, str):
            message[name] = text(message.get(name)) + value
        elif isinstance(value, list):
            message[name] = [*items(message.get(name)), *value]
        else:
            message[name] = value
    logprobs = obj(part.get("logprobs"))
    for name, value in logprobs.items():
        if isinstance(value, list):
            kept = obj(whole["logprobs"])
            whole["logprobs"] = {**kept, name: [*items(kept.get(name)), *value]}
    for name, value in part.items():
        if value is not None and name not in _CHOICE:
            whole[name] = value


def _fold_calls(message: JsonObject, pieces: list[JsonObject]) -> None:
    calls = objects(message.get("tool_calls"))
    for piece in pieces:
        index = count(piece.get("index"))
        if index is None:
            index = _unnumbered(calls, piece)
        while len(calls) <= index and len(calls) < MOST_CALLS:
            calls.append({})
        if index >= len(calls):
            continue
        call = calls[index]
        function = {**obj(call.get("function"))}
        for name, value in obj(piece.get("function")).items():
            if name == "arguments" and isinstance(value, str):
                function[name] = text(function.get(name)) + value
            elif value is not None and not function.get(name):
                # A name that is repeated is still the same name.
                function[name] = value
        call.update({name: value for name, value in piece.items() if name not in ("index", "function") and value})
        call["function"] = function
    message["tool_calls"] = [*calls]


def _unnumbered(calls: list[JsonObject], piece: JsonObject) -> int:
    """The place of a piece without an index: that of its id, a new one for a new id, else the last call's."""
    ident = piece.get("id")
    if ident:
        return next((place for place, call in enumerate(calls) if call.get("id") == ident), len(calls))
    return max(len(calls) - 1, 0)


def unfold(whole: JsonObject) -> list[JsonObject]:
    """A whole answer as chunks, in the order in which models speak: role, reasoning, content, refusal, tool calls, finish, usage."""
    head: JsonObject = {name: value for name, value in whole.items() if name not in ("object", "choices", "usage")}

    def chunk(choices: list[Json]) -> JsonObject:
        return {**head, "object": "chat.completion.chunk", "choices": choices}

    found: list[JsonObject] = []
    for part in objects(whole.get("choices")):
        index = count(part.get("index")) or 0
        end: JsonObject = {name: value for name, value in part.items() if name not in _CHOICE and value is not None}
        end = {"index": index, "delta": {}, **end, "finish_reason": part.get("finish_reason") or "stop"}
        logprobs = part.get("logprobs")
        for delta in _deltas(obj(part.get("message"))):
            made: JsonObject = {"index": index, "delta": delta, "finish_reason": None}
            if logprobs is not None and delta.get("content"):
                made["logprobs"], logprobs = logprobs, None
            found.append(chunk([made]))
        if logprobs is not None:
            end["logprobs"] = logprobs
        found.append(chunk([end]))
    if whole.get("usage") is not None:
        last = chunk([])
        last["usage"] = whole["usage"]
        found.append(last)
    return found


def _deltas(message: JsonObject) -> list[JsonObject]:
    """The deltas that add up to ``message``."""
    early: list[JsonObject] = []
    late: list[JsonObject] = []
    for name, value in message.items():
        if value is None or name in ("role", "content"):
            continue
        if name == "tool_calls":
            late += [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(objects(value))]
        elif name == "refusal":
            late.insert(0, {name: value})
        elif name == "reasoning_content" and _divided(message):
            continue
        elif name == "thinking_blocks" and _divided(message):
            early += _thoughts(objects(value))
        else:
            early.append({name: value})
    spoken: list[JsonObject] = [{"content": message["content"]}] if text(message.get("content")) else []
    return [{"role": "assistant", "content": ""}, *early, *spoken, *late]


def _divided(message: JsonObject) -> bool:
    """Is the reasoning what the thinking blocks say, so that each block can follow its own text?"""
    blocks = objects(message.get("thinking_blocks"))
    told = "".join([text(block.get("thinking")) for block in blocks])
    return bool(told) and told == message.get("reasoning_content")


def _thoughts(blocks: list[JsonObject]) -> list[JsonObject]:
    found: list[JsonObject] = []
    for block in blocks:
        if text(block.get("thinking")):
            found.append({"reasoning_content": block["thinking"]})
        found.append({"thinking_blocks": [block]})
    return found
