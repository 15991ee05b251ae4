"""``response_format``: native structured output, a tool in its place on models without it, words for plain JSON."""

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import JsonObject, obj, text
from .schema import object_root, strict
from .tools import Tools

JSON_ONLY = "Reply with one JSON object alone: no other text, no code fence."


class Form:
    """What ``response_format`` becomes: a native ``format``, or a ``sentence`` of the system prompt."""

    __slots__ = ("format", "sentence")

    def __init__(self) -> None:
        self.format: JsonObject | None = None
        self.sentence = ""


def form_of(chat: JsonObject, tools: Tools, ask: Ask) -> Form:
    """Declares the stand-in tool among ``tools`` where one is needed. Raises ``InvalidRequest`` for a schema that is none."""
    found = Form()
    wanted = obj(chat.get("response_format"))
    kind = wanted.get("type")
    if kind == "json_object":
        ask.notes.rewrite("response_format")
        found.sentence = JSON_ONLY
    elif kind == "json_schema":
        named = obj(wanted.get("json_schema"))
        schema = named.get("schema")
        if not isinstance(schema, dict):
            raise InvalidRequest(
                "response_format.json_schema.schema must be a JSON schema.", param="response_format.json_schema.schema"
            )
        if text(named.get("description")) and "description" not in schema:
            schema = {**schema, "description": named["description"]}
        if ask.behaviour.json_schema:
            schema, lost = strict(schema)
            found.format = {"type": "json_schema", "schema": schema}
        else:
            schema, lost = object_root(schema)
            tools.answer_with(schema)
        if lost:
            ask.notes.rewrite("response_format.json_schema.schema")
    elif kind not in (None, "text"):
        ask.notes.drop("response_format")
    return found
