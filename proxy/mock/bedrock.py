"""Amazon Bedrock's runtime: Converse, its event stream, token counts, and raw invocations."""

from base64 import b64encode
from collections.abc import Iterator

import orjson

from . import anthropic, sigv4
from .bedrock_invoke import invoked
from .bedrock_request import check, dict_of, prompt_tokens, wish_of
from .compose import Answer, compose
from .controls import Controls
from .dialect import Dialect, shown_key
from .eventstream import event, exception, message
from .reply import EVENT_STREAM, NOVELTY, STAMP, Call, Object, Oddities, Refused, Reply, json_reply
from .signature import sign
from .store import Route
from .text import digest

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_TYPES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def _composed(call: Call) -> tuple[Answer, int, Object]:
    document = call.document()
    check(document, call.params[0])
    seed = call.derive("converse", document.get("system"), document["messages"])
    found = compose(seed, wish_of(document), call.controls)
    prompt, cached = prompt_tokens(document)
    read = cached // 2
    usage: Object = {
        "inputTokens": prompt - cached,
        "outputTokens": found.tokens,
        "totalTokens": prompt + found.tokens,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": cached - read,
    }
    return found, seed, usage


def _stop(found: Answer, controls: Controls) -> str:
    return controls.finish or ("stop_sequence" if found.stopped else _STOPS[found.finish])


def _signature(found: Answer, seed: int) -> str:
    return sign(digest(b"signature", seed.to_bytes(8, "little")), "thinking", "".join(found.thoughts))


def converse(call: Call) -> Reply:
    """Answer /converse."""
    found, seed, usage = _composed(call)
    content: list[Object] = []
    if found.thoughts:
        thought = {"text": "".join(found.thoughts), "signature": _signature(found, seed)}
        content.append({"reasoningContent": {"reasoningText": thought}})
    if call.controls.novelty:
        content.append({"mockNovelty": NOVELTY})
    if found.pieces:
        content.append({"text": found.text})
    for made in found.calls:
        text = "".join(made.pieces)
        try:
            value: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = {}
        content.append({"toolUse": {"toolUseId": _id(made.id), "name": made.name, "input": value}})
    whole: Object = {
        "metrics": {"latencyMs": seed % 900 + 100},
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop(found, call.controls),
        "usage": usage,
    }
    if call.controls.usage is False:
        del whole["usage"]
    return json_reply(whole)


def _id(made: str) -> str:
    return made.replace("call_", "tooluse_")


def converse_stream(call: Call) -> Reply:
    """Answer /converse-stream."""
    found, seed, usage = _composed(call)
    frames = _stream(found, seed, usage, call.controls)
    return Reply(content_type=EVENT_STREAM, frames=frames, prelude=1, odd=ODDITIES)


def _padded(name: str, document: Object, seed: int) -> bytes:
    """Return an event with the padding that hides how long the payload is."""
    return event(name, {**document, "p": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[: seed % 40 + 4]})


def _stream(found: Answer, seed: int, usage: Object, controls: Controls) -> Iterator[bytes]:
    index = 0
    stamp = STAMP.decode() if controls.stamp else ""

    def delta(value: Object) -> bytes:
        return _padded("contentBlockDelta", {"contentBlockIndex": index, "delta": value}, seed + len(str(value)))

    def stop() -> bytes:
        return _padded("contentBlockStop", {"contentBlockIndex": index}, seed)

    yield _padded("messageStart", {"role": "assistant"}, seed)
    if found.thoughts:
        for piece in found.thoughts:
            yield delta({"reasoningContent": {"text": piece + stamp}})
        yield delta({"reasoningContent": {"signature": _signature(found, seed)}})
        yield stop()
        index += 1
    if controls.novelty:
        yield delta({"mockNovelty": NOVELTY})
        yield stop()
        index += 1
    if found.pieces:
        for piece in found.pieces:
            yield delta({"text": piece + stamp})
        yield stop()
        index += 1
    for made in found.calls:
        start = {"toolUse": {"toolUseId": _id(made.id), "name": made.name}}
        yield _padded("contentBlockStart", {"contentBlockIndex": index, "start": start}, seed)
        for piece in made.pieces if "".join(made.pieces) != "{}" else ():
            yield delta({"toolUse": {"input": piece}})
        yield stop()
        index += 1
    if controls.done:
        yield _padded("messageStop", {"stopReason": _stop(found, controls)}, seed)
    if controls.usage is not False:
        yield _padded("metadata", {"usage": usage, "metrics": {"latencyMs": seed % 900 + 100}}, seed)


def count_tokens(call: Call) -> Reply:
    """Answer /count-tokens, for a Converse request or a raw one."""
    given = dict_of(call.document(), "input")
    if "converse" in given:
        inner = dict_of(given, "converse")
        check(inner, call.params[0])
        return json_reply({"inputTokens": prompt_tokens(inner)[0]})
    raise Refused("The input must set one of the following keys: converse.")


def invoke(call: Call) -> Reply:
    """Answer /invoke: embeddings of Titan, Nova and Cohere, Claude in its own dialect."""
    model = call.params[0]
    if "anthropic." in model:
        return anthropic.answer(call, {**_claude_body(call), "model": model})
    return invoked(call, model)


def invoke_stream(call: Call) -> Reply:
    """Answer /invoke-with-response-stream for Claude: its events, each in a chunk."""
    model = call.params[0]
    if "anthropic." not in model:
        raise Refused(f"The model {model} is unsupported for this API.")
    reply = anthropic.answer(call, {**_claude_body(call), "model": model, "stream": True})
    frames = (_chunk(frame) for frame in reply.frames or () if b"event: ping" not in frame)
    return Reply(content_type=EVENT_STREAM, frames=frames, prelude=2, odd=ODDITIES)


def _claude_body(call: Call) -> Object:
    body = dict(call.document())
    for name in ("model", "stream"):
        if name in body:
            raise Refused(f"{name}: Extra inputs are not permitted")
    if body.get("anthropic_version") != "bedrock-2023-05-31":
        raise Refused("anthropic_version: Field required")
    return body


def _chunk(frame: bytes) -> bytes:
    data = frame.partition(b"data: ")[2].strip()
    return event("chunk", {"bytes": b64encode(data).decode()})


def envelope(refused: Refused) -> Reply:
    """Return the error of a JSON service of AWS, whose type is in a header."""
    name = refused.code if refused.code and refused.code.endswith("Exception") else None
    name = name or _TYPES.get(
        refused.status, "ValidationException" if refused.status < 500 else "InternalServerException"
    )
    kind = ("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/")
    return Reply(
        status=refused.status, body=orjson.dumps({"message": refused.message}), headers=(kind, *refused.headers)
    )


def _authorize(call: Call, key: str) -> None:
    if not call.headers.get("authorization"):
        raise Refused("Missing Authentication Token", status=403, code="MissingAuthenticationTokenException")
    shown = shown_key(call)
    if shown is None:
        sigv4.check(call, key)
    elif shown != key:
        raise _BAD_KEY


_BAD_KEY = Refused(
    "The security token included in the request is invalid.", status=403, code="UnrecognizedClientException"
)
ODDITIES = Oddities(
    error=exception(
        "modelStreamErrorException",
        {"message": "The model failed.", "originalStatusCode": 500, "originalMessage": "Internal server error"},
    ),
    malformed=message(
        ((":message-type", "event"), (":event-type", "contentBlockDelta"), (":content-type", "application/json")),
        b'{"contentBlockIndex":0,"delta":{',
    ),
    unknown=event("mockNovelty", {"novelty": NOVELTY}),
    empty=event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": ""}}),
)
BEDROCK = Dialect(
    name="bedrock",
    paths="`/model/{id}/…`",
    envelope=envelope,
    failures={
        "rate-limit": Refused("Too many requests, please wait before trying again.", status=429),
        "quota": Refused(
            "Your account has reached its service quota.", status=400, code="ServiceQuotaExceededException"
        ),
        "overloaded": Refused("The service is temporarily unable to handle the request.", status=503),
        "context-length": Refused("Input is too long for requested model."),
        "content-policy": Refused(
            "The model returned the following errors: Output blocked by content filtering policy"
        ),
        "model-missing": Refused("The provided model identifier is invalid."),
        "bad-key": _BAD_KEY,
        "server-error": Refused("The system encountered an unexpected error during processing.", status=500),
    },
    authorize=_authorize,
    odd=(
        Reply(status=400, headers=(("x-amzn-errortype", "ValidationException"),), body=b'{"Message":"Malformed."}'),
        Reply(status=500, content_type="application/xml", body=b"<InternalFailure/>"),
        Reply(status=429, body=b'{"__type":"com.amazon.coral.availability#ThrottlingException","message":null}'),
    ),
    identity=lambda seed: b"x-amzn-requestid: %08x-0000-4000-8000-%012x\r\n" % (seed >> 32, seed & 0xFFFFFFFFFFFF),
    waits=False,
    table="bedrock",
)
ROUTES = (
    Route("POST", "/model/{id}/converse", converse),
    Route("POST", "/model/{id}/converse-stream", converse_stream),
    Route("POST", "/model/{id}/count-tokens", count_tokens),
    Route("POST", "/model/{id}/invoke", invoke),
    Route("POST", "/model/{id}/invoke-with-response-stream", invoke_stream),
)
