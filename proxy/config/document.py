"""Configuration text as a tree that remembers where each value stands. YAML by its 1.2 core rules (``off`` is a word), JSON, TOML.

The YAML events are walked with a stack of our own: depth, size and alias expansion are bounded whatever the file says.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import NoReturn

import yaml
from msgspec import Struct

from .problems import ConfigError, Problem

MAX_FILE = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 50_000
_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?[0-9]{1,40}|0x[0-9a-fA-F]{1,32}|0o[0-7]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None}
for _word, _meaning in (("null", None), ("true", True), ("false", False)):
    _WORDS |= {_word: _meaning, _word.capitalize(): _meaning, _word.upper(): _meaning}
_TAG = "tag:yaml.org,2002:"

type_names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


class Node(Struct, eq=False, frozen=True):
    """A value and its place. ``text`` is a plain scalar as it was written; ``origin`` a file, variable or flag."""

    value: "dict[str, Node] | list[Node] | str | int | float | bool | None"
    origin: str
    line: int | None = None
    text: str | None = None

    @property
    def kind(self) -> str:
        """The value's type in plain words."""
        return "nothing" if self.value is None else type_names[type(self.value)]


def parse(text: str, *, name: str, suffix: str) -> Node:
    """The document as a tree. ``suffix`` picks the format (``.json``, ``.toml``, else YAML). Raises ConfigError."""
    if suffix == ".json":
        return _json(text, name)
    if suffix == ".toml":
        return _toml(text, name)
    return parse_yaml(text, name=name)


def plain(value: object, *, origin: str, places: Node | None = None, depth: int = 0) -> Node:
    """Parsed JSON or TOML as a tree; ``places`` is the same document with lines, when there is one."""
    line = places.line if places is not None else None
    if depth > MAX_DEPTH:
        raise ConfigError([Problem(message=f"nested deeper than {MAX_DEPTH} levels", where=origin, line=line)])
    inside = places.value if places is not None else None
    if isinstance(value, Mapping):
        known = inside if isinstance(inside, dict) else {}
        return Node(
            {str(k): plain(v, origin=origin, places=known.get(str(k)), depth=depth + 1) for k, v in value.items()},
            origin,
            line,
        )
    if isinstance(value, list):
        items = inside if isinstance(inside, list) and len(inside) == len(value) else [None] * len(value)
        return Node(
            [plain(v, origin=origin, places=p, depth=depth + 1) for v, p in zip(value, items, strict=True)],
            origin,
            line,
        )
    if value is None or isinstance(value, str | bool | int | float):
        return Node(value, origin, line)
    return Node(str(value), origin, line)


class _Duplicate(ValueError):
    """A key given twice in one JSON object."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Duplicate
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def read_json(text: str, *, origin: str) -> object:
    """Strict JSON: no NaN, no duplicate keys, bounded depth. Raises ConfigError that names the place and not the text."""
    line = column = None
    try:
        value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        message, line, column = f"not valid JSON: {_quiet(error.msg)}", error.lineno, error.colno
    except _Duplicate:
        message = "not valid JSON: a key is given twice in one object"
    except ValueError:
        message = "not valid JSON: a number cannot be used (NaN, Infinity or far too long)"
    except RecursionError:
        message = f"nested deeper than {MAX_DEPTH} levels"
    else:
        return value
    raise ConfigError([Problem(message=message, where=origin, line=line, column=column)])


def _json(text: str, name: str) -> Node:
    if not text.strip():
        return Node({}, name)
    places: Node | None = None
    try:
        places = parse_yaml(text, name=name)
    except ConfigError as error:
        if error.problems[0].message.startswith("key is given twice"):
            raise
    return plain(read_json(text, origin=name), origin=name, places=places)


def _toml(text: str, name: str) -> Node:
    for number, line in enumerate(text.splitlines(), start=1):
        # tomllib needs quadratic time for dotted keys, so absurd ones do not reach it.
        if line.count(".") > MAX_DEPTH and max(part.count(".") for part in line.split("=")) > MAX_DEPTH:
            raise ConfigError([Problem(message=f"nested deeper than {MAX_DEPTH} levels", where=name, line=number)])
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
    except (ValueError, RecursionError):
        said = "a value cannot be used (nested too deep, or a number far too long)"
    else:
        return plain(value, origin=name)
    at = re.search(r"\(at line (\d+), column (\d+)\)", said)
    raise ConfigError(
        [
            Problem(
                message=f"not valid TOML: {_quiet(said.split(' (at ')[0])}",
                where=name,
                line=int(at[1]) if at else text.count("\n") + 1,
                column=int(at[2]) if at else None,
            )
        ]
    )


def _quiet(sentence: str) -> str:
    """A parser's sentence without what it quotes: that can be a secret."""
    return re.sub(r"""\s*(["']).{2,}\1""", "", sentence, flags=re.DOTALL).strip()


def parse_yaml(text: str, *, name: str) -> Node:
    """One YAML document; an empty one is an empty mapping. Raises ConfigError with line and column."""
    try:
        return _Builder(name).build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(_quiet(part) for part in (error.context, error.problem) if part)
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        said = "it holds a character that YAML does not allow"
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    hint = _advice(text, place[0])
    raise ConfigError([Problem(message=f"not valid YAML: {said}{hint}", where=name, line=place[0], column=place[1])])


def _advice(text: str, line: int | None) -> str:
    lines = text.splitlines()
    if line is None or not 0 < line <= len(lines):
        return ""
    bad = lines[line - 1]
    if "\t" in bad[: len(bad) - len(bad.lstrip())]:
        return "; indent with spaces, YAML allows no tabs"
    if re.search(r":\s+[@`*&!%]", bad):
        return "; put quotes around a value that starts with @ ` * & ! or %"
    return ""


def _place(event: yaml.Event) -> tuple[int, int]:
    """Line and column where the event starts, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


class _Frame:
    """A mapping or list that is still being read."""

    __slots__ = ("anchor", "items", "key", "keys", "line", "merges", "size")

    def __init__(self, line: int, anchor: str | None, *, mapping: bool) -> None:
        self.line = line
        self.anchor = anchor
        self.size = 1
        self.items: list[Node] = []
        self.keys: dict[str, Node] | None = {} if mapping else None
        self.key: Node | None = None
        self.merges: list[Node] = []


class _Builder:
    """Turns YAML events into Nodes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._total = 0
        self._root: Node | None = None

    def build(self, text: str) -> Node:
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fail("a second document starts here; keep one configuration a file", event)
            elif isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event), 1, event, anchor=event.anchor)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._close(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
        if self._root is None or (self._root.value is None and self._root.text in ("", None)):
            return Node({}, self._name)
        return self._root

    def _fail(self, message: str, event: yaml.Event) -> NoReturn:
        line, column = _place(event)
        raise ConfigError([Problem(message=message, where=self._name, line=line, column=column)])

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH} levels", event)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if mapping else "seq")):
            self._fail("YAML tags are not supported", event)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.keys is not None and frame.key is None:
            self._fail("a key must be a plain word, not a list or mapping", event)
        self._stack.append(_Frame(_place(event)[0], event.anchor, mapping=mapping))

    def _close(self, event: yaml.Event) -> None:
        frame = self._stack.pop()
        if frame.keys is None:
            node = Node(frame.items, self._name, frame.line)
        else:
            for merged in frame.merges:
                assert isinstance(merged.value, dict)
                for key, value in merged.value.items():
                    frame.keys.setdefault(key, value)
            node = Node(frame.keys, self._name, frame.line)
        self._add(node, frame.size, event, anchor=frame.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        found = self._anchors.get(event.anchor or "")
        if found is None:
            self._fail("an alias has no finished anchor before it; quote a value that starts with *", event)
        self._add(found[0], found[1], event, anchor=None)

    def _add(self, node: Node, size: int, event: yaml.Event, *, anchor: str | None) -> None:
        if not isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._total += size
            if self._total > MAX_NODES:
                self._fail(f"more than {MAX_NODES} values, aliases expanded", event)
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.size += size
        if frame.keys is None:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node, frame.keys, event)
        elif frame.key.value == "<<" and frame.key.text is not None:
            self._merge(frame, node, event)
            frame.key = None
        else:
            name = str(frame.key.value)
            # A key's own line tells more than the line its nested block starts on.
            frame.keys[name] = Node(node.value, node.origin, frame.key.line, node.text)
            frame.key = None

    def _key(self, node: Node, keys: dict[str, Node], event: yaml.Event) -> Node:
        name = node.value if isinstance(node.value, str) else node.text
        if name is None or isinstance(node.value, dict | list):
            self._fail("a key must be a plain word, not a list or mapping", event)
        if name in keys:
            self._fail(f"key is given twice in one mapping (first on line {keys[name].line})", event)
        return Node(name, self._name, node.line, node.text)

    def _merge(self, frame: _Frame, node: Node, event: yaml.Event) -> None:
        merged = node.value if isinstance(node.value, list) else [node]
        if not all(isinstance(item.value, dict) for item in merged):
            self._fail('"<<" takes a mapping or a list of mappings', event)
        frame.merges.extend(merged)

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        line = _place(event)[0]
        text = event.value
        tag = event.tag
        if tag not in (None, "!") and tag not in {_TAG + kind for kind in ("str", "int", "float", "bool", "null")}:
            self._fail("YAML tags are not supported; quote a value that starts with !", event)
        if (tag is None and event.style) or tag in ("!", _TAG + "str"):
            return Node(text, self._name, line)
        value: str | int | float | bool | None = text
        if text in _WORDS:
            value = _WORDS[text]
        elif _INT.fullmatch(text):
            value = int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        elif _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            value = float(text)
        return Node(value, self._name, line, text)
