"""Messages as a model takes them: roles, tool history and images."""

from collections.abc import Sequence

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, obj, objects, text

INSTRUCTIONS = ("system", "developer")


def adapted(messages: Sequence[Json], ask: Ask, instruction: str = "") -> list[JsonObject | int] | None:
    """The new messages, an index where one stays as it is; ``None`` when all do. Raises ``InvalidRequest``.

    ``instruction`` becomes a message of its own in front.
    """
    if not ask.behaviour.images:
        _refuse_images(messages, ask)
    roles = {message.get("role") for message in messages if isinstance(message, dict)}
    mixed = ask.behaviour.system_role == "developer" and roles.issuperset(INSTRUCTIONS)
    found: list[JsonObject | int] = []
    if instruction:
        role = ask.behaviour.system_role
        found.append({"role": "user" if role == "none" else role, "content": instruction})
    for index, message in enumerate(messages):
        new = _adapted(message, ask, mixed=mixed) if isinstance(message, dict) else None
        found.append(index if new is None else new)
    return found if any(not isinstance(item, int) for item in found) else None


def _adapted(message: JsonObject, ask: Ask, *, mixed: bool) -> JsonObject | None:
    role = message.get("role")
    if role in INSTRUCTIONS:
        if ask.behaviour.system_role == "none":
            ask.notes.rewrite("messages[].role")
            return {**message, "role": "user"}
        if mixed and role == "system":
            ask.notes.rewrite("messages[].role")
            return {**message, "role": "developer"}
    if ask.behaviour.tools:
        return None
    if role in ("tool", "function"):
        ask.notes.rewrite("messages[].role")
        return _result(message)
    if message.get("tool_calls") or message.get("function_call"):
        ask.notes.rewrite("messages[].tool_calls")
        return _calls(message)
    return None


def _result(message: JsonObject) -> JsonObject:
    """What a tool answered, told by the user."""
    name = text(message.get("name")) or text(message.get("tool_call_id"))
    return {"role": "user", "content": f"Result of the tool call {name}:\n{_words(message.get('content'))}"}


def _calls(message: JsonObject) -> JsonObject:
    """An assistant's tool calls, in words."""
    calls = objects(message.get("tool_calls")) or [{"function": message.get("function_call")}]
    said = [_words(message.get("content"))] if message.get("content") else []
    for call in calls:
        function = obj(call.get("function"))
        ident = text(call.get("id"))
        called = f"Called the tool {text(function.get('name'))} with {text(function.get('arguments')) or '{}'}"
        said.append(f"{called} ({ident})." if ident else f"{called}.")
    return {"role": "assistant", "content": "\n".join(said)}


def _words(content: Json) -> str:
    return content if isinstance(content, str) else "".join(text(part.get("text")) for part in objects(content))


def _refuse_images(messages: Sequence[Json], ask: Ask) -> None:
    for index, message in enumerate(messages):
        parts = message.get("content") if isinstance(message, dict) else None
        for position, part in enumerate(parts) if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("type") == "image_url":
                raise InvalidRequest(
                    f"The model `{ask.model[:200]}` reads text only. Leave the image out, or send the request to a model that "
                    "takes images; GET /v1/models tells which do.",
                    param=f"messages[{index}].content[{position}]",
                    code="unsupported_content_part",
                )
