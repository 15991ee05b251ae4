"""The way back of a translated request: the provider's bytes to chat, and chat to what the client speaks."""

from collections.abc import Callable, Sequence

from ..errors import RawHeaders, TollwayError, UpstreamAuthFailed, UpstreamInvalid, UpstreamRejected, sse_event
from ..wire.usage import Usage, usage_in
from ..wire.values import JsonObject, dumps, obj
from .ask import Ask
from .completion import unfold
from .contract import ChunkDecoder, ChunkEncoder, Front, Operation

DONE = b"data: [DONE]\n\n"


class ChatEncoder:
    """For clients that speak chat themselves: one event a chunk, the usage chunk only when it was asked for."""

    __slots__ = ("_wanted",)

    def __init__(self, ask: Ask) -> None:
        self._wanted = ask.include_usage

    def begin(self) -> bytes:
        """Nothing: the first chunk begins the stream."""
        return b""

    def feed(self, chunks: Sequence[JsonObject]) -> bytes:
        """One ``data:`` event for each chunk."""
        wanted = self._wanted
        return b"".join([b"data: " + dumps(chunk) + b"\n\n" for chunk in chunks if wanted or chunk["choices"]])

    def close(self) -> bytes:
        """``[DONE]``."""
        return DONE

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """One error event."""
        return sse_event(error, request_id)


class Composed:
    """A ``Translation`` of a provider's dialect and, where the client does not speak chat, a front."""

    def __init__(self, ask: Ask, operation: Operation, front: Front | None, *, forwards: bool) -> None:
        self.usage: Usage | None = None
        self._ask = ask
        self._operation = operation
        self._front = front
        self._forwards = forwards

    def reply(self, status: int, body: bytes) -> bytes:
        """The body of a whole 2xx answer. Raises ``UpstreamError``."""
        found = self._decoded(body)
        try:
            return dumps(self._front.reply(found, self._ask) if self._front is not None else found)
        except (TypeError, RecursionError) as error:
            raise _too_deep() from error

    def _decoded(self, body: bytes) -> JsonObject:
        found = self._operation.decode(body, self._ask)
        self.usage = usage_in(obj(found.get("usage")))
        return found

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError | None:
        """A non-2xx answer as an error; the client's own credentials refused stay its own 401."""
        found = self._operation.error(status, headers, body)
        if self._forwards and isinstance(found, UpstreamAuthFailed):
            kind = "invalid_request_error" if status != 403 else "permission_error"
            code = "invalid_api_key" if status != 403 else "permission_denied"
            message = "The provider refused the credentials of this request."
            return UpstreamRejected(message, status=403 if status == 403 else 401, type=kind, code=code)
        return found

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers for the client, without content headers."""
        return self._operation.headers(headers)

    def stream(self) -> "ComposedStream":
        """For an answer that comes as a stream. Raises ``UpstreamInvalid`` where the operation has none."""
        decoder: Callable[[Ask], ChunkDecoder] | None = getattr(self._operation, "decoder", None)
        if decoder is None:
            raise UpstreamInvalid("The provider answered with a stream where none was asked for.")
        return ComposedStream(self, decoder(self._ask), self._encoder())

    def unfold(self, body: bytes) -> bytes:
        """A whole answer as all of its events."""
        encoder = self._encoder()
        chunks = unfold(self._decoded(body))
        try:
            return encoder.begin() + encoder.feed(chunks) + encoder.close()
        except (TypeError, RecursionError) as error:
            raise _too_deep() from error

    def _encoder(self) -> ChunkEncoder:
        return self._front.stream(self._ask) if self._front is not None else ChatEncoder(self._ask)


class ComposedStream:
    """A ``StreamTranslation``: decoder, then encoder."""

    __slots__ = ("_begun", "_decoder", "_encoder", "_whole", "done", "error")

    def __init__(self, whole: Composed, decoder: ChunkDecoder, encoder: ChunkEncoder) -> None:
        self._whole = whole
        self._decoder = decoder
        self._encoder = encoder
        self._begun = False
        self.error: TollwayError | None = None
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Whole events that may leave now; may be empty."""
        out = self._out(self._decoder.feed(data))
        self.done = self._decoder.done
        return out

    def close(self) -> bytes:
        """The end of the body: the last events of a whole answer; else ``error`` is set."""
        # Where the answer is complete the provider's stream is left in its middle, which is no cut.
        out = self._out(self._decoder.close()) if not self.done else b""
        if self.error is not None:
            return out
        try:
            return out + self._encoder.close()
        except (TypeError, RecursionError):
            self.error = _too_deep()
            return out

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """The events that end a stream which cannot go on."""
        return self._encoder.fail(error, request_id)

    def _out(self, chunks: Sequence[JsonObject]) -> bytes:
        self.error = self._decoder.error
        if not chunks:
            return b""
        last = chunks[-1]
        if "usage" in last:
            self._whole.usage = usage_in(obj(last["usage"])) or self._whole.usage
        try:
            if self._begun:
                return self._encoder.feed(chunks)
            self._begun = True
            return self._encoder.begin() + self._encoder.feed(chunks)
        except (TypeError, RecursionError):
            self.error = _too_deep()
            return b""


def _too_deep() -> UpstreamInvalid:
    return UpstreamInvalid("The provider's answer holds JSON that is nested too deep to be passed on.")
