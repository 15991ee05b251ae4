"""What a v2 chat request asks for, checked as Cohere's API checks it."""

import orjson

from .chat_request import content_tokens
from .compose import Tool, Wish
from .reply import Object, Refused
from .text import text_tokens

_FIELDS = frozenset(
    "model messages stream tools strict_tools documents citation_options response_format safety_mode max_tokens "
    "stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking priority "
    "raw_prompting return_prompt".split()
)
_RANGES = {
    "temperature": (0, 1),
    "p": (0.01, 0.99),
    "k": (0, 500),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
}


def _list(document: Object, name: str) -> list[Object]:
    found = document.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(f"invalid request: {name} must be an array of objects", status=422)
    return found


def check(document: Object) -> None:
    """Refuse what Cohere refuses."""
    for name in document:
        if name not in _FIELDS:
            raise Refused(f"unknown field: parameter '{name}' is not a valid field", status=422)
    for name, (low, high) in _RANGES.items():
        value = document.get(name)
        if value is not None and (not isinstance(value, int | float) or not low <= value <= high):
            raise Refused(f"invalid request: {name} must be between {low} and {high} inclusive.")
    stops = document.get("stop_sequences")
    if stops is not None and (not isinstance(stops, list) or len(stops) > 5):
        raise Refused("invalid request: stop_sequences must be an array of at most 5 strings.")
    most = document.get("max_tokens")
    if most is not None and (not isinstance(most, int) or most < 0):
        raise Refused("invalid request: max_tokens must be greater than or equal to 0.")
    _check_messages(document)
    _check_tools(document)
    if document.get("response_format") is not None and document.get("tools"):
        raise Refused("invalid request: response_format is not supported with tools.")


def _check_messages(document: Object) -> None:
    messages = _list(document, "messages")
    if not messages:
        raise Refused("invalid request: messages must contain at least one message.")
    waiting: set[object] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ("user", "assistant", "system", "tool"):
            raise Refused(f"invalid request: message role must be one of user, assistant, system, tool; got '{role}'.")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refused(
                    f"invalid request: tool call id '{message.get('tool_call_id')}' not found in previous tool calls"
                )
            waiting.discard(message.get("tool_call_id"))
            continue
        if waiting:
            raise Refused(f"invalid request: every tool call must be answered before message {index}.")
        calls = _list(message, "tool_calls") if role == "assistant" else []
        waiting = {made.get("id") for made in calls}
        if role != "assistant" and not message.get("content"):
            raise Refused(f"invalid request: message {index} must have content.")
        if role == "assistant" and not message.get("content") and not calls:
            raise Refused(f"invalid request: assistant message {index} must have content or tool_calls.")
    if waiting or messages[-1].get("role") not in ("user", "tool", "system"):
        raise Refused("invalid request: the last message must be from the user or tool.")


def _check_tools(document: Object) -> None:
    tools = _list(document, "tools")
    for index, tool in enumerate(tools):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict) or not function.get("name"):
            raise Refused(f"invalid request: tool at index {index} must be a function with a name.")
        if "strict" in function:
            raise Refused(f"unknown field: parameter 'tools[{index}].function.strict' is not a valid field", status=422)
    choice = document.get("tool_choice")
    if choice is not None and choice not in ("REQUIRED", "NONE"):
        raise Refused("invalid request: tool_choice must be one of REQUIRED, NONE.")
    if choice == "REQUIRED" and not tools:
        raise Refused("invalid request: tool_choice can only be used with tools.")


def wish_of(document: Object, model: str) -> Wish:
    """Return what the answer has to be."""
    form, thinking = document.get("response_format"), document.get("thinking")
    shaped = isinstance(form, dict) and form.get("type") == "json_object"
    schema = form.get("json_schema") if isinstance(form, dict) else None
    tools = []
    for tool in _list(document, "tools"):
        function = tool["function"]
        assert isinstance(function, dict)
        parameters = function.get("parameters")
        tools.append(Tool(str(function["name"]), parameters if isinstance(parameters, dict) else {"type": "object"}))
    forced = document.get("tool_choice") == "REQUIRED"
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    most, stops = document.get("max_tokens"), document.get("stop_sequences")
    last = _list(document, "messages")[-1]
    return Wish(
        limit=most if isinstance(most, int) else None,
        stop=[stop for stop in stops if isinstance(stop, str)] if isinstance(stops, list) else (),
        json=shaped,
        schema=schema if shaped and isinstance(schema, dict) else None,
        tools=tools,
        forced=forced,
        allowed=document.get("tool_choice") != "NONE" and (forced or last.get("role") != "tool"),
        thinks=kind == "enabled" or ("reasoning" in model and kind != "disabled"),
        preface=8,
    )


def prompt_tokens(document: Object) -> int:
    """Count a request as the chat's are counted."""
    total = 3
    for message in _list(document, "messages"):
        total += 4 + content_tokens(message.get("content"))
        if message.get("tool_calls"):
            total += text_tokens(orjson.dumps(message["tool_calls"]).decode())
    if document.get("tools"):
        total += text_tokens(orjson.dumps(document["tools"]).decode())
    return total
