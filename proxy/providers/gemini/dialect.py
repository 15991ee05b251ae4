"""Gemini's ``generateContent`` as a chat dialect, for AI Studio and Vertex AI alike."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote

import orjson

from ...errors import RawHeaders, TollwayError
from ...translation.ask import Ask, Encoded
from ...translation.completion import fold
from ...wire.values import JsonObject, dumps
from .answer import Answer, frames_in
from .errors import error_answer, no_answer
from .request import generate_content, tier_header
from .stream import GeminiDecoder

_KEPT = (b"x-gemini-", b"x-goog-", b"x-vertex-", b"retry-after")
"""Response headers that say something about the answer; Google reports no rate limits in any."""

Address = Callable[[str], str]
"""Upstream model to its path below the base URL, without the method: ``/models/gemini-x``."""


@lru_cache(maxsize=1024)
def model_path(model: str) -> str:
    """AI Studio's: ``gemini-x``, ``models/gemini-x`` and ``tunedModels/x`` are all names of models; no other slash is one."""
    kind, mark, name = model.partition("/")
    if not mark or kind not in ("models", "tunedModels"):
        kind, name = "models", model
    return f"/{kind}/{quote(name, safe='')}"


class GoogleAnswers:
    """How errors and headers of every Google operation are read."""

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """See ``errors.error_answer``."""
        return error_answer(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Google's own."""
        return [pair for pair in headers if pair[0].startswith(_KEPT)]


class Gemini(GoogleAnswers):
    """Stateless. ``address``: see ``Address``; ``vertex``: which of the two hosts' rules hold."""

    def __init__(self, address: Address = model_path, *, vertex: bool = False) -> None:
        self._address = address
        self._vertex = vertex

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """A chat request. Raises ``InvalidRequest``."""
        sent = dumps(generate_content(body, ask, vertex=self._vertex))
        method = ":streamGenerateContent?alt=sse" if ask.stream else ":generateContent"
        return Encoded(
            path=self._address(ask.model) + method, body=sent, headers=tier_header(body) if self._vertex else ()
        )

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """A whole answer: what its frames, usually one, add up to. Raises ``UpstreamError``."""
        try:
            frames = frames_in(orjson.loads(body))
        except orjson.JSONDecodeError:
            frames = None
        if frames is None:
            raise no_answer("is not JSON")
        answer = Answer(ask)
        chunks: list[JsonObject] = []
        for frame in frames:
            chunks += answer.frame(frame)
            if answer.error is not None:
                raise answer.error
        chunks += answer.close(whole=True)
        if answer.error is not None:
            raise answer.error
        return fold(chunks)

    def decoder(self, ask: Ask) -> GeminiDecoder:
        """For the stream of one answer."""
        return GeminiDecoder(ask)
