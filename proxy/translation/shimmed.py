"""The way back of a shimmed chat request: OpenAI's own answers, with stop sequences enforced and missing streams made up for."""

from ..errors import RawHeaders, TollwayError, UpstreamCut, UpstreamInvalid, sse_event
from ..wire.headers import client_headers
from ..wire.sse import DONE, Framer
from ..wire.usage import Usage, usage_in
from ..wire.values import JsonObject, dumps, obj, object_in, objects
from .ask import Ask
from .completion import unfold
from .contract import Translation
from .failures import code_number, rejected, said
from .stops import Stops

END = b"data: [DONE]\n\n"

_FRAMING = (b"content-length", b"content-encoding", b"transfer-encoding")


def shimmed(endpoint_name: str, ask: Ask) -> Translation | None:
    """What ``Passing.repair`` returns after ``shim``: ``None`` when the answer may pass untouched."""
    return Shimmed(ask) if endpoint_name == "chat" and (ask.stop or ask.whole) else None


class Shimmed:
    """A ``Translation`` from chat to chat. Answers in which nothing has to change keep their bytes."""

    def __init__(self, ask: Ask) -> None:
        self.usage: Usage | None = None
        self._ask = ask

    def stops(self) -> Stops:
        """New for every answer."""
        return Stops(self._ask.stop, choices=self._ask.choices)

    def reply(self, status: int, body: bytes) -> bytes:
        """The whole answer, cut at the first stop sequence."""
        whole = object_in(body)
        if whole is None:
            return body
        self.usage = usage_in(obj(whole.get("usage")))
        cut = self.stops().cut(whole)
        return body if cut is whole else dumps(cut)

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError | None:
        """None: errors of the same dialect pass."""
        return None

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """All but those of the framing."""
        return [pair for pair in client_headers(headers) if pair[0] not in _FRAMING]

    def stream(self) -> "ShimmedStream":
        """For an answer that comes as a stream."""
        return ShimmedStream(self, self._ask)

    def unfold(self, body: bytes) -> bytes:
        """A whole answer as the events that were asked for. Raises ``UpstreamInvalid`` for what is no answer."""
        whole = object_in(body)
        if whole is None or not isinstance(whole.get("choices"), list):
            raise UpstreamInvalid("The provider's answer is no chat completion.")
        self.usage = usage_in(obj(whole.get("usage")))
        chunks = unfold(self.stops().cut(whole))
        wanted = self._ask.include_usage
        return b"".join([_event(dumps(chunk)) for chunk in chunks if wanted or chunk["choices"]]) + END


class ShimmedStream:
    """A ``StreamTranslation``. ``done``: every answer met a stop sequence, the upstream can be closed."""

    __slots__ = ("_choices", "_ends", "_finished", "_framer", "_head", "_stops", "_wanted", "_whole", "done", "error")

    def __init__(self, whole: Shimmed, ask: Ask) -> None:
        self._whole = whole
        self._wanted = ask.include_usage
        self._choices = ask.choices
        self._ends = 0
        self._stops = whole.stops()
        self._framer = Framer()
        self._finished = False
        self._head: JsonObject = {}
        self.error: TollwayError | None = None
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Whole events that may leave now; may be empty."""
        return b"".join([self._of(payload) for payload in self._framer.feed(data) if payload])

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """One error event."""
        return sse_event(error, request_id)

    def close(self) -> bytes:
        """``[DONE]`` after a whole answer; one that broke off sets ``error``."""
        last = [payload for payload in self._framer.close() if payload == DONE or object_in(payload) is not None]
        out = b"".join([self._of(payload) for payload in last])
        if self.error is None and (self.done or self._finished or self._ends >= self._choices):
            return out + END
        held = self._stops.close()
        if held:
            out += _event(dumps({**self._head, "choices": held}))
        if self.error is None:
            self.error = UpstreamCut("The provider's stream ended before its answer was complete.")
        return out

    def _of(self, payload: bytes) -> bytes:
        if self.done or self._finished or self.error is not None:
            return b""
        if payload == DONE:
            self._finished = True
            return b""
        chunk = object_in(payload)
        if chunk is None:
            return _event(payload)
        if isinstance(chunk.get("error"), dict):
            status = code_number(obj(chunk["error"]).get("code")) or 502
            self.error = rejected(status, said(payload, chunk), ())
            return b""
        self._ends += sum(1 for part in objects(chunk.get("choices")) if part.get("finish_reason") is not None)
        usage = chunk.get("usage")
        if usage is not None:
            self._whole.usage = usage_in(obj(usage)) or self._whole.usage
            if not chunk.get("choices") and not self._wanted:
                return b""
        self._head = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        found = self._stops.feed(chunk)
        self.done = self._stops.done
        if len(found) == 1 and found[0] is chunk:
            return _event(payload)
        return b"".join([_event(dumps(new)) for new in found])


def _event(payload: bytes) -> bytes:
    return b"data: " + payload + b"\n\n"
