"""POST /chat/completions: plain and streamed, in the canonical chunk order."""

from collections.abc import Iterator

import orjson
from msgspec.structs import replace

from .chat_request import check_sampling, messages_of, prompt_tokens, tools_of, wish_of
from .compose import Answer, ToolCall, answer_seed, compose
from .controls import Controls
from .reply import (
    NOVELTY,
    SSE,
    STAMP,
    Call,
    Object,
    Refused,
    Reply,
    as_bytes,
    count_of,
    flag_of,
    json_reply,
    model_of,
    object_of,
)
from .store import Route
from .text import created, digest, identifier

_STREAM_END = b"data: [DONE]\n\n"


def create(call: Call) -> Reply:
    """Answer a chat request."""
    document = call.document()
    model = model_of(document)
    messages = messages_of(document)
    tools = tools_of(document)
    check_sampling(document)
    streaming = flag_of(document, "stream")
    options = object_of(document, "stream_options")
    if options and not streaming:
        raise Refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    count = count_of(document, "n", least=1, most=128) or 1
    wish = wish_of(document, messages, tools)
    wish = replace(wish, thinks=bool(call.controls.flavour) and thinks(document, model))
    seed = call.derive("chat", messages, document.get("seed"))
    answers = [compose(answer_seed(seed, index), wish, call.controls) for index in range(count)]
    thought = sum(len(answer.thoughts) for answer in answers)
    usage = usage_of(prompt_tokens(messages, document), sum(answer.tokens for answer in answers), thought)
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
                "message": _message(answer, call.controls, legacy=legacy),
                "logprobs": _logprobs(answer.pieces, logprobs),
                "finish_reason": call.controls.finish or _finish(answer, legacy=legacy),
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


def thinks(document: Object, model: str) -> bool:
    """Say whether the request, or the model's name, asks for thinking in any provider's way."""
    if any(word in model for word in ("reason", "think", "magistral", "deepseek-r")):
        return True
    effort = document.get("reasoning_effort")
    if effort not in (None, "none"):
        return True
    if document.get("enable_thinking") is True:
        return True
    thinking, reasoning = document.get("thinking"), document.get("reasoning")
    if isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled"):
        return True
    return isinstance(reasoning, dict) and reasoning.get("enabled") is not False


def usage_of(prompt: int, completion: int, thought: int = 0) -> Object:
    """Return the usage object of chat and completions."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _fingerprint(controls: Controls) -> str:
    return f"fp_{digest(b'fingerprint', as_bytes(controls.seed)) & 0xFFFFFFFFFF:010x}"


def _finish(answer: Answer, *, legacy: bool) -> str:
    return "function_call" if legacy and answer.finish == "tool_calls" else answer.finish


def _message(answer: Answer, controls: Controls, *, legacy: bool) -> Object:
    message: Object = {
        "role": "assistant",
        "content": None if answer.calls and not answer.pieces else answer.text,
        "refusal": None,
        "annotations": [],
    }
    if answer.thoughts and controls.flavour:
        message["reasoning_content"] = "".join(answer.thoughts)
    if controls.novelty:
        message["novelty"] = NOVELTY
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
        content = b"null" if answers[index].calls and not answers[index].pieces else b'""'
        yield chunk(index, b'{"role":"assistant","content":%b,"refusal":null}' % content)
    queues = [_deltas(answer, controls, legacy=legacy) for answer in answers]
    left = list(range(len(answers)))
    while left:
        for index in tuple(left):
            found = next(queues[index], None)
            if found is None:
                left.remove(index)
                yield chunk(index, b"{}", orjson.dumps(controls.finish or _finish(answers[index], legacy=legacy)))
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
    for thought in answer.thoughts if controls.flavour else ():
        shown = thought + STAMP.decode() if controls.stamp else thought
        yield None, b'{%b"reasoning_content":%b}' % (role, orjson.dumps(shown))
    if controls.novelty:
        yield None, orjson.dumps({"novelty": NOVELTY})
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


ROUTES = (Route("POST", "/chat/completions", create),)
