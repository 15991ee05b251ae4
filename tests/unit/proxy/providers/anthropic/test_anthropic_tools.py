"""Tools, the choice among them, and schemas that Anthropic takes."""

from typing import Any

import orjson
import pytest

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.providers.anthropic.host import Host
from proxy.providers.anthropic.schema import object_root, strict
from proxy.translation.ask import Ask

PLAIN = Behaviour(max_output=100)
ALWAYS = Behaviour(thinking="always", forced_tools=False, sampling="no", max_output=100)
USER = {"role": "user", "content": "Hi"}


def tool(name: str = "find", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def translate(behaviour: Behaviour = PLAIN, host: Host | None = None, **chat: Any) -> tuple[dict[str, Any], Ask]:
    ask = Ask(model="m", behaviour=behaviour)
    chat.setdefault("messages", [USER])
    body: dict[str, Any] = orjson.loads(AnthropicChat(host).encode(chat, ask).body)
    return body, ask


def test_functions() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    body, ask = translate(
        tools=[tool("a", description="Finds.", parameters=schema), tool("b"), tool("c", parameters={})]
    )
    empty = {"type": "object", "properties": {}}
    assert body["tools"] == [
        {"name": "a", "description": "Finds.", "input_schema": schema},
        {"name": "b", "input_schema": empty},
        {"name": "c", "input_schema": empty},
    ]
    assert "tool_choice" not in body
    assert (ask.notes.dropped, ask.notes.rewritten) == ([], [])


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        ("auto", None, None),
        ("auto", True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "b"}}, None, {"type": "tool", "name": "b"}),
    ],
)
def test_choices(choice: object, parallel: object, sent: object) -> None:
    body, ask = translate(tools=[tool("a"), tool("b")], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == sent
    assert len(body["tools"]) == 2
    assert (ask.notes.dropped, ask.notes.rewritten) == ([], [])


@pytest.mark.parametrize(("kind", "sent"), [("auto", None), ("any", {"type": "any"}), ("none", {"type": "none"})])
def test_choices_in_anthropics_own_words(kind: str, sent: object) -> None:
    assert translate(tools=[tool()], tool_choice={"type": kind})[0].get("tool_choice") == sent


def test_tools_in_other_spellings() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    flat = {"type": "function", "name": "a.b", "parameters": schema}
    own = {"name": "c.d", "input_schema": schema, "cache_control": {"type": "ephemeral"}}
    body, ask = translate(tools=[flat, own])
    assert [declared["input_schema"] for declared in body["tools"]] == [schema, schema]
    assert [ask.names.back(declared["name"]) for declared in body["tools"]] == ["a.b", "c.d"]
    assert body["tools"][1]["cache_control"] == {"type": "ephemeral"}


def test_allowed_tools_are_the_only_ones() -> None:
    wanted = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("b")]}}
    body, _ = translate(tools=[tool("a"), tool("b")], tool_choice=wanted)
    assert [declared["name"] for declared in body["tools"]] == ["b"]
    assert body["tool_choice"] == {"type": "any"}


def test_a_call_that_cannot_be_forced_is_asked_for() -> None:
    named = {"type": "function", "function": {"name": "b"}}
    body, ask = translate(ALWAYS, tools=[tool("a"), tool("b")], tool_choice=named)
    assert [declared["name"] for declared in body["tools"]] == ["b"]
    assert "tool_choice" not in body
    assert "tool b" in body["system"]
    assert ask.notes.rewritten == ["tool_choice"]
    body, _ = translate(ALWAYS, tools=[tool("a"), tool("b")], tool_choice="required", parallel_tool_calls=False)
    assert len(body["tools"]) == 2
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    manual = Behaviour(thinking="manual", max_output=9000)
    body, _ = translate(manual, tools=[tool("a")], tool_choice="required", reasoning_effort="low")
    assert "tool_choice" not in body
    assert translate(manual, tools=[tool("a")], tool_choice="required")[0]["tool_choice"] == {"type": "any"}


def test_names_that_would_be_refused_come_back_as_they_were() -> None:
    names = ["a.b", "a_b", "a b", "x" * 200, "x" * 201, "ok"]
    body, ask = translate(tools=[tool(name) for name in names])
    sent = [declared["name"] for declared in body["tools"]]
    assert len(set(sent)) == len(names)
    assert all(len(name) <= 128 and name.replace("_", "").replace("-", "").isalnum() for name in sent)
    assert [ask.names.back(name) for name in sent] == names
    assert sent[1] == "a_b"
    assert sent[-1] == "ok"
    short, _ = translate(host=Host(name_limit=64), tools=[tool("x" * 65)])
    assert len(short["tools"][0]["name"]) <= 64


def test_a_choice_and_the_history_use_the_renamed_tool() -> None:
    made = {"id": "c", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}
    history = [USER, {"role": "assistant", "tool_calls": [made]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    choice = {"type": "function", "function": {"name": "a.b"}}
    body, _ = translate(messages=history, tools=[tool("a.b")], tool_choice=choice)
    name = body["tools"][0]["name"]
    assert name != "a.b"
    assert body["tool_choice"]["name"] == name
    assert body["messages"][1]["content"][0]["name"] == name


def test_calls_of_the_history_need_their_tools_declared() -> None:
    made = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    history = [USER, {"role": "assistant", "tool_calls": [made]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    body, _ = translate(messages=history)
    assert body["tools"] == [{"name": "find", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


def test_strict_tools() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}}
    body, ask = translate(tools=[tool(parameters=schema, strict=True)])
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    assert ask.notes.rewritten == ["tools[].function.parameters"]
    old = Behaviour(json_schema=False, max_output=100)
    body, ask = translate(old, tools=[tool(parameters=schema, strict=True)])
    assert body["tools"][0] == {"name": "find", "input_schema": schema}
    assert ask.notes.dropped == ["tools[].function.strict"]
    assert "strict" not in translate(tools=[tool(strict=False)])[0]["tools"][0]


def test_anthropics_own_tools_and_members_pass() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    marked = {**tool(), "cache_control": {"type": "ephemeral"}, "defer_loading": True}
    body, ask = translate(tools=[search, marked])
    assert body["tools"][0] == search
    assert body["tools"][1]["cache_control"] == {"type": "ephemeral"}
    assert body["tools"][1]["defer_loading"] is True
    assert ask.notes.dropped == []
    assert translate(tools=[{"type": "file_search"}])[1].notes.dropped == ["tools[]"]


def test_web_search() -> None:
    place = {"type": "approximate", "approximate": {"city": "Oslo"}}
    body, ask = translate(web_search_options={"user_location": place, "search_context_size": "high"})
    location = {"type": "approximate", "city": "Oslo"}
    assert body["tools"] == [{"type": "web_search_20250305", "name": "web_search", "user_location": location}]
    assert ask.notes.dropped == ["web_search_options.search_context_size"]
    assert translate(host=Host(web_search=False), web_search_options={})[1].notes.dropped == ["web_search_options"]


def test_tools_that_take_free_text() -> None:
    custom = {"type": "custom", "custom": {"name": "sh", "description": "Runs.", "format": {"type": "grammar"}}}
    made = {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    history = [USER, {"role": "assistant", "tool_calls": [made]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    body, ask = translate(messages=history, tools=[custom])
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "ls"}
    assert ask.notes.rewritten == ["tools[].custom"]
    assert ask.notes.dropped == ["tools[].custom.format"]


def test_a_choice_without_tools() -> None:
    assert translate(tool_choice="required")[1].notes.dropped == ["tool_choice"]
    assert translate(tool_choice="auto", parallel_tool_calls=False)[1].notes.dropped == []
    with pytest.raises(InvalidRequest):
        translate(tools=[tool()], tool_choice={"type": "function"})
    with pytest.raises(InvalidRequest):
        translate(tools=[{"type": "function", "function": {}}])


# ---- schemas --------------------------------------------------------------------------------------------------------


def test_strict_schemas_close_every_object_and_put_limits_in_words() -> None:
    found, lost = strict(
        {
            "type": "object",
            "properties": {
                "when": {"type": "string", "format": "date-time"},
                "what": {"type": "string", "format": "color", "minLength": 2, "description": "A colour."},
                "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "object", "properties": {}}},
                "several": {"type": "array", "minItems": 2},
                "either": {"oneOf": [{"type": "string"}, {"type": ["object", "null"]}]},
                "minimum": {"type": "integer"},
            },
            "$defs": {"inner": {"type": "object", "properties": {"x": {"type": "number", "multipleOf": 2}}}},
            "additionalProperties": {"type": "string"},
        }
    )
    assert lost
    properties: Any = found["properties"]
    assert properties["when"] == {"type": "string", "format": "date-time"}
    assert properties["what"] == {"type": "string", "description": 'A colour. (format: "color"; minLength: 2)'}
    assert properties["list"]["minItems"] == 1
    assert "maxItems" not in properties["list"]
    assert properties["list"]["items"]["additionalProperties"] is False
    assert properties["several"] == {"type": "array", "description": "(minItems: 2)"}
    assert properties["either"]["anyOf"] == [
        {"type": "string"},
        {"type": ["object", "null"], "additionalProperties": False},
    ]
    assert properties["minimum"] == {"type": "integer"}, "a property may be called like a keyword"
    assert found["additionalProperties"] is False
    definitions: Any = found["$defs"]
    assert definitions["inner"]["properties"]["x"] == {"type": "number", "description": "(multipleOf: 2)"}


def test_a_constraint_that_no_encoder_writes_is_named() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"not": deep}
    assert strict({"type": "string", **deep}) == ({"type": "string", "description": "(not: …)"}, True)


def test_a_schema_that_is_strict_already_stays_as_it_is() -> None:
    schema: Any = {
        "type": "object",
        "properties": {"a": {"enum": [1, 2]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert strict(schema) == (schema, False)


def test_the_root_becomes_an_object() -> None:
    one: Any = {"type": "object", "properties": {"a": {"type": "string"}, "k": {}}, "required": ["a", "k"]}
    two: Any = {"type": "object", "properties": {"b": {"type": "string"}, "k": {}}, "required": ["b", "k"]}
    either, merged = object_root({"anyOf": [one, two], "$defs": {}})
    assert merged
    assert either == {
        "type": "object",
        "properties": {**one["properties"], **two["properties"]},
        "required": ["k"],
        "$defs": {},
    }
    assert object_root({"allOf": [one, two]})[0]["required"] == ["a", "k", "b"]
    assert object_root({"properties": {"a": {}}}) == ({"type": "object", "properties": {"a": {}}}, False)
    assert object_root({"type": "string"})[1], "a schema of another type is changed, not only spelt out"
    assert object_root(one) == (one, False)
