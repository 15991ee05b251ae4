"""Answers of a deviating provider for clients that speak chat: what is right leaves byte for byte, the rest is rebuilt."""

from ...errors import RawHeaders, TollwayError, UpstreamCut, UpstreamInvalid, sse_event
from ...translation.ask import Ask
from ...translation.completion import unfold
from ...translation.failures import said
from ...wire.headers import client_headers
from ...wire.sse import DONE
from ...wire.usage import Usage
from ...wire.values import JsonObject, dumps
from .answer import set_right
from .errors import Failure, failure_in, is_envelope, meaning_of, own_key_refused, rejection
from .events import Cutter, Event, end_of
from .figures import read as read_usage
from .figures import usage_of
from .quirks import FILTERED, Quirks
from .reading import is_ordinary, read, read_object
from .rules import Rules

CONTENT_HEADERS = frozenset((b"content-type", b"content-length", b"content-encoding"))
"""They describe a body that is another one now."""

FRAMING = frozenset((b"content-length", b"content-encoding"))
"""What changes of an answer that is repaired; its type stays."""


class ErrorRepair:
    """A ``Translation`` for operations without deviating answers: errors alone are put into OpenAI's envelope."""

    def __init__(self, quirks: Quirks, ask: Ask, *, forwards: bool) -> None:
        self.usage: Usage | None = None
        self._quirks = quirks
        self._ask = ask
        self._forwards = forwards

    def reply(self, status: int, body: bytes) -> bytes:
        """The very body. Raises ``UpstreamError`` for an error inside a 200."""
        document = read_object(body)
        if document is None:
            return body
        if document.get("error") or "base_resp" in document or document.get("success") is False:
            failure = failure_in(document, self._quirks)
            if failure is not None:
                raise rejection(failure, self._quirks)
        self._note(usage_of(document))
        return body

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError | None:
        """``None`` for OpenAI's own envelope, which passes as it came. A refusal of our own credentials never does."""
        document = read(body)
        found = said(body, document)
        meaning = meaning_of(found, self._quirks.meanings)
        ours = status in (401, 403) and not self._forwards and (meaning is None or meaning.code != FILTERED.code)
        if is_envelope(document) and not ours and status != 407:
            return None
        error = rejection(Failure(status, found), self._quirks, headers)
        return own_key_refused(error, status) if self._forwards else error

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """The provider's own, its content type included."""
        return [pair for pair in client_headers(headers) if pair[0] not in FRAMING]

    def stream(self) -> "ChatRepairStream":
        """Raises ``UpstreamInvalid``: these operations have none."""
        raise UpstreamInvalid("The provider answered with a stream where none was asked for.")

    def unfold(self, body: bytes) -> bytes:
        """Raises ``UpstreamInvalid``: these operations have no streams."""
        raise UpstreamInvalid("The provider did not answer with a stream.")

    def _note(self, usage: JsonObject | None) -> None:
        if usage is not None:
            self.usage = read_usage(usage) or self.usage


class ChatRepair(ErrorRepair):
    """A ``Translation`` for chat completions."""

    def reply(self, status: int, body: bytes) -> bytes:
        """The very body when nothing was wrong. Raises ``UpstreamError``."""
        document, changed = self._set_right(body)
        return dumps(document) if changed else body

    def _set_right(self, body: bytes) -> tuple[JsonObject, bool]:
        document = read_object(body)
        if document is None:
            raise UpstreamInvalid("The provider's answer is not JSON.", detail=body[:500].decode("utf-8", "replace"))
        changed = set_right(document, self._quirks, self._ask)
        self._note(usage_of(document))
        return document, changed

    def stream(self) -> "ChatRepairStream":
        """For an answer that comes as a stream."""
        return ChatRepairStream(self, self._quirks, self._ask)

    def unfold(self, body: bytes) -> bytes:
        """A whole answer as all of its events."""
        document, _ = self._set_right(body)
        wanted = self._ask.include_usage
        chunks = [chunk for chunk in unfold(document) if wanted or chunk["choices"]]
        return b"".join([b"data: " + dumps(chunk) + b"\n\n" for chunk in chunks]) + b"data: [DONE]\n\n"

    def note(self, rules: Rules) -> None:
        """Keeps the usage of a stream."""
        self._note(rules.usage)


class ChatRepairStream:
    """A ``StreamTranslation``: event by event, each with its own bytes unless it was wrong."""

    __slots__ = ("_cutter", "_ended", "_mirror", "_quirks", "_rules", "_whole", "done", "error")

    def __init__(self, whole: ChatRepair, quirks: Quirks, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self.done = False
        self._whole = whole
        self._quirks = quirks
        self._mirror = quirks.mirror
        self._cutter = Cutter()
        self._rules = Rules(quirks, ask, wanted=ask.include_usage)
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        """Whole events that may leave now; may be empty."""
        if self.error is not None:
            return b""
        return b"".join([self._event(event) for event in self._cutter.feed(data)])

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """One error event."""
        return sse_event(error, request_id)

    def close(self) -> bytes:
        """The end of the body: what the client still lacks of a whole answer; else ``error`` is set."""
        # A last event without its blank line counts when it is whole.
        last = [
            event for event in self._cutter.close() if event.data[:6] == DONE or read_object(event.data) is not None
        ]
        out = b"".join([self._event(event) for event in last])
        if self.error is not None or self._ended:
            return out
        if not self._rules.whole:
            self.error = UpstreamCut("The provider's stream broke off before its end.")
            return out
        if out and not out.endswith((b"\n\n", b"\r\r", b"\n\r\n")):
            out = out.rstrip(b"\r\n") + b"\n\n"
        return out + self._rest(b"\n\n") + b"data: [DONE]\n\n"

    def _event(self, event: Event) -> bytes:
        data = event.data
        if not data or self._ended:
            return b"" if event.kind and not data else event.raw
        if self.error is not None:
            return b""
        if not event.kind and is_ordinary(data, self._rules, mirror=self._mirror):
            return event.raw
        if data[:6] == DONE:
            self._ended = True
            if not self._rules.open:
                self.error = UpstreamCut("The provider's stream ended before it began.")
                return b""
            return self._rest(end_of(event.raw)) + event.raw
        return self._set_right(event)

    def _set_right(self, event: Event) -> bytes:
        chunk = read_object(event.data)
        if event.kind == b"error":
            self.error = rejection(_failure(event.data, chunk, self._quirks), self._quirks)
            return b""
        if chunk is None:
            return event.raw
        rules = self._rules
        changed = rules.apply(chunk)
        self._whole.note(rules)
        if rules.error is not None:
            self.error = rules.error
            return b""
        if rules.withheld:
            return b""
        return b"data: " + dumps(chunk) + end_of(event.raw) if changed else event.raw

    def _rest(self, end: bytes) -> bytes:
        return b"".join([b"data: " + dumps(chunk) + end for chunk in self._rules.rest()])


def _failure(data: bytes, chunk: JsonObject | None, quirks: Quirks) -> Failure:
    """What an ``event: error`` frame says, in whatever shape."""
    if chunk is not None:
        found = failure_in(chunk, quirks)
        if found is not None:
            return found
    return Failure(502, said(data, chunk if chunk is not None else read(data)))
