"""What a chat request asks for: its messages and tools checked as OpenAI checks them, and its tokens counted."""

import re

import orjson

from .compose import Tool, Wish
from .reply import Object, Refused, count_of, object_of, objects_of, required
from .text import text_tokens

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PER_MESSAGE = 4
_PER_REQUEST = 3
_PER_MEDIA = 85


def messages_of(document: Object) -> list[Object]:
    """Return the messages; refuse an order of tool calls and answers that OpenAI refuses."""
    required(document, "messages")
    messages = objects_of(document, "messages")
    if not messages:
        raise Refused(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    pending: set[object] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ("developer", "system", "user", "assistant", "tool", "function"):
            raise Refused(
                f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                "and 'developer'.",
                param=f"messages[{index}].role",
                code="invalid_value",
            )
        if role == "tool":
            if message.get("tool_call_id") not in pending:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            pending.discard(message.get("tool_call_id"))
            continue
        _check_answered(pending, index)
        pending = {item.get("id") for item in objects_of(message, "tool_calls")} if role == "assistant" else set()
    _check_answered(pending, len(messages))
    return messages


def _check_answered(pending: set[object], index: int) -> None:
    if pending:
        missing = ", ".join(sorted(str(item) for item in pending))
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {missing}",
            param=f"messages.[{index}].role",
        )


def tools_of(document: Object) -> list[Tool]:
    """Return the tools of a chat request (nested form, or the old `functions`); refuse what OpenAI refuses."""
    offered = objects_of(document, "tools")
    if "tools" in document and document["tools"] is not None and not offered:
        raise Refused("[] is too short - 'tools'", param="tools", code="empty_array")
    if document.get("tool_choice") is not None and not offered:
        raise Refused(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            param="tool_choice",
        )
    if len(offered) > 128:
        raise Refused(
            f"Invalid 'tools': array too long. Expected an array with maximum length 128, but got {len(offered)}.",
            param="tools",
            code="array_above_max_length",
        )
    tools = [
        _tool(object_of(item, str(item.get("type"))), item.get("type") == "custom", index)
        for index, item in enumerate(offered)
    ]
    return tools or [_tool(item, False, index) for index, item in enumerate(objects_of(document, "functions"))]


def _tool(described: Object, custom: bool, index: int) -> Tool:
    name = described.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(
            f"Invalid 'tools[{index}].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
            param=f"tools[{index}].function.name",
            code="invalid_value",
        )
    return Tool(name, None if custom else object_of(described, "parameters"))


def check_sampling(document: Object) -> None:
    """Refuse a temperature or top_p out of bounds."""
    for name, most in (("temperature", 2.0), ("top_p", 1.0)):
        value = document.get(name)
        if isinstance(value, int | float) and not 0 <= value <= most:
            raise Refused(
                f"Invalid '{name}': expected a value between 0 and {most:g}, but got {value:g} instead.",
                param=name,
                code="decimal_above_max_value" if value > most else "decimal_below_min_value",
            )


def wish_of(document: Object, messages: list[Object], tools: list[Tool]) -> Wish:
    """Return what the answer has to be: its limit, form, tools."""
    limit = count_of(document, "max_completion_tokens", least=1)
    if limit is None:
        limit = count_of(document, "max_tokens", least=1)
    form = object_of(document, "response_format")
    schema: Object | None = None
    if form.get("type") == "json_schema":
        schema = object_of(object_of(form, "json_schema"), "schema")
    if form.get("type") == "json_object" and b"json" not in orjson.dumps(messages).lower():
        raise Refused(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    choice = document.get("tool_choice", document.get("function_call"))
    chosen = chosen_tool(choice)
    if chosen:
        tools = [tool for tool in tools if tool.name == chosen]
        if not tools:
            raise Refused(
                f"Invalid value for 'tool_choice': no tool named '{chosen}' was specified.", param="tool_choice"
            )
    forced = choice == "required" or bool(chosen)
    return Wish(
        limit=limit,
        stop=stops_of(document),
        json=form.get("type") == "json_object",
        schema=schema,
        tools=tools,
        forced=forced,
        allowed=choice != "none" and (forced or messages[-1].get("role") not in ("tool", "function")),
    )


def chosen_tool(choice: object) -> str:
    """Return the name of the one tool that `tool_choice` demands, in any of its forms, or an empty text."""
    if not isinstance(choice, dict):
        return ""
    for holder in (choice.get("function"), choice.get("custom"), choice):
        if isinstance(holder, dict) and isinstance(holder.get("name"), str):
            return str(holder["name"])
    return ""


def stops_of(document: Object) -> list[str]:
    """Return the stop sequences, at most four."""
    stop = document.get("stop")
    found = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    if len(found) > 4:
        raise Refused(
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length "
            f"{len(found)} instead.",
            param="stop",
            code="array_above_max_length",
        )
    return [item for item in found if isinstance(item, str)]


def prompt_tokens(messages: list[Object], document: Object) -> int:
    """Count a chat request: text by its bytes, 4 a message, 85 an image, sound or file, 3 a request, tools as JSON."""
    total = _PER_REQUEST
    for message in messages:
        total += _PER_MESSAGE + content_tokens(message.get("content"))
        if message.get("tool_calls"):
            total += text_tokens(orjson.dumps(message["tool_calls"]).decode())
    if document.get("tools"):
        total += text_tokens(orjson.dumps(document["tools"]).decode())
    return total


def content_tokens(content: object) -> int:
    """Count the content of a message: text, or parts."""
    if isinstance(content, str):
        return text_tokens(content)
    if not isinstance(content, list):
        return 0
    total = 0
    for part in content:
        if isinstance(part, str):
            total += text_tokens(part)
        elif isinstance(part, dict):
            words = part.get("text", part.get("refusal"))
            total += text_tokens(words) if isinstance(words, str) else _PER_MEDIA
    return total
