"""JSON Schema, documentation and Structs say the same."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from msgspec import Struct, inspect

from proxy.config import Config, Loaded, Secret
from proxy.config.decode import Invalid, bare, default_of, struct_info
from proxy.config.json_schema import json_schema
from proxy.config.later import KEYS
from proxy.config.units import seconds, size
from proxy.policy.terms import Budget, Limits, Plan

LoadText = Callable[..., Loaded]

PAGE = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("```yaml\n")[1].split("```")[0]
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)


SHARED = {Limits: "<limits>", Budget: "<budget>", Plan: "<plan>"}
"""Structs that are written in several places and described once."""


def keys(info: inspect.Type, path: str, base: object = None) -> Iterator[tuple[str, inspect.Field, object]]:
    """Every leaf key as the page writes it, with its default."""
    info, _, _ = bare(info)
    if isinstance(info, inspect.VarTupleType) and shared(info.item_type):
        return
    if shared(info) and not path.startswith("<"):
        return
    if isinstance(info, inspect.DictType):
        yield from keys(info.value_type, f"{path}.<name>")
    elif isinstance(info, inspect.VarTupleType):
        yield from keys(info.item_type, f"{path}[]")
    elif isinstance(info, inspect.StructType):
        for field in info.fields:
            name = f"{path}.{field.encode_name}".lstrip(".")
            default = default_of(field) if base is None else getattr(base, field.name)
            found = list(keys(field.type, name, default if isinstance(default, Struct) else None))
            if not found or name.endswith(".targets"):
                yield name, field, default
            yield from found


def shared(info: inspect.Type) -> bool:
    """Is it described in a place of its own?"""
    info, _, _ = bare(info)
    return isinstance(info, inspect.StructType) and info.cls in SHARED


DOCUMENTED = {match[1]: match for match in ROW.finditer(PAGE.split("## Keys")[1].split("## Without a file")[0])}
KNOWN = {name: (field, default) for name, field, default in keys(struct_info(Config), "")}
for _kind, _place in SHARED.items():
    KNOWN |= {name: (field, default) for name, field, default in keys(struct_info(_kind), _place)}


def test_every_key_is_documented_and_no_other() -> None:
    assert set(DOCUMENTED) == set(KNOWN)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_documented_default_is_the_default(name: str) -> None:
    field, default = KNOWN[name]
    _, unit, _ = bare(field.type)
    written = DOCUMENTED[name][3].strip()
    text = written.strip("`")
    if isinstance(default, Invalid):
        assert written.startswith("*required*")
    elif default is None:
        assert written == "—"
    elif unit == "seconds":
        assert seconds(text) == default
    elif unit == "bytes":
        assert size(text) == default
    elif isinstance(default, Struct):
        assert text == "{}"
        assert default == type(default)()
    elif isinstance(default, tuple | dict | bool):
        assert json.loads(text) == (list(default) if isinstance(default, tuple) else default)
    else:
        assert text == str(default)


def test_the_page_says_which_sections_need_a_restart() -> None:
    from proxy.config.show import RESTART

    sections = PAGE.split("## Keys")[1].split("\n## ")[0].split("\n### ")[1:]
    assert {section.split("\n")[0] for section in sections} == {
        field.encode_name for field in struct_info(Config).fields
    }
    for section in sections:
        name = section.split("\n")[0]
        assert ("Needs a restart." in section) == (name in RESTART), name
        assert ("Hot." in section) == (name not in RESTART), name


def test_the_schema_is_one(load_text: LoadText) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_documented_example_is_valid_both_ways(load_text: LoadText) -> None:
    jsonschema.validate(yaml.safe_load(EXAMPLE), json_schema(), jsonschema.Draft202012Validator)
    loaded = load_text(EXAMPLE, {"APP_KEY": "sk-app", "OPENAI_API_KEY": "sk-openai"})
    assert set(loaded.config.models) == {"fast", "*"}
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"server": {"port": 1, "drain": "5s", "max_body": "64MiB", "health_port": None}},
        {"server": {"port": "${PORT:-8080}", "drain": "${DRAIN}"}},
        {"timeouts": {"connect": 0.5, "first_byte": None}},
        {"passthrough": {"admin": "${ADMIN}"}},
        {"auth": {"mode": "open"}},
        {"providers": {"a": {"use": "openai", "api_key": "file:/x", "headers": {"x": "${Y}"}}}},
    ],
)
def test_the_schema_takes_what_the_loader_takes(document: object) -> None:
    jsonschema.validate(document, json_schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"serverr": {}},
        {"server": {"port": 70000}},
        {"server": {"port": "many"}},
        {"server": {"drain": "soon"}},
        {"server": {"drain": -1}},
        {"server": {"tls": {"cert": "x"}}},
        {"auth": {"mode": "closed"}},
        {"keys": [{"name": "a"}]},
        {"models": {"a": {"targets": []}}},
        {"limits": {"default": {"rpm": 0}}},
        {"limits": {"rpm": 5}},
        {"cache": {"exact": {"ttl": 0}}},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(document: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema(), jsonschema.Draft202012Validator)


def test_the_schema_holds_no_secret() -> None:
    text = json.dumps(json_schema())
    assert "***" not in text
    assert Secret.__name__ not in json_schema()["$defs"]  # type: ignore[operator]


def test_no_key_is_kept_for_later_that_exists_now() -> None:
    kinds = {kind.__name__: kind for kind in _structs()}
    for name, later in KEYS.items():
        assert not later & {field.encode_name for field in struct_info(kinds[name]).fields}, name


def _structs() -> list[type[Struct]]:
    from proxy.config import json_schema as module

    return module._structs()
