"""The message of a streamed response: its parts open and close one after another."""

from ...wire.values import Json, JsonObject, dumps
from ..ask import Ask
from .events import Events
from .items import message_item, refusal_part, text_part


class OpenMessage:
    """Announces itself as the next item of ``output``. ``annotations``: a list that is emptied into each text part."""

    __slots__ = (
        "_annotations",
        "_ask",
        "_events",
        "_index",
        "_item_id",
        "_kind",
        "_logprobs",
        "_output",
        "_parts",
        "_raw_id",
        "_told",
    )

    def __init__(self, events: Events, output: list[JsonObject], annotations: list[Json], ask: Ask) -> None:
        self._events = events
        self._output = output
        self._annotations = annotations
        self._ask = ask
        self._index = len(output)
        item = message_item(self._index, [], ask, "in_progress")
        self._item_id = item["id"]
        self._raw_id = dumps(self._item_id)
        self._parts: list[Json] = []
        self._kind = ""
        self._told: list[str] = []
        self._logprobs: list[Json] = []
        output.append(item)
        events.add("response.output_item.added", output_index=self._index, item=item)

    def text(self, fragment: str, logprobs: list[Json]) -> None:
        """More text."""
        if self._kind != "text":
            self._open("text", text_part("", [], []))
        if fragment:
            self._told.append(fragment)
            self._logprobs += logprobs
            self._events.add_text(self._raw_id, self._index, len(self._parts), fragment, logprobs)

    def refuse(self, fragment: str) -> None:
        """More of a refusal."""
        if not fragment:
            return
        if self._kind != "refusal":
            self._open("refusal", refusal_part(""))
        self._told.append(fragment)
        self._events.add("response.refusal.delta", **self._place(), delta=fragment)

    def end(self, status: str) -> None:
        """Closes the part and the message."""
        self._close()
        item = message_item(self._index, self._parts, self._ask, status)
        self._output[self._index] = item
        self._events.add("response.output_item.done", output_index=self._index, item=item)

    def annotate_late(self, annotations: list[Json]) -> None:
        """Citations that came after the message had ended: only the final response shows them."""
        for part in self._parts:
            if isinstance(part, dict) and isinstance(part.get("annotations"), list):
                part["annotations"] = [*annotations]
                return

    def _place(self) -> JsonObject:
        return {"item_id": self._item_id, "output_index": self._index, "content_index": len(self._parts)}

    def _open(self, kind: str, part: JsonObject) -> None:
        self._close()
        self._kind = kind
        self._events.add("response.content_part.added", **self._place(), part=part)

    def _close(self) -> None:
        told, place = "".join(self._told), self._place()
        if self._kind == "text":
            part = text_part(told, [*self._annotations], self._logprobs)
            for number, annotation in enumerate(self._annotations):
                self._events.add(
                    "response.output_text.annotation.added", **place, annotation_index=number, annotation=annotation
                )
            self._annotations.clear()
            self._events.add("response.output_text.done", **place, text=told, logprobs=self._logprobs)
        elif self._kind == "refusal":
            part = refusal_part(told)
            self._events.add("response.refusal.done", **place, refusal=told)
        else:
            return
        self._events.add("response.content_part.done", **place, part=part)
        self._parts.append(part)
        self._kind, self._told, self._logprobs = "", [], []
