"""Streams of chunks, as chat and completions have them: what stands around the choices, and several choices beside one another."""

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Protocol

from ...wire.values import JsonObject, count, obj, objects, text
from .growing import says
from .reading import SenselessError, written

Fragments = Callable[[JsonObject, int], list[bytes]]
"""A choice and its index as the JSON of its chunks' choices, at least two."""

DONE = b"data: [DONE]\n\n"

_FIRST = frozenset(("id", "created", "model"))
"""Members of which the first that says something holds; of all others the last does."""

_PER_CHUNK = frozenset(("choices", "object", "usage", "obfuscation"))

_LIGHT = 128
"""Bytes of a member that every chunk carries; what is larger stands in the first and the last one."""


class Choice(Protocol):
    """A choice that is told in pieces."""

    def take(self, part: JsonObject) -> None:
        """One more piece."""

    def whole(self) -> JsonObject:
        """The choice of the plain answer. Raises ``SenselessError`` while it has not ended."""


# ---- to a plain answer ----------------------------------------------------------------------------------------------
def folded(chunks: Iterable[JsonObject], *, kind: str, choice: Callable[[int], Choice]) -> JsonObject:
    """The plain answer that ``chunks`` add up to; ``kind`` is its ``object``."""
    found: JsonObject = {}
    usage: JsonObject = {}
    choices: dict[int, Choice] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if name not in found:
                found[name] = value
            elif name not in _PER_CHUNK and says(value) and not (name in _FIRST and found[name]):
                found[name] = value
        usage = obj(chunk.get("usage")) or usage
        parts = chunk.get("choices")
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, dict):
                raise SenselessError
            index = count(part.get("index")) or 0
            if index not in choices:
                choices[index] = choice(index)
            choices[index].take(part)
            usage = obj(part.get("usage")) or usage
    if not choices:
        raise SenselessError
    found.pop("obfuscation", None)
    found.pop("usage", None)
    found["object"] = kind
    found["choices"] = [choices[index].whole() for index in sorted(choices)]
    usage = usage or _beside(found)
    if usage:
        found["usage"] = usage
    return found


def _beside(found: JsonObject) -> JsonObject:
    """Groq's older streams report usage within ``x_groq``."""
    groq = obj(found.get("x_groq"))
    usage = obj(groq.get("usage"))
    if usage:
        found["x_groq"] = {name: value for name, value in groq.items() if name != "usage"}
    return usage


# ---- to a stream ----------------------------------------------------------------------------------------------------
def unfolded(whole: JsonObject, *, kind: str, fragments: Fragments, usage: JsonObject | None) -> bytes:
    """The events of a plain answer; ``kind`` is their ``object``. With ``usage`` the stream reports it, as one that was asked to."""
    head, heavy = _head(whole, kind)
    start = b"data: " + written(head)[:-1] + b',"choices":['
    end = b"]" if usage is None else b'],"usage":null'
    rim = end + (b"," + written(heavy)[1:] if heavy else b"}") + b"\n\n"
    end += b"}\n\n"
    parts = _taking_turns([fragments(choice, index) for index, choice in _choices(whole)])
    events = [start + parts[0] + rim, *[start + part + end for part in parts[1:-1]], start + parts[-1] + rim]
    if usage is not None:
        events.append(b"data: " + written({**head, "choices": [], "usage": usage}) + b"\n\n")
    events.append(DONE)
    return b"".join(events)


def _head(whole: JsonObject, kind: str) -> tuple[JsonObject, JsonObject]:
    """The members of every chunk, and the large ones."""
    head: JsonObject = {}
    heavy: JsonObject = {}
    for name, value in whole.items():
        if name not in _PER_CHUNK:
            light = not isinstance(value, str | list | dict) or len(written(value)) <= _LIGHT
            (head if light else heavy)[name] = value
        elif name == "object":
            head[name] = kind
    head["object"] = kind
    return head, heavy


def _choices(whole: JsonObject) -> list[tuple[int, JsonObject]]:
    """The choices by index. One that is not numbered is the first."""
    listed = whole.get("choices")
    found = [(count(choice.get("index")) or 0, choice) for choice in objects(listed)]
    if not isinstance(listed, list) or not found or len({index for index, _ in found}) < len(listed):
        raise SenselessError
    return sorted(found, key=lambda each: each[0])


def _taking_turns(parts: list[list[bytes]]) -> list[bytes]:
    """Several choices speak in turns."""
    if len(parts) == 1:
        return parts[0]
    return [part for turn in zip_longest(*parts) for part in turn if part is not None]


def finish_of(choice: JsonObject) -> str:
    """Why the choice ended. Raises ``SenselessError`` where nothing says so."""
    finish = text(choice.get("finish_reason"))
    if not finish:
        raise SenselessError
    return finish
