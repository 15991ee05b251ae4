"""Legacy completions: the plain answer as chunks and back."""

from collections.abc import Iterable

from ...wire.values import JsonObject, obj, text
from .chunks import finish_of, folded, unfolded
from .growing import Growing, note, settled
from .logprobs import longer, spread_lists
from .pieces import spoken
from .reading import SenselessError, written

_KIND = "text_completion"
_APART = frozenset(("index", "text", "logprobs", "finish_reason", "usage"))


def fold(chunks: Iterable[JsonObject]) -> JsonObject:
    """The ``text_completion`` that ``chunks`` add up to."""
    return folded(chunks, kind=_KIND, choice=_Choice)


class _Choice:
    """A ``Choice``."""

    __slots__ = ("_finish", "_index", "_logprobs", "_rest", "_text")

    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._finish = ""
        self._logprobs: Growing = {}
        self._rest: Growing = {}

    def take(self, part: JsonObject) -> None:
        self._text.append(text(part.get("text")))
        self._finish = text(part.get("finish_reason")) or self._finish
        if "logprobs" in part:
            longer(self._logprobs, part["logprobs"])
        for name, value in part.items():
            if name not in _APART:
                note(self._rest, name, value)

    def whole(self) -> JsonObject:
        if not self._finish:
            raise SenselessError
        rest = {name: settled(value) for name, value in (*self._logprobs.items(), *self._rest.items())}
        return {"text": "".join(self._text), "index": self._index, **rest, "finish_reason": self._finish}


def unfold(whole: JsonObject, usage: JsonObject | None) -> bytes:
    """A ``text_completion`` as the events of its stream."""
    return unfolded(whole, kind=_KIND, fragments=_fragments, usage=usage)


def _fragments(choice: JsonObject, index: int) -> list[bytes]:
    said = choice.get("text")
    if not isinstance(said, str):
        raise SenselessError
    logprobs = choice.get("logprobs")
    end = b'","index":%d,"logprobs":' % index
    found = [
        b'{"text":"' + piece + end + written(told) + b',"finish_reason":null}'
        for piece, told in spread_lists(said, obj(logprobs))
    ]
    rest: JsonObject = {name: value for name, value in choice.items() if name not in _APART}
    last: JsonObject = {"text": "", "index": index, **rest, "finish_reason": finish_of(choice)}
    if "logprobs" in choice:
        last["logprobs"] = None if found else logprobs
    if not found:
        none = (
            b'","index":%d' % index + (b',"logprobs":null' if "logprobs" in choice else b"") + b',"finish_reason":null}'
        )
        found = [b'{"text":"' + piece + none for piece in spoken(said) or [b""]]
    return [*found, written(last)]
