"""POST /chat/completions: plain and streamed, in the canonical chunk order; and the stored chats."""

import re
from collections.abc import Iterator

import orjson

from .compose import Answer, Tool, ToolCall, Wish, answer_seed, compose
from .controls import Controls
from .reply import (
    SSE,
    STAMP,
    Call,
    Object,
    Refused,
    Reply,
    as_bytes,
    count_of,
    event,
    flag_of,
    json_reply,
    model_of,
    object_of,
    objects_of,
    required,
)
from .store import Route, deleted, listing
from .text import created, digest, identifier, text_tokens

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_STREAM_END = b"data: [DONE]\n\n"
_PER_MESSAGE = 4
_PER_REQUEST = 3
_PER_MEDIA = 85


def create(call: Call) -> Reply:
    """Answer a chat request."""
    document = call.document()
    model = model_of(document)
    messages = _messages(document)
    tools = tools_of(document)
    _check_sampling(document)
    streaming = flag_of(document, "stream")
    options = object_of(document, "stream_options")
    if options and not streaming:
        raise Refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    count = count_of(document, "n", least=1, most=128) or 1
    wish = _wish(document, messages, tools)
    seed = call.derive("chat", messages, document.get("seed"))
    answers = [compose(answer_seed(seed, index), wish, call.controls) for index in range(count)]
    usage = usage_of(prompt_tokens(messages, document), sum(answer.tokens for answer in answers))
    head: Object = {
        "id": identifier("chatcmpl-", seed),
        "object": "chat.completion",
        "created": created(seed),
        "model": model,
    }
    legacy = "functions" in document and "tools" not in document
    logprobs = count_of(document, "top_logprobs", least=0, most=20) or 0 if flag_of(document, "logprobs") else None
    if streaming:
        asked = flag_of(options, "include_usage")
        reported = asked if call.controls.usage is None else call.controls.usage
        frames = _stream(head, answers, usage if reported else None, call.controls, legacy=legacy, logprobs=logprobs)
        return Reply(content_type=SSE, frames=frames, prelude=count)
    whole: Object = {
        **head,
        "choices": [
            {
                "index": index,
                "message": _message(answer, legacy=legacy),
                "logprobs": _logprobs(answer.pieces, logprobs),
                "finish_reason": _finish(answer, legacy=legacy),
            }
            for index, answer in enumerate(answers)
        ],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": _fingerprint(call.controls),
    }
    if call.controls.usage is False:
        del whole["usage"]
    if flag_of(document, "store"):
        stored = {**whole, "metadata": object_of(document, "metadata"), "mock_messages": messages}
        call.store.put("chats", str(head["id"]), stored)
    return json_reply(whole)


def _messages(document: Object) -> list[Object]:
    required(document, "messages")
    messages = objects_of(document, "messages")
    if not messages:
        raise Refused(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    pending: set[object] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ("developer", "system", "user", "assistant", "tool", "function"):
            raise Refused(
                f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                "and 'developer'.",
                param=f"messages[{index}].role",
                code="invalid_value",
            )
        if role == "tool":
            if message.get("tool_call_id") not in pending:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            pending.discard(message.get("tool_call_id"))
            continue
        _check_answered(pending, index)
        pending = {item.get("id") for item in objects_of(message, "tool_calls")} if role == "assistant" else set()
    _check_answered(pending, len(messages))
    return messages


def _check_answered(pending: set[object], index: int) -> None:
    if pending:
        missing = ", ".join(sorted(str(item) for item in pending))
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {missing}",
            param=f"messages.[{index}].role",
        )


def tools_of(document: Object) -> list[Tool]:
    """Return the tools of a chat request (nested form, or the old `functions`); refuse what OpenAI refuses."""
    offered = objects_of(document, "tools")
    if "tools" in document and document["tools"] is not None and not offered:
        raise Refused("[] is too short - 'tools'", param="tools", code="empty_array")
    if document.get("tool_choice") is not None and not offered:
        raise Refused(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            param="tool_choice",
        )
    if len(offered) > 128:
        raise Refused(
            f"Invalid 'tools': array too long. Expected an array with maximum length 128, but got {len(offered)}.",
            param="tools",
            code="array_above_max_length",
        )
    tools = [
        _tool(object_of(item, str(item.get("type"))), item.get("type") == "custom", index)
        for index, item in enumerate(offered)
    ]
    return tools or [_tool(item, False, index) for index, item in enumerate(objects_of(document, "functions"))]


def _tool(described: Object, custom: bool, index: int) -> Tool:
    name = described.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(
            f"Invalid 'tools[{index}].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
            param=f"tools[{index}].function.name",
            code="invalid_value",
        )
    return Tool(name, None if custom else object_of(described, "parameters"))


def _check_sampling(document: Object) -> None:
    for name, most in (("temperature", 2.0), ("top_p", 1.0)):
        value = document.get(name)
        if isinstance(value, int | float) and not 0 <= value <= most:
            raise Refused(
                f"Invalid '{name}': expected a value between 0 and {most:g}, but got {value:g} instead.",
                param=name,
                code="decimal_above_max_value" if value > most else "decimal_below_min_value",
            )


def _wish(document: Object, messages: list[Object], tools: list[Tool]) -> Wish:
    limit = count_of(document, "max_completion_tokens", least=1)
    if limit is None:
        limit = count_of(document, "max_tokens", least=1)
    form = object_of(document, "response_format")
    schema: Object | None = None
    if form.get("type") == "json_schema":
        schema = object_of(object_of(form, "json_schema"), "schema")
    if form.get("type") == "json_object" and b"json" not in orjson.dumps(messages).lower():
        raise Refused(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    choice = document.get("tool_choice", document.get("function_call"))
    chosen = chosen_tool(choice)
    if chosen:
        tools = [tool for tool in tools if tool.name == chosen]
        if not tools:
            raise Refused(
                f"Invalid value for 'tool_choice': no tool named '{chosen}' was specified.", param="tool_choice"
            )
    forced = choice == "required" or bool(chosen)
    return Wish(
        limit=limit,
        stop=stops_of(document),
        json=form.get("type") == "json_object",
        schema=schema,
        tools=tools,
        forced=forced,
        allowed=choice != "none" and (forced or messages[-1].get("role") not in ("tool", "function")),
    )


def chosen_tool(choice: object) -> str:
    """Return the name of the one tool that `tool_choice` demands, in any of its forms, or an empty text."""
    if not isinstance(choice, dict):
        return ""
    for holder in (choice.get("function"), choice.get("custom"), choice):
        if isinstance(holder, dict) and isinstance(holder.get("name"), str):
            return str(holder["name"])
    return ""


def stops_of(document: Object) -> list[str]:
    """Return the stop sequences, at most four."""
    stop = document.get("stop")
    found = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    if len(found) > 4:
        raise Refused(
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length "
            f"{len(found)} instead.",
            param="stop",
            code="array_above_max_length",
        )
    return [item for item in found if isinstance(item, str)]


def prompt_tokens(messages: list[Object], document: Object) -> int:
    """Count a chat request: text by its bytes, 4 a message, 85 an image, sound or file, 3 a request, tools as JSON."""
    total = _PER_REQUEST
    for message in messages:
        total += _PER_MESSAGE + content_tokens(message.get("content"))
        if message.get("tool_calls"):
            total += text_tokens(orjson.dumps(message["tool_calls"]).decode())
    if document.get("tools"):
        total += text_tokens(orjson.dumps(document["tools"]).decode())
    return total


def content_tokens(content: object) -> int:
    """Count the content of a message: text, or parts."""
    if isinstance(content, str):
        return text_tokens(content)
    if not isinstance(content, list):
        return 0
    total = 0
    for part in content:
        if isinstance(part, str):
            total += text_tokens(part)
        elif isinstance(part, dict):
            words = part.get("text", part.get("refusal"))
            total += text_tokens(words) if isinstance(words, str) else _PER_MEDIA
    return total


def usage_of(prompt: int, completion: int) -> Object:
    """Return the usage object of chat and completions."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _fingerprint(controls: Controls) -> str:
    return f"fp_{digest(b'fingerprint', as_bytes(controls.seed)) & 0xFFFFFFFFFF:010x}"


def _finish(answer: Answer, *, legacy: bool) -> str:
    return "function_call" if legacy and answer.finish == "tool_calls" else answer.finish


def _message(answer: Answer, *, legacy: bool) -> Object:
    message: Object = {
        "role": "assistant",
        "content": None if answer.calls else answer.text,
        "refusal": None,
        "annotations": [],
    }
    if answer.calls and legacy:
        first = answer.calls[0]
        message["function_call"] = {"name": first.name, "arguments": "".join(first.pieces)}
    elif answer.calls:
        message["tool_calls"] = [_tool_call(made) for made in answer.calls]
    return message


def _tool_call(made: ToolCall) -> Object:
    text = "".join(made.pieces)
    if made.custom:
        return {"id": made.id, "type": "custom", "custom": {"name": made.name, "input": text}}
    return {"id": made.id, "type": "function", "function": {"name": made.name, "arguments": text}}


def _logprobs(pieces: list[str], top: int | None) -> Object | None:
    if top is None:
        return None
    return {"content": [_logprob(piece, top) for piece in pieces], "refusal": None}


def _logprob(piece: str, top: int) -> Object:
    own = -((digest(as_bytes(piece)) % 900) / 1000)

    def entry(text: str, value: float) -> Object:
        return {"token": text, "logprob": round(value, 3), "bytes": list(text.encode())}

    others = [entry(piece if rank == 0 else f"{piece}{rank}", own - rank) for rank in range(top)]
    return {**entry(piece, own), "top_logprobs": others}


def _stream(
    head: Object, answers: list[Answer], usage: Object | None, controls: Controls, *, legacy: bool, logprobs: int | None
) -> Iterator[bytes]:
    start = {
        **head,
        "object": "chat.completion.chunk",
        "service_tier": "default",
        "system_fingerprint": _fingerprint(controls),
    }
    before = b"data: " + orjson.dumps(start)[:-1] + b',"choices":'
    after = (b',"usage":null' if usage is not None else b"") + b"}\n\n"

    def chunk(index: int, delta: bytes, finish: bytes = b"null", probable: bytes = b"null") -> bytes:
        return b'%b[{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]%b' % (
            before,
            index,
            delta,
            probable,
            finish,
            after,
        )

    for index in range(len(answers)):
        content = b"null" if answers[index].calls else b'""'
        yield chunk(index, b'{"role":"assistant","content":%b,"refusal":null}' % content)
    queues = [_deltas(answer, controls, legacy=legacy) for answer in answers]
    left = list(range(len(answers)))
    while left:
        for index in tuple(left):
            found = next(queues[index], None)
            if found is None:
                left.remove(index)
                yield chunk(index, b"{}", orjson.dumps(_finish(answers[index], legacy=legacy)))
                continue
            piece, delta = found
            if logprobs is None or piece is None:
                yield chunk(index, delta)
            else:
                yield chunk(index, delta, probable=orjson.dumps(_logprobs([piece], logprobs)))
    if usage is not None:
        yield before + b'[],"usage":' + orjson.dumps(usage) + b"}\n\n"
    if controls.done:
        yield _STREAM_END


def _deltas(answer: Answer, controls: Controls, *, legacy: bool) -> Iterator[tuple[str | None, bytes]]:
    """Yield each content piece with its delta; the piece is None for a tool call's delta."""
    role = b'"role":"assistant",' if controls.role_repeat else b""
    for piece in answer.pieces:
        shown = piece + STAMP.decode() if controls.stamp else piece
        yield piece, b'{%b"content":%b}' % (role, orjson.dumps(shown))
    for index, made in enumerate(answer.calls):
        if legacy:
            yield None, orjson.dumps({"function_call": {"name": made.name, "arguments": ""}})
            for piece in made.pieces:
                yield None, orjson.dumps({"function_call": {"arguments": piece}})
            continue
        kind, member = ("custom", "input") if made.custom else ("function", "arguments")
        first = {"index": index, "id": made.id, "type": kind, kind: {"name": made.name, member: ""}}
        yield None, orjson.dumps({"tool_calls": [first]})
        for piece in made.pieces:
            yield None, orjson.dumps({"tool_calls": [{"index": index, kind: {member: piece}}]})


def error_event(message: str) -> bytes:
    """Return the event that a chat stream breaks off with."""
    return event(orjson.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": None}}))


def _shown(stored: Object) -> Object:
    return {name: value for name, value in stored.items() if name != "mock_messages"}


def stored_list(call: Call) -> Reply:
    found = call.store.all("chats")
    model = call.query.get("model")
    return listing(call, [_shown(item) for item in found if model is None or item["model"] == model])


def stored_get(call: Call) -> Reply:
    return json_reply(_shown(call.store.get("chats", call.params[0])))


def stored_update(call: Call) -> Reply:
    changed = {**call.store.get("chats", call.params[0]), "metadata": object_of(call.document(), "metadata")}
    call.store.put("chats", call.params[0], changed)
    return json_reply(_shown(changed))


def stored_delete(call: Call) -> Reply:
    call.store.remove("chats", call.params[0])
    return json_reply(deleted(call.params[0], "chat.completion"))


def stored_messages(call: Call) -> Reply:
    messages = objects_of(call.store.get("chats", call.params[0]), "mock_messages")
    return listing(
        call, [{"id": f"{call.params[0]}-{index}", **item} for index, item in enumerate(messages)], newest_first=False
    )


ROUTES = (
    Route("POST", "/chat/completions", create),
    Route("GET", "/chat/completions", stored_list),
    Route("GET", "/chat/completions/{id}", stored_get),
    Route("POST", "/chat/completions/{id}", stored_update),
    Route("DELETE", "/chat/completions/{id}", stored_delete),
    Route("GET", "/chat/completions/{id}/messages", stored_messages),
)
