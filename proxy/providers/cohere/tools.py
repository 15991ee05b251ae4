"""Tools and the choice among them. Cohere knows two choices, and the first generations of Command none."""

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, obj, objects, text

_NO_CHOICE = ("command-r-", "command-light", "command-nightly")
"""Models before Command R7B; ``command-r`` itself too."""

_TOOL = frozenset(("type", "function"))
_FUNCTION = frozenset(("name", "description", "parameters", "strict"))


def add_tools(chat: JsonObject, found: JsonObject, ask: Ask) -> None:
    """``tools``, ``tool_choice`` and ``strict_tools``. Raises ``InvalidRequest`` for a choice of a tool that is not there."""
    if chat.get("parallel_tool_calls") is False:
        ask.notes.drop("parallel_tool_calls")
    given = [function for tool in objects(chat.get("tools")) if (function := _function(tool, ask))]
    choice, names = _choice(chat.get("tool_choice"), ask)
    if not given:
        if choice == "REQUIRED":
            raise InvalidRequest("tool_choice forces a tool, but there are no function tools.", param="tool_choice")
        return
    chosen = [function for function in given if text(function.get("name")) in names] if names else given
    if not chosen:
        raise InvalidRequest("tool_choice names a function that is not among the tools.", param="tool_choice")
    if choice and (ask.model == "command-r" or ask.model.startswith(_NO_CHOICE)):
        if choice == "NONE":
            return
        ask.notes.drop("tool_choice")
        choice = ""
    found["tools"] = [{"type": "function", "function": _sent(function)} for function in chosen]
    if choice:
        found["tool_choice"] = choice
    strict = sum(function.get("strict") is True for function in chosen)
    if strict == len(chosen):
        found.setdefault("strict_tools", True)
    elif strict:
        ask.notes.drop("tools[].strict")


def _function(tool: JsonObject, ask: Ask) -> JsonObject:
    """The function of a tool; empty for tools of other kinds, which Cohere does not have."""
    kind = tool.get("type", "function")
    if kind != "function":
        ask.notes.drop(f"tools[].{text(kind)[:64] or 'type'}")
        return {}
    function = obj(tool.get("function"))
    if not (tool.keys() <= _TOOL and function.keys() <= _FUNCTION):
        for name in (*tool, *function):
            if name not in _TOOL and name not in _FUNCTION:
                ask.notes.drop(f"tools[].{name[:64]}")
    return function


def _sent(function: JsonObject) -> JsonObject:
    found: JsonObject = {"name": function.get("name")}
    if function.get("description") is not None:
        found["description"] = function["description"]
    parameters = function.get("parameters")
    found["parameters"] = (
        parameters if isinstance(parameters, dict) and parameters else {"type": "object", "properties": {}}
    )
    return found


def _choice(value: Json, ask: Ask) -> tuple[str, frozenset[str]]:
    """Cohere's word for the choice (empty: the model is free) and the only tools that may be called (empty: all)."""
    if value in (None, "auto"):
        return "", frozenset()
    if value in ("required", "any"):
        return "REQUIRED", frozenset()
    if value == "none":
        return "NONE", frozenset()
    choice = obj(value)
    if choice.get("type") == "function":
        return "REQUIRED", frozenset((text(obj(choice.get("function")).get("name")),))
    if choice.get("type") == "allowed_tools":
        allowed = obj(choice.get("allowed_tools")) or choice
        names = frozenset(text(obj(tool.get("function")).get("name")) for tool in objects(allowed.get("tools")))
        return "REQUIRED" if allowed.get("mode") == "required" else "", names
    ask.notes.drop("tool_choice")
    return "", frozenset()
