"""Claude's chat API as a dialect of the hub, for Anthropic and for the clouds that serve the same API."""

from ...errors import RawHeaders, TollwayError
from ...translation.ask import Ask, Encoded
from ...translation.contract import ChunkDecoder
from ...wire.values import JsonObject
from .errors import answer_headers, error_of
from .host import Host
from .request import encode
from .response import decode
from .stream import MessageDecoder


class AnthropicChat:
    """A ``ChatDialect``. ``AnthropicChat(Host(path=…, version_in_body="vertex-2023-10-16"))`` is Claude on Vertex."""

    def __init__(self, host: Host | None = None) -> None:
        self._host = host or Host()

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """A chat request as a Messages request. Raises ``InvalidRequest`` for several choices, audio and unreadable parts."""
        return encode(body, ask, self._host)

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """A message as a ``chat.completion``. Raises ``UpstreamError``."""
        return decode(body, ask)

    def decoder(self, ask: Ask) -> ChunkDecoder:
        """For the events of one answer."""
        return MessageDecoder(ask)

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """An error answer in OpenAI's terms."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """The answer's headers, rate limits under OpenAI's names too."""
        return answer_headers(headers)
