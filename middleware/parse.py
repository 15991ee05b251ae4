"""Third link: what is asked for? One decode of the fields we act on; the original bytes are kept and go on unchanged."""

import asyncio
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw, Struct
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.cache.asking import answers
from proxy.context import SCOPE_KEY, Receive, RequestContext, Scope, Send
from proxy.errors import IncompleteBody, InvalidJson, InvalidRequest, RequestTimeout, RequestTooLarge, UnsupportedMedia
from proxy.protocols import Clock
from proxy.relay.form import FormUpload
from proxy.relay.upload import BodyLimits, BodyUpload
from proxy.services import Services
from proxy.wire.chat import ACTED_ON, DESTINATION_KEYS, EMPTY, RequestView
from proxy.wire.document import Decoded, document_in, is_plain
from proxy.wire.endpoints import NATIVE, Endpoint
from proxy.wire.members import Watchlist, deeper_than
from proxy.wire.words import NO_WORDS, words_in

MAX_DEPTH = 64

LONGEST_NAME = 1024
"""Bytes of a model's name in a body that is the provider's business."""


class _Loose(Struct, frozen=True):
    """The same fields where their types are not ours to judge."""

    model: Raw = Raw()
    stream: Raw = Raw()


_view = msgspec.json.Decoder(RequestView)
_loose = msgspec.json.Decoder(_Loose)
_watchlist = Watchlist(unique=ACTED_ON, forbidden=DESTINATION_KEYS)
_destinations = frozenset(name.decode() for name in DESTINATION_KEYS)

KEPT = 256 * 1024
"""Bytes of a body whose document is handed on: a longer one is decoded once more by who needs it."""


class ParseMiddleware:
    """Reads and decodes JSON bodies; prepares uploads to be streamed. Raises ``InvalidRequest`` and its kin, all 4xx."""

    def __init__(
        self, app: ASGIApp, *, endpoint: Endpoint, limits: BodyLimits, clock: Clock, hands_on: bool = False
    ) -> None:
        """``hands_on``: is there a link behind that asks for the decoded body?"""
        self.app = app
        self._hands_on = hands_on
        self._endpoint = endpoint
        self._kind = endpoint.body
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx: RequestContext = scope[SCOPE_KEY]
        begun = self._clock()
        kind = self._kind
        if kind == "json":
            ctx.body = await read_body(ctx, receive, self._limits)
            self._decode(ctx)
        elif kind == "socket":
            ctx.request = RequestView(model=model_in_query(ctx.query))
        elif kind != "none" and has_body(ctx):
            await self._any(ctx, receive)
        ctx.timings.append(("parse", self._clock() - begun))
        await self.app(scope, receive, send)

    async def _any(self, ctx: RequestContext, receive: Receive) -> None:
        """JSON is decoded; a form is read up to its ``model``; other bytes are not looked at."""
        kind = ctx.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        # Some SDKs of native doors send JSON and do not say so.
        if kind == b"application/json" or (not kind and self._endpoint is NATIVE):
            await self._json(ctx, receive)
        elif self._endpoint.body == "form":
            if kind != b"multipart/form-data":
                raise UnsupportedMedia(
                    "Send multipart/form-data or application/json here.", code="unsupported_content_type"
                )
            upload = FormUpload(ctx, receive, self._limits)
            ctx.upload = upload
            await upload.find_model()
            ctx.request = RequestView(model=upload.model, stream=upload.stream or None)
        else:
            ctx.upload = BodyUpload(ctx, receive, self._limits)

    async def _json(self, ctx: RequestContext, receive: Receive) -> None:
        """A body that need not be there, or may be a form on other requests."""
        body = ctx.body = await read_body(ctx, receive, self._limits)
        if self._kind == "any" and not body:
            return
        if self._endpoint is NATIVE:
            ctx.request = hinted(body)
        elif self._endpoint.model == "hint":
            ctx.request = decode_loosely(body)
        else:
            self._decode(ctx)

    def _decode(self, ctx: RequestContext) -> None:
        """The fields we act on: out of the whole document where it is certain what that is, else with a close look at the bytes."""
        body = ctx.body
        document = document_in(body)
        if document is not None and _destinations.isdisjoint(document):
            plain = is_plain(document)
            words = NO_WORDS if plain else words_in(document, levels=MAX_DEPTH)
            if plain or words or not deeper_than(body, MAX_DEPTH):
                try:
                    ctx.request = msgspec.convert(document, RequestView)
                except msgspec.ValidationError:
                    pass  # said by ``decode``
                else:
                    ctx.plain, ctx.words = frozenset(document) if plain else NO_WORDS, words
                    if self._hands_on and len(body) <= KEPT:
                        ctx.decoded = Decoded(body, document)
                    return
        ctx.request = decode(body)


def has_body(ctx: RequestContext) -> bool:
    """Did the client announce a body?"""
    return b"transfer-encoding" in ctx.headers or ctx.headers.get(b"content-length", b"0") != b"0"


async def read_body(ctx: RequestContext, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole JSON body. Raises ``UnsupportedMedia``, ``RequestTooLarge``, ``IncompleteBody``, or is interrupted with ``RequestTimeout``."""
    headers = ctx.headers
    if b"content-encoding" in headers and headers[b"content-encoding"] != b"identity":
        raise UnsupportedMedia("Send the JSON body uncompressed.", code="unsupported_content_encoding")
    declared = headers.get(b"content-length", b"0")
    expected = int(declared) if declared.isdigit() else 0
    if expected > limits.body:
        raise too_large(limits.body)
    if b"transfer-encoding" in headers:
        expected = 0
    # Asking for the running loop takes a call of the system.
    loop = ctx.task.get_loop() if ctx.task is not None else asyncio.get_running_loop()
    give_up = loop.time() + limits.total
    parts: list[bytes] = []
    size = 0
    while True:
        timer = loop.call_later(limits.idle, too_slow, ctx)
        try:
            message = await receive()
        finally:
            timer.cancel()
        if message["type"] == "http.disconnect":
            raise IncompleteBody("The request body ended before its declared end.")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limits.body:
            raise too_large(limits.body)
        # Granian tells the end in a message of its own, which costs a way through three threads; the declared length tells it before.
        if not message.get("more_body", False) or (size and size == expected):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)
        if loop.time() > give_up:
            raise RequestTimeout(f"The request body took longer than {limits.total:g} s to arrive.")


def too_large(limit: int) -> RequestTooLarge:
    """The 413 for a JSON body."""
    return RequestTooLarge(
        f"The request body is larger than this gateway's limit of {limit} bytes (server.max_body).",
        code="request_too_large",
    )


def too_slow(ctx: RequestContext) -> None:
    """Timer callback: nothing of the body arrived in time."""
    ctx.interrupt(RequestTimeout("The request body stopped arriving."))


def decode(body: bytes) -> RequestView:
    """The fields we act on. Raises ``InvalidJson`` or ``InvalidRequest``; never echoes the body."""
    try:
        view = _view.decode(body)
        if not body.isascii():
            body.decode()
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        param = where.rstrip("`").lstrip(".") or None
        message = (
            f"Invalid value for {param!r}: {text}." if param else f"The request body must be a JSON object: {text}."
        )
        raise InvalidRequest(message, param=param, code="invalid_type") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(malformed(body, error)) from error
    check_shape(body)
    return view


def decode_loosely(body: bytes) -> RequestView:
    """``model`` and ``stream`` of a request whose other fields are the provider's business."""
    try:
        loose = _loose.decode(body)
        if not body.isascii():
            body.decode()
    except msgspec.ValidationError:
        return EMPTY
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJson(malformed(body, error)) from error
    check_shape(body)
    model, stream = bytes(loose.model), bytes(loose.stream)
    # A longer text is no model's name, and would be kept wherever names are.
    named = model.startswith(b'"') and len(model) <= LONGEST_NAME
    return RequestView(
        model=msgspec.json.decode(model, type=str) if named else None,
        stream=True if stream == b"true" else None,
    )


def hinted(body: bytes) -> RequestView:
    """The model of a native body, which may be anything: one that two parsers could read differently names none."""
    try:
        return decode_loosely(body)
    except InvalidRequest:
        return EMPTY


def check_shape(body: bytes) -> None:
    """Refuses what two parsers could read differently: deep nesting, duplicate keys, keys that would choose a destination."""
    if deeper_than(body, MAX_DEPTH):
        raise InvalidJson(f"The request body is nested deeper than {MAX_DEPTH} levels.")
    offence = _watchlist.offence(body)
    if offence is not None:
        kind, key = offence
        name = key.decode()
        if kind == "duplicate":
            raise InvalidRequest(f"The field {name!r} is given more than once.", param=name, code="duplicate_field")
        raise InvalidRequest(
            f"The field {name!r} is not accepted: destinations are chosen by the gateway's configuration only.",
            param=name,
            code="unsupported_parameter",
        )


def malformed(body: bytes, error: Exception) -> str:
    """Why the body is not JSON, in words that name the usual causes and quote nothing."""
    if not body.strip():
        return "The request body is empty; send a JSON object."
    if body[:3] == b"\xef\xbb\xbf":
        return "The request body starts with a byte order mark; send plain UTF-8 JSON."
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in body[:4]:
        return "The request body is UTF-16 or UTF-32; send UTF-8 JSON."
    if isinstance(error, UnicodeDecodeError):
        return f"The request body is not valid UTF-8 (byte {error.start})."
    if isinstance(error, RecursionError):
        return f"The request body is nested deeper than {MAX_DEPTH} levels."
    reason = str(error).removeprefix("JSON is malformed: ")
    return f"The request body is not valid JSON: {reason}."


def model_in_query(query: bytes) -> str | None:
    """The ``model`` of a WebSocket URL; refuses two of them."""
    try:
        values = parse_qs(query.decode("ascii"), keep_blank_values=True).get("model", [])
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest("The query string is not valid.", code="invalid_query") from error
    if len(values) > 1:
        raise InvalidRequest("The query names more than one model.", param="model", code="duplicate_field")
    return values[0] if values else None


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from."""
    return Middleware(
        ParseMiddleware,
        endpoint=endpoint,
        limits=services.body_limits,
        clock=services.clock,
        hands_on=services.cache is not None and answers(endpoint, path),
    )
