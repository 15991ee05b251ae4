"""A configuration as plain values with every secret masked, as a flat list of leaves, and as the difference of two."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, structs

from .problems import Path, dotted
from .schema import Config
from .secrets import Hidden, Secret

RESTART = frozenset({"server", "telemetry", "storage", "state", "ledger"})
"""Sections that a running process cannot take over."""

_SECRET_NAME = re.compile(r"secret|token|password|key|credential|session", re.IGNORECASE)
"""Names in free-form settings whose texts are masked wherever they came from."""

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]


class Change(Struct, frozen=True, kw_only=True):
    """Dotted paths that differ: applied live, and waiting for a restart."""

    hot: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


def masked(value: object) -> Plain:
    """Structs as mappings, Secrets as their mask; what ``config show`` prints."""
    if isinstance(value, Hidden):
        value = Secret(value)
    if isinstance(value, Secret):
        return value.masked()
    if isinstance(value, Struct):
        return {name: masked(_covered(name, child)) for name, child in _fields(value).items()}
    if isinstance(value, Mapping):
        return {str(name): masked(child) for name, child in value.items()}
    if isinstance(value, tuple | list):
        return [masked(child) for child in value]
    assert value is None or isinstance(value, str | int | float | bool)
    return value


def _fields(value: Struct) -> dict[str, object]:
    """A Struct's fields; of one with many optional ones, such as limits, those that are set."""
    fields = structs.asdict(value)
    if not value.__struct_config__.omit_defaults:
        return fields
    unset = {field.name for field in structs.fields(value) if fields[field.name] == field.default}
    return {name: child for name, child in fields.items() if name not in unset}


def _covered(name: str, value: object) -> object:
    """Free-form ``options`` with the texts hidden whose names sound like secrets."""
    if name != "options" or not isinstance(value, Mapping):
        return value
    found: dict[str, object] = {}
    for key, child in value.items():
        hide = isinstance(child, str) and _SECRET_NAME.search(key) is not None
        found[key] = Hidden(child) if hide else _covered(name, child)
    return found


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every leaf with its path; empty mappings and lists count as leaves, Secrets stay Secrets."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, Struct):
        children = [(name, _covered(name, child)) for name, child in _fields(value).items()]
        if not children:
            return
    elif isinstance(value, Mapping):
        children = [(str(name), child) for name, child in value.items()]
    elif isinstance(value, tuple | list):
        children = list(enumerate(value))
    if not children:
        yield path, value
    for step, child in children:
        yield from leaves(child, (*path, step))


def changed(
    old: Config, new: Config, old_contents: Mapping[str, str] = {}, new_contents: Mapping[str, str] = {}
) -> Change:
    """What differs between two configurations; ``contents`` are the hashes of the files they name."""
    before: dict[Path, object] = dict(leaves(old))
    after: dict[Path, object] = dict(leaves(new))
    missing = object()
    paths = {dotted(path): path for path in (*before, *after) if before.get(path, missing) != after.get(path, missing)}
    names = set(paths)
    names |= {name for name in {*old_contents, *new_contents} if old_contents.get(name) != new_contents.get(name)}
    restart = {name for name in names if name.split(".")[0] in RESTART}
    return Change(hot=tuple(sorted(names - restart)), restart=tuple(sorted(restart)))
