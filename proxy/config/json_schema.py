"""JSON Schema of the configuration, for editors, Helm and docs; made from the Structs.

msgspec knows the decoded types; the file may also write a duration as ``5s``, a size as ``64MiB`` and any value as a reference.
"""

import msgspec

from . import units
from .decode import bare, struct_info
from .schema import Config
from .secrets import Secret
from .show import Plain

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{|^file:"


def json_schema() -> dict[str, Plain]:
    """The schema of a whole file. Nothing is required that the loader does not require."""
    (top,), parts = msgspec.json.schema_components([Config], schema_hook=_secret, ref_template="#/$defs/{name}")
    defs = {name: part for name, part in parts.items() if name != "Config"}
    for kind in _structs():
        _widen(kind, parts[kind.__name__])
    assert top == {"$ref": "#/$defs/Config"}
    return {"$schema": DIALECT, **parts["Config"], "title": "Tollway configuration", "$defs": defs}


def _secret(kind: type) -> dict[str, Plain]:
    if kind is Secret:
        return {"type": "string"}
    if kind is object:
        return {"description": "JSON of any shape"}
    raise NotImplementedError(kind.__name__)


def _structs() -> list[type[msgspec.Struct]]:
    """Config and every Struct below it."""
    found: list[type[msgspec.Struct]] = []
    todo: list[msgspec.inspect.Type] = [struct_info(Config)]
    while todo:
        info, _, _ = bare(todo.pop())
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in found:
            found.append(info.cls)
            todo += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.DictType):
            todo.append(info.value_type)
        elif isinstance(info, msgspec.inspect.VarTupleType):
            todo.append(info.item_type)
    return found


def _widen(kind: type[msgspec.Struct], part: dict[str, Plain]) -> None:
    """Lets scalars be written as the loader reads them."""
    properties = part["properties"]
    assert isinstance(properties, dict)
    for field in struct_info(kind).fields:
        info, unit, _ = bare(field.type)
        pattern = {"seconds": units.DURATION_PATTERN, "bytes": units.SIZE_PATTERN}.get(unit or "")
        if not isinstance(
            info,
            msgspec.inspect.IntType
            | msgspec.inspect.FloatType
            | msgspec.inspect.BoolType
            | msgspec.inspect.LiteralType,
        ):
            continue
        entry = properties[field.encode_name]
        assert isinstance(entry, dict)
        written: Plain = {"type": "string", "pattern": f"{pattern}|{_REFERENCE}" if pattern else _REFERENCE}
        default = {"default": entry.pop("default")} if "default" in entry else {}
        choices = entry.pop("anyOf", None)
        plain = choices if isinstance(choices, list) else [dict(entry)]
        properties[field.encode_name] = {"anyOf": [*plain, written], **default}
