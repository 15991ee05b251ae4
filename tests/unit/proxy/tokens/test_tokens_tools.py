"""Tool schemas: the rendering, word by word, and what is added around it."""

import json
from textwrap import dedent

import pytest
from tokens_reference import count

from proxy.tokens.tools import count_response_format, count_tool_choice, count_tools, render

WEATHER = {
    "name": "get_weather",
    "description": "Weather of a place.\nNow, not later.",
    "parameters": {
        "type": "object",
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "City and country"},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "days": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "where": {
                "type": "object",
                "required": ["lat"],
                "properties": {"lat": {"type": "number", "description": "Degrees"}, "exact": {"type": "boolean"}},
            },
            "free": {},
            "maybe": {"type": ["string", "null"]},
            "either": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        },
    },
}

RENDERED = dedent("""\
    namespace functions {

    // Weather of a place.
    // Now, not later.
    type get_weather = (_: {
    // City and country
    city: string,
    unit?: "c" | "f",
    days?: number,
    tags?: string[],
    where?: {
      // Degrees
      lat: number,
      exact?: boolean,
    },
    free?: any,
    maybe?: string | null,
    either?: number | string,
    }) => any;

    type ping = () => any;

    } // namespace functions""")


def test_rendering() -> None:
    assert render([WEATHER, {"name": "ping", "parameters": {"type": "object", "properties": {}}}]) == RENDERED


@pytest.mark.parametrize("shape", ["chat", "responses", "functions"])
def test_all_shapes_of_a_tool_cost_alike(shape: str) -> None:
    ping = {"name": "ping"}
    tools = {
        "chat": [{"type": "function", "function": WEATHER}, {"type": "function", "function": ping}],
        "responses": [{"type": "function", **WEATHER}, {"type": "function", **ping}],
        "functions": [WEATHER, ping],
    }[shape]
    raw = json.dumps(tools).encode()
    alone = count_tools(raw, "o200k_base", has_system=False)
    assert (alone.tokens, alone.source) == (count(RENDERED) + 9, "counted")
    assert count_tools(raw, "o200k_base", has_system=True).tokens == alone.tokens - 4
    # The plain JSON is known to cost somewhat more than what is billed.
    assert alone.tokens <= count(json.dumps(tools, separators=(",", ":"))) * 1.1


def test_built_in_tools_are_estimated_from_their_json() -> None:
    counted = count_tools(b'[{"type":"web_search"}]', "o200k_base", has_system=False)
    assert (counted.tokens, counted.source) == (count('[{"type":"web_search"}]') + 9, "estimated")


@pytest.mark.parametrize("raw", [b"[]", b"null", b"{}", b"3", b'"x"'])
def test_no_tools_cost_nothing(raw: bytes) -> None:
    assert count_tools(raw, "o200k_base", has_system=False).tokens == 0


def test_deep_schemas_end() -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    raw = json.dumps([{"name": "deep", "parameters": schema}]).encode()
    assert 200 < count_tools(raw, "o200k_base", has_system=False).tokens < len(raw)


def test_types_listed_many_times_are_rendered_once() -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(14):
        schema = {"type": ["object"] * 50 + ["array", 3], "properties": {"a": schema}}
    raw = json.dumps([{"name": "wide", "parameters": schema}]).encode()
    assert count_tools(raw, "o200k_base", has_system=False).tokens < len(raw)


@pytest.mark.parametrize(
    ("choice", "tokens"),
    [
        ("none", 1),
        ("auto", 0),
        ("required", 0),
        (None, 0),
        ({"type": "function", "function": {"name": "get_weather"}}, 7 + 2),
        ({"type": "function", "name": "get_weather"}, 7 + 2),
    ],
)
def test_tool_choice(choice: object, tokens: int) -> None:
    assert count("get_weather") == 2
    assert count_tool_choice(json.dumps(choice).encode(), "o200k_base").tokens == tokens


def test_response_format() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "number"}}}
    text = json.dumps(schema, separators=(",", ":"))
    chat = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    responses = {"type": "json_schema", "name": "n", "schema": schema}
    for wanted in (chat, responses):
        assert count_response_format(json.dumps(wanted).encode(), "o200k_base").tokens == count(text) + 20
    assert count_response_format(b'{"type":"json_object"}', "o200k_base").tokens == 0
