"""Reads the usage of answers that pass through a native door, in whatever dialect the provider speaks."""

from collections.abc import Callable, Sequence
from typing import Literal

from ..catalogue.behaviour import behaviour_of
from ..errors import RawHeaders, TollwayError
from ..translation.ask import Ask
from ..translation.contract import ChunkDecoder, Operation
from ..wire.headers import value_of
from ..wire.paths import model_in
from ..wire.reply import text_of
from ..wire.stream import TEXT_LIMIT, StreamDecoder, read_chunk
from ..wire.usage import Usage, reported_in, usage_in
from ..wire.values import JsonObject, dumps, obj

LIMIT = 8 * 1024 * 1024
"""Bytes of a whole answer that are kept to be read; a larger one is not metered from its body."""

_OURS: tuple[tuple[str, Literal["chat", "responses", "messages", "completions"]], ...] = (
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/responses", "responses"),
    ("/messages", "messages"),
)


class Metering:
    """Chooses the meter of one answer by its path and headers."""

    __slots__ = ("_operations", "_path")

    def __init__(self, operations: Callable[[str], Operation | None], path: str) -> None:
        self._operations = operations
        self._path = path

    def __call__(self, headers: RawHeaders) -> "WholeMeter | StreamMeter | DialectMeter | None":
        """``None``: nothing to read in this answer."""
        kind = (value_of(headers, b"content-type") or b"").lower()
        ours = next((dialect for suffix, dialect in _OURS if self._path.endswith(suffix)), None)
        if kind.startswith(b"application/json"):
            return WholeMeter(None if ours is not None else self._operation(), self._path)
        if ours is not None:
            return StreamMeter(StreamDecoder(ours, usage_due=True)) if kind.startswith(b"text/event-stream") else None
        decoder = getattr(self._operation(), "decoder", None)
        if decoder is None or not kind.startswith((b"text/event-stream", b"application/vnd.amazon.eventstream")):
            return None
        return DialectMeter(decoder(_ask(self._path)))

    def _operation(self) -> Operation | None:
        return self._operations(model_in(self._path))


def _ask(path: str) -> Ask:
    model = model_in(path)
    return Ask(model=model, behaviour=behaviour_of(model))


class WholeMeter:
    """A JSON answer, read at its end: OpenAI's usage, or the provider's own through its dialect."""

    def __init__(self, operation: Operation | None, path: str) -> None:
        self.usage: Usage | None = None
        self.text = ""
        """What was generated, where no usage is reported."""
        self._operation = operation
        self._path = path
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Keeps the body, up to ``LIMIT``."""
        self._size += len(data)
        if self._size <= LIMIT:
            self._parts.append(data)
        else:
            self._parts.clear()

    def close(self) -> None:
        """Reads the usage."""
        body = b"".join(self._parts)
        if not body:
            return
        if self._operation is None:
            self.usage = reported_in(body)
            self.text = text_of(body)[:TEXT_LIMIT] if self.usage is None else ""
            return
        self.usage = reported_in(body)
        if self.usage is None:
            try:
                found = self._operation.decode(body, _ask(self._path))
            except TollwayError:
                return
            self.usage = usage_in(obj(found.get("usage")))
            self.text = text_of(dumps(found))[:TEXT_LIMIT] if self.usage is None else ""


class StreamMeter:
    """An event stream in one of the dialects that clients of the surface speak."""

    def __init__(self, decoder: StreamDecoder) -> None:
        self._decoder = decoder

    @property
    def usage(self) -> Usage | None:
        """As last reported."""
        return self._decoder.usage

    @property
    def text(self) -> str:
        """What was generated, where no usage is reported."""
        return self._decoder.text()

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        self._decoder.feed(data)

    def close(self) -> None:
        """The stream ended."""
        self._decoder.close()


class DialectMeter:
    """A stream in the provider's own dialect."""

    def __init__(self, decoder: ChunkDecoder) -> None:
        self.usage: Usage | None = None
        self._texts: list[str] = []
        self._size = 0
        self._decoder = decoder

    @property
    def text(self) -> str:
        """What was generated, where no usage is reported."""
        return "".join(self._texts)

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if self._decoder.error is None:
            self._read(self._decoder.feed(data))

    def close(self) -> None:
        """The stream ended."""
        self._read(self._decoder.close())

    def _read(self, chunks: Sequence[JsonObject]) -> None:
        for chunk in chunks:
            if "usage" in chunk:
                self.usage = usage_in(obj(chunk["usage"])) or self.usage
            if self._size < TEXT_LIMIT:
                text = read_chunk(dumps(chunk)).text
                self._size += len(text)
                self._texts.append(text)
