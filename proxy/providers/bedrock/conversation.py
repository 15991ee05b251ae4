"""The conversation as Converse admits it: roles take turns, the user begins, every tool call is answered right after it was made."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, object_in, objects, text
from .assistant import assistant_blocks, calls_of
from .content import blocks_of
from .draft import PLACEHOLDER, Draft, written

FIRST = "Continue."
"""What stands for the user's turn that a conversation must begin with."""

CONTINUE = "Continue your last message from exactly where it ends; do not repeat any of it."
"""Asks for what a prefilled answer would have done."""

_MEDIA = ("image", "document", "video", "audio")


class Conversation:
    """Built message by message: ``add`` each, then ``end``."""

    def __init__(self, draft: Draft) -> None:
        self.system: list[JsonObject] = []
        self.turns: list[JsonObject] = []
        self.called: dict[str, None] = {}
        """Public names of the tools in the history."""
        self.unthought = False
        """Is the last call of a tool without the signed reasoning that led to it?"""
        self._draft = draft
        self._open: dict[str, tuple[str, str]] = {}
        """Calls without a result: the client's id to ours and the tool's name."""
        self._results: list[JsonObject] = []
        self._rest: list[JsonObject] = []
        """What the user said after the assistant's last turn."""
        self._calls = 0

    def add(self, message: JsonObject) -> None:
        """The next message. Raises ``InvalidRequest``."""
        role = message.get("role")
        if role == "user":
            self._rest += self._marked(blocks_of(message.get("content"), self._draft), message)
        elif role == "assistant":
            self._assistant(message)
        elif role in ("tool", "function"):
            self._result(message)
        elif role in ("system", "developer"):
            self._instruct(message)
        else:
            raise InvalidRequest(
                f"A message has the unknown role {text(role)[:100]!r}; send system, developer, user, assistant or tool.",
                param="messages",
            )
        if message.get("name") and role != "function":
            self._draft.notes.drop("messages[].name")

    def end(self) -> None:
        """The last turn is complete: the order and the placeholders that Converse demands."""
        self._settle()
        draft, turns = self._draft, self.turns
        if not turns or turns[0]["role"] != "user":
            if turns:
                draft.notes.rewrite("messages")
            turns.insert(0, {"role": "user", "content": [{"text": FIRST}]})
        last = turns[-1]
        if last["role"] != "assistant":
            return
        if not draft.ask.behaviour.prefill or draft.thinks:
            draft.notes.rewrite("messages")
            turns.append({"role": "user", "content": [{"text": CONTINUE}]})
            return
        blocks = objects(last["content"])
        said = text(blocks[-1].get("text")).rstrip() if blocks else ""
        if said:
            last["content"] = [*blocks[:-1], {"text": said}]

    # ---- roles ----------------------------------------------------------------------------------------------------

    def _marked(self, blocks: list[JsonObject], message: JsonObject) -> list[JsonObject]:
        """``cache_control`` of a whole message stands after its last block."""
        if blocks and "cache_control" in message:
            blocks += self._draft.cache_point(message["cache_control"])
        return blocks

    def _instruct(self, message: JsonObject) -> None:
        blocks = self._marked(blocks_of(message.get("content"), self._draft), message)
        if any("text" not in block and "cachePoint" not in block for block in blocks):
            raise InvalidRequest(
                "A system message can hold text alone.", param="messages", code="unsupported_content_part"
            )
        if not self.turns and not self._rest:
            self.system += blocks
            return
        inline = self._draft.ask.behaviour.inline_system and self._draft.family.name == "claude" and not self._open
        if inline and (self._rest or self._results) and blocks:
            self._settle()
            self.turns.append({"role": "system", "content": [*blocks]})
            return
        if blocks:
            self._draft.notes.rewrite("messages[].role")
        self.system += blocks

    def _assistant(self, message: JsonObject) -> None:
        draft = self._draft
        self._settle()
        blocks = self._marked(assistant_blocks(message, draft), message)
        calls = calls_of(message, draft)
        self.unthought = bool(calls) and not any("reasoningContent" in block for block in blocks)
        for public, name, given, mark in calls:
            self._calls += 1
            ident = draft.ident(public or f"call_{self._calls}")
            self.called[name] = None
            self._open[public or ident] = (ident, name)
            if draft.tools:
                blocks.append({"toolUse": {"toolUseId": ident, "name": draft.name(name), "input": given}})
                blocks += draft.cache_point(mark)
            else:
                draft.notes.rewrite("messages[].tool_calls")
                blocks.append({"text": f"[Called the tool {name} with {written(given).decode()}]"})
        if not blocks:
            blocks = [{"text": PLACEHOLDER}]
        self._push("assistant", blocks)

    def _result(self, message: JsonObject) -> None:
        draft = self._draft
        blocks = blocks_of(message.get("content"), draft)
        public = self._answered(message)
        found = self._open.pop(public, None)
        if found is None or not draft.tools:
            # An answer to no call, or to a model that knows no tools, is the user's word.
            draft.notes.rewrite("messages[].tool_call_id" if found is None else "messages[].role")
            self._rest += [{"text": f"[Result of the tool {found[1] if found else public}]"}, *blocks]
            return
        kept, beside = self._admitted(blocks)
        result: JsonObject = {"toolUseId": found[0], "content": [*kept]}
        if draft.family.status and message.get("is_error") is True:
            result["status"] = "error"
        self._results.append({"toolResult": result})
        if "cache_control" in message:
            self._results += draft.cache_point(message["cache_control"])
        self._rest += beside

    def _answered(self, message: JsonObject) -> str:
        """The client's id of the call that a result is for; the old form names the function alone."""
        public = text(message.get("tool_call_id"))
        if public:
            return public
        name = text(message.get("name")) if message.get("role") == "function" else ""
        return next((ident for ident, (_, called) in self._open.items() if not name or called == name), name)

    def _admitted(self, blocks: list[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The content of a result as the model's maker takes it, and what has to stand beside it."""
        family = self._draft.family
        points = [block for block in blocks if "cachePoint" in block]
        kept = [block for block in blocks if "cachePoint" not in block]
        beside: list[JsonObject] = []
        if not family.results_media:
            beside = [block for block in kept if any(name in block for name in _MEDIA)]
            if beside:
                self._draft.notes.rewrite("messages[].content")
            kept = [block for block in kept if "text" in block]
        if family.results_json:
            said = "\n".join([text(block.get("text")) for block in kept])
            value: Json = object_in(said.encode("utf-8", "replace"))
            return [{"json": value if value is not None else {"result": said}}], beside + points
        return kept or [{"text": PLACEHOLDER}], beside + points

    # ---- turns ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What followed the assistant's turn becomes a turn: results first and all of them, then the rest in its order."""
        draft = self._draft
        if self._open and draft.tools:
            draft.notes.rewrite("messages[].tool_call_id")
            for ident, _ in self._open.values():
                missing: JsonObject = {"toolUseId": ident, "content": [{"text": "(no result)"}]}
                if draft.family.results_json:
                    missing["content"] = [{"json": {"result": "(no result)"}}]
                if draft.family.status:
                    missing["status"] = "error"
                self._results.append({"toolResult": missing})
        self._open.clear()
        results, self._results = self._results, []
        rest, self._rest = self._rest, []
        if results and rest and not self._together(rest):
            draft.notes.rewrite("messages")
            self._push("user", results)
            self._push("assistant", [{"text": PLACEHOLDER}])
            results = []
        if rest and any("document" in block for block in rest) and not any("text" in block for block in rest):
            draft.notes.rewrite("messages[].content")
            rest.insert(0, {"text": PLACEHOLDER})
        self._push("user", results + rest)

    def _together(self, rest: list[JsonObject]) -> bool:
        """May ``rest`` share a message with tool results?"""
        family = self._draft.family
        if family.results_alone:
            return False
        return family.results_beside_documents or not any("document" in block for block in rest)

    def _push(self, role: str, blocks: list[JsonObject]) -> None:
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            together = [*objects(self.turns[-1]["content"]), *blocks]
            self.turns[-1]["content"] = [*together]
        else:
            self.turns.append({"role": role, "content": [*blocks]})
