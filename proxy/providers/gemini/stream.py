"""Gemini's event stream: CRLF frames without names, no ``[DONE]``; the connection's end is the end."""

from collections.abc import Sequence

import orjson

from ...errors import TollwayError
from ...translation.ask import Ask
from ...wire.sse import DONE, Framer
from ...wire.values import JsonObject
from .answer import Answer, frames_in
from .errors import no_answer
from .frames import LIMIT, Finished

_SPACE = b"\xef\xbb\xbf \r\n\t"


class GeminiDecoder:
    """Also takes a JSON body where events were asked for: an error, or a list of frames."""

    done = False
    __slots__ = ("_answer", "_finished", "_framer", "_fresh", "_json", "_size", "error")

    def __init__(self, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._answer = Answer(ask)
        self._finished = Finished()
        self._framer = Framer()
        self._fresh = True
        self._json: list[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks of the frames that ``data`` completes."""
        if self.error is not None:
            return ()
        if self._fresh:
            self._look(data)
        if self._json is not None:
            self._keep(data)
            return ()
        whole = self._finished.feed(data)
        if self._finished.full:
            self.error = no_answer("has an event that is too large to be read")
        return self._read(self._framer.feed(whole)) if whole else ()

    def close(self) -> Sequence[JsonObject]:
        """The end of the body."""
        if self.error is not None:
            return ()
        if self._json is not None:
            payloads = [b"".join(self._json)]
        else:
            payloads = [*self._framer.feed(self._finished.close()), *self._framer.close()]
        chunks = self._read(payloads)
        if self.error is None:
            chunks += self._answer.close()
            self.error = self._answer.error
        return chunks

    def _look(self, data: bytes) -> None:
        first = data.lstrip(_SPACE)[:1]
        if first:
            self._fresh = False
            self._json = [] if first in (b"{", b"[") else None

    def _keep(self, data: bytes) -> None:
        assert self._json is not None
        self._size += len(data)
        if self._size > LIMIT:
            self.error = no_answer("is too large to be read")
            self._json.clear()
            return
        self._json.append(data)

    def _read(self, payloads: list[bytes]) -> list[JsonObject]:
        chunks: list[JsonObject] = []
        answer = self._answer
        for payload in payloads:
            if not payload or payload == DONE:
                continue
            try:
                frames = frames_in(orjson.loads(payload))
            except orjson.JSONDecodeError:
                frames = None
            if frames is None:
                self.error = no_answer("has an event that is not JSON")
                return chunks
            for frame in frames:
                chunks += answer.frame(frame)
                if answer.error is not None:
                    self.error = answer.error
                    return chunks
        return chunks
