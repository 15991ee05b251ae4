"""Cohere's v2 API: chat, its stream, embeddings, rerank and errors."""

from array import array
from base64 import b64encode
from collections.abc import Iterator

import orjson

from .cohere_request import check, prompt_tokens, wish_of
from .compose import Answer, ToolCall, compose
from .controls import Controls
from .dialect import Dialect, shown_key
from .reply import NOVELTY, SSE, STAMP, Call, Object, Oddities, Refused, Reply, event, json_reply
from .rerank import rerank
from .store import Route
from .text import digest, identifier, text_tokens, vector

_STOPS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_TEMPLATE = 496
"""Tokens that Cohere's own template adds to what the model sees, and does not bill."""
_MAX_TEXTS = 96


def _named(kind: str, **fields: object) -> bytes:
    return event(orjson.dumps({"type": kind, **fields}), kind)


def chat(call: Call) -> Reply:
    """Answer POST /v2/chat."""
    document = call.document()
    model = _model(document)
    check(document)
    seed = call.derive("cohere", document["messages"], document.get("seed"))
    found = compose(seed, wish_of(document, model), call.controls)
    key = identifier("", seed)
    prompt = prompt_tokens(document)
    usage: Object = {
        "billed_units": {"input_tokens": prompt, "output_tokens": found.tokens},
        "tokens": {"input_tokens": prompt + _TEMPLATE, "output_tokens": found.tokens},
        "cached_tokens": 0,
    }
    if document.get("stream") is True:
        return Reply(content_type=SSE, frames=_stream(key, found, usage, call.controls), prelude=1, odd=ODDITIES)
    whole: Object = {
        "id": key,
        "finish_reason": _finish(found, call.controls),
        "message": _message(found, call.controls),
        "usage": usage,
    }
    if call.controls.usage is False:
        del whole["usage"]
    return json_reply(whole)


def _model(document: Object) -> str:
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("invalid request: model is required")
    if model.startswith("missing-"):
        raise Refused(
            f"model '{model}' not found, make sure the correct model ID was used and that you have access to the model.",
            status=404,
        )
    return model


def _finish(found: Answer, controls: Controls) -> str:
    return controls.finish or ("STOP_SEQUENCE" if found.stopped else _STOPS[found.finish])


def _message(found: Answer, controls: Controls) -> Object:
    message: Object = {"role": "assistant"}
    content: list[Object] = []
    if found.thoughts:
        content.append({"type": "thinking", "thinking": "".join(found.thoughts)})
    if controls.novelty:
        message["novelty"] = NOVELTY
    if found.pieces and not found.calls:
        content.append({"type": "text", "text": found.text})
    if content:
        message["content"] = content
    if found.calls:
        message["tool_plan"] = found.text
        message["tool_calls"] = [_call(made, "".join(made.pieces)) for made in found.calls]
    return message


def _call(made: ToolCall, arguments: str) -> Object:
    """Return a tool call; a tool without parameters gets the text `null`, as Cohere sends it."""
    function = {"name": made.name, "arguments": "null" if arguments == "{}" else arguments}
    return {"id": f"{made.name}_{made.id[-10:]}", "type": "function", "function": function}


def _delta(**message: object) -> Object:
    return {"message": message}


def _stream(key: str, found: Answer, usage: Object, controls: Controls) -> Iterator[bytes]:
    stamp = STAMP.decode() if controls.stamp else ""
    empty = _delta(role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])
    yield _named("message-start", id=key, delta=empty)
    index = 0
    plan = found.pieces if found.calls else []
    texts = [("thinking", found.thoughts), ("text", [] if found.calls else found.pieces)]
    for kind, pieces in texts:
        if not pieces:
            continue
        yield _named("content-start", index=index, delta=_delta(content={"type": kind, kind: ""}))
        for piece in pieces:
            yield _named("content-delta", index=index, delta=_delta(content={kind: piece + stamp}))
        yield _named("content-end", index=index)
        index += 1
    if controls.novelty:
        yield _named("mock-novelty", index=index, delta=_delta(novelty=NOVELTY))
    for piece in plan:
        yield _named("tool-plan-delta", delta=_delta(tool_plan=piece + stamp))
    for place, made in enumerate(found.calls):
        yield _named("tool-call-start", index=place, delta=_delta(tool_calls=_call(made, "")))
        for piece in made.pieces if made.pieces != ["{", "}"] else ():
            yield _named("tool-call-delta", index=place, delta=_delta(tool_calls={"function": {"arguments": piece}}))
        yield _named("tool-call-end", index=place)
    if controls.done:
        end: Object = {"finish_reason": _finish(found, controls)}
        if controls.usage is not False:
            end["usage"] = usage
        yield _named("message-end", id=key, delta=end)


def embed(call: Call) -> Reply:
    """Answer POST /v2/embed: texts as unit vectors."""
    document = call.document()
    _model(document)
    texts = document.get("texts")
    if texts is None and isinstance(given := document.get("inputs"), list):
        texts = [str(item) for item in given]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Refused("invalid request: at least one of texts, images or inputs is required")
    if len(texts) > _MAX_TEXTS:
        raise Refused(f"invalid request: total number of texts must be at most {_MAX_TEXTS}, received {len(texts)}")
    if document.get("input_type") not in ("search_document", "search_query", "classification", "clustering", "image"):
        raise Refused("invalid request: valid input_type must be provided with the provided model")
    wanted = document.get("output_dimension")
    dimensions = 1536 if wanted is None else wanted
    if not isinstance(dimensions, int) or not 1 <= dimensions <= 1536:
        raise Refused("invalid request: output_dimension must be one of 256, 512, 1024, 1536")
    packed = [vector(call.controls.seed % 2**64, text, dimensions) for text in texts]
    forms: Object = {}
    kinds = document.get("embedding_types") or ["float"]
    for kind in kinds if isinstance(kinds, list) else ["float"]:
        match kind:
            case "float":
                forms["float"] = [array("f", one).tolist() for one in packed]
            case "base64":
                forms["base64"] = [b64encode(one).decode() for one in packed]
            case "int8":
                forms["int8"] = [[round(value * 127) for value in array("f", one)] for one in packed]
            case _:
                raise Refused(f"invalid request: embedding type '{kind}' is not known to the mock")
    tokens = sum(map(text_tokens, texts))
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}}
    key = identifier("", call.derive("embed", texts))
    return json_reply(
        {"id": key, "embeddings": forms, "texts": texts, "response_type": "embeddings_by_type", "meta": meta}
    )


def envelope(refused: Refused) -> Reply:
    """Return Cohere's error body."""
    key = identifier("", digest(refused.message.encode("utf-8", "surrogatepass")))
    return Reply(
        status=refused.status, body=orjson.dumps({"id": key, "message": refused.message}), headers=refused.headers
    )


def _authorize(call: Call, key: str) -> None:
    shown = shown_key(call)
    if shown is None:
        raise Refused("no api key supplied", status=401)
    if shown != key:
        raise _BAD_KEY


_BAD_KEY = Refused("invalid api token", status=401)
ODDITIES = Oddities(
    error=_named("message-end", delta={"finish_reason": "ERROR", "error": "The model failed."}),
    malformed=b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{\n\n',
    unknown=_named("mock-novelty", novelty=NOVELTY),
    empty=_named("content-delta", index=0, delta=_delta(content={"text": ""})),
)
COHERE = Dialect(
    name="cohere",
    paths="`/v2/…`",
    envelope=envelope,
    failures={
        "rate-limit": Refused(
            "You are using a Trial key, which is limited to 20 API calls / minute. You can continue to use the Trial key "
            "for free or upgrade to a Production key with higher rate limits.",
            status=429,
        ),
        "quota": Refused("Please add or update your payment method to continue.", status=402),
        "overloaded": Refused("The service is currently unavailable.", status=503),
        "context-length": Refused(
            "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 128001."
        ),
        "content-policy": Refused(
            "blocked input: please adjust your prompt and try again. this generation may be a violation of our terms of service"
        ),
        "model-missing": Refused("model 'mock' not found, make sure the correct model ID was used", status=404),
        "bad-key": _BAD_KEY,
        "server-error": Refused("internal server error, this has been reported to our developers", status=500),
    },
    authorize=_authorize,
    odd=(
        Reply(status=422, body=b'{"data":"unprocessable"}'),
        Reply(status=498, body=b'{"message":"invalid token"}'),
        Reply(status=500, content_type="text/plain", body=b"Internal Server Error"),
    ),
    identity=lambda seed: b"x-debug-trace-id: %032x\r\n" % seed,
    waits=False,
    table="cohere",
)
ROUTES = (
    Route("POST", "/v2/chat", chat),
    Route("POST", "/v2/embed", embed),
    Route("POST", "/v2/rerank", rerank),
)
