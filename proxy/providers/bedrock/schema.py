"""JSON schemas as Bedrock's models take them: an object at the root, and for strict use only keywords that constrain decoding."""

from ...translation.notes import Notes
from ...wire.values import Json, JsonObject, items, obj, objects, text
from .draft import written

_UNSUPPORTED = frozenset(
    """minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems contains minContains
    maxContains prefixItems minProperties maxProperties patternProperties propertyNames dependentRequired dependentSchemas
    dependencies unevaluatedProperties unevaluatedItems if then else not""".split()
)
"""Keywords that strict decoding refuses. Source: Anthropic's structured outputs guide, November 2026."""

_FORMATS = frozenset("date-time time date duration email hostname uri ipv4 ipv6 uuid".split())
_MAPS = ("properties", "$defs", "definitions")
_DEPTH = 64
"""Levels beyond which a schema is left as it is."""


def object_schema(value: Json, notes: Notes) -> JsonObject:
    """A tool's parameters with ``"type": "object"`` at the root; alternatives there are merged into one object."""
    found = obj(value)
    if not found:
        return {"type": "object", "properties": {}}
    branches = next((name for name in ("allOf", "anyOf", "oneOf") if isinstance(found.get(name), list)), None)
    if branches is None:
        return found if found.get("type") == "object" else {**found, "type": "object"}
    notes.rewrite("tools[].function.parameters")
    listed = objects(found[branches])
    properties: JsonObject = {**obj(found.get("properties"))}
    for branch in listed:
        properties.update(obj(branch.get("properties")))
    required = [{text(name) for name in items(branch.get("required"))} for branch in listed]
    common = set.union(*required) if branches == "allOf" and required else set.intersection(*required or [set()])
    common |= {text(name) for name in items(found.get("required"))}
    merged: JsonObject = {name: kept for name, kept in found.items() if name not in ("allOf", "anyOf", "oneOf")}
    merged.update(type="object", properties=properties)
    if common:
        merged["required"] = [name for name in properties if name in common]
    return merged


def strict_schema(schema: JsonObject, depth: int = 0) -> JsonObject:
    """Every object closed; keywords that decoding cannot enforce told in the description instead."""
    if depth > _DEPTH:
        return schema
    found: JsonObject = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in _UNSUPPORTED or (name == "minItems" and value not in (0, 1)):
            told.append(f"{name}: {written(value).decode()}")
        elif name == "format" and value not in _FORMATS:
            told.append(f"format: {written(value).decode()}")
        elif name in _MAPS and isinstance(value, dict):
            found[name] = {key: _inner(inner, depth) for key, inner in value.items()}
        elif name in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            found["anyOf" if name == "oneOf" else name] = [_inner(inner, depth) for inner in value]
        elif name in ("items", "additionalProperties"):
            found[name] = _inner(value, depth)
        else:
            found[name] = value
    if found.get("type") == "object" or "properties" in found:
        found["additionalProperties"] = False
    if told:
        found["description"] = ". ".join(part for part in (text(found.get("description")), *told) if part)
    return found


def _inner(value: Json, depth: int) -> Json:
    return strict_schema(value, depth + 1) if isinstance(value, dict) else value
