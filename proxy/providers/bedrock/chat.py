"""Converse and ConverseStream as a ``ChatDialect``."""

from collections.abc import Sequence

from ...errors import RawHeaders, TollwayError
from ...translation.ask import Ask, Encoded
from ...translation.contract import ChunkDecoder
from ...translation.stops import Stops
from ...wire.headers import client_headers
from ...wire.values import JsonObject
from .errors import error_of
from .request import encode
from .response import decode
from .stream import Decoder

_CONTENT = (b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"date")


def kept_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """All but those of the body; ``x-amzn-requestid`` among them. AWS sends no rate limits."""
    return [pair for pair in client_headers(headers) if pair[0] not in _CONTENT]


class Converse:
    """Stateless; ``guardrail`` is the operator's ``guardrailConfig`` for every request."""

    def __init__(self, guardrail: JsonObject | None = None) -> None:
        self._guardrail = guardrail

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """A chat request as a Converse request."""
        return encode(body, ask, self._guardrail)

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """A whole answer, cut where a stop sequence that the model does not take begins."""
        whole = decode(body, ask)
        return Stops(ask.stop).cut(whole) if ask.stop else whole

    def decoder(self, ask: Ask) -> ChunkDecoder:
        """For the event stream of one answer."""
        return StoppingDecoder(ask) if ask.stop else Decoder(ask)

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers that reach the client."""
        return kept_headers(headers)


class StoppingDecoder:
    """A decoder whose text ends before the first of ``ask.stop``."""

    __slots__ = ("_inner", "_stops")

    def __init__(self, ask: Ask) -> None:
        self._inner = Decoder(ask)
        self._stops = Stops(ask.stop)

    @property
    def error(self) -> TollwayError | None:
        """As the decoder within."""
        return self._inner.error

    @error.setter
    def error(self, value: TollwayError | None) -> None:
        self._inner.error = value

    @property
    def done(self) -> bool:
        """Has every answer met a stop sequence? What the provider still sends is not wanted, and would be paid for."""
        return self._stops.done

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks that ``data`` completes."""
        return self._cut(self._inner.feed(data))

    def close(self) -> Sequence[JsonObject]:
        """Finish and usage chunks of a whole answer."""
        return self._cut(self._inner.close())

    def _cut(self, chunks: Sequence[JsonObject]) -> list[JsonObject]:
        return [kept for chunk in chunks for kept in self._stops.feed(chunk)]
