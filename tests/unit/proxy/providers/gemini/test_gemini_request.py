"""Parameters, tools, schemas and thinking of a request."""

import orjson
import pytest

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.providers.gemini.dialect import Gemini
from proxy.providers.gemini.family import Family, family_of
from proxy.providers.gemini.schema import SchemaReader
from proxy.wire.values import Json, JsonObject
from tests.unit.proxy.providers.gemini.asking import BUDGET, LEVEL, ask, encode, user

OBJECT: JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def function(name: str = "f", parameters: Json = OBJECT, **more: Json) -> JsonObject:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


def test_every_parameter_has_its_place() -> None:
    to = ask("gemini-2.0-flash")
    sent = encode(
        user(
            max_completion_tokens=9,
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            n=2,
            stop="END",
            seed=3,
            frequency_penalty=0.1,
            presence_penalty=-0.1,
            logprobs=True,
            top_logprobs=2,
            modalities=["text", "audio"],
            audio={"voice": "Kore", "format": "pcm16"},
            response_format={"type": "json_object"},
            service_tier="flex",
            safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            cached_content="cachedContents/1",
            stream_options={"include_usage": True},
            store=False,
            parallel_tool_calls=True,
        ),
        to,
    )
    assert sent == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {
            "maxOutputTokens": 9,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "candidateCount": 2,
            "stopSequences": ["END"],
            "seed": 3,
            "frequencyPenalty": 0.1,
            "presencePenalty": -0.1,
            "responseLogprobs": True,
            "logprobs": 2,
            "responseModalities": ["TEXT", "AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
            "responseMimeType": "application/json",
        },
        "serviceTier": "flex",
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
    }
    assert (to.notes.dropped, to.notes.rewritten) == ([], [])


def test_what_a_model_refuses_is_dropped_by_name_unless_it_is_the_default() -> None:
    behaviour = Behaviour(sampling="no", several=False, stop=False, logprobs=False)
    to = ask("gemini-3.8-flash", behaviour)
    asked: JsonObject = {"temperature": 0, "top_k": 3, "presence_penalty": 1, "n": 2, "stop": ["a"], "logprobs": True}
    sent = encode(user(**asked, user="u1", logit_bias={"1": 2}, metadata={"K": "V"}, made_up=1), to)
    assert sent.keys() == {"contents"}
    assert to.notes.dropped == [
        "temperature", "top_k", "presence_penalty", "n", "stop", "logprobs", "metadata", "user", "logit_bias", "made_up"
    ]  # fmt: skip
    to = ask("gemini-3.8-flash", behaviour)
    encode(
        user(temperature=1, top_p=1.0, presence_penalty=0, frequency_penalty=0.0, n=1, stop=None, logprobs=False), to
    )
    assert to.notes.dropped == []


def test_penalties_travel_only_to_models_that_are_known_to_take_them() -> None:
    for model in ("gemini-2.5-pro", "gemini-3.5-flash", "gemini-2.5-flash-preview-09-2025"):
        to = ask(model)
        encode(user(frequency_penalty=0.5), to)
        assert to.notes.dropped == ["frequency_penalty"], model


def test_what_is_too_much_is_cut_and_said_so() -> None:
    to = ask()
    config = encode(user(n=9, stop=["1", "2", "3", "4", "5", "6"], seed=2**40 + 5), to)["generationConfig"]
    assert config == {"candidateCount": 8, "stopSequences": ["1", "2", "3", "4", "5"], "seed": 5}
    assert to.notes.rewritten == ["n", "stop", "seed"]


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(user(temperature="hot"), ask())
    assert caught.value.param == "temperature"


def test_the_path_names_model_and_method() -> None:
    dialect = Gemini()
    assert dialect.encode(user(), ask("gemini-x")).path == "/models/gemini-x:generateContent"
    assert dialect.encode(user(), ask("models/g", stream=True)).path == "/models/g:streamGenerateContent?alt=sse"
    assert dialect.encode(user(), ask("tunedModels/t")).path == "/tunedModels/t:generateContent"
    assert dialect.encode(user(), ask("../x?y")).path == "/models/..%2Fx%3Fy:generateContent"


def test_vertex_takes_the_tier_as_a_header_and_metadata_as_labels() -> None:
    to = ask()
    encoded = Gemini(vertex=True).encode(user(service_tier="flex", metadata={"team": "blue"}), to)
    assert encoded.headers == (("x-vertex-ai-llm-shared-request-type", "flex"),)
    assert orjson.loads(encoded.body)["labels"] == {"team": "blue"}
    assert to.notes.dropped == []


# ---- tools ----------------------------------------------------------------------------------------------------------
def test_functions_are_declared_and_called_by_names_that_gemini_takes() -> None:
    to = ask()
    sent = encode(user(tools=[function("get x!", description="d"), function("plain", {})], tool_choice="required"), to)
    declared = sent["tools"][0]["functionDeclarations"]  # type: ignore[index, call-overload]
    name = declared[0]["name"]  # type: ignore[index, call-overload]
    assert declared == [{"name": name, "description": "d", "parametersJsonSchema": OBJECT}, {"name": "plain"}]
    assert name != "get x!"
    assert to.names.back(str(name)) == "get x!"
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("f")]}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("f")]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tool_choice(choice: Json, config: Json) -> None:
    sent = encode(user(tools=[function()], tool_choice=choice), ask())
    assert sent.get("toolConfig") == (None if config is None else {"functionCallingConfig": config})


def test_strict_functions_are_validated_where_all_are() -> None:
    to = ask()
    both = encode(user(tools=[function(strict=True), function("g", strict=True)]), to)
    assert both["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert to.notes.dropped == []
    assert "toolConfig" not in encode(user(tools=[function(strict=True), function("g")]), to)
    assert to.notes.dropped == ["tools[].function.strict"]


def test_search_code_and_unknown_tools() -> None:
    to = ask("gemini-3-pro")
    tools: list[Json] = [function(), {"codeExecution": {}}, {"type": "url_context"}, {"type": "telepathy"}]
    sent = encode(user(tools=tools, web_search_options={"search_context_size": "low"}, parallel_tool_calls=False), to)
    assert sent["tools"][1:] == [{"codeExecution": {}}, {"url_context": {}}, {"googleSearch": {}}]  # type: ignore[index]
    assert to.notes.dropped == [
        "tools[].telepathy", "web_search_options.search_context_size", "parallel_tool_calls"
    ]  # fmt: skip
    to = ask("gemini-2.5-pro")
    assert len(encode(user(tools=[function()], web_search_options={}), to)["tools"]) == 1  # type: ignore[arg-type]
    assert to.notes.dropped == ["web_search_options"]


def test_a_free_text_tool_becomes_a_function_of_one_string() -> None:
    to = ask()
    sent = encode(user(tools=[{"type": "custom", "custom": {"name": "run"}}]), to)
    declared = sent["tools"][0]["functionDeclarations"][0]  # type: ignore[index, call-overload]
    assert declared["parametersJsonSchema"]["required"] == ["input"]  # type: ignore[index, call-overload]
    assert to.notes.rewritten == ["tools[].custom"]


def test_deprecated_functions_are_functions() -> None:
    sent = encode(user(functions=[{"name": "f", "parameters": OBJECT}], function_call={"name": "f"}), ask())
    assert sent["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": OBJECT}]}]
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}


# ---- structured output ----------------------------------------------------------------------------------------------
def structured(schema: JsonObject = OBJECT, **more: Json) -> JsonObject:
    form: JsonObject = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    return user(response_format=form, **more)


def test_a_response_schema_by_generation() -> None:
    new = encode(structured(), ask("gemini-2.5-flash"))["generationConfig"]
    assert new == {"responseMimeType": "application/json", "responseJsonSchema": OBJECT}
    old = encode(structured(), ask("gemini-2.0-flash"))["generationConfig"]
    assert old == {"responseMimeType": "application/json", "responseSchema": {**OBJECT, "propertyOrdering": ["a"]}}


def test_a_response_schema_beside_functions_is_asked_for_in_words_before_gemini_3() -> None:
    to = ask("gemini-2.5-pro")
    sent = encode(structured(tools=[function()]), to)
    assert "generationConfig" not in sent
    said = sent["systemInstruction"]["parts"][0]["text"]  # type: ignore[index, call-overload]
    assert orjson.dumps(OBJECT).decode() in str(said)
    assert to.notes.rewritten == ["response_format"]
    to = ask("gemini-3-pro")
    assert "responseJsonSchema" in encode(structured(tools=[function()]), to)["generationConfig"]  # type: ignore[operator]
    assert to.notes.rewritten == []


def test_a_schema_that_needs_no_change_is_not_copied() -> None:
    reader = SchemaReader()
    assert reader.modern(OBJECT) is OBJECT
    assert not reader.lost


@pytest.mark.parametrize(
    ("schema", "sent", "lost"),
    [
        ({"$schema": "x", "type": "string"}, {"type": "string"}, False),
        ({"const": "x"}, {"enum": ["x"]}, False),
        ({"oneOf": [{"type": "string"}, {"const": 1}]}, {"anyOf": [{"type": "string"}, {"enum": [1]}]}, False),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, False),
        ({"type": "number", "exclusiveMaximum": 1}, {"type": "number", "maximum": 1}, True),
        ({"allOf": [{"$ref": "#/$defs/A"}]}, {"$ref": "#/$defs/A"}, False),
        ({"type": "string", "not": {"const": "x"}}, {"type": "string"}, True),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"const": 2}}}},
            {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": [2]}}}},
            False,
        ),
    ],
)
def test_json_schema_of_new_models(schema: JsonObject, sent: Json, lost: bool) -> None:
    before = orjson.dumps(schema)
    reader = SchemaReader()
    assert reader.modern(schema) == sent
    assert reader.lost is lost
    assert orjson.dumps(schema) == before


@pytest.mark.parametrize(
    ("schema", "sent", "lost"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}, False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "integer", "nullable": True}, False),
        ({"type": "integer", "enum": [1, 2]}, {"type": "string", "enum": ["1", "2"]}, True),
        ({"type": "string", "enum": ["", "a"]}, {"type": "string", "enum": ["a"]}, False),
        ({"const": "x"}, {"type": "string", "enum": ["x"]}, False),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}, False),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {"type": "object"}, False),
        ({"type": "string", "format": "email"}, {"type": "string"}, True),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}, False),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}},
                "required": ["a", "b"],
                "$defs": {"A": {"type": "string"}},
            },
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "propertyOrdering": ["a"]},
            False,
        ),
        (
            {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}},
            {"type": "object", "properties": {"next": {"type": "object"}}, "propertyOrdering": ["next"]},
            True,
        ),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, {"type": "string", "maxLength": 3}, False),
        ({"type": "string", "patternProperties": {}}, {"type": "string"}, True),
    ],
)
def test_openapi_subset_of_old_models(schema: JsonObject, sent: Json, lost: bool) -> None:
    before = orjson.dumps(schema)
    reader = SchemaReader()
    assert reader.classic(schema) == sent
    assert reader.lost is lost
    assert orjson.dumps(schema) == before


# ---- thinking -------------------------------------------------------------------------------------------------------
PRO = Behaviour(thinking="budget", thinking_budget=(128, 32768), can_disable_thinking=False)


def thinking(behaviour: Behaviour, **asked: Json) -> tuple[Json, list[str], list[str]]:
    to = ask(behaviour=behaviour)
    config = encode(user(**asked), to).get("generationConfig") or {}
    return config.get("thinkingConfig"), to.notes.dropped, to.notes.rewritten  # type: ignore[union-attr]


def shown(**config: Json) -> JsonObject:
    return {**config, "includeThoughts": True}


@pytest.mark.parametrize(
    ("behaviour", "effort", "config", "rewritten"),
    [
        (BUDGET, "none", {"thinkingBudget": 0}, False),
        (BUDGET, "minimal", shown(thinkingBudget=1), False),
        (BUDGET, "low", shown(thinkingBudget=1024), False),
        (BUDGET, "medium", shown(thinkingBudget=8192), False),
        (BUDGET, "high", shown(thinkingBudget=24576), False),
        (PRO, "none", {"thinkingBudget": 128}, True),
        (PRO, "minimal", shown(thinkingBudget=128), False),
        (PRO, "xhigh", shown(thinkingBudget=32768), True),
        (LEVEL, "none", {"thinkingLevel": "low"}, True),
        (LEVEL, "minimal", shown(thinkingLevel="low"), True),
        (LEVEL, "medium", shown(thinkingLevel="medium"), False),
        (LEVEL, "max", shown(thinkingLevel="high"), True),
    ],
)
def test_efforts(behaviour: Behaviour, effort: str, config: Json, rewritten: bool) -> None:
    assert thinking(behaviour, reasoning_effort=effort) == (config, [], ["reasoning_effort"] if rewritten else [])


@pytest.mark.parametrize(
    ("behaviour", "asked", "config", "rewritten"),
    [
        (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, shown(thinkingBudget=2000), []),
        (
            BUDGET,
            {"thinking": {"type": "enabled", "budget_tokens": 99999}},
            shown(thinkingBudget=24576),
            ["thinking.budget_tokens"],
        ),
        (BUDGET, {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}, []),
        (BUDGET, {"thinking": {"type": "adaptive"}}, shown(thinkingBudget=-1), []),
        (BUDGET, {"reasoning": {"effort": "low", "exclude": True}}, {"thinkingBudget": 1024}, []),
        (
            LEVEL,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            shown(thinkingLevel="medium"),
            ["thinking.budget_tokens"],
        ),
        (LEVEL, {"reasoning": {"enabled": True}}, shown(), []),
        (
            LEVEL,
            {"extra_body": {"google": {"thinking_config": {"thinkingLevel": "high"}}}, "reasoning_effort": "low"},
            {"thinkingLevel": "high"},
            [],
        ),
    ],
)
def test_thinking_in_the_words_of_others(
    behaviour: Behaviour, asked: JsonObject, config: Json, rewritten: list[str]
) -> None:
    assert thinking(behaviour, **asked) == (config, [], rewritten)


def test_models_that_do_not_think() -> None:
    assert thinking(Behaviour(), reasoning_effort="high") == (None, ["reasoning_effort"], [])
    assert thinking(Behaviour(), reasoning_effort="none") == (None, [], [])
    assert thinking(BUDGET) == (None, [], [])


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-flash-lite", Family(2, 5)),
        ("models/gemini-3-pro-preview", Family(3)),
        ("gemini-3.8-flash", Family(3, 8)),
        ("gemini-4-argon", Family(4)),
        ("gemini-flash-latest", Family(3)),
        ("gemma-3-27b-it", Family(2, 0, gemma=True)),
        ("gemini-embedding-001", Family(2, 5)),
        ("endpoints/123", Family(2, 5)),
    ],
)
def test_families(model: str, family: Family) -> None:
    assert family_of(model) == family
