"""Anthropic's Messages API: answers, streams, token counts, models and errors."""

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from .anthropic_request import check, prompt_tokens, shows_thoughts, version_of, wish_of
from .claude import FAMILIES, claude
from .compose import Answer, ToolCall, compose
from .controls import Controls
from .dialect import Dialect, shown_key
from .reply import FLAG, NOVELTY, SSE, STAMP, Call, Object, Oddities, Refused, Reply, event, json_reply
from .signature import sign
from .store import Route
from .text import created, digest, identifier

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_RESET = b"2026-11-22T12:00:00Z"


def _named(data: Object) -> bytes:
    return event(orjson.dumps(data), str(data["type"]))


def create(call: Call) -> Reply:
    """Answer POST /messages."""
    return answer(call, call.document())


def raw_predict(call: Call) -> Reply:
    """Answer Vertex's :rawPredict, which names the model in the path."""
    return answer(call, {"model": call.params[-1], **call.document()})


def stream_raw_predict(call: Call) -> Reply:
    """Answer Vertex's :streamRawPredict."""
    return answer(call, {"model": call.params[-1], **call.document(), "stream": True})


def answer(call: Call, document: Object) -> Reply:
    """Answer a Messages request."""
    version = version_of(call)
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("model: Field required")
    limits = check(document, model, version)
    seed = call.derive("messages", document.get("system"), document["messages"])
    flagged = FLAG in call.body
    found = Answer([], [], "stop") if flagged else compose(seed, wish_of(document, limits), call.controls)
    shown = None if "redacted" in model else shows_thoughts(document, limits)
    blocks = _blocks(found, seed, call.controls, shown=shown)
    head: Object = {
        "id": identifier("msg_", seed),
        "type": "message",
        "role": "assistant",
        "model": model,
    }
    usage = _usage(document, found)
    end: Object = {
        "stop_reason": call.controls.finish or ("stop_sequence" if found.stopped else _STOPS[found.finish]),
        "stop_sequence": found.stopped or None,
        "stop_details": None,
    }
    if flagged:
        details = {"type": "refusal", "category": "mock", "explanation": "The mock refuses what says mock-flag."}
        end |= {"stop_reason": "refusal", "stop_details": details}
    if document.get("stream") is True:
        frames = _stream(head, blocks, end, usage, call.controls)
        return Reply(content_type=SSE, frames=frames, prelude=3, odd=ODDITIES)
    content = [block for block, _ in blocks]
    whole: Object = {**head, "content": content, **end, "usage": usage}
    if call.controls.usage is False:
        del whole["usage"]
    return json_reply(whole)


def _usage(document: Object, found: Answer) -> Object:
    """Return the usage: of a marked prefix one half counts as read from the cache, the other as written to it."""
    prompt, cached = prompt_tokens(document)
    read = cached // 2
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": cached - read,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": cached - read, "ephemeral_1h_input_tokens": 0},
        "output_tokens": found.tokens,
        "output_tokens_details": {"thinking_tokens": len(found.thoughts)},
        "service_tier": "standard",
        "inference_geo": "global",
    }


Streamed = tuple[Object, list[Object]]
"""A block as a plain answer has it, and the deltas that make it."""


def _blocks(found: Answer, seed: int, controls: Controls, *, shown: bool | None) -> list[Streamed]:
    """Return the blocks; thoughts come with their text, without it, or (None) redacted."""
    blocks: list[Streamed] = []
    stamp = STAMP.decode() if controls.stamp else ""
    key = digest(b"signature", seed.to_bytes(8, "little"))
    if found.thoughts and shown is None:
        blocks.append(({"type": "redacted_thinking", "data": sign(key, "redacted", "")}, []))
    elif found.thoughts:
        text = "".join(found.thoughts) if shown else ""
        signature = sign(key, "thinking", text)
        deltas: list[Object] = [
            {"type": "thinking_delta", "thinking": piece + stamp} for piece in (found.thoughts if shown else ())
        ]
        deltas += [{"type": "thinking_delta", "thinking": ""}, {"type": "signature_delta", "signature": signature}]
        blocks.append(({"type": "thinking", "thinking": text, "signature": signature}, deltas))
    if controls.novelty:
        blocks.append(({"type": "mock_novelty", "novelty": NOVELTY}, [{"type": "mock_novelty_delta", **NOVELTY}]))
    if found.pieces:
        deltas = [{"type": "text_delta", "text": piece + stamp} for piece in found.pieces]
        blocks.append(({"type": "text", "text": found.text}, deltas))
    blocks += [_tool_use(made) for made in found.calls]
    return blocks


def _tool_use(made: ToolCall) -> Streamed:
    text = "".join(made.pieces)
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = {}
    block: Object = {"type": "tool_use", "id": made.id.replace("call_", "toolu_"), "name": made.name, "input": value}
    pieces = ["", *(made.pieces if text != "{}" else ())]
    return block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


_EMPTY: dict[str, Object] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def _stream(head: Object, blocks: list[Streamed], end: Object, usage: Object, controls: Controls) -> Iterator[bytes]:
    reported = controls.usage is not False
    start = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    if reported:
        start["usage"] = {**usage, "output_tokens": 1, "output_tokens_details": None}
    yield _named({"type": "message_start", "message": start})
    yield b'event: ping\ndata: {"type": "ping"}\n\n'
    for index, (block, deltas) in enumerate(blocks):
        opened = {**block, **_EMPTY.get(str(block["type"]), {})}
        yield _named({"type": "content_block_start", "index": index, "content_block": opened})
        for delta in deltas:
            yield _named({"type": "content_block_delta", "index": index, "delta": delta})
        yield _named({"type": "content_block_stop", "index": index})
    told = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    last: Object = {"type": "message_delta", "delta": end}
    if reported:
        last["usage"] = {name: usage[name] for name in (*told, "output_tokens_details")}
    yield _named(last)
    if controls.done:
        yield _named({"type": "message_stop"})


def count_tokens(call: Call) -> Reply:
    """Answer POST /messages/count_tokens."""
    document = call.document()
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("model: Field required")
    check(document, model, version_of(call), counting=True)
    return json_reply({"input_tokens": prompt_tokens(document)[0]})


def _model(name: str) -> Object:
    limits = claude(name)
    seed = digest(b"model", name.encode("utf-8", "surrogatepass"))
    supported = {"supported": True}
    manual, adaptive = limits.thinking in ("any", "manual"), limits.thinking != "manual"
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": datetime.fromtimestamp(created(seed), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": limits.context,
        "max_tokens": limits.longest,
        "capabilities": {
            "image_input": supported,
            "pdf_input": supported,
            "structured_outputs": supported,
            "thinking": {
                "supported": True,
                "types": {"enabled": {"supported": manual}, "adaptive": {"supported": adaptive}},
            },
        },
    }


def models(call: Call) -> Reply:
    """Answer GET /models in Anthropic's shape, by page."""
    query = call.query
    try:
        limit = int(query.get("limit", "20"))
    except ValueError:
        raise Refused("limit: Input should be a valid integer") from None
    names = list(FAMILIES)
    start = names.index(query["after_id"]) + 1 if query.get("after_id") in names else 0
    page = names[start : start + max(limit, 1)]
    return json_reply(
        {
            "data": [_model(name) for name in page],
            "has_more": start + len(page) < len(names),
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
    )


def model(call: Call) -> Reply:
    if call.params[0].startswith("missing-"):
        raise Refused(f"model: {call.params[0]}", status=404)
    return json_reply(_model(call.params[0]))


def kind_of(refused: Refused) -> str:
    """Return the name that Anthropic gives to the refusal."""
    return _KINDS.get(refused.status, "invalid_request_error" if refused.status < 500 else "api_error")


def envelope(refused: Refused) -> Reply:
    """Return Anthropic's error body."""
    body = {
        "type": "error",
        "error": {"type": kind_of(refused), "message": refused.message},
        "request_id": identifier("req_", digest(refused.message.encode("utf-8", "surrogatepass"))),
    }
    return Reply(status=refused.status, body=orjson.dumps(body), headers=refused.headers)


def _authorize(call: Call, key: str) -> None:
    shown = shown_key(call, "x-api-key")
    if shown is None:
        raise Refused("x-api-key header is required", status=401)
    if shown != key:
        raise Refused("invalid x-api-key", status=401)


def _error(kind: str, message: str) -> bytes:
    return _named({"type": "error", "error": {"type": kind, "message": message}})


ODDITIES = Oddities(
    error=_error("overloaded_error", "Overloaded"),
    malformed=b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,\n\n',
    unknown=_named({"type": "mock_novelty", "novelty": NOVELTY}),
    empty=_named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}),
)
ANTHROPIC = Dialect(
    name="anthropic",
    paths="`/v1/messages…`; `/v1/models` with `anthropic-version`; `/anthropic/…`; `…/publishers/anthropic/…`",
    envelope=envelope,
    failures={
        "rate-limit": Refused(
            "This request would exceed the rate limit for your organization of 50 requests per minute.",
            status=429,
            headers=(("anthropic-ratelimit-requests-remaining", "0"),),
        ),
        "quota": Refused(
            "Your credit balance is too low to access the Anthropic API.",
            status=402,
            headers=(("x-should-retry", "false"),),
        ),
        "overloaded": Refused("Overloaded", status=529),
        "context-length": Refused("prompt is too long: 200001 tokens > 200000 maximum"),
        "content-policy": Refused("Output blocked by content filtering policy"),
        "model-missing": Refused("model: mock", status=404),
        "bad-key": Refused("invalid x-api-key", status=401),
        "server-error": Refused("Internal server error", status=500),
    },
    authorize=_authorize,
    odd=(
        Reply(status=500, body=b'{"type":"error","error":{"type":"mock_error"}}'),
        Reply(status=500, body=b'{"error":"Internal server error"}'),
        Reply(status=503, content_type="text/plain", body=b"upstream connect error or disconnect/reset before headers"),
    ),
    headers=(
        (b"anthropic-organization-id", b"org-mock"),
        (b"anthropic-ratelimit-requests-limit", b"4000"),
        (b"anthropic-ratelimit-requests-remaining", b"3999"),
        (b"anthropic-ratelimit-requests-reset", _RESET),
        (b"anthropic-ratelimit-input-tokens-limit", b"2000000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"1999000"),
        (b"anthropic-ratelimit-input-tokens-reset", _RESET),
        (b"anthropic-ratelimit-output-tokens-limit", b"400000"),
        (b"anthropic-ratelimit-output-tokens-remaining", b"399000"),
        (b"anthropic-ratelimit-output-tokens-reset", _RESET),
    ),
    identity=lambda seed: b"request-id: req_%016x\r\n" % seed,
    table="anthropic",
)
_VERTEX = "/projects/{project}/locations/{location}/publishers/anthropic/models/{model}"
ROUTES = (
    Route("POST", "/messages", create),
    Route("POST", "/messages/count_tokens", count_tokens),
    Route("GET", "/models", models),
    Route("GET", "/models/{id...}", model),
    Route("POST", f"{_VERTEX}:rawPredict", raw_predict),
    Route("POST", f"{_VERTEX}:streamRawPredict", stream_raw_predict),
)
