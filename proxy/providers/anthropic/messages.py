"""The conversation: system prompt, turns in Anthropic's order, every tool call answered right after it was made."""

import re

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...translation.names import Names
from ...wire.values import JsonObject, obj, objects, text
from .assistant import assistant_blocks, calls_of
from .content import Parts
from .host import Host
from .turns import Turn, compact, mark

_IDENT = re.compile(r"[^a-zA-Z0-9_-]")
_IDENT_LIMIT = 128
_SOUND = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""Ids of calls that Anthropic takes."""

FIRST = "."
"""What stands for the user's turn that a conversation must begin with."""


class Conversation:
    """Built message by message: ``add`` each, then ``end``.

    ``system`` are the blocks of the system prompt.
    """

    def __init__(self, ask: Ask, host: Host) -> None:
        self.system: list[JsonObject] = []
        self.turns: list[Turn] = []
        self.called: dict[str, None] = {}
        """Public names of the tools that were called."""
        self.parts = Parts(ask, host)
        self._ask = ask
        self._host = host
        self._idents = Names()
        self._used: set[str] = set()
        self._open: list[tuple[str, str, str]] = []
        """Calls without a result: the client's id, ours, and the tool's name."""
        self._results: list[JsonObject] = []
        self._rest: list[tuple[str, list[JsonObject]]] = []
        """What the user and the system said after the assistant's last turn."""

    def add(self, message: JsonObject) -> None:
        """The next message."""
        role = message.get("role")
        if message.get("name") and role not in ("tool", "function"):
            self._ask.notes.drop("messages[].name")
        if role == "user":
            self._user(message)
        elif role == "assistant":
            self._assistant(message)
        elif role in ("tool", "function"):
            self._result(message)
        elif role in ("system", "developer"):
            self._instruct(message)
        else:
            raise InvalidRequest(
                f"A message's role must be system, developer, user, assistant or tool, not {str(role)[:100]!r}.",
                param="messages",
            )

    def end(self) -> None:
        """All messages are in: the turns become valid."""
        self._settle()
        if not self.turns or self.turns[0].role != "user":
            self._ask.notes.rewrite("messages")
            self.turns.insert(0, Turn(role="user", content=[{"type": "text", "text": FIRST}]))

    def _user(self, message: JsonObject) -> None:
        blocks = self.parts.blocks(message.get("content"))
        blocks += native_blocks(message, self._ask)
        mark(blocks, message)
        if blocks:
            self._rest.append(("user", blocks))

    def _instruct(self, message: JsonObject) -> None:
        blocks = self.parts.blocks(message.get("content"))
        mark(blocks, message)
        if not blocks:
            return
        if not self.turns and not self._rest and not self._results:
            self.system += _one(blocks)
        else:
            self._rest.append(("system", blocks))

    def _assistant(self, message: JsonObject) -> None:
        calls = calls_of(message, self._ask)
        blocks = assistant_blocks(message, self.parts, self._ask)
        mark(blocks, message)
        between = bool(self._results or self._rest)
        if between or not self.turns or self.turns[-1].role != "assistant":
            if not blocks and not calls:
                return
            self._settle()
            self.turns.append(Turn(role="assistant", content=blocks))
        else:
            self.turns[-1].join(blocks)
        self.turns[-1].content += [self._call(call) for call in calls]

    def _call(self, call: JsonObject) -> JsonObject:
        """A call with the id it has upstream: of valid characters, and unlike every earlier one."""
        public, name = text(call["id"]), text(call["name"])
        ident = public or f"call_{len(self._used)}"
        if _SOUND.fullmatch(ident) is None:
            ident = self._idents.forth(ident, invalid=_IDENT, limit=_IDENT_LIMIT)
        while ident in self._used:
            ident = f"{ident[: _IDENT_LIMIT - 8]}_{len(self._used)}"
        self._used.add(ident)
        self._open.append((public, ident, name))
        self.called[name] = None
        sent = self._ask.names.forth(name, invalid=_IDENT, limit=self._host.name_limit)
        block: JsonObject = {"type": "tool_use", "id": ident, "name": sent, "input": call["input"]}
        if "cache_control" in call:
            block["cache_control"] = call["cache_control"]
        return block

    def _result(self, message: JsonObject) -> None:
        ident = self._answered(message)
        blocks = self.parts.blocks(message.get("content"))
        if ident is None:
            self._ask.notes.rewrite("messages[].tool_call_id")
            if blocks:
                self._rest.append(("user", blocks))
            return
        block: JsonObject = {"type": "tool_result", "tool_use_id": ident}
        if blocks:
            block["content"] = compact(blocks)
        if message.get("is_error") is True:
            block["is_error"] = True
        if isinstance(message.get("cache_control"), dict):
            block["cache_control"] = message["cache_control"]
        self._results.append(block)

    def _answered(self, message: JsonObject) -> str | None:
        """Which call a result answers; one that names none answers the first, or that of its function."""
        wanted = text(message.get("tool_call_id"))
        function = text(message.get("name")) if message.get("role") == "function" else ""
        for place, (public, ident, name) in enumerate(self._open):
            if public == wanted if wanted else not function or name == function:
                del self._open[place]
                return ident
        return None

    def _settle(self) -> None:
        """What followed the assistant's turn becomes turns: results first and all of them, then the rest in its order."""
        for _, ident, _ in self._open:
            self._ask.notes.rewrite("messages[].tool_call_id")
            missing: JsonObject = {
                "type": "tool_result",
                "tool_use_id": ident,
                "is_error": True,
                "content": "(no result)",
            }
            self._results.append(missing)
        self._open.clear()
        content, self._results = self._results, []
        rest, self._rest = self._rest, []
        for role, blocks in rest:
            if role == "user":
                content += blocks
            elif self._ask.behaviour.inline_system and (content or self._follows_user()):
                self._push("user", content)
                self._push("system", blocks)
                content = []
            else:
                self._ask.notes.rewrite("messages[].role")
                content += [_quoted(block) for block in blocks]
        self._push("user", content)

    def _follows_user(self) -> bool:
        return bool(self.turns) and self.turns[-1].role != "assistant"

    def _push(self, role: str, blocks: list[JsonObject]) -> None:
        if not blocks:
            return
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].join(blocks)
        else:
            self.turns.append(Turn(role=role, content=blocks))


def native_blocks(message: JsonObject, ask: Ask) -> list[JsonObject]:
    """Anthropic's own blocks of a user's message; another provider's are dropped."""
    entries = objects(message.get("provider_blocks"))
    if any(entry.get("type") != "anthropic" for entry in entries):
        ask.notes.drop("messages[].provider_blocks")
    return [obj(entry.get("block")) for entry in entries if entry.get("type") == "anthropic"]


def _one(blocks: list[JsonObject]) -> list[JsonObject]:
    """System prompts are text; anything else in one cannot be sent."""
    if any(block["type"] != "text" for block in blocks):
        raise InvalidRequest("A system message can hold text alone.", param="messages", code="unsupported_content_part")
    return blocks


def _quoted(block: JsonObject) -> JsonObject:
    if block.get("type") != "text":
        return block
    return {**block, "text": f"<system>\n{text(block.get('text'))}\n</system>"}
