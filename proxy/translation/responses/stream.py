"""Chat chunks as events of the Responses API, in their documented order, numbered from 0.

At most one reasoning item or message is open at a time; calls may be open beside one another, as chat mixes them.
"""

from collections.abc import Sequence

from ...errors import TollwayError
from ...wire.values import Json, JsonObject, items, objects, text
from ..ask import Ask
from ..calls import Call, Calls
from ..carried import public_id
from .echo import Echo, unfinished
from .events import Events
from .items import ENCRYPTED, call_item, flat_annotation, image_item, logprobs_of, reasoning_item
from .message import OpenMessage
from .reply import link_of
from .tools import Tool, Tools


class _OpenCall:
    """A call whose item has been announced."""

    __slots__ = ("call", "call_id", "index", "item_id", "tool")

    def __init__(self, call: Call, call_id: str, index: int, item_id: str, tool: Tool) -> None:
        self.call = call
        self.call_id = call_id
        self.index = index
        self.item_id = item_id
        self.tool = tool


class ResponsesStream:
    """A ``ChunkEncoder``. Only the first choice has a place in a response."""

    def __init__(self, echo: Echo, tools: Tools, ask: Ask) -> None:
        self._echo = echo
        self._tools = tools
        self._ask = ask
        self._events = Events()
        self._begun = False
        self._output: list[JsonObject] = []
        """Items in their order; an open one as it was announced."""
        self._summary: list[str] | None = None
        """Pieces of the open reasoning item."""
        self._state: JsonObject = {}
        self._message: OpenMessage | None = None
        self._spoken: OpenMessage | None = None
        """The last message that was closed: late citations belong to it."""
        self._annotations: list[Json] = []
        self._calls = Calls(ask.request_id)
        self._open: dict[int, _OpenCall] = {}
        self._ended: set[int] = set()
        self._finish: Json = None
        self._usage: Json = None

    def begin(self) -> bytes:
        """``response.created`` and ``response.in_progress``."""
        if not self._begun:
            self._begun = True
            response = self._echo.begun()
            self._events.add("response.created", response=response)
            self._events.add("response.in_progress", response=response)
        return self._events.taken()

    def feed(self, chunks: Sequence[JsonObject]) -> bytes:
        """The events that ``chunks`` complete."""
        head = b"" if self._begun else self.begin()
        for chunk in chunks:
            for choice in objects(chunk.get("choices")):
                if choice.get("index") in (0, None):
                    self._take(choice)
            if chunk.get("usage") is not None:
                self._usage = chunk["usage"]
        return head + self._events.taken()

    def close(self) -> bytes:
        """The rest, and ``response.completed`` or ``response.incomplete``."""
        head = b"" if self._begun else self.begin()
        self._end_items()
        if not self._output:
            self._speaking().text("", [])
            self._end_items()
        if self._spoken is not None and self._annotations:
            self._spoken.annotate_late(self._annotations)
        name = "response.incomplete" if unfinished(self._finish) else "response.completed"
        self._events.add(name, response=self._echo.ended(self._output, self._finish, self._usage))
        return head + self._events.taken()

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """``error`` and ``response.failed``: the end of a stream that broke off."""
        head = b"" if self._begun else self.begin()
        self._events.add("error", code=error.code or error.type, message=error.message, param=error.param)
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        self._events.add("response.failed", response=self._echo.failed(self._output, code, error.message, self._usage))
        return head + self._events.taken()

    # ---- taking in -----------------------------------------------------------------------------------------------

    def _take(self, choice: JsonObject) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            content = delta.get("content")
            if len(delta) > 1 or content is None:
                self._take_reasoning(delta)
            if content and isinstance(content, str):
                self._speaking().text(content, logprobs_of(choice) if choice.get("logprobs") else [])
            if len(delta) > 1 or content is None:
                self._take_others(delta)
        if choice.get("finish_reason") is not None:
            self._finish = choice["finish_reason"]
            self._end_items()

    def _take_reasoning(self, delta: JsonObject) -> None:
        for name in ENCRYPTED:
            value = delta.get(name)
            if isinstance(value, list) and value:
                self._state[name] = [*items(self._state.get(name)), *value]
            elif isinstance(value, dict) and value:
                self._state[name] = value
        thought = text(delta.get("reasoning_content")) or text(delta.get("reasoning"))
        if thought:
            self._think(thought)

    def _take_others(self, delta: JsonObject) -> None:
        if delta.get("refusal"):
            self._speaking().refuse(text(delta["refusal"]))
        if delta.get("annotations"):
            self._annotations += [flat_annotation(each) for each in objects(delta["annotations"])]
        for image in objects(delta.get("images")):
            self._take_image(image)
        for piece in objects(delta.get("tool_calls")):
            self._take_call(self._calls.take(piece))

    def _take_image(self, image: JsonObject) -> None:
        if image_item(0, image, self._ask) is None:
            link = link_of(image)
            if link:
                self._speaking().text(link, [])
            return
        self._end_reasoning()
        self._end_message("completed")
        index = len(self._output)
        item = image_item(index, image, self._ask) or {}
        self._output.append(item)
        started: JsonObject = {**item, "status": "in_progress", "result": None}
        self._events.add("response.output_item.added", output_index=index, item=started)
        self._events.add("response.output_item.done", output_index=index, item=item)

    # ---- reasoning -----------------------------------------------------------------------------------------------

    def _think(self, thought: str) -> None:
        if self._summary is None:
            self._end_message("completed")
            self._settle_calls()
            self._summary = []
            self._announce_reasoning()
            index, ident = self._place_of_reasoning()
            part: JsonObject = {"type": "summary_text", "text": ""}
            self._events.add(
                "response.reasoning_summary_part.added", item_id=ident, output_index=index, summary_index=0, part=part
            )
        self._summary.append(thought)
        index, ident = self._place_of_reasoning()
        self._events.add(
            "response.reasoning_summary_text.delta", item_id=ident, output_index=index, summary_index=0, delta=thought
        )

    def _announce_reasoning(self) -> None:
        index = len(self._output)
        item = reasoning_item(index, "", {}, self._ask, encrypted=False)
        self._output.append(item)
        self._events.add("response.output_item.added", output_index=index, item=item)

    def _place_of_reasoning(self) -> tuple[int, Json]:
        """Nothing is announced while reasoning is open: its item is the last one."""
        return len(self._output) - 1, self._output[-1]["id"]

    def _end_reasoning(self) -> None:
        if self._summary is None:
            if not self._state:
                return
            self._announce_reasoning()
        summary, self._summary = "".join(self._summary or ()), None
        state, self._state = self._state, {}
        index, ident = self._place_of_reasoning()
        if summary:
            place: JsonObject = {"item_id": ident, "output_index": index, "summary_index": 0}
            part: JsonObject = {"type": "summary_text", "text": summary}
            self._events.add("response.reasoning_summary_text.done", **place, text=summary)
            self._events.add("response.reasoning_summary_part.done", **place, part=part)
        item = reasoning_item(index, summary, state, self._ask, encrypted=self._echo.encrypted)
        self._output[index] = item
        self._events.add("response.output_item.done", output_index=index, item=item)

    # ---- message -------------------------------------------------------------------------------------------------

    def _speaking(self) -> OpenMessage:
        if self._message is None:
            self._end_reasoning()
            self._settle_calls()
            self._message = OpenMessage(self._events, self._output, self._annotations, self._ask)
        return self._message

    def _end_message(self, status: str) -> None:
        if self._message is not None:
            self._message.end(status)
            self._spoken, self._message = self._message, None

    # ---- calls ---------------------------------------------------------------------------------------------------

    def _take_call(self, call: Call) -> None:
        opened = self._open.get(call.place)
        if opened is None:
            if not call.name or call.place in self._ended:
                return
            opened = self._announce(call)
        if not opened.tool.custom:
            for piece in call.pending:
                self._events.add(
                    "response.function_call_arguments.delta",
                    item_id=opened.item_id,
                    output_index=opened.index,
                    delta=piece,
                )
        call.pending.clear()

    def _announce(self, call: Call) -> _OpenCall:
        self._end_reasoning()
        self._end_message("completed")
        self._settle_calls()
        index, tool = len(self._output), self._tools.of(self._ask.names.back(call.name))
        call_id = public_id(self._calls.ident(call), call.extra, strict=False)
        item = call_item(index, call_id, tool, "", self._ask, "in_progress")
        self._output.append(item)
        opened = self._open[call.place] = _OpenCall(call, call_id, index, text(item["id"]), tool)
        self._events.add("response.output_item.added", output_index=index, item=item)
        return opened

    def _settle_calls(self) -> None:
        """Ends the calls that nothing can follow, so that a client may run them."""
        for opened in [each for each in self._open.values() if each.call.complete]:
            self._end_call(opened, "completed")

    def _end_call(self, opened: _OpenCall, status: str) -> None:
        arguments = opened.call.arguments
        place: JsonObject = {"item_id": opened.item_id, "output_index": opened.index}
        if not arguments:
            arguments = "{}"
            if not opened.tool.custom:
                self._events.add("response.function_call_arguments.delta", **place, delta=arguments)
        item = call_item(opened.index, opened.call_id, opened.tool, arguments, self._ask, status)
        if opened.tool.custom:
            self._events.add("response.custom_tool_call_input.delta", **place, delta=item["input"])
            self._events.add("response.custom_tool_call_input.done", **place, input=item["input"])
        else:
            self._events.add("response.function_call_arguments.done", **place, arguments=arguments)
        self._output[opened.index] = item
        del self._open[opened.call.place]
        self._ended.add(opened.call.place)
        self._events.add("response.output_item.done", output_index=opened.index, item=item)

    def _end_items(self) -> None:
        last = len(self._output) - 1
        cut = "incomplete" if unfinished(self._finish) else "completed"
        for opened in list(self._open.values()):
            self._end_call(opened, cut if opened.index == last else "completed")
        self._end_message(cut)
        self._end_reasoning()
