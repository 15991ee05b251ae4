"""Tools, and which of them the model may or must call."""

import re

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, obj, objects, text
from .blocks import OUTPUT
from .host import Host
from .schema import object_root, strict

INVALID = re.compile(r"[^a-zA-Z0-9_-]")
"""What a tool's name cannot hold."""

_VERSIONED = re.compile(r"_\d{8}$")
"""Anthropic's own tools carry the day of their version: ``web_search_20250305``."""

_KEPT = ("cache_control", "defer_loading", "eager_input_streaming", "input_examples", "allowed_callers")
"""Members of Anthropic's tools that a chat tool may carry. Source: Messages reference, version 2026-10-21."""

EMPTY: JsonObject = {"type": "object", "properties": {}}
WEB_SEARCH = "web_search_20250305"


class Tools:
    """What one request says about tools. ``sentence`` goes to the system prompt where a call cannot be forced."""

    def __init__(self, chat: JsonObject, ask: Ask, host: Host) -> None:
        self._ask = ask
        self._host = host
        self.listed: list[JsonObject] = []
        self.sentence = ""
        self._client = 0
        given = chat.get("tools")
        if given is None and chat.get("functions"):
            given = [{"type": "function", "function": function} for function in objects(chat["functions"])]
        for tool in objects(given):
            self._declare(tool)
        self._search(chat.get("web_search_options"))
        self._parallel = chat.get("parallel_tool_calls") is not False
        self._wanted = chat.get("tool_choice")
        if self._wanted is None:
            self._wanted = _old_choice(chat.get("function_call"))
        self._output = False

    def _declare(self, tool: JsonObject) -> None:
        kind = text(tool.get("type"))
        function = tool if kind == "function" and "name" in tool else tool.get("function")
        if isinstance(function, dict):
            self.listed.append(self._function(tool, function))
            self._client += 1
        elif kind == "custom" and isinstance(tool.get("custom"), dict):
            self.listed.append(self._custom(obj(tool["custom"])))
            self._client += 1
        elif isinstance(tool.get("input_schema"), dict) and text(tool.get("name")):
            self.listed.append({**tool, "name": self.sent(text(tool["name"]))})
            self._client += 1
        elif _VERSIONED.search(kind) is not None or kind == "mcp_toolset":
            self.listed.append(tool)
        else:
            self._ask.notes.drop("tools[]")

    def _function(self, tool: JsonObject, function: JsonObject) -> JsonObject:
        notes = self._ask.notes
        name = text(function.get("name"))
        if not name:
            raise InvalidRequest("A tool needs a function.name.", param="tools")
        given = function.get("parameters")
        schema, merged = object_root(given) if isinstance(given, dict) and given else (EMPTY, False)
        found: JsonObject = {"name": self.sent(name)}
        if text(function.get("description")):
            found["description"] = function["description"]
        if function.get("strict") is True:
            if self._ask.behaviour.json_schema:
                schema, lost = strict(schema)
                merged = merged or lost
                found["strict"] = True
            else:
                notes.drop("tools[].function.strict")
        if merged:
            notes.rewrite("tools[].function.parameters")
        found["input_schema"] = schema
        for member in _KEPT:
            if member in tool or member in function:
                found[member] = tool[member] if member in tool else function[member]
        return found

    def _custom(self, custom: JsonObject) -> JsonObject:
        """A tool that takes free text becomes one with a single string; a grammar for it cannot be kept."""
        self._ask.notes.rewrite("tools[].custom")
        if obj(custom.get("format")).get("type") == "grammar":
            self._ask.notes.drop("tools[].custom.format")
        schema: JsonObject = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
        found: JsonObject = {"name": self.sent(text(custom.get("name"))), "input_schema": schema}
        if text(custom.get("description")):
            found["description"] = custom["description"]
        return found

    def _search(self, options: Json) -> None:
        if not isinstance(options, dict):
            return
        if not self._host.web_search:
            self._ask.notes.drop("web_search_options")
            return
        tool: JsonObject = {"type": WEB_SEARCH, "name": "web_search"}
        place = obj(obj(options.get("user_location")).get("approximate"))
        if place:
            tool["user_location"] = {"type": "approximate", **place}
        if options.get("search_context_size") not in (None, "medium"):
            self._ask.notes.drop("web_search_options.search_context_size")
        self.listed.append(tool)

    def sent(self, name: str) -> str:
        """A tool's name as the provider admits it."""
        return self._ask.names.forth(name, invalid=INVALID, limit=self._host.name_limit)

    def answer_with(self, schema: JsonObject) -> None:
        """The answer itself is to be the input of one more tool: structured output for models that lack it."""
        described = "Gives the answer to the user. Always answer by calling this tool."
        self.listed.append({"name": self.sent(OUTPUT), "description": described, "input_schema": schema})
        self._output = True

    def stand_in(self, called: dict[str, None]) -> None:
        """Calls in the history need their tools declared; none of these may be called again."""
        if called and not self.listed:
            self.listed = [{"name": self.sent(name), "input_schema": EMPTY} for name in called]
            self._wanted, self._parallel = "none", True

    def choice(self, *, forced: bool) -> JsonObject | None:
        """``tool_choice``; ``None`` leaves it to the model. ``forced``: may a call be forced? Else words ask for it."""
        if not self.listed:
            if self._wanted not in (None, "none", "auto"):
                self._ask.notes.drop("tool_choice")
            return None
        found = self._chosen()
        if found["type"] in ("any", "tool") and not forced:
            found = self._asked(found)
        if found["type"] == "none":
            return found
        if not self._parallel or (self._output and not self._client):
            found["disable_parallel_tool_use"] = True
        return None if found == {"type": "auto"} else found

    def _chosen(self) -> JsonObject:
        wanted = self._wanted
        if isinstance(wanted, dict) and wanted.get("type") == "allowed_tools":
            wanted = self._allow(wanted)
        elif isinstance(wanted, dict) and wanted.get("type") in ("auto", "any", "none"):
            wanted = "required" if wanted["type"] == "any" else text(wanted["type"])
        if isinstance(wanted, dict):
            name = text(obj(wanted.get("function")).get("name")) or text(obj(wanted.get("custom")).get("name"))
            name = name or text(wanted.get("name"))
            if not name:
                raise InvalidRequest("tool_choice names no function.", param="tool_choice")
            return {"type": "tool", "name": self.sent(name)}
        if wanted == "required":
            return {"type": "any"}
        if self._output:
            if self._client and wanted != "none":
                return {"type": "any"}
            return {"type": "tool", "name": self.sent(OUTPUT)}
        return {"type": "none"} if wanted == "none" else {"type": "auto"}

    def _allow(self, wanted: JsonObject) -> str:
        """Only the allowed tools are declared."""
        allowed = obj(wanted.get("allowed_tools")) or wanted
        names = {
            self.sent(text(obj(tool.get("function")).get("name")) or text(tool.get("name")))
            for tool in objects(allowed.get("tools"))
        }
        self.listed = [tool for tool in self.listed if tool.get("name") in names]
        return text(allowed.get("mode")) or "auto"

    def _asked(self, found: JsonObject) -> JsonObject:
        """Where a call cannot be forced, only the wanted tool is declared and the system prompt asks for it."""
        self._ask.notes.rewrite("response_format" if self._output else "tool_choice")
        if found["type"] == "tool":
            name = text(found["name"])
            self.listed = [tool for tool in self.listed if tool.get("name") == name] or self.listed
            self.sentence = f"Answer by calling the tool {name}; do not answer in any other way."
        else:
            self.sentence = "Answer by calling one of the tools; do not answer in any other way."
        return {"type": "auto"}


def _old_choice(given: Json) -> Json:
    """``function_call`` of the time before tools."""
    return {"type": "function", "function": given} if isinstance(given, dict) else given
