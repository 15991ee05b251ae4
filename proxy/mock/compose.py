"""What an answer says: text, JSON that fits a schema, or tool calls, in pieces of one token each."""

from collections.abc import Iterator, Sequence

import orjson
from msgspec import Struct
from msgspec.structs import replace

from .controls import Controls
from .reply import Object
from .text import DEFAULT_TOKENS, digest, identifier, pieces_of, sentences, stream

_UNICODE = "é☂漢😀"
_THOUGHTS = 12
_MAX_DEPTH = 8


class Tool(Struct, frozen=True):
    """A tool the caller offers; `schema` is None for a custom tool, whose input is free text."""

    name: str
    schema: Object | None


class ToolCall(Struct, frozen=True):
    """A call the answer makes: its arguments (or its input) in pieces."""

    id: str
    name: str
    custom: bool
    pieces: list[str]


class Wish(Struct, frozen=True, kw_only=True):
    """What the caller asked for, in the same words for every API."""

    limit: int | None = None
    stop: Sequence[str] = ()
    json: bool = False
    schema: Object | None = None
    tools: Sequence[Tool] = ()
    forced: bool = False
    allowed: bool = True
    thinks: bool = False
    """Whether the caller or the model wants thoughts; the control can overrule it either way."""
    preface: int = 0
    """Tokens of text before tool calls, unless the control says otherwise."""
    most_calls: int | None = None


class Answer(Struct, frozen=True):
    """An answer and why it ended: stop (at the sequence `stopped`, if any), length or tool_calls."""

    pieces: list[str]
    calls: list[ToolCall]
    finish: str
    thoughts: Sequence[str] = ()
    stopped: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        """A token for each piece and thought, and one for the name of each call."""
        return len(self.thoughts) + len(self.pieces) + sum(1 + len(call.pieces) for call in self.calls)


def compose(seed: int, wish: Wish, controls: Controls) -> Answer:
    """Return the answer to `wish`; it depends on nothing but the arguments. Thoughts count against the limit."""
    length = controls.reasoning if controls.reasoning is not None else _THOUGHTS if wish.thinks else 0
    if not length:
        return _spoken(seed, wish, controls)
    thoughts = sentences(digest(b"thoughts", seed.to_bytes(8, "little")), length)
    if wish.limit is None:
        return replace(_spoken(seed, wish, controls), thoughts=thoughts)
    if len(thoughts) >= wish.limit:
        return Answer([], [], "length", thoughts[: wish.limit])
    left = replace(wish, limit=wish.limit - len(thoughts))
    return replace(_spoken(seed, left, controls), thoughts=thoughts)


def _spoken(seed: int, wish: Wish, controls: Controls) -> Answer:
    """Return the answer without its thoughts."""
    count = 1 if controls.tool_calls is None else controls.tool_calls
    if wish.tools and wish.allowed and (count or wish.forced):
        count = max(count, 1) if wish.most_calls is None else wish.most_calls
        before = wish.preface if controls.preface is None else controls.preface
        if not before:
            return _calls(seed, wish, count)
        said = sentences(digest(b"preface", seed.to_bytes(8, "little")), before)[: wish.limit]
        left = None if wish.limit is None else wish.limit - len(said)
        return replace(_calls(seed, replace(wish, limit=left), count), pieces=said)
    if wish.schema is not None:
        pieces = pieces_of(orjson.dumps(example(wish.schema, wish.schema, stream(seed))).decode())
    elif wish.json:
        words = "".join(sentences(seed, max((controls.tokens or DEFAULT_TOKENS) - 8, 1)))
        pieces = pieces_of(orjson.dumps({"answer": words}).decode())
    else:
        length = DEFAULT_TOKENS if controls.tokens is None else controls.tokens
        pieces = sentences(seed, length)
        if controls.unicode:
            pieces = [piece + _UNICODE[index % len(_UNICODE)] for index, piece in enumerate(pieces)]
    finish, stopped = "stop", ""
    if wish.stop:
        pieces, stopped = _until(pieces, wish.stop)
    if wish.limit is not None and len(pieces) > wish.limit:
        pieces, finish = pieces[: wish.limit], "length"
    return Answer(pieces, [], finish, stopped=stopped if finish == "stop" else "")


def _calls(seed: int, wish: Wish, count: int) -> Answer:
    numbers = stream(seed)
    calls: list[ToolCall] = []
    left = wish.limit
    finish = "tool_calls"
    for index in range(count):
        tool = wish.tools[(seed + index) % len(wish.tools)]
        if tool.schema is None:
            pieces = sentences(next(numbers), 8)
        else:
            pieces = pieces_of(orjson.dumps(example(tool.schema, tool.schema, numbers)).decode())
        if left is not None:
            if left <= 0:
                finish = "length"
                break
            if len(pieces) + 1 > left:
                pieces, finish = pieces[: left - 1], "length"
            left -= len(pieces) + 1
        calls.append(ToolCall(identifier("call_", next(numbers)), tool.name, tool.schema is None, pieces))
    return Answer([], calls, finish)


def _until(pieces: list[str], stop: Sequence[str]) -> tuple[list[str], str]:
    """Return the pieces before the first stop sequence, and that sequence."""
    text = "".join(pieces)
    ends = [(found, sequence) for sequence in stop if sequence and (found := text.find(sequence)) >= 0]
    if not ends:
        return pieces, ""
    left, stopped = min(ends)
    kept: list[str] = []
    for piece in pieces:
        if left <= 0:
            break
        kept.append(piece[:left])
        left -= len(piece)
    return kept, stopped


def example(schema: Object, root: Object, numbers: Iterator[int], depth: int = 0) -> object:
    """Return a value that `schema` (JSON Schema, the parts that models are given) accepts."""
    schema = _resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[next(numbers) % len(choices)]
    for keyword in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list) and branches and isinstance(branches[0], dict):
            branch = next((item for item in branches if depth < _MAX_DEPTH or item.get("type") == "null"), branches[0])
            return example(branch, root, numbers, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = "null" if depth > _MAX_DEPTH and "null" in kind else kind[0] if kind else None
    match kind:
        case "string":
            return _string(schema, numbers)
        case "integer" | "number":
            return _number(schema, numbers, whole=kind == "integer")
        case "boolean":
            return bool(next(numbers) & 1)
        case "null":
            return None
        case "array":
            return _array(schema, root, numbers, depth)
    return _object(schema, root, numbers, depth)


def _resolve(schema: Object, root: Object) -> Object:
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        found: object = root
        for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            found = found.get(step) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            return {}
        schema = found
    return schema


def _string(schema: Object, numbers: Iterator[int]) -> str:
    formats = {
        "date": "2026-03-14",
        "date-time": "2026-03-14T09:26:53Z",
        "time": "09:26:53Z",
        "email": "keeper@example.com",
        "uri": "https://example.com/road",
        "uuid": "3f1c9a52-6d0b-4e8e-9b57-0c2a7d41e6f8",
        "ipv4": "192.0.2.1",
    }
    named = schema.get("format")
    if isinstance(named, str) and named in formats:
        return formats[named]
    text = "".join(sentences(next(numbers), 3 + next(numbers) % 3)).rstrip(".")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < (least := min(least, 10_000)):
        text = (text + " ") * (least // (len(text) + 1) + 1)
        text = text[:least].rstrip().ljust(least, ".")
    return text[:most] if isinstance(most, int) else text


def _number(schema: Object, numbers: Iterator[int], *, whole: bool) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    least = low if isinstance(low, int | float) else 0 if not isinstance(high, int | float) else high - 100
    most = high if isinstance(high, int | float) else least + 100
    step = next(numbers) % 101
    value = least + (most - least) * step / 100
    if not whole:
        return value
    return min(max(round(value), int(least)), int(most))


def _array(schema: Object, root: Object, numbers: Iterator[int], depth: int) -> list[object]:
    items = schema.get("items")
    least = schema.get("minItems")
    count = least if isinstance(least, int) else 0 if depth > _MAX_DEPTH else 1
    return [example(items if isinstance(items, dict) else {"type": "string"}, root, numbers, depth + 1)] * min(
        count, 100
    )


def _object(schema: Object, root: Object, numbers: Iterator[int], depth: int) -> Object:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    needed = schema.get("required")
    wanted = needed if depth > _MAX_DEPTH and isinstance(needed, list) else list(properties)
    if depth > 4 * _MAX_DEPTH:
        return {}
    return {
        name: example(properties[name], root, numbers, depth + 1)
        for name in wanted
        if isinstance(properties.get(name), dict)
    }


def answer_seed(base: int, index: int) -> int:
    """Return the seed of choice `index`; the first keeps `base`, so that it does not depend on how many there are."""
    return base if index == 0 else digest(base.to_bytes(8, "little"), index.to_bytes(4, "little"))
