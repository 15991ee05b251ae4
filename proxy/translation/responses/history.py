"""The ``input`` of a Responses request as chat messages: what belongs to one turn of the model becomes one message."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, items, obj, objects, text
from ..ask import Ask
from ..carried import private_id, unseal
from ..naming import chat_name
from ..results import tool_message
from .parts import chat_parts, plain_text
from .tools import function_name, wrapped


class History:
    """Takes items in their order; ``messages`` is what they come to."""

    def __init__(self, ask: Ask) -> None:
        self.messages: list[JsonObject] = []
        self._ask = ask
        self._turn: JsonObject | None = None
        """The model's message that the next item may still belong to."""
        self._callers: dict[str, JsonObject] = {}
        self._following: list[Json] = []
        """Images and files of tool results, which a message of the user has to carry."""

    def add(self, item: JsonObject, where: str) -> None:
        """One item of ``input``."""
        kind = text(item.get("type")) or ("message" if "role" in item else "")
        if kind == "message":
            self._message(item, where)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, where)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._output(item, where)
        elif kind == "reasoning":
            self._reasoning(item)
        elif kind in ("item_reference", "compaction"):
            raise InvalidRequest(
                f"{where}: items of type {kind} refer to what OpenAI stores; send the items themselves.",
                param=where,
                code="unsupported_parameter",
            )
        else:
            self._ask.notes.drop(f"input[].{kind or 'type'}")

    def finish(self) -> list[JsonObject]:
        """All messages."""
        self._flush()
        return self.messages

    def _flush(self) -> None:
        if self._following:
            self.messages.append({"role": "user", "content": self._following})
            self._following = []

    def _message(self, item: JsonObject, where: str) -> None:
        role = item.get("role")
        content = item.get("content")
        if not isinstance(content, str | list):
            raise InvalidRequest(f"{where}.content: a string or a list of parts is required.", param=f"{where}.content")
        if role == "assistant":
            self._said(content)
            return
        if role not in ("user", "system", "developer"):
            raise InvalidRequest(f"{where}.role: use user, assistant, system or developer.", param=f"{where}.role")
        self._turn = None
        told = content if isinstance(content, str) else chat_parts(content, where, self._ask)
        if role == "user" and self._following:
            parts: list[Json] = [{"type": "text", "text": told}] if isinstance(told, str) else [*told]
            told, self._following = self._following + parts, []
        else:
            self._flush()
        self.messages.append({"role": role, "content": _simplest(told)})

    def _model(self) -> JsonObject:
        """The model's message that is being put together."""
        if self._turn is None:
            self._flush()
            self._turn = {"role": "assistant", "content": None}
            self.messages.append(self._turn)
        return self._turn

    def _said(self, content: str | list[Json]) -> None:
        spoken, refusal = plain_text(content)
        turn = self._model()
        if turn["content"] is not None and "tool_calls" not in turn:
            self._turn = None
            turn = self._model()
        turn["content"] = text(turn["content"]) + spoken
        if refusal:
            turn["refusal"] = refusal

    def _call(self, item: JsonObject, where: str) -> None:
        ident, extra = private_id(text(item.get("call_id")))
        name = text(item.get("name"))
        if not ident or not name:
            raise InvalidRequest(f"{where}: a {item['type']} needs a call_id and a name.", param=where)
        custom = item["type"] == "custom_tool_call"
        arguments = wrapped(text(item.get("input"))) if custom else text(item.get("arguments")) or "{}"
        function: JsonObject = {
            "name": chat_name(function_name(name, text(item.get("namespace"))), self._ask),
            "arguments": arguments,
        }
        call: JsonObject = {"id": ident, "type": "function", "function": function}
        if extra:
            call["extra_content"] = extra
        turn = self._model()
        turn["tool_calls"] = [*items(turn.get("tool_calls")), call]
        self._callers[ident] = turn

    def _output(self, item: JsonObject, where: str) -> None:
        ident = private_id(text(item.get("call_id")))[0]
        if not ident:
            raise InvalidRequest(f"{where}.call_id: an id is required.", param=f"{where}.call_id")
        output = item.get("output")
        if not isinstance(output, str | list):
            raise InvalidRequest(f"{where}.output: a string or a list of parts is required.", param=f"{where}.output")
        parts = [{"type": "text", "text": output}] if isinstance(output, str) else chat_parts(output, where, self._ask)
        message, following = tool_message(ident, objects([*parts]), self._ask)
        self._turn = None
        self.messages.insert(self._place(ident), message)
        self._following += following

    def _place(self, ident: str) -> int:
        """Where the result of a call belongs: chat wants it right after the call, whatever came between."""
        caller, end = self._callers.get(ident), len(self.messages)
        if caller is None or (end and self.messages[-1] is caller) or self.messages[-1]["role"] == "tool":
            return end
        place = next(index for index in range(end) if self.messages[index] is caller) + 1
        while place < end and self.messages[place]["role"] == "tool":
            place += 1
        return place

    def _reasoning(self, item: JsonObject) -> None:
        shown = objects(item.get("content")) or objects(item.get("summary"))
        thought = "".join([text(part.get("text")) for part in shown])
        sealed = text(item.get("encrypted_content"))
        state = unseal(sealed) if sealed else {}
        if state is None:
            # Another provider's, or OpenAI's own: nobody here can read it.
            self._ask.notes.drop("input[].encrypted_content")
            state = {}
        if not thought and not state:
            return
        turn = self._model()
        if thought:
            turn["reasoning_content"] = text(turn.get("reasoning_content")) + thought
        for name in ("thinking_blocks", "reasoning_details"):
            listed = objects(state.get(name))
            if listed:
                turn[name] = [*items(turn.get(name)), *listed]
        if obj(state.get("extra_content")):
            turn["extra_content"] = state["extra_content"]


def _simplest(content: str | list[Json]) -> str | list[Json]:
    """One plain text part is a string."""
    if isinstance(content, list) and len(content) == 1:
        only = obj(content[0])
        if only.get("type") == "text" and len(only) == 2:
            return text(only["text"])
    return content
