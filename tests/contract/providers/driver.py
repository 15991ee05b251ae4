"""Runs one case through the real account of its provider, as the relay does: what is sent, and what the client gets back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from proxy import accounts
from proxy.config import Config, Secret
from proxy.config.traffic import Provider as ProviderSection
from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import RawHeaders, TollwayError, UpstreamAuthFailed, UpstreamCut
from proxy.protocols import Prepared, StreamTranslation, Translation, UpstreamRequest
from proxy.translation.completion import fold
from proxy.wire.chat import RequestView, StreamOptions
from proxy.wire.endpoints import SURFACE, Endpoint
from proxy.wire.stream import StreamDecoder
from proxy.wire.values import Json, JsonObject

from .cases import Answer, Case

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
NOW = 1_700_000_000
REQUEST_ID = "0123456789abcdef0123456789abcdef"
PRINCIPAL = Principal(name="p", tenant="t")


class Told(Struct, frozen=True, kw_only=True):
    """An error as the client sees it. ``retry_after`` in seconds."""

    status: int
    type: str | None = None
    code: str | None = None
    message: str = ""
    retry_after: float | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What the client got: the bytes, the answer in them (a stream folded), and the error that ended it."""

    data: bytes = b""
    document: JsonObject | None = None
    error: Told | None = None


# ---- the way there ------------------------------------------------------------------------------------------------------
def endpoint_of(path: str) -> Endpoint:
    """The operation behind a path."""
    return next(endpoint for method, known, endpoint in SURFACE if known == path and method == "POST")


def account(case: Case) -> accounts.Account:
    """The provider as its configuration makes it, with the key ``test-key``. Nothing comes from the environment."""
    key = None if case.provider == "vertex" and "project" in case.options else Secret("test-key")
    section = ProviderSection(use=case.provider, base_url=case.base_url, api_key=key, options=dict(case.options))
    return accounts.account(Config(providers={"here": section}), "here", {})


def view(body: Mapping[str, Any]) -> RequestView:
    """The body as the links read it."""
    options = body.get("stream_options") or {}
    return RequestView(
        model=body.get("model"),
        stream=body.get("stream"),
        stream_options=StreamOptions(include_usage=options.get("include_usage")) if options else None,
        n=body.get("n"),
    )


def context(path: str, body: bytes, headers: Mapping[str, str]) -> RequestContext:
    """A request as it stands behind all links."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return RequestContext(
        request_id=REQUEST_ID,
        endpoint=endpoint_of(path),
        path=path,
        raw_headers=[(b"content-type", b"application/json"), *raw],
        headers=dict(raw),
        principal=PRINCIPAL,
        body=body,
        request=view(orjson.loads(body)),
    )


def target(case: Case) -> Target:
    """The case's model at its provider."""
    return Target(provider="here", model=case.model, limits=LIMITS)


class Asked(Struct, frozen=True, kw_only=True):
    """A request that is ready to be sent."""

    ctx: RequestContext
    prepared: Prepared

    @property
    def request(self) -> UpstreamRequest:
        """As it travels."""
        return self.prepared.request

    @property
    def translation(self) -> Translation | None:
        """The way back; ``None``: bytes pass."""
        return self.prepared.translation


def ask(case: Case, *, path: str | None = None, body: Mapping[str, Any] | None = None) -> Asked:
    """The case's request, or another one to the same account and model. Raises ``ClientError``."""
    given = case.body if body is None else body
    ctx = context(path or case.path, orjson.dumps(given), case.headers)
    return Asked(ctx=ctx, prepared=account(case).prepare(ctx, target(case), include_usage=False, now=NOW))


def streaming(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same question, answered in a stream that ends with usage."""
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def golden_url(case: Case) -> str:
    """The path (and query) that was asked for, below the base URL: the operator's, or the provider's own."""
    made: Any = account(case)
    base = (case.base_url or str(made._base_url)).rstrip("/")
    url = ask(case).request.url
    assert url.startswith(base), f"{url} is not below {base}"
    return url[len(base) :]


# ---- the way back -------------------------------------------------------------------------------------------------------
def told(error: TollwayError) -> Told:
    """An error of ours or a translated one."""
    wait = next((float(value) for name, value in error.headers if name == b"retry-after"), None)
    return Told(
        status=error.status,
        type=error.type,
        code=error.code,
        message=error.message + " " + error.detail,
        retry_after=wait,
    )


def passed(status: int, headers: RawHeaders, body: bytes) -> Told:
    """An error answer that reached the client as it came."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    error = error if isinstance(error, dict) else {}
    wait = next((value.decode() for name, value in headers if name == b"retry-after"), None)
    return Told(
        status=status,
        type=error.get("type"),
        code=error.get("code"),
        message=str(error.get("message") or body.decode("utf-8", "replace")),
        retry_after=float(wait) if wait is not None and wait.replace(".", "").isdigit() else None,
    )


def failed(answer: Answer, translation: Translation | None) -> Outcome:
    """A non-2xx answer, as ``Relay._failed`` treats it."""
    if translation is None:
        if answer.status in (401, 403):
            return Outcome(error=told(UpstreamAuthFailed("refused", detail=answer.data.decode("utf-8", "replace"))))
        return Outcome(data=answer.data, error=passed(answer.status, answer.headers, answer.data))
    error = translation.error(answer.status, answer.headers, answer.data)
    if error is None:
        return Outcome(data=answer.data, error=passed(answer.status, answer.headers, answer.data))
    return Outcome(error=told(error))


def whole(answer: Answer, translation: Translation | None) -> Outcome:
    """A whole answer."""
    if answer.status >= 300:
        return failed(answer, translation)
    try:
        data = answer.data if translation is None else translation.reply(answer.status, answer.data)
    except TollwayError as error:
        return Outcome(error=told(error))
    return Outcome(data=data, document=json.loads(data))


def unfolded(answer: Answer, translation: Translation) -> bytes:
    """A whole answer, where a stream was asked for. Raises ``UpstreamError``."""
    return translation.unfold(answer.data)


def streamed(answer: Answer, asked: Asked, pieces: Iterable[bytes] | None = None) -> Outcome:
    """A stream, cut into ``pieces``."""
    translation = asked.translation
    if answer.status >= 300:
        return failed(answer, translation)
    if translation is None:
        return _untouched(answer, asked, pieces or (answer.data,))
    if answer.kind == "application/json":
        try:
            return Outcome(data=(data := unfolded(answer, translation)), document=read_chat(data))
        except TollwayError as error:
            return Outcome(error=told(error))
    stream = translation.stream()
    out, error = fed(stream, pieces or (answer.data,))
    return Outcome(data=out, document=read_chat(out), error=told(error) if error is not None else None)


def fed(stream: StreamTranslation, pieces: Iterable[bytes]) -> tuple[bytes, TollwayError | None]:
    """What ``Relay._translated_events`` sends, and the error that ends it."""
    out = []
    for piece in pieces:
        out.append(stream.feed(piece))
        if stream.error is not None:
            return b"".join(out), stream.error
        if stream.done:
            break
    out.append(stream.close())
    return b"".join(out), stream.error


def _untouched(answer: Answer, asked: Asked, pieces: Iterable[bytes]) -> Outcome:
    """A stream that passes: the decoder of the relay says whether it is complete."""
    decoder = StreamDecoder(asked.ctx.endpoint.dialect, usage_due=True, choices=asked.ctx.request.n or 1)
    out = []
    for piece in pieces:
        out.append(piece)
        decoder.feed(piece)
    decoder.close()
    data = b"".join(out)
    error = None
    if decoder.failed and not decoder.complete:
        error = next((told_in(payload) for _, payload in events(data) if b'"error"' in payload), None)
    elif not decoder.complete:
        error = told(UpstreamCut("The provider's stream broke off before its end."))
    return Outcome(data=data, document=read_chat(data), error=error)


def told_in(payload: bytes) -> Told:
    """An error event as a client reads it."""
    error = json.loads(payload).get("error") or {}
    code = error.get("code")
    return Told(
        status=code if isinstance(code, int) else 502,
        type=error.get("type"),
        code=str(code),
        message=str(error.get("message")),
    )


# ---- reading a client's bytes -------------------------------------------------------------------------------------------
def events(data: bytes) -> list[tuple[str, bytes]]:
    """(name, data) of each complete event, read by the letter of the standard and by none of our own code."""
    found: list[tuple[str, bytes]] = []
    name, lines = "", []
    for line in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if lines:
                found.append((name, b"\n".join(lines)))
            name, lines = "", []
        elif field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value.decode()
    return found


def chunks(data: bytes) -> list[JsonObject]:
    """The chat chunks in a stream."""
    found = []
    for _, payload in events(data):
        if payload != b"[DONE]":
            document = orjson.loads(payload)
            assert isinstance(document, dict)
            found.append(document)
    return found


def read_chat(data: bytes) -> JsonObject | None:
    """The stream folded together; ``None`` when it says nothing."""
    found = [chunk for chunk in chunks(data) if "error" not in chunk]
    return fold(found) if found else None


def message_of(document: JsonObject | None) -> dict[str, Any]:
    """The first choice's message."""
    choices: Any = (document or {}).get("choices") or [{}]
    found: dict[str, Any] = choices[0].get("message") or {}
    return found


def finish_of(document: JsonObject | None) -> Json:
    """The first choice's finish reason."""
    choices: Any = (document or {}).get("choices") or [{}]
    found: Json = choices[0].get("finish_reason")
    return found


def calls_of(document: JsonObject | None) -> list[dict[str, Any]]:
    """The tool calls of the first choice, arguments parsed."""
    return [
        {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"] or "{}")}
        for call in message_of(document).get("tool_calls") or []
    ]


def cuts(data: bytes) -> Iterable[Sequence[bytes]]:
    """``data`` in two pieces, at every place."""
    return ((data[:at], data[at:]) for at in range(1, len(data)))


def bytewise(data: bytes) -> Sequence[bytes]:
    """``data`` byte by byte."""
    return [data[at : at + 1] for at in range(len(data))]
