"""Function, custom and grouped tools as chat functions, and their calls back as the items that the client knows.

Chat models of other providers know only functions: a custom tool becomes a function of one string, a namespace a prefix.
"""

from msgspec import Struct

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, dumps_text, obj, object_in, objects, text
from ..ask import Ask
from ..naming import chat_name

_INPUT: JsonObject = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(Struct, frozen=True):
    """A tool as the client named it."""

    name: str
    namespace: str = ""
    custom: bool = False


def function_name(name: str, namespace: str) -> str:
    """The name of the function that stands for a tool."""
    return f"{namespace}__{name}" if namespace else name


class Tools:
    """The tools of one request by the names of their functions."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Tool] = {}

    def functions(self, given: Json, ask: Ask) -> list[JsonObject]:
        """Chat's ``tools``. Tools that OpenAI runs itself are dropped with a note."""
        if given is None:
            return []
        if not isinstance(given, list):
            raise InvalidRequest("tools: a list is required.", param="tools")
        found: list[JsonObject] = []
        for tool in objects(given):
            if tool.get("type") == "namespace":
                for inner in objects(tool.get("tools")):
                    found += self._function(inner, text(tool.get("name")), ask)
            else:
                found += self._function(tool, "", ask)
        return found

    def _function(self, tool: JsonObject, namespace: str, ask: Ask) -> list[JsonObject]:
        kind, name = text(tool.get("type")), text(tool.get("name"))
        if kind not in ("function", "custom"):
            ask.notes.drop(f"tools[].{kind or 'type'}")
            return []
        if not name:
            raise InvalidRequest("tools[].name: a name is required.", param="tools")
        public = function_name(name, namespace)
        self._known[public] = Tool(name, namespace, kind == "custom")
        function: JsonObject = {"name": chat_name(public, ask)}
        description = text(tool.get("description"))
        if kind == "custom":
            ask.notes.rewrite("tools[].custom")
            description = _described(description, obj(tool.get("format")), ask)
        if description:
            function["description"] = description
        parameters = _INPUT if kind == "custom" else tool.get("parameters")
        if isinstance(parameters, dict):
            function["parameters"] = parameters
        if isinstance(tool.get("strict"), bool):
            function["strict"] = tool["strict"]
        return [{"type": "function", "function": function}]

    def of(self, name: str) -> Tool:
        """The tool behind a function's name; a model may call what it was never offered."""
        return self._known.get(name) or Tool(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known


def _described(description: str, shape: JsonObject, ask: Ask) -> str:
    if shape.get("type") != "grammar":
        return description
    # The model reads the grammar, but nothing holds it to it.
    ask.notes.drop("tools[].format")
    rule = (
        f"The input must follow this {text(shape.get('syntax')) or 'formal'} grammar:\n{text(shape.get('definition'))}"
    )
    return f"{description}\n\n{rule}" if description else rule


def wrapped(given: str) -> str:
    """A custom tool's input as the arguments of its function."""
    return dumps_text({"input": given})


def unwrapped(arguments: str) -> str:
    """The input of a custom tool in the arguments of its function; the arguments themselves when they are no such object."""
    found = (object_in(arguments.encode("utf-8", "replace")) or {}).get("input")
    return found if isinstance(found, str) else arguments


def choose(choice: Json, tools: Tools, found: JsonObject, ask: Ask) -> None:
    """Sets chat's ``tool_choice``; a choice of a tool that was dropped is dropped too."""
    if choice in ("auto", "none", "required"):
        found["tool_choice"] = choice
    elif isinstance(choice, dict):
        made = _allowed(choice, tools, ask) if choice.get("type") == "allowed_tools" else _named(choice, tools, ask)
        if made is None:
            ask.notes.drop("tool_choice")
        else:
            found["tool_choice"] = made
    elif choice is not None:
        raise InvalidRequest(
            "tool_choice: use none, auto, required or an object that names a tool.", param="tool_choice"
        )


def _named(choice: JsonObject, tools: Tools, ask: Ask) -> JsonObject | None:
    name = function_name(text(choice.get("name")), text(choice.get("namespace")))
    if choice.get("type") not in ("function", "custom") or name not in tools:
        return None
    return {"type": "function", "function": {"name": chat_name(name, ask)}}


def _allowed(choice: JsonObject, tools: Tools, ask: Ask) -> JsonObject | None:
    named: list[Json] = [
        made for each in objects(choice.get("tools")) if (made := _named(each, tools, ask)) is not None
    ]
    mode = "required" if choice.get("mode") == "required" else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}} if named else None
