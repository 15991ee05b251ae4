"""JSON schemas as Anthropic takes them: an object at the root of a tool's input, and the strict subset for structured output."""

from collections.abc import Callable, Mapping

from ...wire.values import Json, JsonObject, dumps_text, number, obj, objects, text

FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
"""String formats that structured output knows."""

REFUSED = frozenset(
    """minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems contains minContains
    maxContains prefixItems minProperties maxProperties patternProperties propertyNames dependentRequired dependentSchemas
    dependencies unevaluatedProperties unevaluatedItems if then else not""".split()
)
"""Keywords that structured output refuses. Source: Anthropic's structured outputs guide, version 2026-10-21."""

_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf")


def strict(schema: JsonObject) -> tuple[JsonObject, bool]:
    """The schema within the strict subset, and whether a constraint of it had to become words in its ``description``."""
    lost: list[str] = []
    found = _strict(schema, lost)
    return found, bool(lost)


def _strict(schema: JsonObject, lost: list[str]) -> JsonObject:
    found: JsonObject = {}
    told: list[str] = []
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            found[key] = {name: _inner(inner, lost) for name, inner in value.items()}
        elif key == "oneOf" or key in _LISTS:
            name = "anyOf" if key == "oneOf" else key
            before = found.get(name)
            listed: list[Json] = [_inner(inner, lost) for inner in value] if isinstance(value, list) else []
            found[name] = [*before, *listed] if isinstance(before, list) else listed
        elif key == "items":
            found[key] = _inner(value, lost)
        elif key == "additionalProperties":
            if value is not False:
                told += [] if value is True else [f"{key}: {_short(value)}"]
                lost.append(key)
        elif _refused(key, value):
            told.append(f"{key}: {_short(value)}")
            lost.append(key)
        else:
            found[key] = value
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema:
        found["additionalProperties"] = False
    if told:
        found["description"] = " ".join(
            part for part in (text(found.get("description")), f"({'; '.join(told)})") if part
        )
    return found


def _inner(schema: Json, lost: list[str]) -> Json:
    return _strict(schema, lost) if isinstance(schema, dict) else schema


def _refused(key: str, value: Json) -> bool:
    if key == "minItems":
        least = number(value)
        return least is None or least > 1
    if key == "format":
        return value not in FORMATS
    return key in REFUSED


def _short(value: Json) -> str:
    """A constraint in so many words; one that no encoder writes is only named."""
    try:
        return dumps_text(value)[:200]
    except TypeError:
        return "…"


def object_root(schema: JsonObject) -> tuple[JsonObject, bool]:
    """A tool's schema with an object at its root, and whether alternatives there had to be merged into one object.

    Of ``anyOf`` and ``oneOf`` the merged object requires what every alternative does; of ``allOf`` what any part does.
    """
    if not ("anyOf" in schema or "oneOf" in schema or "allOf" in schema):
        if schema.get("type") == "object":
            return schema, False
        return {**schema, "type": "object", "properties": obj(schema.get("properties"))}, "type" in schema
    found: JsonObject = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "allOf")}
    properties: JsonObject = {**obj(schema.get("properties"))}
    required = _names(schema)
    combine: Mapping[str, Callable[..., set[str]]] = {
        "allOf": set.union,
        "anyOf": set.intersection,
        "oneOf": set.intersection,
    }
    for key, combined in combine.items():
        parts = [object_root(part)[0] for part in objects(schema.get(key))]
        for part in parts:
            properties.update(
                {name: value for name, value in obj(part.get("properties")).items() if name not in properties}
            )
        if parts:
            together = combined(*(set(_names(part)) for part in parts))
            required += [name for part in parts for name in _names(part) if name in together and name not in required]
    found.update({"type": "object", "properties": properties})
    if required:
        found["required"] = [*dict.fromkeys(required)]
    return found, True


def _names(schema: JsonObject) -> list[str]:
    listed = schema.get("required")
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
