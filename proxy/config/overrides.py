"""Flags and ``TOLLWAY_SECTION__KEY`` variables laid over the file's tree, each leaf keeping where it came from."""

import re
from collections.abc import Mapping

from msgspec import Struct, inspect

from . import later
from .decode import bare, struct_info
from .document import Node, plain, read_json
from .problems import ConfigError, Problem, dotted, nearest

PREFIX = "TOLLWAY_"
_STEP = re.compile(r"""\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]]+)""")


class _NoSuchKey(Exception):
    """The name leads to no key."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def is_override(name: str, schema: type[Struct]) -> bool:
    """Does a variable of this name set a key? ``TOLLWAY_A__B`` always does, ``TOLLWAY_A`` when A is a section."""
    if not name.upper().startswith(PREFIX):
        return False
    steps = _steps(name)
    return len(steps) > 1 or _fold(steps[0]) in {_fold(field.encode_name) for field in struct_info(schema).fields}


def _steps(name: str) -> list[str]:
    return name[len(PREFIX) :].split("__")


def apply_environment(root: Node, schema: type[Struct], environ: Mapping[str, str], problems: list[Problem]) -> Node:
    """The tree with every ``TOLLWAY_…`` variable that names a key in place; empty ones count as not set."""
    found = [(_steps(name), name) for name, text in environ.items() if text and is_override(name, schema)]
    for steps, name in sorted(found, key=lambda item: (len(item[0]), item[1])):
        root = _apply(root, schema, steps, environ[name], f"env {name}", problems)
    return root


def apply_flags(root: Node, schema: type[Struct], overrides: Mapping[str, str], problems: list[Problem]) -> Node:
    """The tree with dotted paths (``server.port``) set from the command line."""
    for path, text in overrides.items():
        steps = [m[1] or m[2] or m[3] or "" for m in _STEP.finditer(path)]
        root = _apply(root, schema, steps, text, f"flag {path}", problems)
    return root


def _apply(root: Node, schema: type[Struct], steps: list[str], text: str, origin: str, problems: list[Problem]) -> Node:
    path: list[str | int] = []
    try:
        return _put(root, struct_info(schema), steps, text, origin, path)
    except _NoSuchKey as error:
        problems.append(Problem(message=str(error), path=dotted(tuple(path)), where=origin, hint=error.hint))
    except ConfigError as error:
        problems.extend(error.problems)
    return root


def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold())


def _put(node: Node, info: inspect.Type, steps: list[str], text: str, origin: str, path: list[str | int]) -> Node:
    kind, _, optional = bare(info)
    if not steps:
        return _leaf(node, kind, text, origin, optional=optional)
    step, rest = steps[0], steps[1:]
    if isinstance(kind, inspect.VarTupleType):
        return _put_item(node, kind, step, rest, text, origin, path)
    if not isinstance(kind, inspect.StructType | inspect.DictType):
        raise _NoSuchKey("there is nothing below this key")
    children = dict(node.value) if isinstance(node.value, dict) else {}
    if isinstance(kind, inspect.StructType):
        fields = {field.encode_name: field.type for field in kind.fields}
        name = _match(step, fields)
        if name is None:
            path.append(step.lower())
            if step.lower() in later.KEYS.get(kind.cls.__name__, ()):
                raise _NoSuchKey("not in this version: remove it")
            raise _NoSuchKey("unknown key", nearest(step.lower(), fields))
        child_type = fields[name]
    else:
        name = _match(step, children) or step.lower()
        child_type = kind.value_type
    if not name:
        raise _NoSuchKey("a name is empty")
    path.append(name)
    child = children.get(name, Node(None, origin))
    children[name] = _put(child, child_type, rest, text, origin, path)
    return Node(children, node.origin, node.line)


def _put_item(
    node: Node, kind: inspect.VarTupleType, step: str, rest: list[str], text: str, origin: str, path: list[str | int]
) -> Node:
    items = list(node.value) if isinstance(node.value, list) else []
    if not step.isdecimal() or int(step) > len(items):
        raise _NoSuchKey(f"expected a position from 0 to {len(items)}")
    index = int(step)
    path.append(index)
    if index == len(items):
        items.append(Node(None, origin))
    items[index] = _put(items[index], kind.item_type, rest, text, origin, path)
    return Node(items, node.origin, node.line)


def _match(step: str, names: Mapping[str, object]) -> str | None:
    if step in names:
        return step
    return next((name for name in names if _fold(name) == _fold(step)), None)


def _leaf(node: Node, kind: inspect.Type, text: str, origin: str, *, optional: bool) -> Node:
    if isinstance(kind, inspect.StructType | inspect.DictType | inspect.VarTupleType):
        return _merge(node, plain(read_json(text, origin=origin), origin=origin))
    if optional and text == "null":
        return Node(None, origin)
    return Node(text, origin)


def _merge(old: Node, new: Node) -> Node:
    """Mappings merge key by key, everything else is replaced."""
    if not isinstance(old.value, dict) or not isinstance(new.value, dict):
        return new
    children = dict(old.value)
    for name, child in new.value.items():
        children[name] = _merge(children[name], child) if name in children else child
    return Node(children, new.origin)
