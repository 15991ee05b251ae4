"""JSON Schema as Gemini takes it: nearly as it is (2.5 and later), or cut down to the OpenAPI subset of older models.

Source: Google's Gemini API reference, November 2026. A schema that needs no change is returned itself.
"""

from ...wire.values import Json, JsonObject, items, obj, objects, text

_ANNOTATIONS = frozenset(
    ("$schema", "$id", "$comment", "examples", "discriminator", "readOnly", "writeOnly", "deprecated")
)
"""They constrain nothing, and Gemini refuses some of them."""

_SUBSET = frozenset(
    "type format title description nullable enum default example items minItems maxItems properties required propertyOrdering "
    "minProperties maxProperties minimum maximum minLength maxLength pattern anyOf".split()
)
_FORMATS = {
    "string": frozenset(("enum", "date-time")),
    "integer": frozenset(("int32", "int64")),
    "number": frozenset(("float", "double")),
}
_NESTED = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
DEPTH = 64
"""Levels of a schema that are read; deeper ones are an open object."""


class SchemaReader:
    """``lost``: was a constraint dropped? Read it after the schema."""

    __slots__ = ("_root", "lost")

    def __init__(self) -> None:
        self._root: JsonObject = {}
        self.lost = False

    def modern(self, schema: JsonObject, depth: int = DEPTH) -> JsonObject:
        """For ``parametersJsonSchema`` and ``responseJsonSchema``."""
        made: JsonObject = {}
        changed = False
        for name, value in schema.items():
            if name in _ANNOTATIONS:
                changed = True
                continue
            new: Json = value
            if depth == 0:
                pass
            elif name == "const":
                made["enum"] = [value]
                changed = True
                continue
            elif name in _NESTED and isinstance(value, dict):
                new = self._members(value, depth)
            elif name in _LISTS and isinstance(value, list):
                new = self._each(value, depth)
            elif name in ("items", "additionalProperties") and isinstance(value, dict):
                new = self.modern(value, depth - 1)
            changed = changed or new is not value
            made[name] = new
        if not self._awkward(made):
            return made if changed else schema
        return self._settled(made)

    def _members(self, value: JsonObject, depth: int) -> JsonObject:
        found: JsonObject = {
            key: self.modern(sub, depth - 1) if isinstance(sub, dict) else sub for key, sub in value.items()
        }
        return value if all(found[key] is sub for key, sub in value.items()) else found

    def _each(self, value: list[Json], depth: int) -> list[Json]:
        found: list[Json] = [self.modern(sub, depth - 1) if isinstance(sub, dict) else sub for sub in value]
        return value if all(new is sub for new, sub in zip(found, value, strict=True)) else found

    @staticmethod
    def _awkward(schema: JsonObject) -> bool:
        return (
            "oneOf" in schema
            or "allOf" in schema
            or "exclusiveMinimum" in schema
            or "exclusiveMaximum" in schema
            or "not" in schema
        )

    def _settled(self, made: JsonObject) -> JsonObject:
        """Keywords that Gemini has no word for, as those it has; what remains of them is lost."""
        if "oneOf" in made:
            options = made.pop("oneOf")
            if "anyOf" in made:
                self.lost = True
            else:
                made["anyOf"] = options
        for part in objects(made.pop("allOf", None)):
            made = self._merged(made, part)
        if "not" in made:
            del made["not"]
            self.lost = True
        for name, plain, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            bound = made.pop(name, None)
            if isinstance(bound, int | float) and not isinstance(bound, bool):
                exact = made.get("type") == "integer" and isinstance(bound, int)
                self.lost = self.lost or not exact
                made.setdefault(plain, bound + step if exact else bound)
        return made

    def _merged(self, one: JsonObject, other: JsonObject) -> JsonObject:
        made = {**one}
        for name, value in other.items():
            before = made.get(name)
            if before is None or before == value:
                made[name] = value
            elif name == "properties" and isinstance(before, dict) and isinstance(value, dict):
                made[name] = {**before, **value}
            elif name == "required" and isinstance(before, list) and isinstance(value, list):
                made[name] = [*before, *(key for key in value if key not in before)]
            elif name not in ("title", "description"):
                self.lost = True
        return made

    # ---- the OpenAPI subset -----------------------------------------------------------------------------------------

    def classic(self, schema: JsonObject) -> JsonObject:
        """For ``parameters`` and ``responseSchema``."""
        self._root = schema
        return self._classic(schema, (), DEPTH)

    def _classic(self, schema: JsonObject, seen: tuple[str, ...], depth: int) -> JsonObject:
        reference = text(schema.get("$ref"))
        if depth == 0 or reference in seen:
            self.lost = True
            return {"type": "object"}
        if reference:
            target = self._resolved(reference)
            beside: JsonObject = {name: value for name, value in schema.items() if name != "$ref"}
            return self._classic({**target, **beside}, (*seen, reference), depth - 1)
        made: JsonObject = {name: value for name, value in schema.items() if name not in _ANNOTATIONS}
        if "const" in made:
            made["enum"] = [made.pop("const")]
        for part in objects(made.get("allOf")):
            whole = self._resolved(text(part["$ref"])) if "$ref" in part else part
            made = self._merged({name: value for name, value in made.items() if name != "allOf"}, whole)
        if self._awkward(made):
            made = self._settled(made)
        _settle_type(made)
        self._settle_options(made, seen, depth)
        self._settle_members(made, seen, depth)
        self._settle_values(made)
        for name in [name for name in made if name not in _SUBSET]:
            value = made.pop(name)
            harmless = name in ("$defs", "definitions") or (name == "additionalProperties" and value is not True)
            self.lost = self.lost or not harmless
        return made

    def _resolved(self, reference: str) -> JsonObject:
        found: Json = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                found = obj(found).get(step.replace("~1", "/").replace("~0", "~"))
        return obj(found)

    def _settle_options(self, made: JsonObject, seen: tuple[str, ...], depth: int) -> None:
        options = objects(made.get("anyOf"))
        if not options:
            made.pop("anyOf", None)
            return
        kept = [option for option in options if option.get("type") != "null"]
        if len(kept) < len(options):
            made["nullable"] = True
        if len(kept) == 1:
            del made["anyOf"]
            made.update(
                {name: value for name, value in self._classic(kept[0], seen, depth - 1).items() if name not in made}
            )
        else:
            made["anyOf"] = [self._classic(option, seen, depth - 1) for option in kept]

    def _settle_members(self, made: JsonObject, seen: tuple[str, ...], depth: int) -> None:
        properties = made.get("properties")
        if isinstance(properties, dict):
            if properties:
                made["properties"] = {
                    key: self._classic(obj(value), seen, depth - 1) for key, value in properties.items()
                }
                made.setdefault("type", "object")
                # Older models answer in alphabetical order without it.
                made.setdefault("propertyOrdering", [*properties])
            else:
                del made["properties"]
        if "required" in made:
            required: list[Json] = [key for key in items(made["required"]) if key in obj(made.get("properties"))]
            if required:
                made["required"] = required
            else:
                del made["required"]
        if isinstance(made.get("items"), dict):
            made["items"] = self._classic(obj(made["items"]), seen, depth - 1)
        elif made.get("type") == "array":
            made["items"] = {"type": "string"}

    def _settle_values(self, made: JsonObject) -> None:
        kind = text(made.get("type"))
        if "enum" in made:
            values = [value for value in items(made["enum"]) if value not in ("", None)]
            if any(not isinstance(value, str) for value in values):
                self.lost = True
            made["enum"] = [value if isinstance(value, str) else _shown(value) for value in values]
            made["type"] = "string"
            if not values:
                del made["enum"]
        elif "format" in made and made["format"] not in _FORMATS.get(kind, ()):
            del made["format"]
            self.lost = True


def _settle_type(made: JsonObject) -> None:
    """``["string", "null"]`` is a nullable string; several types are several options."""
    kinds = made.get("type")
    if not isinstance(kinds, list):
        return
    named = [kind for kind in kinds if kind != "null"]
    if len(named) < len(kinds):
        made["nullable"] = True
    if len(named) == 1:
        made["type"] = named[0]
    else:
        del made["type"]
        if named:
            made.setdefault("anyOf", [{"type": kind} for kind in named])


def _shown(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
