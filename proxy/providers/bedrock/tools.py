"""``toolConfig``: the client's tools, stand-ins for those of the history, and how far a call can be forced."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, obj, objects, text
from .conversation import Conversation
from .draft import Draft, declared
from .schema import object_schema, strict_schema

_ANTHROPIC = ("computer_", "bash_", "text_editor_", "memory_", "tool_search_tool_")
"""Beginnings of the types of Anthropic's own client-side tools; they travel in ``additionalModelRequestFields``."""

_STUB: JsonObject = {"type": "object", "properties": {}}


class Choice:
    """What the client asked of the model's use of tools. ``mode``: auto, none, required; ``name``: the one tool it must call."""

    __slots__ = ("allowed", "mode", "name")

    def __init__(self, chat: JsonObject) -> None:
        self.mode = "auto"
        self.name = ""
        self.allowed: frozenset[str] | None = None
        value = chat.get("tool_choice", chat.get("function_call"))
        if isinstance(value, str):
            self.mode = "required" if value == "any" else value
        elif isinstance(value, dict):
            self._read(value)
        if self.mode not in ("auto", "none", "required"):
            raise InvalidRequest(
                "'tool_choice' must be auto, none, required, or an object that names a function.", param="tool_choice"
            )

    def _read(self, value: JsonObject) -> None:
        if value.get("type") == "allowed_tools":
            listed = obj(value.get("allowed_tools")) or value
            self.mode = text(listed.get("mode")) or "auto"
            self.allowed = frozenset(_name(tool) for tool in objects(listed.get("tools")))
            return
        self.mode = "required"
        self.name = text(obj(value.get("function")).get("name")) or text(value.get("name"))


def _name(tool: JsonObject) -> str:
    return text(obj(tool.get("function")).get("name")) or text(tool.get("name"))


def tool_config(chat: JsonObject, conversation: Conversation, draft: Draft) -> JsonObject | None:
    """``None`` when neither the client nor the history knows of tools. Raises ``InvalidRequest``."""
    tools, called = declared(chat), conversation.called
    if not tools and not called:
        return None
    if not draft.tools:
        if tools:
            draft.notes.drop("tools")
        return None
    choice = Choice(chat)
    if choice.mode == "none" and not called:
        return None
    specs = _specs(tools, choice, draft)
    if not specs and not draft.additional.get("tools"):
        specs = [_stub(name, draft) for name in called]
        if not specs:
            return None
    found: JsonObject = {"tools": [*specs]}
    chosen = _chosen(choice, chat, specs, draft)
    if chosen is not None:
        found["toolChoice"] = chosen
    return found if specs else None


def _stub(name: str, draft: Draft) -> JsonObject:
    """Stands for a tool of the history: Converse refuses calls of tools that a request does not declare."""
    return {"toolSpec": {"name": draft.name(name), "inputSchema": {"json": _STUB}}}


def _specs(tools: list[JsonObject], choice: Choice, draft: Draft) -> list[JsonObject]:
    only = choice.name if choice.name and not _forceable(draft) else ""
    found: list[JsonObject] = []
    known = False
    for tool in tools:
        kind = text(tool.get("type"))
        function = obj(tool.get("function"))
        if kind == "custom":
            raise InvalidRequest(
                "Bedrock has no tools with free-form input; declare a function with one string parameter instead.",
                param="tools",
                code="unsupported_tool",
            )
        if not function:
            _native(tool, kind, draft)
            continue
        name = text(function.get("name"))
        if not name:
            raise InvalidRequest("Every function among 'tools' needs a name.", param="tools")
        known = known or name == choice.name
        if (choice.allowed is not None and name not in choice.allowed) or (only and name != only):
            continue
        found.append({"toolSpec": _spec(name, function, draft)})
        if "cache_control" in tool or "cache_control" in function:
            found += draft.cache_point(tool.get("cache_control", function.get("cache_control")), tools=True)
    if choice.name and not known and tools:
        raise InvalidRequest(
            f"'tool_choice' names {choice.name[:100]!r}, which is not among 'tools'.", param="tool_choice"
        )
    return found


def _native(tool: JsonObject, kind: str, draft: Draft) -> None:
    """Tools that only their maker's models know."""
    if draft.family.name == "claude" and kind.startswith(_ANTHROPIC):
        listed = draft.additional.setdefault("tools", [])
        assert isinstance(listed, list)
        listed.append(tool)
    else:
        draft.notes.drop(f"tools[].{kind[:64] or 'type'}")


def _spec(name: str, function: JsonObject, draft: Draft) -> JsonObject:
    schema = object_schema(function.get("parameters"), draft.notes)
    found: JsonObject = {"name": draft.name(name)}
    description = text(function.get("description"))
    if description and not description.isspace():
        found["description"] = description
    if function.get("strict") is True:
        if draft.family.schema and draft.ask.behaviour.json_schema:
            schema = strict_schema(schema)
            found["strict"] = True
        else:
            draft.notes.drop("tools[].function.strict")
    found["inputSchema"] = {"json": schema}
    return found


def _forceable(draft: Draft) -> bool:
    return draft.family.forced and draft.ask.behaviour.forced_tools and not draft.thinks


def _chosen(choice: Choice, chat: JsonObject, specs: list[JsonObject], draft: Draft) -> JsonObject | None:
    single = chat.get("parallel_tool_calls") is False
    if single and draft.family.name != "claude":
        draft.notes.drop("parallel_tool_calls")
        single = False
    if choice.mode == "none":
        draft.notes.rewrite("tool_choice")
        draft.instructions.append("Do not call any tool in your next answer.")
        return None
    native: JsonObject = {"type": "auto"}
    if choice.mode == "required":
        if not _forceable(draft):
            draft.notes.rewrite("tool_choice")
            which = f"the tool {draft.name(choice.name)}" if choice.name else "at least one of the tools"
            draft.instructions.append(f"You must call {which} in your next answer.")
        else:
            native = {"type": "tool", "name": draft.name(choice.name)} if choice.name else {"type": "any"}
    if single:
        draft.additional["tool_choice"] = {**native, "disable_parallel_tool_use": True}
        return None
    if native["type"] == "auto":
        return None
    chosen: Json = {"name": native["name"]} if choice.name else {}
    return {text(native["type"]): chosen}
