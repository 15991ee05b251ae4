"""One answer while it arrives: its text, its tokens, when the first one came, or what went wrong and whether it may pass."""

import http.client
import math
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from msgspec import Struct

from ..wire.values import Json, JsonObject, obj, object_in, objects, text
from .spending import Usage, usage_in

MOST = 8 * 1024 * 1024
"""Bytes of an answer that are read."""

EXPLAINED = "tollway.route"
"""``object`` of a dry run's answer."""

_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Statuses that another try may not meet."""


class Reply(Struct, frozen=True, kw_only=True):
    """How one try ended. ``error`` is a code, ``detail`` its message; times in seconds from sending.

    ``ttft`` is known of streams only. ``passing``: may another try do better? ``wait``: seconds that the gateway asks to wait. ``begun``: did a 200 begin, so that
    it may have cost something?
    """

    status: int = 0
    text: str = ""
    error: str = ""
    detail: str = ""
    finish: str = ""
    usage: Usage | None = None
    charged: int | None = None
    place: str = ""
    fallback: bool = False
    ttft: float | None = None
    seconds: float = 0.0
    passing: bool = False
    wait: float | None = None
    begun: bool = False
    body: JsonObject | None = None


class Reading:
    """One answer while it arrives."""

    def __init__(self, answer: http.client.HTTPResponse, begun: float, deadline: float) -> None:
        self._answer = answer
        self._begun = begun
        self._deadline = deadline
        self._ttft: float | None = None
        self._text: list[str] = []
        self._usage: Usage | None = None
        self._finish = ""

    def reply(self) -> Reply:
        answer = self._answer
        if answer.status != 200:
            return self._refused(object_in(self._whole()))
        if "text/event-stream" in (answer.getheader("content-type") or ""):
            return self._streamed()
        body = object_in(self._whole())
        if body is None:
            return self.broken("not_json", "the answer is no JSON object")
        if "error" in body:
            return self._told(body, "error_in_200")
        self._take(body, "message")
        if not objects(body.get("choices")) and body.get("object") != EXPLAINED:
            return self.broken("no_choice", "the answer has no choice")
        return self._ended(body=body)

    def _streamed(self) -> Reply:
        for data in self._events():
            if data == b"[DONE]":
                return self._ended()
            event = object_in(data)
            if event is None:
                return self.broken("not_json", "an event of the stream is no JSON object")
            if "error" in event:
                return self._told(event, "error_in_stream")
            self._take(event, "delta")
        return self.broken("cut", "the stream ended before its end")

    def _events(self) -> Iterator[bytes]:
        read = 0
        while line := self._answer.readline(MOST):
            read += len(line)
            if not line.endswith(b"\n"):
                return
            if read > MOST:
                raise ValueError("too long")
            if time.monotonic() > self._deadline:
                raise TimeoutError
            if line.startswith(b"data:"):
                yield line[5:].strip()

    def _whole(self) -> bytes:
        data = bytearray()
        while piece := self._answer.read1(65_536):
            data += piece
            if len(data) > MOST:
                raise ValueError("too long")
            if time.monotonic() > self._deadline:
                raise TimeoutError
        if self._answer.length:
            raise http.client.IncompleteRead(bytes(data))
        return bytes(data)

    def _take(self, value: JsonObject, member: str) -> None:
        """Text, tokens and finish reason of the first choice, from a whole answer or a piece of it."""
        self._usage = usage_in(value.get("usage")) or self._usage
        for choice in objects(value.get("choices"))[:1]:
            self._finish = text(choice.get("finish_reason")) or self._finish
            said = obj(choice.get(member))
            piece = _words(said.get("content")) or text(said.get("refusal"))
            if member == "delta" and (piece or said.get("tool_calls")) and self._ttft is None:
                self._ttft = time.monotonic() - self._begun
            self._text.append(piece)

    # ---- how it ended -----------------------------------------------------------------------------------------------

    def _header(self, name: str) -> str:
        return self._answer.getheader(name) or ""

    def _ended(self, body: JsonObject | None = None) -> Reply:
        provider, model = self._header("x-tollway-provider"), self._header("x-tollway-model")
        return Reply(
            status=200,
            text="".join(self._text),
            finish=self._finish,
            usage=self._usage,
            charged=_charged(self._header("x-tollway-cost-usd")),
            place=f"{provider}/{model}" if provider and model else "",
            fallback=self._header("x-tollway-fallbacks") not in ("", "0"),
            ttft=self._ttft,
            seconds=time.monotonic() - self._begun,
            begun=True,
            body=body,
        )

    def _refused(self, body: JsonObject | None) -> Reply:
        status = self._answer.status
        asked = self._header("x-should-retry")
        code, message = _error(body)
        return Reply(
            status=status,
            error=code or f"status_{status}",
            detail=(message or f"status {status}")[:300],
            passing=status in _PASSING and asked != "false",
            wait=_wait(self._header("retry-after-ms"), self._header("retry-after")),
            seconds=time.monotonic() - self._begun,
        )

    def _told(self, body: JsonObject, otherwise: str) -> Reply:
        code, message = _error(body)
        return self.broken(code or otherwise, message or "an error came in place of the answer")

    def broken(self, error: str, detail: str) -> Reply:
        """A 200 that came to nothing."""
        begun = self._answer.status == 200
        return Reply(
            status=self._answer.status,
            error=error,
            detail=detail[:300],
            usage=self._usage,
            passing=True,
            begun=begun,
            seconds=time.monotonic() - self._begun,
        )


def _words(content: Json) -> str:
    """Text, or the texts of a list of parts."""
    return text(content) or "".join(text(part.get("text")) for part in objects(content))


def _error(body: JsonObject | None) -> tuple[str, str]:
    error = obj((body or {}).get("error"))
    return text(error.get("code")) or text(error.get("type")), text(error.get("message"))


def _charged(header: str) -> int | None:
    """US dollars as micro-dollars."""
    try:
        return round(float(header) * 1_000_000) if header else None
    except (ValueError, OverflowError):
        return None


def _wait(milliseconds: str, seconds: str) -> float | None:
    """Seconds, whichever form the header has; a date counts from now."""
    for given, scale in ((milliseconds, 0.001), (seconds, 1.0)):
        try:
            asked = float(given) * scale
        except ValueError:
            continue
        if math.isfinite(asked):
            return min(max(asked, 0.0), 86_400.0)
    try:
        return min(max(parsedate_to_datetime(seconds).timestamp() - time.time(), 0.0), 86_400.0)
    except (ValueError, TypeError):
        return None
