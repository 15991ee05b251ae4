"""Anthropic's tools as functions. Tools that the client runs have schemas only Anthropic's models know: they are given here."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, text
from ..ask import Ask
from ..naming import chat_name

_STRING: JsonObject = {"type": "string"}
_WHOLE: JsonObject = {"type": "integer"}
_RANGE: JsonObject = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "First and last line; -1 is the end.",
}
_POINT: JsonObject = {"type": "array", "items": {"type": "integer"}, "description": "x and y in pixels."}


def _schema(required: str, **properties: Json) -> JsonObject:
    return {"type": "object", "properties": properties, "required": [required]}


def _one_of(*words: str) -> JsonObject:
    return {"type": "string", "enum": [*words]}


_EDITS: dict[str, Json] = {
    "path": _STRING,
    "file_text": {"type": "string", "description": "The whole file, for create."},
    "old_str": {"type": "string", "description": "Text to be replaced; it must occur once."},
    "new_str": {"type": "string", "description": "What replaces old_str."},
    "insert_line": {"type": "integer", "description": "The line after which to insert; 0 is the beginning."},
    "insert_text": _STRING,
    "view_range": _RANGE,
}

_CLIENT: dict[str, tuple[str, JsonObject]] = {
    "bash": (
        "Runs a command in a persistent bash session and returns its output.",
        {
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The command; required unless restarting."},
                "restart": {"type": "boolean", "description": "Starts a new session."},
            },
        },
    ),
    "text_editor": (
        "Views, creates and edits text files.",
        _schema("command", command=_one_of("view", "create", "str_replace", "insert"), **_EDITS),
    ),
    "memory": (
        "Reads and writes files below /memories, which outlive the conversation.",
        _schema(
            "command",
            command=_one_of("view", "create", "str_replace", "insert", "delete", "rename"),
            **_EDITS,
            old_path=_STRING,
            new_path=_STRING,
        ),
    ),
    "computer": (
        "Controls the computer: takes screenshots, moves and clicks the mouse, types.",
        _schema(
            "action",
            action=_one_of(
                "screenshot", "left_click", "right_click", "middle_click", "double_click", "triple_click", "mouse_move",
                "left_click_drag", "left_mouse_down", "left_mouse_up", "cursor_position", "scroll", "type", "key", "hold_key",
                "wait", "zoom",
            ),
            coordinate=_POINT,
            start_coordinate=_POINT,
            text={"type": "string", "description": "What to type, or the keys to press."},
            scroll_direction=_one_of("up", "down", "left", "right"),
            scroll_amount=_WHOLE,
            duration={"type": "number", "description": "Seconds."},
            region={"type": "array", "items": {"type": "integer"}, "description": "x0, y0, x1, y1, for zoom."},
        ),
    ),
}  # fmt: skip
"""By type without its date: description and schema, after Anthropic's tool reference of November 2026."""

_LOST = ("input_examples", "allowed_callers", "defer_loading")
_MEANINGLESS: tuple[Json, ...] = (None, False, [], ["direct"])


def function_tools(given: Json, ask: Ask) -> list[JsonObject]:
    """The tools that can be functions; the others, which Anthropic runs itself, are dropped with a note."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise InvalidRequest("tools: a list is required.", param="tools")
    found = []
    for index, tool in enumerate(given):
        if not isinstance(tool, dict):
            raise InvalidRequest(f"tools.{index}: a tool must be an object.", param=f"tools.{index}")
        made = _function(tool, index, ask)
        if made is not None:
            found.append(made)
    return found


def _function(tool: JsonObject, index: int, ask: Ask) -> JsonObject | None:
    kind, name = text(tool.get("type")), text(tool.get("name"))
    if kind in ("", "custom"):
        if not name:
            raise InvalidRequest(f"tools.{index}.name: a name is required.", param=f"tools.{index}.name")
        function: JsonObject = {"name": chat_name(name, ask)}
        if text(tool.get("description")):
            function["description"] = tool["description"]
        function["parameters"] = _parameters(tool.get("input_schema"))
    else:
        family = kind.rpartition("_")[0]
        if family not in _CLIENT:
            ask.notes.drop(f"tools[].{kind}")
            return None
        description, schema = _CLIENT[family]
        function = {
            "name": chat_name(name or family, ask),
            "description": _display(tool) + description,
            "parameters": schema,
        }
    if isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    for lost in _LOST:
        if lost in tool and tool[lost] not in _MEANINGLESS:
            ask.notes.drop(f"tools[].{lost}")
    made: JsonObject = {"type": "function", "function": function}
    if isinstance(tool.get("cache_control"), dict):
        made["cache_control"] = tool["cache_control"]
    return made


def _parameters(schema: Json) -> JsonObject:
    """The schema without ``$schema``, which some hosts refuse."""
    if not isinstance(schema, dict):
        return {"type": "object", "properties": {}}
    return {name: value for name, value in schema.items() if name != "$schema"} if "$schema" in schema else schema


def _display(tool: JsonObject) -> str:
    width, height = tool.get("display_width_px"), tool.get("display_height_px")
    return f"The display is {width} x {height} pixels. " if width is not None and height is not None else ""


def choose(choice: JsonObject, tools: list[JsonObject], found: JsonObject, ask: Ask) -> None:
    """Sets ``tool_choice`` and ``parallel_tool_calls``."""
    kind = choice.get("type")
    if kind == "tool":
        name = chat_name(text(choice.get("name")), ask)
        known = any(isinstance(tool["function"], dict) and tool["function"].get("name") == name for tool in tools)
        if known:
            found["tool_choice"] = {"type": "function", "function": {"name": name}}
        else:
            ask.notes.drop("tool_choice")
    elif kind in ("auto", "any", "none"):
        found["tool_choice"] = "required" if kind == "any" else kind
    elif kind is not None:
        raise InvalidRequest("tool_choice.type: use auto, any, tool or none.", param="tool_choice.type")
    if choice.get("disable_parallel_tool_use") is True:
        found["parallel_tool_calls"] = False
