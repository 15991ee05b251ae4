"""From the tree to frozen Structs: every problem found in one go, with its path and place.

msgspec's own conversion stops at the first error, so the Structs are walked here; they stay the only definition.
"""

import math
from collections.abc import Iterable
from functools import cache

from msgspec import NODEFAULT, Struct, inspect

from . import later, units
from .document import Node
from .problems import CONTROL, Path, Problem, dotted, nearest
from .secrets import BadReference, Hidden, References, Secret

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Invalid:
    """Stands where a value could not be made; its problem is already noted."""


INVALID = Invalid()


@cache
def struct_info(kind: type[Struct]) -> inspect.StructType:
    """The Struct's fields as msgspec sees them."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info


def bare(info: inspect.Type) -> tuple[inspect.Type, str | None, bool]:
    """A type without its wrapping: (the type, its unit, may it be null)."""
    unit: str | None = None
    optional = False
    while True:
        if isinstance(info, inspect.Metadata):
            unit = (info.extra or {}).get("unit", unit)
            info = info.type
        elif isinstance(info, inspect.UnionType):
            optional = True
            (info,) = (item for item in info.types if not isinstance(item, inspect.NoneType))
        else:
            return info, unit, optional


def default_of(field: inspect.Field) -> object:
    """The field's default, made anew."""
    if field.default is not NODEFAULT:
        return field.default
    return field.default_factory() if callable(field.default_factory) else INVALID


class Decoder:
    """One decoding: what was wrong, where each value came from, what stands where."""

    def __init__(self, references: References) -> None:
        self.problems: list[Problem] = []
        self.origins: dict[str, str] = {}
        self.expanded: set[Path] = set()
        self._references = references
        self._nodes: dict[Path, Node] = {}

    def problem(self, path: Path, message: str, *, hint: str | None = None) -> Invalid:
        """Notes a problem at the nearest place that is known."""
        near = path
        while near and near not in self._nodes:
            near = near[:-1]
        node = self._nodes.get(near)
        where, line = (node.origin, node.line) if node is not None else (None, None)
        self.problems.append(Problem(message=message, path=dotted(path), where=where, line=line, hint=hint))
        return INVALID

    def touched(self, path: Path) -> bool:
        """Does a problem at or below ``path`` stand already?"""
        return any(problem.path.startswith(dotted(path)) for problem in self.problems)

    def struct(self, node: Node, info: inspect.StructType, path: Path, base: object = None) -> object:
        """The Struct, with defaults in place of bad fields so that later checks still run; INVALID without a required one.

        ``base``: a Struct whose fields are the defaults, where the parent's default says more than the type's own.
        """
        self._nodes[path] = node
        if node.value is None:
            node = Node({}, node.origin, node.line)
        if not isinstance(node.value, dict):
            return self.problem(path, f"expected a mapping, got {node.kind}")
        fields = {field.encode_name: field for field in info.fields}
        for name, child in node.value.items():
            if name not in fields:
                self._nodes[(*path, name)] = child
                self._unknown((*path, name), name, info.cls.__name__, fields)
        values: dict[str, object] = {}
        broken = False
        for name, field in fields.items():
            child_path = (*path, name)
            if name in node.value:
                value = self.value(node.value[name], field.type, child_path, default_of(field))
            elif field.required:
                value = self.problem(child_path, "required, and missing")
            else:
                value = INVALID
            if isinstance(value, Invalid):
                value = default_of(field) if base is None else getattr(base, field.name)
            broken = broken or isinstance(value, Invalid)
            values[field.name] = value
        return INVALID if broken else info.cls(**values)

    def _unknown(self, path: Path, name: str, kind: str, known: Iterable[str]) -> None:
        if name in later.KEYS.get(kind, ()):
            self.problem(path, "not in this version: remove the key")
        else:
            names = sorted(known)
            hint = nearest(name, names)
            self.problem(path, "unknown key" if hint else f"unknown key (known: {', '.join(names)})", hint=hint)

    def value(self, node: Node, info: inspect.Type, path: Path, base: object = None) -> object:
        """A value of the wanted type, or INVALID with its problem noted."""
        self._nodes[path] = node
        kind, unit, optional = bare(info)
        if optional and node.value is None:
            self._origin(node, path)
            return None
        if isinstance(kind, inspect.StructType):
            return self.struct(node, kind, path, base if isinstance(base, kind.cls) else None)
        if isinstance(kind, inspect.DictType):
            return self._mapping(node, kind, path)
        if isinstance(kind, inspect.VarTupleType):
            return self._sequence(node, kind, path)
        if isinstance(kind, inspect.CustomType) and kind.cls is object:
            return self._free(node, path)
        if isinstance(node.value, dict | list):
            wanted = "a number" if isinstance(kind, inspect.IntType | inspect.FloatType) else "a single value"
            return self.problem(path, f"expected {wanted}, got {node.kind}")
        return self._leaf(node, kind, path, unit=unit, optional=optional)

    def _origin(self, node: Node, path: Path) -> None:
        self.origins[dotted(path)] = node.origin if node.line is None else f"{node.origin}:{node.line}"

    def _mapping(self, node: Node, kind: inspect.DictType, path: Path) -> object:
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            return self.problem(path, f"expected a mapping, got {node.kind}")
        result: dict[str, object] = {}
        for name, child in node.value.items():
            if not name.strip() or CONTROL.search(name):
                self._nodes[(*path, name)] = child
                said = "the name holds a control character" if name.strip() else "the name is empty"
                self.problem((*path, name), said)
                continue
            value = self.value(child, kind.value_type, (*path, name))
            if not isinstance(value, Invalid):
                result[name] = value
        return result

    def _sequence(self, node: Node, kind: inspect.VarTupleType, path: Path) -> object:
        if node.value is None:
            node = Node([], node.origin, node.line)
        if not isinstance(node.value, list):
            return self.problem(path, f"expected a list, got {node.kind}")
        if kind.max_length is not None and len(node.value) > kind.max_length:
            self.problem(path, f"has {len(node.value)} entries: at most {kind.max_length} are allowed")
        if kind.min_length is not None and len(node.value) < kind.min_length:
            return self.problem(path, f"needs at least {kind.min_length} entry")
        if not node.value:
            self._origin(node, path)
        found = [self.value(child, kind.item_type, (*path, index)) for index, child in enumerate(node.value)]
        return tuple(value for value in found if not isinstance(value, Invalid))

    def _free(self, node: Node, path: Path) -> object:
        """A value of any shape, with the references in its texts resolved; those come back as ``Hidden``."""
        self._nodes[path] = node
        if isinstance(node.value, dict):
            return {name: self._free(child, (*path, name)) for name, child in node.value.items()}
        if isinstance(node.value, list):
            return [self._free(child, (*path, index)) for index, child in enumerate(node.value)]
        self._origin(node, path)
        if not isinstance(node.value, str):
            return node.value
        try:
            text, expanded = self._references.resolve(node.value)
        except BadReference as error:
            return self.problem(path, str(error))
        if expanded:
            self.expanded.add(path)
        return Hidden(text) if expanded else text

    def _leaf(self, node: Node, kind: inspect.Type, path: Path, *, unit: str | None, optional: bool) -> object:
        self._origin(node, path)
        raw = node.value
        if isinstance(raw, str):
            try:
                raw, expanded = self._references.resolve(raw)
            except BadReference as error:
                return self.problem(path, str(error))
            if expanded:
                self.expanded.add(path)
                if not raw and optional:
                    return None
        if isinstance(kind, inspect.StrType | inspect.CustomType):
            return self._text(node, raw, kind, path)
        if isinstance(kind, inspect.LiteralType):
            return self._choice(raw, kind, path)
        if isinstance(kind, inspect.BoolType):
            return self._flag(raw, path)
        assert isinstance(kind, inspect.IntType | inspect.FloatType)
        return self._number(raw, kind, path, unit=unit)

    def _text(self, node: Node, raw: object, kind: inspect.StrType | inspect.CustomType, path: Path) -> object:
        if not isinstance(raw, str):
            if raw is None or node.text is None:
                return self.problem(path, f"expected text, got {node.kind}; put quotes around it")
            raw = node.text
        if not raw.isascii() and any("\ud800" <= character <= "\udfff" for character in raw):
            return self.problem(path, "holds half of a character (a lone surrogate)")
        if isinstance(kind, inspect.CustomType):
            assert kind.cls is Secret
            return Secret(raw)
        if kind.min_length is not None and len(raw) < kind.min_length:
            return self.problem(path, "must not be empty")
        if kind.max_length is not None and len(raw) > kind.max_length:
            return self.problem(path, f"must not be longer than {kind.max_length} characters")
        return raw

    def _choice(self, raw: object, kind: inspect.LiteralType, path: Path) -> object:
        if raw in kind.values:
            return raw
        choices = [str(value) for value in kind.values]
        hint = nearest(raw, choices) if isinstance(raw, str) and path not in self.expanded else None
        return self.problem(path, f"must be one of {', '.join(choices)}", hint=hint)

    def _flag(self, raw: object, path: Path) -> object:
        if isinstance(raw, bool):
            return raw
        word = raw.strip().casefold() if isinstance(raw, str) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        return self.problem(path, "expected true or false")

    def _number(
        self, raw: object, kind: inspect.IntType | inspect.FloatType, path: Path, *, unit: str | None
    ) -> object:
        value: int | float | None = None
        if isinstance(kind, inspect.IntType):
            wanted = "a size such as 64MiB, or bytes" if unit == "bytes" else "a whole number"
            if isinstance(raw, int) and not isinstance(raw, bool):
                value = raw
            elif isinstance(raw, str):
                value = units.size(raw) if unit == "bytes" or raw.strip().isdecimal() else None
        else:
            wanted = "a duration such as 500ms, 5s or 2m, or seconds" if unit == "seconds" else "a number"
            if isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < 1e300:
                value = float(raw)
            elif isinstance(raw, str):
                value = units.seconds(raw)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return self.problem(path, f"expected {wanted}")
        return self._range(value, kind, path)

    def _range(self, value: int | float, kind: inspect.IntType | inspect.FloatType, path: Path) -> object:
        if kind.gt is not None and value <= kind.gt:
            return self.problem(path, f"must be more than {kind.gt:g}")
        if kind.ge is not None and value < kind.ge:
            return self.problem(path, f"must be at least {kind.ge:g}")
        if kind.le is not None and value > kind.le:
            return self.problem(path, f"must be at most {kind.le:.10g}")
        if kind.lt is not None and value >= kind.lt:
            return self.problem(path, f"must be less than {kind.lt:.10g}")
        return value
