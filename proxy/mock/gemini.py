"""Gemini's API as Google AI Studio and Vertex AI speak it: content, streams, token counts, embeddings, models."""

from collections.abc import Iterator

import orjson

from .compose import Answer, ToolCall, answer_seed, compose
from .controls import Controls
from .dialect import Dialect, shown_key
from .gemini_contents import list_of, member, object_of
from .gemini_request import check, generation_of, prompt_tokens, wish_of
from .gemini_vectors import embed, embed_all, predict
from .reply import FLAG, JSON, NOVELTY, SSE, STAMP, Call, Object, Oddities, Refused, Reply, event, json_reply
from .signature import sign
from .store import Route
from .text import digest, identifier

VERBS = frozenset(
    "generateContent streamGenerateContent countTokens embedContent batchEmbedContents predict computeTokens".split()
)
NAMES = ("gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-embedding-001")
_STOPS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _is_vertex(call: Call) -> bool:
    return "/publishers/" in call.path


def generate(call: Call) -> Reply:
    """Answer :generateContent."""
    if (blocked := _blocked(call)) is not None:
        return json_reply(blocked)
    head, answers, usage = _composed(call)
    candidates = [_whole(found, index, call) for index, found in enumerate(answers)]
    whole: Object = {"candidates": candidates, "usageMetadata": usage, **head}
    if call.controls.usage is False:
        del whole["usageMetadata"]
    return json_reply(whole)


def stream_generate(call: Call) -> Reply:
    """Answer :streamGenerateContent: events with alt=sse, one long JSON array without it."""
    sse = call.query.get("alt") == "sse"
    try:
        head, answers, usage = _composed(call)
    except Refused as refused:
        found = envelope(refused)
        return found if sse else Reply(status=found.status, body=b"[" + found.body + b"]", headers=found.headers)
    blocked = _blocked(call)
    frames = _documents(head, answers, usage, call) if blocked is None else iter([blocked])
    if sse:
        return Reply(content_type=SSE, frames=map(event, map(orjson.dumps, frames)), odd=ODDITIES, crlf=True)
    return Reply(content_type=JSON, frames=_array(frames), odd=_ARRAY_ODDITIES)


def _array(documents: Iterator[Object]) -> Iterator[bytes]:
    """Yield the elements of the array; the bracket that ends it leaves with the last."""
    before = b"["
    held: bytes | None = None
    for document in documents:
        if held is not None:
            yield held
        held = before + orjson.dumps(document)
        before = b",\r\n"
    yield (held or b"[") + b"]"


def _blocked(call: Call) -> Object | None:
    """Return the answer to a prompt that says `mock-flag`: a reason, and no candidates."""
    if FLAG not in call.body:
        return None
    prompt = prompt_tokens(call.document())
    usage: Object = {"promptTokenCount": prompt, "totalTokenCount": prompt}
    return {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": usage,
        "modelVersion": call.params[-1],
        "responseId": identifier("", call.derive("blocked")),
    }


def _composed(call: Call) -> tuple[Object, list[Answer], Object]:
    document, model = call.document(), call.params[-1]
    check(document, model, vertex=_is_vertex(call))
    config = object_of(document, "generationConfig")
    count = member(config, "candidateCount")
    seed = call.derive(
        "gemini", object_of(document, "systemInstruction"), list_of(document, "contents"), config.get("seed")
    )
    wish = wish_of(document, model)
    answers = [
        compose(answer_seed(seed, index), wish, call.controls)
        for index in range(count if isinstance(count, int) else 1)
    ]
    prompt = prompt_tokens(document)
    head: Object = {"modelVersion": model, "responseId": identifier("", seed)}
    return head, answers, _usage(prompt, answers)


def _usage(prompt: int, answers: list[Answer]) -> Object:
    """Return the usage; counts of zero are left out, as protobuf leaves out what is zero."""
    thought = sum(len(found.thoughts) for found in answers)
    said = sum(found.tokens for found in answers) - thought
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": said, "thoughtsTokenCount": thought}
    usage: Object = {name: count for name, count in counts.items() if count}
    usage["totalTokenCount"] = prompt + said + thought
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    return usage


def _shows_thoughts(call: Call) -> bool:
    thinking = object_of(object_of(call.document(), "generationConfig"), "thinkingConfig")
    return member(thinking, "includeThoughts") is True or call.controls.reasoning is not None


def _parts(found: Answer, call: Call) -> Iterator[Object]:
    """Yield the parts, one for each token of text; the signature sits on the first call, or on the last text."""
    controls = call.controls
    stamp = STAMP.decode() if controls.stamp else ""
    if _shows_thoughts(call):
        for piece in found.thoughts:
            yield {"text": piece + stamp, "thought": True}
    if controls.novelty:
        yield {"mockNovelty": NOVELTY}
    for piece in found.pieces:
        yield {"text": piece + stamp}
    generation = generation_of(call.params[-1])
    signs = bool(found.thoughts) or generation >= 3
    for index, made in enumerate(found.calls):
        part: Object = {"functionCall": _call(made, named=generation >= 3 and not _is_vertex(call))}
        if signs and index == 0:
            part["thoughtSignature"] = _sign(found, f"call:{made.name}")
        yield part
    if signs and not found.calls and found.pieces:
        yield {"text": "", "thoughtSignature": _sign(found, "text")}


def _sign(found: Answer, kind: str) -> str:
    words = "".join([*found.thoughts, *found.pieces])
    return sign(digest(words.encode("utf-8", "surrogatepass"), kind.encode()), kind, "")


def _call(made: ToolCall, *, named: bool) -> Object:
    try:
        args: object = orjson.loads("".join(made.pieces))
    except orjson.JSONDecodeError:
        args = {}
    found: Object = {"name": made.name}
    if args:
        found["args"] = args
    return {"id": made.id.removeprefix("call_"), **found} if named else found


def _finish(found: Answer, controls: Controls) -> str:
    return controls.finish or _STOPS[found.finish]


def _whole(found: Answer, index: int, call: Call) -> Object:
    """Return a candidate of a plain answer, where neighbouring texts are one part."""
    parts: list[Object] = []
    for part in _parts(found, call):
        last = parts[-1] if parts else {}
        if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
            merged = {**last, **part, "text": str(last["text"]) + str(part["text"])}
            parts[-1] = merged
        else:
            parts.append(part)
    candidate: Object = {"content": {"parts": parts, "role": "model"} if parts else {}}
    candidate["finishReason"] = _finish(found, call.controls)
    candidate["index"] = index
    return candidate


def _documents(head: Object, answers: list[Answer], usage: Object, call: Call) -> Iterator[Object]:
    """Yield the frames: usage grows from frame to frame, the last frame of a candidate says why it ended."""
    reported = call.controls.usage is not False
    prompt = {name: usage[name] for name in ("promptTokenCount", "promptTokensDetails")}

    def frame(candidate: Object, spent: Object) -> Object:
        return {"candidates": [candidate], **({"usageMetadata": spent} if reported else {}), **head}

    for index, found in enumerate(answers):
        said = 0
        for part in _parts(found, call):
            said += 1
            counted: Object = {**prompt, "candidatesTokenCount": said, "totalTokenCount": said}
            yield frame({"content": {"parts": [part], "role": "model"}, "index": index}, counted)
        last: Object = {"content": {"parts": [{"text": ""}], "role": "model"}}
        if call.controls.done:
            last["finishReason"] = _finish(found, call.controls)
        yield frame({**last, "index": index}, usage)


def count_tokens(call: Call) -> Reply:
    """Answer :countTokens, of contents or of a whole request."""
    document = call.document()
    inner = object_of(document, "generateContentRequest") or document
    if not list_of(inner, "contents"):
        raise Refused("* CountTokensRequest.contents: contents is not specified")
    total = prompt_tokens(inner)
    return json_reply({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]})


def _model(name: str) -> Object:
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
    }


def models(call: Call) -> Reply:
    return json_reply({"models": [_model(name) for name in NAMES]})


def model(call: Call) -> Reply:
    if call.params[0].startswith("missing-"):
        raise Refused(f"Model is not found: models/{call.params[0]}", status=404)
    return json_reply(_model(call.params[0]))


def envelope(refused: Refused) -> Reply:
    """Return Google's error body; the time to retry after is a detail of it, no header."""
    status = _STATUSES.get(refused.status, "INVALID_ARGUMENT" if refused.status < 500 else "INTERNAL")
    error: Object = {"code": refused.status, "message": refused.message, "status": status}
    details: list[Object] = []
    if refused.code in ("API_KEY_INVALID",):
        reason = {"reason": refused.code, "domain": "googleapis.com", "metadata": {"service": "generativelanguage"}}
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", **reason})
    if refused.code and refused.code.endswith("-FreeTier"):
        violation = {"quotaMetric": "generate_requests", "quotaId": refused.code, "quotaValue": "50"}
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
    if refused.retry is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refused.retry:g}s"})
    if details:
        error["details"] = details
    headers = tuple(pair for pair in refused.headers if refused.retry is None or pair[0] != "retry-after")
    return Reply(status=refused.status, body=orjson.dumps({"error": error}), headers=headers)


def _authorize(call: Call, key: str) -> None:
    shown = shown_key(call, "x-goog-api-key") or call.query.get("key")
    if not shown:
        raise Refused(
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
            status=403,
        )
    if shown != key and "authorization" in call.headers:
        raise Refused("Request had invalid authentication credentials.", status=401)
    if shown != key:
        raise _BAD_KEY


_BAD_KEY = Refused("API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")
_UNAVAILABLE: Object = {
    "error": {
        "code": 503,
        "message": "The model is overloaded. Please try again later.",
        "status": "UNAVAILABLE",
    }
}
_NOBODY: Object = {"mockNovelty": NOVELTY}
_NOTHING: Object = {"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}}]}
ODDITIES = Oddities(
    error=event(orjson.dumps(_UNAVAILABLE)),
    malformed=b'data: {"candidates": [{"content": {"parts": [\n\n',
    unknown=event(orjson.dumps(_NOBODY)),
    empty=event(orjson.dumps(_NOTHING)),
)
_ARRAY_ODDITIES = Oddities(
    error=b",\r\n" + orjson.dumps(_UNAVAILABLE) + b"]",
    malformed=b',\r\n{"candidates": [{"content": {"parts": [',
    unknown=b",\r\n" + orjson.dumps(_NOBODY),
    empty=b",\r\n" + orjson.dumps(_NOTHING),
)
GEMINI = Dialect(
    name="gemini",
    paths="`/v1beta/…`, `/v1/models…` with `x-goog-api-key`, `/v1beta1/…`, `…/publishers/google/…`, `/v1/models/{model}:generateContent` and its like",
    envelope=envelope,
    failures={
        "rate-limit": Refused("Resource has been exhausted (e.g. check quota).", status=429),
        "quota": Refused(
            "You exceeded your current quota, please check your plan and billing details.",
            status=429,
            code="GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        ),
        "overloaded": Refused("The model is overloaded. Please try again later.", status=503),
        "context-length": Refused(
            "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
        ),
        "content-policy": Refused(
            "The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible AI "
            "practices. Try rephrasing the prompt."
        ),
        "model-missing": Refused(
            "models/mock is not found for API version v1beta, or is not supported for generateContent.", status=404
        ),
        "bad-key": _BAD_KEY,
        "server-error": Refused("An internal error has occurred. Please retry or report.", status=500),
    },
    authorize=_authorize,
    odd=(
        Reply(status=503, body=b"[" + orjson.dumps(_UNAVAILABLE) + b"]"),
        Reply(
            status=404,
            content_type="text/html; charset=UTF-8",
            body=b"<!DOCTYPE html>\n<title>Error 404 (Not Found)</title>",
        ),
        Reply(status=500, body=b'{"error":{"code":"500","message":null}}'),
    ),
    headers=((b"server", b"scaffolding on HTTPServer2"), (b"x-gemini-service-tier", b"standard")),
    identity=lambda seed: b"server-timing: gfet4t7; dur=%d\r\n" % (seed % 90 + 10),
    table="gemini",
)


def _family(prefix: str) -> Iterator[Route]:
    base = f"{prefix}/models/{{model}}"
    for verb, answer in (
        ("generateContent", generate),
        ("streamGenerateContent", stream_generate),
        ("countTokens", count_tokens),
        ("embedContent", embed),
        ("batchEmbedContents", embed_all),
        ("predict", predict),
    ):
        yield Route("POST", f"{base}:{verb}", answer)


_VERTEX = "/projects/{project}/locations/{location}/publishers/google"
PREFIXES = ("/v1beta", "", _VERTEX, f"/v1beta1{_VERTEX}", "/publishers/google", "/v1beta1/publishers/google")
"""What the paths of Gemini begin with, after /v1: AI Studio, Vertex AI, and Vertex AI in express mode."""
ROUTES = (
    *(route for prefix in PREFIXES for route in _family(prefix)),
    Route("GET", "/v1beta/models", models),
    Route("GET", "/v1beta/models/{id...}", model),
    Route("GET", "/models", models),
    Route("GET", "/models/{id...}", model),
)
