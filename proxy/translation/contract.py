"""The seams between the hub and what stands around it. All of it is pure: bytes and values in, bytes and values out."""

from collections.abc import Sequence
from typing import Protocol

from ..errors import RawHeaders, TollwayError
from ..protocols import StreamTranslation, Translation
from ..wire.values import JsonObject
from .ask import Ask, Encoded

__all__ = ("ChatDialect", "ChunkDecoder", "ChunkEncoder", "Front", "Operation", "StreamTranslation", "Translation")


class Operation(Protocol):
    """One operation (embeddings, rerank, …) in a provider's own dialect, without a stream. Stateless; state is in ``Ask``."""

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """OpenAI's body (never changed in place) as the provider's. Raises ``InvalidRequest`` for what cannot be asked for at all."""

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """A 2xx answer as OpenAI's. Raises ``UpstreamError`` for an error inside a 200 and for what is no answer."""

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer as an error with OpenAI's status, type and code, ``retry-after`` included."""

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers that reach the client: the provider's own, rate limits in OpenAI's names; no content headers."""


class ChatDialect(Operation, Protocol):
    """A provider's chat API. The hub's objects are chat requests, ``chat.completion`` and ``chat.completion.chunk``."""

    def decoder(self, ask: Ask) -> "ChunkDecoder":
        """For the stream of one answer."""


class ChunkDecoder(Protocol):
    """A provider's stream, fed with arbitrary byte splits, as chat chunks. Made with ``chunks.ChatStream``."""

    error: TollwayError | None
    """Set once the provider reported an error or the stream broke off; nothing follows it."""

    @property
    def done(self) -> bool:
        """Is the answer complete before the provider's stream is? Only where stop sequences are enforced here."""

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks that ``data`` completes, without ``[DONE]``."""

    def close(self) -> Sequence[JsonObject]:
        """The end of the body: finish and usage chunks if the answer is whole; else ``error`` is set."""


class Front(Protocol):
    """What a client speaks when it does not speak chat: Anthropic messages, OpenAI responses."""

    def request(self, body: JsonObject, ask: Ask) -> JsonObject:
        """The client's body as a chat request. Raises ``InvalidRequest``; what is lost goes to ``ask.notes``."""

    def reply(self, chat: JsonObject, ask: Ask) -> JsonObject:
        """A ``chat.completion`` as the client's kind of answer."""

    def stream(self, ask: Ask) -> "ChunkEncoder":
        """For the stream of one answer."""


class ChunkEncoder(Protocol):
    """Chat chunks as the client's kind of events."""

    def begin(self) -> bytes:
        """What precedes the first chunk; may be empty."""

    def feed(self, chunks: Sequence[JsonObject]) -> bytes:
        """Whole SSE events for ``chunks``; may be empty."""

    def close(self) -> bytes:
        """What ends a whole answer (``[DONE]``, ``message_stop``, ``response.completed``)."""

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """What ends an answer that cannot go on."""
