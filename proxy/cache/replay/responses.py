"""OpenAI's responses: the plain answer as numbered events and back. A stream's last event holds the whole response."""

from collections.abc import Iterable, Iterator

from ...wire.values import Json, JsonObject, count, items, obj, objects, text
from .logprobs import spread
from .pieces import spoken
from .reading import SenselessError, written

_ENDS = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "failed": "response.failed",
    "cancelled": "response.incomplete",
}
_LAST = frozenset(_ENDS.values())

_TOLD_LATER: JsonObject = {
    "status": "in_progress",
    "output": [],
    "usage": None,
    "completed_at": None,
    "incomplete_details": None,
}
"""Members of the response as it begins."""

_PROGRESS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
}
"""Events of tools that the provider runs, between the begin of their item and its end."""

_CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
}
"""Items that are given a text: the name of its events, and the member."""


# ---- to a plain answer ----------------------------------------------------------------------------------------------
def fold(events: Iterable[JsonObject]) -> JsonObject:
    """The ``response`` that ``events`` end with. Hosts that leave its output to the events before it get it from these."""
    done: dict[int, Json] = {}
    begun: set[int] = set()
    found: JsonObject = {}
    for event in events:
        kind = event.get("type")
        if kind == "response.output_item.added":
            begun.add(_place(event))
        elif kind == "response.output_item.done":
            done[_place(event)] = event.get("item")
        elif kind in _LAST:
            found = obj(event.get("response"))
    if not found:
        raise SenselessError
    if not found.get("output") and begun | set(done):
        if begun - set(done):
            raise SenselessError
        found = {**found, "output": [done[index] for index in sorted(done)]}
    return found


def _place(event: JsonObject) -> int:
    index = count(event.get("output_index"))
    if index is None:
        raise SenselessError
    return index


# ---- to a stream ----------------------------------------------------------------------------------------------------
def unfold(whole: JsonObject) -> bytes:
    """A ``response`` as the events of its stream."""
    end = _ENDS.get(text(whole.get("status")))
    output = whole.get("output")
    if end is None or not isinstance(output, list):
        raise SenselessError
    begun: JsonObject = {**whole, **{name: value for name, value in _TOLD_LATER.items() if name in whole}}
    events = _Events()
    events.add("response.created", response=begun)
    events.add("response.in_progress", response=begun)
    for index, item in enumerate(output):
        if not isinstance(item, dict):
            raise SenselessError
        _Item(events, index, item).tell()
    events.add(end, response=whole)
    return b"".join(events.out)


class _Events:
    """Events numbered from 0."""

    __slots__ = ("out",)

    def __init__(self) -> None:
        self.out: list[bytes] = []

    def add(self, kind: str, /, **members: Json) -> None:
        """One event."""
        told = written({"type": kind, "sequence_number": len(self.out), **members})
        self.out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), told))

    def deltas(self, kind: str, place: JsonObject, pieces: Iterable[tuple[bytes, bytes]]) -> None:
        """One event for each piece (the inside of a JSON string), with more members beside it."""
        start = b'event: %b\ndata: {"type":"%b","sequence_number":' % (kind.encode(), kind.encode())
        middle = b"," + written(place)[1:-1] + b',"delta":"'
        number = len(self.out)
        self.out += [
            b'%b%d%b%b"%b}\n\n' % (start, at, middle, piece, beside)
            for at, (piece, beside) in enumerate(pieces, number)
        ]


class _Item:
    """One item of the output: announced, told in pieces, ended."""

    __slots__ = ("_events", "_index", "_item", "_kind", "_place")

    def __init__(self, events: _Events, index: int, item: JsonObject) -> None:
        self._events = events
        self._index = index
        self._item = item
        self._kind = text(item.get("type"))
        self._place: JsonObject = {"item_id": text(item.get("id")), "output_index": index}

    def tell(self) -> None:
        """All its events."""
        begun = {**self._item}
        if "status" in begun:
            begun["status"] = "in_progress"
        for name in self._told_later():
            begun[name] = [] if isinstance(begun[name], list) else ""
        self._events.add("response.output_item.added", output_index=self._index, item=begun)
        if self._kind in ("message", "reasoning"):
            for index, part in enumerate(objects(self._item.get("summary"))):
                self._summary({**self._place, "summary_index": index}, part)
            for index, part in enumerate(objects(self._item.get("content"))):
                self._part({**self._place, "content_index": index}, part)
        elif self._kind in _CALLS:
            self._call(*_CALLS[self._kind])
        for step in _PROGRESS.get(self._kind, ()):
            self._events.add(f"response.{self._kind}.{step}", **self._place)
        self._events.add("response.output_item.done", output_index=self._index, item=self._item)

    def _told_later(self) -> Iterator[str]:
        """Members that are not there yet when the item is announced."""
        if self._kind in ("message", "reasoning"):
            yield from (name for name in ("content", "summary") if isinstance(self._item.get(name), list))
        elif self._kind in _CALLS:
            member = _CALLS[self._kind][1]
            if isinstance(self._item.get(member), str):
                yield member

    def _part(self, place: JsonObject, part: JsonObject) -> None:
        """Text, refusal or reasoning; a part of another kind comes whole."""
        kind = text(part.get("type"))
        begun = {**part}
        member = "refusal" if kind == "refusal" else "text"
        told = text(part.get(member))
        if kind in ("output_text", "refusal", "reasoning_text"):
            begun[member] = ""
            begun |= {name: [] for name in ("annotations", "logprobs") if isinstance(part.get(name), list)}
        self._events.add("response.content_part.added", **place, part=begun)
        if kind == "output_text":
            self._text(place, part, told)
        elif kind in ("refusal", "reasoning_text"):
            self._events.deltas(f"response.{kind}.delta", place, _plain(told))
            self._events.add(f"response.{kind}.done", **place, **{member: told})
        self._events.add("response.content_part.done", **place, part=part)

    def _text(self, place: JsonObject, part: JsonObject, told: str) -> None:
        """Each token beside its log probabilities, where the part has them; then what it refers to."""
        probable = items(part.get("logprobs"))
        spread_out = [
            (piece, b',"logprobs":' + written(obj(beside)["logprobs"]))
            for piece, beside in spread("logprobs", told, {"logprobs": probable})
        ]
        pieces = spread_out or _plain(told, b',"logprobs":[]')
        self._events.deltas("response.output_text.delta", place, pieces)
        for index, annotation in enumerate(items(part.get("annotations"))):
            self._events.add(
                "response.output_text.annotation.added", **place, annotation_index=index, annotation=annotation
            )
        self._events.add("response.output_text.done", **place, text=told, logprobs=probable)

    def _summary(self, place: JsonObject, part: JsonObject) -> None:
        told = text(part.get("text"))
        self._events.add("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
        self._events.deltas("response.reasoning_summary_text.delta", place, _plain(told))
        self._events.add("response.reasoning_summary_text.done", **place, text=told)
        self._events.add("response.reasoning_summary_part.done", **place, part=part)

    def _call(self, events: str, member: str) -> None:
        given = text(self._item.get(member))
        if self._kind == "mcp_call":
            self._events.add("response.mcp_call.in_progress", **self._place)
        self._events.deltas(f"{events}.delta", self._place, _plain(given))
        beside: JsonObject = {"name": self._item.get("name")} if self._kind == "function_call" else {}
        self._events.add(f"{events}.done", **self._place, **beside, **{member: given})
        if self._kind == "mcp_call":
            ended = "failed" if self._item.get("error") else "completed"
            self._events.add(f"response.mcp_call.{ended}", **self._place)


def _plain(told: str, beside: bytes = b"") -> list[tuple[bytes, bytes]]:
    return [(piece, beside) for piece in spoken(told)]
