"""Tool schemas as the text a model sees: OpenAI renders functions as TypeScript-like declarations in the system message.

The rendering is not documented; this one is what has been found to match reported usage within a few tokens.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256

import msgspec

from .bpe import SHIPPED, VocabularyName, VocabularyStore
from .memo import Counted
from .text import MEMOS, NOTHING, count_text

FRAMING = 9
"""Tokens around the declarations; 4 fewer if there is a system message that takes them in."""

IN_SYSTEM_MESSAGE = 4
DEEPEST = 16
"""Levels of nested objects rendered; what lies deeper counts as its JSON text."""

RESPONSE_FORMAT = 20
"""Tokens around a JSON schema that the answer has to follow."""

NAMED_CHOICE = 7
"""Tokens of a ``tool_choice`` that names a function, besides the name: 4 to 7 have been seen."""

_JSON_TYPES = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}


def count_tools(
    raw: bytes, vocabulary: VocabularyName, *, has_system: bool, store: VocabularyStore = SHIPPED
) -> Counted:
    """Tokens of a ``tools`` (or ``functions``) array given as JSON. Raises msgspec.DecodeError if it is not JSON."""
    memo = MEMOS[vocabulary]
    key = sha256(raw).digest() + bytes((has_system,))
    counted = memo.get(key)
    if counted is None:
        counted = _count_tools(raw, vocabulary, has_system=has_system, store=store)
        if counted.source == "counted":
            memo.put(key, counted)
    return counted


def _count_tools(raw: bytes, vocabulary: VocabularyName, *, has_system: bool, store: VocabularyStore) -> Counted:
    tools = msgspec.json.decode(raw)
    if not isinstance(tools, list) or not tools:
        return NOTHING
    functions = [function for tool in tools if (function := _function_of(tool)) is not None]
    others = [tool for tool in tools if _function_of(tool) is None]

    tokens = 0
    exact = not others
    if functions:
        counted = count_text(render(functions), vocabulary, store=store)
        tokens += counted.tokens + FRAMING - (IN_SYSTEM_MESSAGE if has_system else 0)
        exact = exact and counted.source == "counted"
    if others:
        # Built-in tools cost what the provider makes of them; their own JSON is the only measure there is.
        tokens += count_text(_json(others), vocabulary, store=store).tokens + FRAMING
    return Counted(tokens, "counted" if exact else "estimated")


def count_tool_choice(raw: bytes, vocabulary: VocabularyName, *, store: VocabularyStore = SHIPPED) -> Counted:
    """Tokens of ``tool_choice``: 1 for ``none``, the name and a frame for a function, else nothing."""
    choice = msgspec.json.decode(raw)
    if choice == "none":
        return Counted(1, "counted")
    function = _function_of(choice)
    if function is None or not isinstance(function.get("name"), str):
        return NOTHING
    counted = count_text(str(function["name"]), vocabulary, store=store)
    return Counted(counted.tokens + NAMED_CHOICE, counted.source)


def count_response_format(raw: bytes, vocabulary: VocabularyName, *, store: VocabularyStore = SHIPPED) -> Counted:
    """Tokens of ``response_format`` (or ``text.format``): a JSON schema counts as its text."""
    wanted = msgspec.json.decode(raw)
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return NOTHING
    inner = wanted.get("json_schema")
    holder = inner if isinstance(inner, Mapping) else wanted
    counted = count_text(_json(holder.get("schema", {})), vocabulary, store=store)
    return Counted(counted.tokens + RESPONSE_FORMAT, counted.source)


def render(functions: list[Mapping[str, object]]) -> str:
    """The declarations of ``functions``, each ``{"name", "description", "parameters"}``."""
    lines = ["namespace functions {", ""]
    for function in functions:
        lines += _comment(function.get("description"), "")
        name = function.get("name")
        parameters = function.get("parameters")
        fields = list(_fields(parameters, "", 0))
        if fields:
            lines += [f"type {name} = (_: {{", *fields, "}) => any;", ""]
        else:
            lines += [f"type {name} = () => any;", ""]
    lines.append("} // namespace functions")
    return "\n".join(lines)


def _function_of(tool: object) -> Mapping[str, object] | None:
    """The function in a tool: nested as chat has it, flat as responses have it, or bare as ``functions`` had it."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    if isinstance(function, Mapping):
        return function
    kind = tool.get("type")
    return tool if isinstance(tool.get("name"), str) and kind in (None, "function") else None


def _fields(schema: object, indent: str, depth: int) -> Iterator[str]:
    """One line for each property of an object schema, its comment lines before it."""
    if not isinstance(schema, Mapping):
        return
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return
    required = schema.get("required")
    names = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    for name, value in properties.items():
        if isinstance(value, Mapping):
            yield from _comment(value.get("description"), indent)
        mark = "" if name in names else "?"
        yield f"{indent}{name}{mark}: {_type(value, indent, depth)},"


def _type(schema: object, indent: str, depth: int) -> str:
    if not isinstance(schema, Mapping):
        return "any"
    if depth >= DEEPEST:
        return _json(schema)
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return " | ".join(_json(choice) for choice in choices)
    for union in ("anyOf", "oneOf", "allOf"):
        members = schema.get(union)
        if isinstance(members, list) and members:
            return " | ".join(_type(member, indent, depth + 1) for member in members)
    kind = schema.get("type")
    if isinstance(kind, list):
        # Each type once: a list of a thousand objects, nested, would render a thousandfold at every level.
        kinds = dict.fromkeys(one for one in kind if isinstance(one, str))
        return " | ".join(_type({**schema, "type": one}, indent, depth + 1) for one in kinds) or "any"
    if kind == "array":
        return f"{_type(schema.get('items'), indent, depth + 1)}[]"
    if kind == "object":
        fields = list(_fields(schema, indent + "  ", depth + 1))
        return "\n".join(("{", *fields, f"{indent}}}")) if fields else "object"
    return _JSON_TYPES.get(kind, "any") if isinstance(kind, str) else "any"


def _comment(description: object, indent: str) -> Iterator[str]:
    if isinstance(description, str) and description:
        for line in description.splitlines():
            yield f"{indent}// {line}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
