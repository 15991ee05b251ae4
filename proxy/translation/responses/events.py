"""Numbered events of one response, gathered until they are taken."""

from ...wire.values import Json, dumps

_TEXT_DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,"item_id":%b,'
    b'"output_index":%d,"content_index":%d,"delta":%b,"logprobs":%b}\n\n'
)


class Events:
    """Each event names itself twice, as OpenAI's do: in ``event:`` and in ``type``."""

    __slots__ = ("_number", "_out")

    def __init__(self) -> None:
        self._number = 0
        self._out: list[bytes] = []

    def add(self, name: str, /, **members: Json) -> None:
        """One event."""
        body = dumps({"type": name, "sequence_number": self._number, **members})
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), body))
        self._number += 1

    def add_text(self, item_id: bytes, index: int, content_index: int, delta: str, logprobs: list[Json]) -> None:
        """The event that most of a stream consists of. ``item_id``: as JSON."""
        told = dumps(logprobs) if logprobs else b"[]"
        self._out.append(_TEXT_DELTA % (self._number, item_id, index, content_index, dumps(delta), told))
        self._number += 1

    def taken(self) -> bytes:
        """What has been gathered since the last time."""
        out = b"".join(self._out)
        self._out.clear()
        return out
