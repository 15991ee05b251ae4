"""Parameters, tools, reasoning, structured output; every body is judged by AWS's service model."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.providers.bedrock.chat import Converse
from proxy.providers.bedrock.families import family_of
from proxy.translation.ask import Ask

Sent = Callable[..., tuple[dict[str, Any], Ask]]

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS_46 = "us.anthropic.claude-opus-4-6-v1"
OPUS_5 = "global.anthropic.claude-opus-5-v1:0"
OPUS_55 = "global.anthropic.claude-opus-5-5"
NOVA = "amazon.nova-pro-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"

TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
OTHER = {"type": "function", "function": {"name": "g"}}
HISTORY = [
    {"role": "user", "content": "q"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "old", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "t1", "content": "42"},
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "my answer", "schema": SCHEMA, "strict": True}}


# ---- path -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "stream", "whole", "path"),
    [
        (HAIKU, False, False, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"),
        (HAIKU, True, False, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"),
        (HAIKU, True, True, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
            False,
            False,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0/converse",
        ),
    ],
)
def test_the_model_is_escaped_in_the_path(model: str, stream: bool, whole: bool, path: str) -> None:
    ask = Ask(model=model, stream=stream, whole=whole)
    assert Converse().encode({"messages": [{"role": "user", "content": "x"}]}, ask).path == path


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("us-gov.anthropic.claude-x", "claude"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "nova"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123", ""),
        ("apac.amazon.nova-2-lite-v1:0", "nova"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss"),
        ("us.deepseek.r1-v1:0", "deepseek"),
        ("nobody.knows", ""),
    ],
)
def test_families(model: str, name: str) -> None:
    assert family_of(model).name == name


# ---- inference ------------------------------------------------------------------------------------------------------
def test_plain_parameters(sent: Sent) -> None:
    body, ask = sent({"max_tokens": 256, "top_p": 0.9, "stop": "END", "temperature": 1}, model=NOVA)
    assert body["inferenceConfig"] == {"maxTokens": 256, "temperature": 1, "topP": 0.9, "stopSequences": ["END"]}
    assert not ask.notes.dropped
    assert not ask.notes.rewritten


def test_what_is_openais_default_is_left_out_silently(sent: Sent) -> None:
    usual = {
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "logprobs": False,
        "modalities": ["text"],
        "store": True,
    }
    body, ask = sent(
        {**usual, "stream": False, "stream_options": None, "service_tier": "auto", "parallel_tool_calls": True}
    )
    assert set(body) == {"messages", "inferenceConfig"}
    assert not ask.notes.dropped


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("seed", 7), ("logprobs", True), ("top_logprobs", 3), ("logit_bias", {"1": 2}), ("presence_penalty", 0.5),
     ("modalities", ["text", "audio"]), ("verbosity", "low"), ("prediction", {"type": "content"}), ("novel", 1)],
)  # fmt: skip
def test_what_cannot_travel_is_named(sent: Sent, field: str, value: Any) -> None:
    body, ask = sent({field: value})
    assert ask.notes.dropped == [field]
    assert f'"{field}"' not in orjson.dumps(body).decode()


def test_temperature_is_clamped_and_said_so(sent: Sent) -> None:
    body, ask = sent({"temperature": 1.7}, model=NOVA)
    assert body["inferenceConfig"]["temperature"] == 1
    assert ask.notes.rewritten == ["temperature"]


def test_claude_gets_temperature_or_top_p_never_both(sent: Sent) -> None:
    body, ask = sent({"temperature": 0.5, "top_p": 0.9})
    assert body["inferenceConfig"] == {"maxTokens": 64000, "temperature": 0.5}
    assert ask.notes.dropped == ["top_p"]
    body, ask = sent({"temperature": 1, "top_p": 0.9})
    assert body["inferenceConfig"] == {"maxTokens": 64000, "topP": 0.9}
    assert not ask.notes.dropped


def test_claude_of_the_newest_kind_refuses_sampling(sent: Sent) -> None:
    body, ask = sent({"temperature": 0.5, "top_p": 0.9, "top_k": 5}, model=OPUS_5)
    assert body["inferenceConfig"] == {"maxTokens": 128000}
    assert ask.notes.dropped == ["temperature", "top_p", "top_k"]
    assert not sent({"temperature": 1, "top_p": 1}, model=OPUS_5)[1].notes.dropped


def test_the_cap(sent: Sent) -> None:
    assert sent({})[0]["inferenceConfig"] == {"maxTokens": 64000}
    assert "inferenceConfig" not in sent({}, model=NOVA)[0]
    assert sent({"max_completion_tokens": 5, "max_tokens": 9})[0]["inferenceConfig"]["maxTokens"] == 5
    body, ask = sent({"max_tokens": 10**6})
    assert body["inferenceConfig"]["maxTokens"] == 64000
    assert ask.notes.rewritten == ["max_tokens"]


@pytest.mark.parametrize(
    ("field", "value"), [("max_tokens", 0), ("max_tokens", "9"), ("temperature", "hot"), ("top_k", -1), ("top_p", [])]
)
def test_values_of_the_wrong_kind_are_refused(sent: Sent, field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent({field: value})
    assert caught.value.param == field


def test_top_k_goes_where_the_maker_reads_it(sent: Sent) -> None:
    assert sent({"top_k": 5})[0]["additionalModelRequestFields"] == {"top_k": 5}
    assert sent({"top_k": 5}, model=NOVA)[0]["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}
    assert sent({"top_k": 5}, model=LLAMA)[1].notes.dropped == ["top_k"]


def test_stop_sequences(sent: Sent) -> None:
    body, ask = sent({"stop": ["a", " ", "", "\n", "a"]})
    assert body["inferenceConfig"]["stopSequences"] == ["a"]
    assert ask.notes.dropped == ["stop"]
    body, ask = sent({"stop": ["a", "\n"]}, model=LLAMA)
    assert "inferenceConfig" not in body
    assert ask.stop == ("a", "\n")
    assert not ask.notes.dropped


def test_the_rest_of_a_converse_request(sent: Sent) -> None:
    metadata = {"team": "a", "bad\x00key": "x", "number": 3}
    body, ask = sent(
        {"user": "u-1", "metadata": metadata, "service_tier": "flex", "performanceConfig": {"latency": "optimized"}}
    )
    assert body["requestMetadata"] == {"team": "a", "user": "u-1"}
    assert body["serviceTier"] == {"type": "flex"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert ask.notes.dropped == ["metadata"]
    assert sent({"service_tier": "scale"})[1].notes.dropped == ["service_tier"]


def test_the_operators_guardrail_cannot_be_replaced() -> None:
    ours = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "disabled", "streamProcessingMode": "sync"}
    chat: Any = {"messages": [{"role": "user", "content": "x"}], "guardrailConfig": {"guardrailIdentifier": "mine"}}
    streamed = orjson.loads(Converse(dict(ours)).encode(chat, Ask(model=NOVA, stream=True)).body)
    assert streamed["guardrailConfig"] == ours
    plain = orjson.loads(Converse(dict(ours)).encode(chat, Ask(model=NOVA)).body)
    assert plain["guardrailConfig"] == {name: value for name, value in ours.items() if name != "streamProcessingMode"}


def test_betas_that_bedrock_knows_travel(sent: Sent) -> None:
    headers = {b"anthropic-beta": b"interleaved-thinking-2025-05-14, unknown-2030-01-01"}
    body, ask = sent({}, headers=headers)
    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["interleaved-thinking-2025-05-14"]}
    assert ask.notes.dropped == ["anthropic-beta"]


def test_additional_fields_of_the_client_win(sent: Sent) -> None:
    body, _ = sent({"top_k": 5, "additionalModelRequestFields": {"top_k": 9, "x": 1}})
    assert body["additionalModelRequestFields"] == {"top_k": 9, "x": 1}


# ---- tools ----------------------------------------------------------------------------------------------------------
def test_tools(sent: Sent) -> None:
    body, ask = sent({"tools": [TOOL, OTHER]})
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "f",
                    "description": "d",
                    "inputSchema": {"json": {"type": "object", "properties": {}}},
                }
            },
            {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        ]
    }
    assert not ask.notes.dropped


def test_a_history_with_tools_demands_a_tool_config(sent: Sent) -> None:
    body, _ = sent({"messages": HISTORY})
    assert body["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "old", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]
    }


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}}, {"any": {}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", [HAIKU, NOVA, "mistral.mistral-large-2407-v1:0"])
def test_tool_choice(sent: Sent, choice: Any, found: Any, model: str) -> None:
    body, ask = sent({"tools": [TOOL, OTHER], "tool_choice": choice}, model=model)
    assert body["toolConfig"].get("toolChoice") == found
    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == (["g"] if "allowed" in str(choice) else ["f", "g"])
    assert not ask.notes.rewritten


def test_no_tools_wanted(sent: Sent) -> None:
    assert "toolConfig" not in sent({"tools": [TOOL], "tool_choice": "none"})[0]
    body, ask = sent({"tools": [TOOL], "tool_choice": "none", "messages": HISTORY})
    assert "toolChoice" not in body["toolConfig"]
    assert "Do not call" in body["system"][0]["text"]
    assert ask.notes.rewritten == ["tool_choice"]


@pytest.mark.parametrize("model", [LLAMA, OPUS_55])
def test_a_call_that_cannot_be_forced_is_asked_for(sent: Sent, model: str) -> None:
    body, ask = sent(
        {"tools": [TOOL, OTHER], "tool_choice": {"type": "function", "function": {"name": "g"}}}, model=model
    )
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["g"]
    assert "toolChoice" not in body["toolConfig"]
    assert "must call the tool g" in body["system"][0]["text"]
    assert ask.notes.rewritten == ["tool_choice"]


@pytest.mark.parametrize(
    ("choice", "found"),
    [(None, {"type": "auto"}), ("required", {"type": "any"}), ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"})],
)  # fmt: skip
def test_one_call_at_a_time(sent: Sent, choice: Any, found: dict[str, Any]) -> None:
    body, _ = sent({"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False})
    assert body["additionalModelRequestFields"]["tool_choice"] == {**found, "disable_parallel_tool_use": True}
    assert "toolChoice" not in body["toolConfig"]
    assert sent({"tools": [TOOL], "parallel_tool_calls": False}, model=NOVA)[1].notes.dropped == ["parallel_tool_calls"]


def test_names_that_need_change_stay_distinct_and_reversible(sent: Sent) -> None:
    names = ["a b", "a_b", "a.b", "x" * 70]
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    body, ask = sent({"tools": tools})
    found = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert len(set(found)) == 4
    assert found[1] == "a_b"
    assert [ask.names.back(name) for name in found] == names


def test_roots_that_are_no_object(sent: Sent) -> None:
    branches = [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["a", "b"]}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"anyOf": branches}}}
    body, ask = sent({"tools": [tool]})
    schema = body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert schema == {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}
    assert ask.notes.rewritten == ["tools[].function.parameters"]


def test_strict_tools(sent: Sent) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}
    spec = sent({"tools": [tool]})[0]["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True
    assert spec["inputSchema"]["json"]["additionalProperties"] is False
    body, ask = sent({"tools": [tool]}, model=NOVA)
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
    assert ask.notes.dropped == ["tools[].function.strict"]


def test_tools_of_other_kinds(sent: Sent) -> None:
    computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 1, "display_height_px": 1}
    body, _ = sent({"tools": [TOOL, computer]})
    assert body["additionalModelRequestFields"]["tools"] == [computer]
    assert sent({"tools": [TOOL, {"type": "web_search"}]}, model=NOVA)[1].notes.dropped == ["tools[].web_search"]
    with pytest.raises(InvalidRequest, match="free-form"):
        sent({"tools": [{"type": "custom", "custom": {"name": "x"}}]})


@pytest.mark.parametrize("choice", ["sometimes", {"type": "function", "function": {"name": "absent"}}])
def test_choices_that_cannot_be(sent: Sent, choice: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent({"tools": [TOOL], "tool_choice": choice})
    assert caught.value.param == "tool_choice"


def test_the_old_functions(sent: Sent) -> None:
    body, _ = sent({"functions": [TOOL["function"]], "function_call": {"name": "f"}})
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "f"}}


# ---- reasoning ------------------------------------------------------------------------------------------------------
def added(sent: Sent, effort: str, model: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any], Ask]:
    body, ask = sent({"reasoning_effort": effort, **more}, model=model)
    return body.get("additionalModelRequestFields", {}), body.get("inferenceConfig", {}), ask


def test_manual_thinking_is_a_budget_below_the_cap(sent: Sent) -> None:
    more, inference, ask = added(sent, "medium", HAIKU, temperature=0.3, top_k=4, top_p=0.5)
    assert more == {"thinking": {"type": "enabled", "budget_tokens": 8192}}
    assert inference == {"maxTokens": 64000}
    assert ask.notes.dropped == ["temperature", "top_p", "top_k"]
    assert added(sent, "high", HAIKU, max_tokens=4000)[0]["thinking"]["budget_tokens"] == 2000
    assert added(sent, "high", HAIKU, max_tokens=4000)[2].notes.rewritten == ["reasoning_effort"]
    assert added(sent, "high", HAIKU, max_tokens=1100)[0]["thinking"]["budget_tokens"] == 1024
    more, _, ask = added(sent, "high", HAIKU, max_tokens=1000)
    assert "thinking" not in more
    assert ask.notes.dropped == ["reasoning_effort"]
    assert added(sent, "none", HAIKU)[0] == {}


def test_manual_thinking_forbids_forced_tools(sent: Sent) -> None:
    body, ask = sent({"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"})
    assert "toolChoice" not in body["toolConfig"]
    assert ask.notes.rewritten == ["tool_choice"]


def test_manual_thinking_needs_the_thought_that_led_to_a_call(sent: Sent) -> None:
    body, ask = sent({"reasoning_effort": "low", "messages": HISTORY})
    assert "additionalModelRequestFields" not in body
    assert ask.notes.dropped == ["reasoning_effort"]
    block = {"type": "thinking", "thinking": "x", "signature": "s"}
    kept = [HISTORY[0], {**HISTORY[1], "thinking_blocks": [block]}, HISTORY[2]]
    assert "thinking" in sent({"reasoning_effort": "low", "messages": kept})[0]["additionalModelRequestFields"]
    assert (
        "thinking"
        in sent({"reasoning_effort": "low", "messages": HISTORY}, model=OPUS_46)[0]["additionalModelRequestFields"]
    )


@pytest.mark.parametrize(
    ("model", "asked", "effort", "rewritten"),
    [
        (OPUS_46, "low", "low", False),
        (OPUS_46, "minimal", "low", True),
        (OPUS_46, "xhigh", "max", True),
        (OPUS_5, "xhigh", "xhigh", False),
        (OPUS_55, "max", "max", False),
    ],
)
def test_adaptive_thinking_is_an_effort(sent: Sent, model: str, asked: str, effort: str, rewritten: bool) -> None:
    more, _, ask = added(sent, asked, model)
    assert more == {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}
    assert ask.notes.rewritten == (["reasoning_effort"] if rewritten else [])


def test_thinking_that_is_not_wanted(sent: Sent) -> None:
    assert added(sent, "none", OPUS_5)[0] == {"thinking": {"type": "disabled"}}
    more, _, ask = added(sent, "none", OPUS_55)
    assert more == {}
    assert ask.notes.rewritten == ["reasoning_effort"]


def test_anthropics_own_thinking_parameter(sent: Sent) -> None:
    body, _ = sent({"thinking": {"type": "enabled", "budget_tokens": 4000}, "max_tokens": 9000})
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 4000}
    body, _ = sent({"thinking": {"type": "adaptive", "display": "omitted"}}, model=OPUS_5)
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "adaptive", "display": "omitted"}


def test_openrouters_reasoning_parameter(sent: Sent) -> None:
    body, _ = sent({"reasoning": {"effort": "low"}}, model=OPUS_5)
    assert body["additionalModelRequestFields"]["output_config"] == {"effort": "low"}


def test_nova_2(sent: Sent) -> None:
    assert added(sent, "low", NOVA_2)[0] == {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}
    more, inference, ask = added(sent, "high", NOVA_2, temperature=0.3, top_p=0.4, max_tokens=9)
    assert more["reasoningConfig"]["maxReasoningEffort"] == "high"
    assert inference == {}
    assert ask.notes.dropped == ["max_tokens", "temperature", "top_p"]
    assert added(sent, "none", NOVA_2)[0] == {"reasoningConfig": {"type": "disabled"}}
    assert added(sent, "low", NOVA)[2].notes.dropped == ["reasoning_effort"]


def test_openais_models(sent: Sent) -> None:
    assert added(sent, "minimal", "openai.gpt-oss-120b-1:0")[0] == {"reasoning_effort": "low"}
    assert added(sent, "none", "openai.gpt-5.4-v1")[0] == {"reasoning": {"effort": "none"}}
    assert added(sent, "low", "us.deepseek.r1-v1:0")[2].notes.dropped == ["reasoning_effort"]


# ---- structured output ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [HAIKU, OPUS_55, "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0"])
def test_structured_output_is_the_models_own(sent: Sent, model: str) -> None:
    body, ask = sent({"response_format": FORMAT}, model=model)
    shape = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert shape["name"] == "my_answer"
    assert isinstance(shape["schema"], str)
    schema = orjson.loads(shape["schema"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["a"] == {"type": "integer", "description": "minimum: 1"}
    assert not ask.notes.rewritten


def test_structured_output_by_a_tool(sent: Sent) -> None:
    body, ask = sent({"response_format": FORMAT}, model=NOVA)
    [tool] = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": tool["toolSpec"]["name"]}}
    assert not ask.notes.rewritten
    body, _ = sent({"response_format": FORMAT, "tools": [TOOL]}, model=NOVA)
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert len(body["toolConfig"]["tools"]) == 2


def test_structured_output_of_an_older_claude(sent: Sent) -> None:
    old = Behaviour(json_schema=False, max_output=4096)
    assert "toolChoice" in sent({"response_format": FORMAT}, behaviour=old)[0]["toolConfig"]


def test_structured_output_by_instruction(sent: Sent) -> None:
    body, ask = sent({"response_format": FORMAT}, model=LLAMA)
    assert '"minimum":1' in body["system"][0]["text"]
    assert ask.notes.rewritten == ["response_format"]
    body, ask = sent({"response_format": {"type": "json_object"}})
    assert "JSON object" in body["system"][0]["text"]
    assert ask.notes.rewritten == ["response_format"]
    assert "system" not in sent({"response_format": {"type": "text"}})[0]


@pytest.mark.parametrize(
    "given", [{"type": "grammar"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 3}}]
)
def test_formats_that_nobody_knows(sent: Sent, given: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent({"response_format": given})
    assert caught.value.param == "response_format"


def test_a_request_nested_without_end_is_refused() -> None:
    deep: Any = {}
    for _ in range(400):
        deep = {"properties": {"a": deep}}
    chat = {
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": deep}}],
    }
    with pytest.raises(InvalidRequest, match="nested"):
        Converse().encode(chat, Ask(model=HAIKU))
