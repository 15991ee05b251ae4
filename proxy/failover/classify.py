"""Which fault a failed try is: told from an exception, an error answer, an answer that is none, or an event of a stream.

Status, code and type decide; sentences only where providers give no code (a prompt too long, or not to be answered).
"""

import re
from collections.abc import Mapping

from ..errors import (
    EndpointUnsupported,
    RateLimited,
    RawHeaders,
    TollwayError,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamCut,
    UpstreamDropped,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from ..policy.faults import Fault, FaultKind
from ..wire.endpoints import Dialect
from ..wire.headers import value_of
from ..wire.values import JsonObject, obj, objects
from .told import SENTENCE, Told, document_in, told_by, told_in
from .waits import asked
from .words import (
    A_MODEL,
    CONTENT_POLICY,
    CONTEXT_LENGTH,
    EMPTY_PURSE,
    NOT_FOUND,
    NOT_PERMITTED,
    OTHER_PLACE,
    REFUSED_KEY,
    SPECIFIC,
    THEIR_INPUT,
    THEIR_OBJECT,
    THEIRS,
    TOO_LARGE,
    WORDS,
    folded,
)

_KINDS: tuple[tuple[type[TollwayError], FaultKind], ...] = (
    (UpstreamConnectTimeout, "connect_timeout"),
    (UpstreamTimeout, "timeout"),
    (UpstreamDropped, "dropped"),
    (UpstreamUnavailable, "connect"),
    (UpstreamTlsFailed, "tls"),
    (UpstreamInvalid, "invalid"),
    (UpstreamCut, "cut"),
    (UpstreamAuthFailed, "credentials"),
    (RateLimited, "limited_here"),
    (EndpointUnsupported, "model_missing"),
)
"""The more special class before its parent. What is not here is no target's fault."""

_STATUS = re.compile(r"status (\d{3})\b(?:: (?:(\w+): )?(.*))?", re.ASCII | re.DOTALL)
"""How our own 502 for refused credentials keeps what was answered: its status, perhaps a code, and its sentence."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)

_BY_STATUS: Mapping[int, FaultKind] = {
    401: "credentials",
    402: "quota",
    403: "forbidden",
    408: "conflict",
    409: "conflict",
    413: "too_large",
    424: "server_error",
    425: "conflict",
    429: "rate_limited",
    499: "server_error",
    503: "overloaded",
    529: "overloaded",
}
"""What a status means by itself. 403: not permitted there, and nothing is said against our key; 424: a model behind the provider
failed; 499: the provider gave up."""

_HEARD: Mapping[int, frozenset[FaultKind]] = {
    401: frozenset(),
    402: frozenset(),
    403: frozenset(("content_policy", "model_missing", "quota", "credentials")),
    404: frozenset(("model_missing",)),
    408: frozenset(),
    409: frozenset(),
    413: frozenset(("context_length",)),
    425: frozenset(),
    429: frozenset(("quota", "overloaded")),
}
"""Which words are believed against a status; of others below 500 all, of 5xx that it is overloaded."""


def of_error(error: TollwayError, *, now: float = 0.0) -> Fault:
    """The fault in what was raised before an answer, or instead of one. ``now``: unix seconds."""
    if isinstance(error, UpstreamRejected):
        words = tuple(word for word in (error.code, error.type) if word)
        return _fault(error.status, Told(words=words, message=error.message[:SENTENCE]), error.headers, now)
    if isinstance(error, UpstreamRefused):
        return _fault(error.status, Told(), (), now)
    kind = _raised(error)
    stated = _STATUS.match(error.detail) if kind == "credentials" else None
    if stated is None:
        return Fault(kind=kind, detail=type(error).__name__)
    status, word, message = int(stated[1]), stated[2] or "", (stated[3] or "")[:SENTENCE]
    told = Told(words=(word,), message=message)
    if status == 403 or folded(word) in ("accessdenied", "accessdeniedexception"):
        # A grant for this model, or this path, is missing: the key may be good for others.
        kind = _kind(403, told)
    return Fault(kind=kind, status=status, detail=_detail(told) or type(error).__name__)


def _raised(error: TollwayError) -> FaultKind:
    for family, kind in _KINDS:
        if isinstance(error, family):
            return kind
    return "client"


def of_answer(status: int, headers: RawHeaders, body: bytes, *, now: float = 0.0) -> Fault | None:
    """The fault in an answer, in any provider's shape; ``None`` below 400. Of ``body`` the first 64 KiB are read.

    ``now``: unix seconds, for waits that are dates.
    """
    if not 100 <= status <= 599:
        return Fault(kind="invalid", detail=f"status {status}"[:16])
    if status < 400:
        return None
    told = told_by(body)
    amazon = value_of(headers, b"x-amzn-errortype")
    if amazon is not None:
        word = amazon.partition(b":")[0].strip().decode("latin-1")
        told = Told(words=(word, *told.words), message=told.message, wait=told.wait)
    return _fault(status, told, headers, now)


def nothing_sent(fault: Fault) -> bool:
    """Was the target not asked at all, for a limit of ours or because it has no such operation? Such a try is none."""
    return fault.kind == "limited_here" or (fault.kind == "model_missing" and not fault.status)


def sound(body: bytes) -> bool:
    """Is the whole body of a 2xx certainly an answer? Otherwise ``of_success`` and ``of_shape`` have to tell."""
    return (
        body[:1] == b"{"
        and body[-1:] == b"}"
        and body.find(b'"error"', 0, _HEAD) < 0
        and (len(body) > _SHORT or b'"base_resp"' not in body)
    )


def of_success(body: bytes) -> Fault | None:
    """The error inside a JSON body that came with 2xx: ``{"error": …}``, ``null``, nothing."""
    whole = body[:1] == b"{"
    if whole and body.find(b'"error"', 0, _HEAD) < 0 and (len(body) > _SHORT or b'"base_resp"' not in body):
        return None
    return _of_doubtful(body) if not whole or _SUSPECT.search(body, 0, _LOOKED_AT) is not None else None


def of_shape(body: bytes, *, whole: bool, lists: bool = False) -> Fault | None:
    """Is the body of a 2xx none, where JSON is due? Told from its first and last bytes alone.

    ``whole``: is its end there, too? ``lists``: may it be an array?
    """
    if body[:1] == b"{" and (body[-1:] == b"}" or not whole):
        return None
    bare = body.strip(_BLANK)
    first = bare[:1]
    if first == b"{" or (lists and first == b"["):
        cut = whole and bare[-1:] != _CLOSING[first]
        return Fault(kind="invalid", status=200, detail="cut") if cut else None
    return Fault(kind="invalid", status=200, detail="not_json") if bare or whole else None


_BLANK = b" \t\r\n\xef\xbb\xbf"
"""Around JSON: white space, and the mark with which some files begin."""

_CLOSING = {b"{": b"}", b"[": b"]"}


_HEAD = 192
"""Bytes within which an answer that failed says so."""

_SHORT = 512
"""Bytes of a body that may be an error of a host which says so at its end."""

_LOOKED_AT = 1024
"""Bytes in which a doubt is looked into before the body is decoded."""

_SUSPECT = re.compile(rb'"errors?"\s*:\s*[^n\s]|"base_resp"\s*:\s*\{(?!\s*"status_code"\s*:\s*0\b)')
"""A member that says an answer failed, with another value than ``null`` or 0."""


def _of_doubtful(body: bytes) -> Fault | None:
    bare = body[:64].strip()
    if bare == b"null" or (not bare and not body.strip()):
        return Fault(kind="invalid", status=200, detail="empty" if not bare else "null")
    document = document_in(body)
    if document is None:
        return None
    found = _failed_part(document)
    return _inside(found) if found is not None else None


def of_event(payload: bytes, dialect: Dialect) -> Fault | None:
    """The error in an event of a stream, by the payload of its ``data``."""
    if b"error" not in payload and b"insufficient_system" not in payload and b'"base_resp"' not in payload:
        return None
    document = document_in(payload)
    if document is None:
        return None
    if dialect == "messages":
        return _inside(document) if document.get("type") == "error" else None
    kind = document.get("type")
    if isinstance(kind, str) and kind.startswith("response."):
        failed = kind == "response.failed"
        return _inside(obj(document.get("response"))) if failed else None
    if kind == "error":
        return _inside(document)
    if kind == "message-end":
        # Cohere's last event.
        told = obj(document.get("delta")).get("error")
        return _inside(told if isinstance(told, dict) else {"message": told}) if told else None
    found = _failed_part(document)
    return _inside(found) if found is not None else None


_BROKEN = frozenset(("error", "network_error", "insufficient_system_resource"))
"""Finish reasons with which some hosts end an answer that they could not finish."""


def _failed_part(document: JsonObject) -> JsonObject | None:
    """The part of a body or chunk that says it failed; ``None``: it does not."""
    if document.get("error") or document.get("type") == "error" or document.get("object") == "error":
        return document
    base = obj(document.get("base_resp")).get("status_code")
    if (base is not None and base != 0) or (document.get("success") is False and objects(document.get("errors"))):
        return document
    for choice in objects(document.get("choices")):
        if choice.get("error"):
            return choice
        reason = choice.get("finish_reason")
        if reason in _BROKEN:
            return {"code": reason}
    return None


def _inside(document: JsonObject) -> Fault:
    """The fault of an error beside status 200: what its words or the status it states say, else ``error_event``."""
    told = told_in(document)
    kind = _named(told, WORDS)
    if kind is None or kind == "client":
        kind = _kind(told.status, told) if told.status else (kind or _unknown(told))
    kind = _by_sentence(told, kind)
    if kind == "server_error":
        kind = "error_event"
    return Fault(kind=kind, status=200, wait=told.wait, detail=_detail(told))


def _fault(status: int, told: Told, headers: RawHeaders, now: float) -> Fault:
    kind = _kind(status, told)
    wait = asked(headers, now=now, resets=status == 429)
    return Fault(kind=kind, status=status, wait=told.wait if wait is None else wait, detail=_detail(told))


def _unknown(told: Told) -> FaultKind:
    """An error without a status whose words the tables do not know."""
    theirs = any(folded(word) in THEIRS or THEIR_INPUT.fullmatch(word) is not None for word in told.words)
    return "client" if theirs else "error_event"


def _kind(status: int, told: Told) -> FaultKind:
    named = _named(told, SPECIFIC)
    if status in (402, 429) and (named == "context_length" or TOO_LARGE.search(told.message) is not None):
        return "too_large"
    if status < 500 and any(folded(word) in THEIRS for word in told.words):
        return "client"
    if status < 429 and named == "model_missing" and _of_anything(told) and A_MODEL.search(told.message) is None:
        return "client"
    if status == 498:
        # Groq's is capacity, in an envelope; Cohere's a token that it does not know.
        return "overloaded" if told.enveloped or named == "overloaded" else "credentials"
    if status >= 500:
        return "overloaded" if named == "overloaded" else _BY_STATUS.get(status, "server_error")
    heard = _HEARD.get(status)
    if named is not None and (heard is None or named in heard):
        return named
    return _by_sentence(told, _BY_STATUS.get(status, "client"), status)


def _of_anything(told: Told) -> bool:
    """Does no word say what it is that is missing?"""
    return all(SPECIFIC.get(name) != "model_missing" or name in NOT_FOUND for name in map(folded, told.words))


def _by_sentence(told: Told, kind: FaultKind, status: int = 400) -> FaultKind:
    """``kind``, unless the sentence of a 4xx is one of the few that providers give without a code."""
    message = told.message
    if status in (400, 422) and kind in ("client", "error_event"):
        if CONTEXT_LENGTH.search(message) is not None:
            return "context_length"
        if EMPTY_PURSE.search(message) is not None:
            return "quota"
    if status in (400, 403, 422) and kind in ("client", "error_event", "forbidden"):
        if CONTENT_POLICY.search(message) is not None:
            return "content_policy"
        if OTHER_PLACE.search(message) is not None:
            return "model_missing"
    if status in (401, 403) and NOT_PERMITTED.search(message) is not None:
        return "forbidden"
    return _forbidden(message) if status == 403 else kind


def _forbidden(message: str) -> FaultKind:
    """A 403 whose words say nothing: whose fault it is."""
    if THEIR_OBJECT.search(message) is not None:
        return "client"
    return "credentials" if REFUSED_KEY.search(message) is not None else "forbidden"


def _named(told: Told, table: Mapping[str, FaultKind]) -> FaultKind | None:
    """The first word that the table knows."""
    for word in told.words:
        kind = table.get(folded(word))
        if kind is not None:
            return kind
    return None


def _detail(told: Told) -> str:
    """A code for the log: never a sentence."""
    for word in told.words:
        if _CODE.fullmatch(word) is not None and not word.isdigit():
            return word
    return next((word for word in told.words if _CODE.fullmatch(word) is not None), "")
