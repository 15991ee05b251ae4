"""Tools and tool choice: functions as declarations, Google's own tools as they are, the choice as a calling mode."""

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, obj, objects, text
from .family import Family
from .schema import SchemaReader
from .transcript import NAME, NAME_LIMIT

OWN = frozenset(
    """googleSearch google_search googleSearchRetrieval google_search_retrieval codeExecution code_execution urlContext url_context
    googleMaps google_maps fileSearch file_search computerUse computer_use enterpriseWebSearch enterprise_web_search retrieval
    mcpServers mcp_servers""".split()
)
"""Google's own tools: a client that knows them writes them as Gemini does (``{"googleSearch": {}}``) or as a ``type``."""


class Tools:
    """What a request says about tools, read once: ``declared`` and ``own`` for ``tools``, ``config`` for ``toolConfig``."""

    __slots__ = ("_ask", "_family", "_strict", "config", "declared", "own")

    def __init__(self, chat: JsonObject, ask: Ask, family: Family) -> None:
        self._ask = ask
        self._family = family
        self._strict = 0
        self.declared: list[Json] = []
        self.own: list[Json] = []
        self.config: JsonObject | None = None
        tools = objects(chat.get("tools"))
        if not tools and chat.get("functions"):
            tools = [{"type": "function", "function": function} for function in objects(chat["functions"])]
        if tools and not ask.behaviour.tools:
            ask.notes.drop("tools")
            tools = []
        functions = [self._function(tool) for tool in tools]
        ask.names.reserve((text(function.get("name")) for function in functions), invalid=NAME, limit=NAME_LIMIT)
        self.declared = [self._declared(function) for function in functions if function]
        self._search(chat)
        if self.declared:
            choice = chat.get("tool_choice", chat.get("function_call"))
            self.config = self._config(choice)
            if chat.get("parallel_tool_calls") is False:
                ask.notes.drop("parallel_tool_calls")

    def value(self) -> list[Json]:
        """The ``tools`` member; empty when there are none."""
        return [{"functionDeclarations": self.declared}, *self.own] if self.declared else self.own

    def _function(self, tool: JsonObject) -> JsonObject:
        """The function of a tool; an empty object for what is none."""
        kind = text(tool.get("type"))
        if "cache_control" in tool:
            self._ask.notes.drop("cache_control")
        if kind == "function" and text(obj(tool.get("function")).get("name")):
            return obj(tool["function"])
        if kind == "custom" and text(obj(tool.get("custom")).get("name")):
            return self._custom(obj(tool["custom"]))
        native = {name: value for name, value in tool.items() if name in OWN}
        if native:
            self.own.append(native)
        elif kind in OWN:
            self.own.append({kind: {}})
        else:
            self._ask.notes.drop(f"tools[].{kind or 'type'}"[:80])
        return {}

    def _custom(self, custom: JsonObject) -> JsonObject:
        """A tool that takes free text, as a function of one string."""
        self._ask.notes.rewrite("tools[].custom")
        if obj(custom.get("format")).get("type") == "grammar":
            self._ask.notes.drop("tools[].custom.format")
        schema: JsonObject = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
        return {"name": custom["name"], "description": custom.get("description"), "parameters": schema}

    def _declared(self, function: JsonObject) -> JsonObject:
        made: JsonObject = {
            "name": self._ask.names.forth(text(function.get("name")), invalid=NAME, limit=NAME_LIMIT),
        }
        if text(function.get("description")):
            made["description"] = function["description"]
        if function.get("strict") is True:
            self._strict += 1
        schema = obj(function.get("parameters"))
        if schema.get("properties") or schema.keys() - {
            "type",
            "properties",
            "required",
            "additionalProperties",
            "$schema",
        }:
            reader = SchemaReader()
            if self._family.json_schema:
                made["parametersJsonSchema"] = reader.modern(schema)
            else:
                made["parameters"] = reader.classic(schema)
            if reader.lost:
                self._ask.notes.rewrite("tools[].function.parameters")
        return made

    def _search(self, chat: JsonObject) -> None:
        options = chat.get("web_search_options")
        if not isinstance(options, dict):
            return
        if self.declared and not self._family.mixes_tools:
            self._ask.notes.drop("web_search_options")
            return
        for name, value in options.items():
            if value is not None:
                self._ask.notes.drop(f"web_search_options.{name}"[:80])
        self.own.append({"googleSearch": {}})

    def _config(self, choice: Json) -> JsonObject | None:
        names: list[str] = []
        mode = {"auto": "AUTO", "none": "NONE", "required": "ANY"}.get(choice, "") if isinstance(choice, str) else ""
        if isinstance(choice, dict):
            mode, names = _named(choice)
            names = [self._ask.names.forth(name, invalid=NAME, limit=NAME_LIMIT) for name in names]
        if choice is not None and not mode:
            self._ask.notes.drop("tool_choice")
        if self._strict:
            if self._strict == len(self.declared) and self._family.json_schema:
                # ``ANY`` holds calls to their schema by itself.
                mode = "VALIDATED" if mode in ("", "AUTO") else mode
            elif mode != "ANY":
                self._ask.notes.drop("tools[].function.strict")
        if not mode:
            return None
        calling: JsonObject = {"mode": mode}
        if names:
            calling["allowedFunctionNames"] = [*names]
        return {"functionCallingConfig": calling}


def _named(choice: JsonObject) -> tuple[str, list[str]]:
    """Mode and allowed names of a choice that is an object."""
    if choice.get("type") == "allowed_tools":
        allowed = obj(choice.get("allowed_tools")) or choice
        names = [_name(tool) for tool in objects(allowed.get("tools"))]
        return ("ANY" if allowed.get("mode") == "required" else "VALIDATED"), [name for name in names if name]
    name = _name(choice)
    return ("ANY", [name]) if name else ("", [])


def _name(tool: JsonObject) -> str:
    named = obj(tool.get("function")) or obj(tool.get("custom")) or tool
    return text(named.get("name"))
