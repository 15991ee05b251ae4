"""``response_format``: the model's own structured outputs, else a tool that stands for them, else an instruction."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, items, obj, text
from .blocks import ANSWER_TOOL
from .draft import NAME, NAME_LIMIT, Draft, written
from .schema import object_schema, strict_schema

_JSON = "Reply with one JSON object and nothing else: no prose, no code fences."


class Structured:
    """What the answer's shape adds to a request. ``config`` is ``toolConfig``, ``output`` is ``outputConfig``."""

    __slots__ = ("config", "output")

    def __init__(self, config: JsonObject | None) -> None:
        self.config = config
        self.output: JsonObject | None = None


def structured(chat: JsonObject, config: JsonObject | None, draft: Draft) -> Structured:
    """Raises ``InvalidRequest`` for a format that no provider knows."""
    found = Structured(config)
    given = obj(chat.get("response_format"))
    kind = given.get("type")
    if kind in (None, "text"):
        return found
    if kind == "json_object":
        draft.notes.rewrite("response_format")
        draft.instructions.append(_JSON)
        return found
    wanted = obj(given.get("json_schema"))
    schema = wanted.get("schema")
    if kind != "json_schema" or not isinstance(schema, dict):
        raise InvalidRequest(
            "'response_format' must be of type text, json_object, or json_schema with a 'json_schema.schema'.",
            param="response_format",
        )
    if draft.family.schema and draft.ask.behaviour.json_schema:
        found.output = {"textFormat": _native(schema, wanted)}
    elif draft.family.forced and draft.ask.behaviour.forced_tools and not draft.thinks and draft.tools:
        _as_tool(found, schema, wanted, chat, draft)
    else:
        draft.notes.rewrite("response_format")
        draft.instructions.append(f"{_JSON} It must be valid against this JSON schema: {written(schema).decode()}")
    return found


def _native(schema: JsonObject, wanted: JsonObject) -> JsonObject:
    """The schema travels as text."""
    shape: JsonObject = {"schema": written(strict_schema(schema)).decode()}
    name = NAME.sub("_", text(wanted.get("name")))[:NAME_LIMIT]
    if name:
        shape["name"] = name
    if text(wanted.get("description")).strip():
        shape["description"] = wanted["description"]
    return {"type": "json_schema", "structure": {"jsonSchema": shape}}


def _as_tool(found: Structured, schema: JsonObject, wanted: JsonObject, chat: JsonObject, draft: Draft) -> None:
    """The model must call a tool whose input is the answer; beside the client's own tools it must call one of all."""
    config = found.config or {}
    tools = items(config.get("tools"))
    if any(obj(obj(tool).get("toolSpec")).get("name") == ANSWER_TOOL for tool in tools):
        raise InvalidRequest(
            f"A tool cannot be named {ANSWER_TOOL!r} together with a 'response_format' on this model; rename it.",
            param="tools",
        )
    description = (
        text(wanted.get("description")) or "Gives the final answer. Call it exactly once, with the whole answer."
    )
    spec: JsonObject = {
        "name": ANSWER_TOOL,
        "description": description,
        "inputSchema": {"json": object_schema(schema, draft.notes)},
    }
    own = bool(tools) and bool(chat.get("tools") or chat.get("functions")) and chat.get("tool_choice") != "none"
    chosen: Json = {"any": {}} if own else {"tool": {"name": ANSWER_TOOL}}
    found.config = {"tools": [*tools, {"toolSpec": spec}], "toolChoice": chosen}
