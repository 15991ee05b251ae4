"""Cohere's chat dialect as one object. Source: Cohere's v2 chat reference and its SDK 7.3.1."""

from ...errors import RawHeaders, TollwayError
from ...translation.ask import Ask, Encoded
from ...wire.values import JsonObject, dumps
from .errors import error_of, headers_of
from .request import request_of
from .response import answer_of
from .stream import Decoder


class Chat:
    """``/v2/chat``. Stateless."""

    def encode(self, chat: JsonObject, ask: Ask) -> Encoded:
        """A chat request as Cohere's. Raises ``InvalidRequest``."""
        return Encoded(path="/v2/chat", body=dumps(request_of(chat, ask)))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """A whole answer. Raises ``UpstreamError``."""
        return answer_of(body, ask)

    def decoder(self, ask: Ask) -> Decoder:
        """For the stream of one answer."""
        return Decoder(ask)

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Headers that reach the client."""
        return headers_of(headers)
