"""What a span says of a request and of its answer beside their tokens: settings, ids and reasons. Never a text that anybody wrote."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

LARGEST = 64 * 1024
"""Bytes of a request or an answer that are read for this."""

_EVENTS = 8
"""Events at the end of a stream that are read."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Form(Struct, frozen=True, gc=False):
    type: str | None = None


_OUTPUTS = {"json_object": "json", "json_schema": "json", "text": "text"}
"""OpenAI's words for what the answer is to be, and the conventions'."""


class Asked(Struct, frozen=True, gc=False):
    """The settings of a request that say how a model is to generate."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    response_format: _Form | str | None = None

    @property
    def output(self) -> str:
        """What the answer is to be; "" where the request does not say."""
        form = self.response_format
        return _OUTPUTS.get(form.type or "", "") if isinstance(form, _Form) else ""


NOTHING = Asked()

_asked = msgspec.json.Decoder(Asked)


def asked_in(body: bytes) -> Asked:
    """Of a JSON request; nothing of one that is large, or not what it should be."""
    if not body or len(body) > LARGEST:
        return NOTHING
    try:
        return _asked.decode(body)
    except _UNREADABLE:
        return NOTHING


class Told(Struct, frozen=True):
    """What an answer says of itself."""

    ident: str = ""
    model: str = ""
    reasons: tuple[str, ...] = ()


SILENT = Told()


class _Choice(Struct, gc=False):
    finish_reason: str | None = None
    finishReason: str | None = None  # noqa: N815 - Gemini's name


class _Delta(Struct, gc=False):
    stop_reason: str | None = None


class _Inner(Struct, gc=False):
    """What Anthropic's ``message_start`` and OpenAI's ``response.created`` carry."""

    id: str | None = None
    model: str | None = None
    status: str | None = None


class _Answer(Struct):
    """The names of all dialects at once; no two mean different things."""

    id: str | None = None
    response_id: str | None = field(name="responseId", default=None)
    model: str | None = None
    model_version: str | None = field(name="modelVersion", default=None)
    choices: list[_Choice] | None = None
    candidates: list[_Choice] | None = None
    stop_reason: str | None = None
    finish_reason: str | None = None
    delta: Any = None
    message: Any = None
    response: Any = None


_answer = msgspec.json.Decoder(_Answer)


def _read(data: bytes) -> _Answer | None:
    try:
        return _answer.decode(data)
    except _UNREADABLE:
        return None


def _inner(found: _Answer) -> _Inner:
    for each in (found.message, found.response):
        if isinstance(each, dict):
            try:
                return msgspec.convert({name: each.get(name) for name in ("id", "model", "status")}, _Inner)
            except _UNREADABLE:
                break
    return _Inner()


def _reasons(found: _Answer) -> list[str]:
    delta = found.delta.get("stop_reason") if isinstance(found.delta, dict) else None
    reasons = [found.stop_reason, found.finish_reason, delta if isinstance(delta, str) else None]
    reasons += [choice.finish_reason or choice.finishReason for choice in (found.choices or found.candidates or ())]
    return [word(reason).lower() for reason in reasons if reason]


def word(text: str) -> str:
    """A name that a provider gave, if it looks like one: it may be anything, and what users wrote has no place here."""
    sane = len(text) <= 128 and text.isascii() and text.isprintable() and " " not in text
    return text if sane else "_OTHER"


def told_by(parts: Sequence[bytes], *, stream: bool) -> Told:
    """Of an answer's first and last bytes: the whole of a JSON answer, both ends of a stream."""
    return _told_by_events(parts) if stream else _told(_read(b"".join(parts)), None)


def _told(first: _Answer | None, last: Sequence[str] | None) -> Told:
    if first is None:
        return Told("", "", tuple(last or ()))
    inner = _inner(first)
    return Told(
        word(first.id or first.response_id or inner.id or ""),
        word(first.model or first.model_version or inner.model or ""),
        tuple(last if last is not None else _reasons(first)),
    )


def _told_by_events(parts: Sequence[bytes]) -> Told:
    head, tail = parts[0], parts[-1]
    first = None
    for line in head.split(b"\n")[:_EVENTS]:
        if line.startswith(b"data:") and (first := _read(line[5:].strip())) is not None:
            break
    reasons: list[str] = []
    for line in tail.split(b"\n")[-3 * _EVENTS :]:
        if line.startswith(b"data:") and (found := _read(line[5:].strip())) is not None:
            reasons += _reasons(found)
            status = _inner(found).status
            if status is not None and status not in ("in_progress", "queued"):
                reasons.append(word(status))
    return _told(first, reasons)
