"""A chat request as Anthropic gets it: versions, caps, sampling, thinking, structured output, and what is said to be lost."""

import copy
from typing import Any

import msgspec
import orjson
import pytest

from proxy.catalogue import ModelInfo
from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.providers.anthropic.host import Host
from proxy.translation.ask import Ask, Encoded

HAIKU_45 = Behaviour(thinking="manual", thinking_budget=(1024, 63_999), max_output=64_000)
OPUS_45 = Behaviour(thinking="manual", efforts=("low", "medium", "high"), max_output=64_000)
SONNET_46 = Behaviour(thinking="adaptive", efforts=("low", "medium", "high", "max"), prefill=False, max_output=128_000)
OPUS_5 = Behaviour(
    sampling="no",
    thinking="adaptive",
    efforts=("low", "medium", "high", "xhigh", "max"),
    prefill=False,
    inline_system=True,
    max_output=128_000,
)
OPUS_55 = Behaviour(
    sampling="no",
    thinking="always",
    efforts=("low", "medium", "high", "xhigh", "max"),
    can_disable_thinking=False,
    forced_tools=False,
    prefill=False,
    inline_system=True,
    max_output=128_000,
)
OLD = Behaviour(thinking="none", json_schema=False, max_output=4096)

USER: Any = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
CALLED: list[dict[str, Any]] = [
    USER,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "nothing"},
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


class Sent:
    """One request on its way: ``body`` and ``headers`` as they leave, ``dropped`` and ``rewritten`` as noted."""

    def __init__(
        self,
        behaviour: Behaviour = HAIKU_45,
        *,
        host: Host | None = None,
        stream: bool = False,
        info: ModelInfo | None = None,
        beta: bytes = b"",
        **chat: Any,
    ) -> None:
        chat.setdefault("messages", [USER])
        before = copy.deepcopy(chat)
        self.ask = Ask(model="claude-x", behaviour=behaviour, stream=stream, info=info)
        if beta:
            self.ask.headers = {b"anthropic-beta": beta}
        encoded: Encoded = AnthropicChat(host).encode(chat, self.ask)
        assert chat == before, "the client's request was changed in place"
        self.path = encoded.path
        self.body: dict[str, Any] = orjson.loads(encoded.body)
        self.headers = dict(encoded.headers)
        self.dropped = self.ask.notes.dropped
        self.rewritten = self.ask.notes.rewritten


def test_a_plain_request() -> None:
    sent = Sent(max_tokens=64, model="alias", stream_options={"include_usage": True})
    assert sent.path == "/v1/messages"
    assert sent.body == {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
    assert sent.headers == {"anthropic-version": "2026-10-21"}
    assert (sent.dropped, sent.rewritten) == ([], [])


@pytest.mark.parametrize(
    ("behaviour", "given", "body", "version", "dropped"),
    [
        (HAIKU_45, {"temperature": 0.5}, {"temperature": 0.5}, "2023-06-01", []),
        (HAIKU_45, {"temperature": 1}, {"temperature": 1}, "2023-06-01", []),
        (HAIKU_45, {"top_p": 0.9}, {"top_p": 0.9}, "2023-06-01", []),
        (HAIKU_45, {"top_k": 5}, {"top_k": 5}, "2023-06-01", []),
        (HAIKU_45, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, "2023-06-01", ["top_p"]),
        (HAIKU_45, {"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}, "2023-06-01", []),
        (HAIKU_45, {"top_p": 1}, {}, "2026-10-21", []),
        (OPUS_5, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {}, "2026-10-21", ["temperature", "top_p", "top_k"]),
        (OPUS_5, {"temperature": 1, "top_p": 1}, {}, "2026-10-21", []),
        (
            HAIKU_45,
            {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "reasoning_effort": "low"},
            {},
            "2026-10-21",
            ["temperature", "top_p", "top_k"],
        ),
        (HAIKU_45, {"top_p": 0.97, "reasoning_effort": "low"}, {"top_p": 0.97}, "2023-06-01", []),
        (SONNET_46, {"temperature": 0.5, "reasoning_effort": "none"}, {"temperature": 0.5}, "2023-06-01", []),
    ],
)
def test_sampling_decides_the_version(
    behaviour: Behaviour, given: dict[str, Any], body: dict[str, Any], version: str, dropped: list[str]
) -> None:
    sent = Sent(behaviour, **given)
    assert {name: sent.body[name] for name in ("temperature", "top_p", "top_k") if name in sent.body} == body
    assert sent.headers["anthropic-version"] == version
    assert sent.dropped == dropped


def test_a_temperature_above_one_is_clamped_and_said() -> None:
    sent = Sent(temperature=1.7)
    assert sent.body["temperature"] == 1
    assert sent.rewritten == ["temperature"]


def test_a_configured_new_version_takes_no_sampling() -> None:
    sent = Sent(host=Host(version="2026-10-21"), temperature=0.2)
    assert "temperature" not in sent.body
    assert sent.dropped == ["temperature"]
    assert sent.headers["anthropic-version"] == "2026-10-21"
    assert Sent(host=Host(version="2023-06-01")).headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("given", "stream", "cap", "rewritten"),
    [
        ({}, True, 64_000, []),
        ({}, False, 21_333, []),
        ({"max_tokens": 10}, False, 10, []),
        ({"max_completion_tokens": 10, "max_tokens": 99}, False, 10, []),
        ({"max_completion_tokens": 100_000}, False, 64_000, ["max_completion_tokens"]),
        ({"max_tokens": 64_001}, True, 64_000, ["max_tokens"]),
    ],
)
def test_the_cap_is_always_sent(given: dict[str, Any], stream: bool, cap: int, rewritten: list[str]) -> None:
    sent = Sent(stream=stream, **given)
    assert sent.body["max_tokens"] == cap
    assert sent.rewritten == rewritten
    assert sent.body.get("stream") is (True if stream else None)


def test_the_catalogue_knows_the_cap_better_than_the_family() -> None:
    known = ModelInfo(id="claude-x", provider="anthropic", max_output=777)
    assert Sent(info=known).body["max_tokens"] == 777
    assert Sent(Behaviour()).body["max_tokens"] == 8192


@pytest.mark.parametrize("cap", [0, -1, "many", 1.5, True])
def test_a_cap_that_is_none_is_refused(cap: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Sent(max_tokens=cap)
    assert refused.value.param == "max_tokens"


@pytest.mark.parametrize(
    ("stop", "sequences", "dropped"),
    [("END", ["END"], []), (["a", " ", "", "\n"], ["a"], ["stop"]), (["\n\n"], None, ["stop"]), ([], None, [])],
)
def test_blank_stop_sequences_are_left_out(stop: object, sequences: list[str] | None, dropped: list[str]) -> None:
    sent = Sent(stop=stop)
    assert sent.body.get("stop_sequences") == sequences
    assert sent.dropped == dropped


def test_everything_without_a_place_is_named_unless_it_asks_for_nothing() -> None:
    quiet = Sent(n=1, store=False, logprobs=False, presence_penalty=0, frequency_penalty=0.0, logit_bias={}, seed=None)
    assert (quiet.dropped, quiet.rewritten) == ([], [])
    loud = Sent(seed=7, logit_bias={"1": 2}, presence_penalty=0.5, prediction={}, prompt_cache_key="k", made_up=1)
    assert loud.dropped == ["seed", "logit_bias", "presence_penalty", "prediction", "prompt_cache_key", "made_up"]
    assert set(loud.body) == {"model", "max_tokens", "messages"}


def test_anthropics_own_fields_pass() -> None:
    sent = Sent(cache_control={"type": "ephemeral"}, container="c1", mcp_servers=[{"type": "url", "url": "https://m"}])
    assert sent.body["cache_control"] == {"type": "ephemeral"}
    assert sent.body["container"] == "c1"
    assert sent.body["mcp_servers"] == [{"type": "url", "url": "https://m"}]
    assert sent.dropped == []


@pytest.mark.parametrize(("field", "value"), [("n", 2), ("modalities", ["text", "audio"]), ("messages", [])])
def test_what_claude_cannot_do_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        AnthropicChat().encode({"messages": [USER], field: value}, Ask(model="m"))
    assert refused.value.param == field


@pytest.mark.parametrize(
    ("given", "sent_tier", "dropped"),
    [
        ("auto", "auto", []),
        ("default", "standard_only", []),
        ("flex", None, ["service_tier"]),
        ("priority", None, ["service_tier"]),
    ],
)
def test_service_tiers(given: str, sent_tier: str | None, dropped: list[str]) -> None:
    sent = Sent(service_tier=given)
    assert sent.body.get("service_tier") == sent_tier
    assert sent.dropped == dropped
    assert "service_tier" not in Sent(host=Host(service_tier=False), service_tier=given).body


def test_the_user_is_named_by_the_safety_identifier_first() -> None:
    assert Sent(user="u").body["metadata"] == {"user_id": "u"}
    assert Sent(user="u", safety_identifier="s").body["metadata"] == {"user_id": "s"}
    long = Sent(user="x" * 300)
    assert len(long.body["metadata"]["user_id"]) == 64
    assert long.rewritten == ["user"]


def test_betas_of_client_and_configuration_travel_once_each() -> None:
    host = Host(betas=("b", "c"))
    assert Sent(host=host, beta=b"a, b").headers["anthropic-beta"] == "a,b,c"
    body = Sent(host=Host(betas=("b",), betas_in="body"), beta=b"a")
    assert body.body["anthropic_beta"] == ["a", "b"]
    assert "anthropic-beta" not in body.headers
    none = Sent(host=Host(betas_in="none"), beta=b"a")
    assert "anthropic-beta" not in none.headers
    assert "anthropic_beta" not in none.body


def test_claude_on_vertex_is_named_by_the_path() -> None:
    host = Host(
        path=lambda ask: f"/models/{ask.model}:{'streamRawPredict' if ask.stream else 'rawPredict'}",
        version_in_body="vertex-2023-10-16",
    )
    sent = Sent(host=host, stream=True, temperature=0.3)
    assert sent.path == "/models/claude-x:streamRawPredict"
    assert "model" not in sent.body
    assert sent.body["anthropic_version"] == "vertex-2023-10-16"
    assert sent.body["temperature"] == 0.3
    assert sent.headers == {}


# ---- thinking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effort", "budget"), [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16_384), ("max", 32_768)]
)
def test_manual_thinking_takes_a_budget(effort: str, budget: int) -> None:
    sent = Sent(reasoning_effort=effort)
    assert sent.body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert sent.body["max_tokens"] > budget
    assert "output_config" not in sent.body
    assert sent.dropped == []


@pytest.mark.parametrize(
    ("cap", "budget", "dropped", "rewritten"),
    [
        (20_000, 16_384, [], []),
        (16_384, 8192, [], ["reasoning_effort"]),
        (1500, 1024, [], ["reasoning_effort"]),
        (1024, None, ["reasoning_effort"], []),
        (1, None, ["reasoning_effort"], []),
    ],
)
def test_a_budget_stays_below_the_cap(cap: int, budget: int | None, dropped: list[str], rewritten: list[str]) -> None:
    sent = Sent(reasoning_effort="high", max_tokens=cap)
    assert sent.body["max_tokens"] == cap
    assert sent.body.get("thinking", {}).get("budget_tokens") == budget
    assert (sent.dropped, sent.rewritten) == (dropped, rewritten)


def test_manual_thinking_is_left_out_after_calls_without_their_thinking() -> None:
    sent = Sent(messages=CALLED, tools=[TOOL], reasoning_effort="low")
    assert "thinking" not in sent.body
    assert sent.dropped == ["reasoning_effort"]
    signed = copy.deepcopy(CALLED)
    signed[1]["thinking_blocks"] = [{"type": "thinking", "thinking": "t", "signature": "s"}]
    assert Sent(messages=signed, tools=[TOOL], reasoning_effort="low").body["thinking"]["type"] == "enabled"


def test_opus_45_takes_an_effort_beside_the_budget() -> None:
    assert Sent(OPUS_45, reasoning_effort="high").body["output_config"] == {"effort": "high"}
    assert Sent(OPUS_45, reasoning_effort="xhigh").body["output_config"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("behaviour", "effort", "sent_effort", "rewritten"),
    [
        (OPUS_5, "minimal", "low", ["reasoning_effort"]),
        (OPUS_5, "medium", "medium", []),
        (OPUS_5, "xhigh", "xhigh", []),
        (SONNET_46, "xhigh", "max", ["reasoning_effort"]),
        (SONNET_46, "max", "max", []),
        (OPUS_55, "high", "high", []),
    ],
)
def test_adaptive_thinking_takes_an_effort(
    behaviour: Behaviour, effort: str, sent_effort: str, rewritten: list[str]
) -> None:
    sent = Sent(behaviour, reasoning_effort=effort)
    assert sent.body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent.body["output_config"] == {"effort": sent_effort}
    assert sent.rewritten == rewritten


def test_no_thinking() -> None:
    assert Sent(OPUS_5, reasoning_effort="none").body["thinking"] == {"type": "disabled"}
    assert "thinking" not in Sent(HAIKU_45, reasoning_effort="none").body
    always = Sent(OPUS_55, reasoning_effort="none")
    assert "thinking" not in always.body
    assert always.dropped == ["reasoning_effort"]
    without = Sent(OLD, reasoning_effort="low")
    assert "thinking" not in without.body
    assert without.dropped == ["reasoning_effort"]
    assert Sent(OLD, reasoning_effort="none").dropped == []
    assert "thinking" not in Sent(OPUS_5).body


@pytest.mark.parametrize(
    ("behaviour", "given", "thinking", "effort"),
    [
        (HAIKU_45, {"reasoning": {"max_tokens": 3000}}, {"type": "enabled", "budget_tokens": 3000}, None),
        (
            HAIKU_45,
            {"thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"type": "enabled", "budget_tokens": 3000},
            None,
        ),
        (OPUS_5, {"reasoning": {"effort": "high"}}, {"type": "adaptive", "display": "summarized"}, "high"),
        (
            OPUS_5,
            {"reasoning": {"effort": "low", "exclude": True}},
            {"type": "adaptive", "display": "omitted"},
            "low",
        ),
        (
            OPUS_5,
            {"thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"type": "adaptive", "display": "summarized"},
            "medium",
        ),
        (OPUS_5, {"thinking": {"type": "disabled"}}, {"type": "disabled"}, None),
        (OPUS_5, {"reasoning": {"enabled": False}}, {"type": "disabled"}, None),
        (OPUS_5, {"reasoning": {}}, None, None),
    ],
)
def test_other_spellings_of_thinking(
    behaviour: Behaviour, given: dict[str, Any], thinking: object, effort: str | None
) -> None:
    sent = Sent(behaviour, **given)
    assert sent.body.get("thinking") == thinking
    assert sent.body.get("output_config", {}).get("effort") == effort
    assert sent.dropped == []


def test_an_adaptive_model_that_still_takes_budgets_gets_the_one_that_was_given() -> None:
    both = msgspec.structs.replace(SONNET_46, thinking_budget=(1024, 127_999))
    sent = Sent(both, thinking={"type": "enabled", "budget_tokens": 3000})
    assert sent.body["thinking"] == {"type": "enabled", "budget_tokens": 3000}
    assert sent.rewritten == []
    assert Sent(both, reasoning_effort="low").body["thinking"]["type"] == "adaptive"


def test_a_budget_stays_below_what_the_model_can_write() -> None:
    small = Behaviour(thinking="manual", max_output=4000)
    sent = Sent(small, reasoning_effort="high", stream=True)
    assert sent.body["thinking"]["budget_tokens"] == 2000
    assert sent.body["max_tokens"] == 4000


def test_a_large_budget_raises_a_cap_that_the_client_left_open() -> None:
    sent = Sent(reasoning={"max_tokens": 40_000})
    assert sent.body["thinking"]["budget_tokens"] == 40_000
    assert 40_000 < sent.body["max_tokens"] <= 64_000


# ---- structured output ----------------------------------------------------------------------------------------------


def test_native_structured_output() -> None:
    sent = Sent(OPUS_5, response_format=FORM, reasoning_effort="low")
    form = sent.body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert set(form) == {"type", "schema"}
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["properties"]["a"] == {"type": "integer", "description": "(minimum: 3)"}
    assert sent.body["output_config"]["effort"] == "low"
    assert sent.rewritten == ["response_format.json_schema.schema"]
    assert "tools" not in sent.body


def test_structured_output_by_a_tool_where_it_is_missing() -> None:
    sent = Sent(OLD, response_format=FORM)
    (tool,) = sent.body["tools"]
    assert tool["input_schema"] == SCHEMA
    assert sent.body["tool_choice"] == {"type": "tool", "name": tool["name"], "disable_parallel_tool_use": True}
    both = Sent(OLD, response_format=FORM, tools=[TOOL])
    assert both.body["tools"][0]["name"] == "find"
    assert both.body["tool_choice"] == {"type": "any"}
    assert both.rewritten == []


def test_structured_output_beside_manual_thinking_is_asked_for_in_words() -> None:
    thinking = Behaviour(thinking="manual", json_schema=False, max_output=64_000)
    sent = Sent(thinking, response_format=FORM, reasoning_effort="low")
    assert "tool_choice" not in sent.body or sent.body["tool_choice"]["type"] == "auto"
    assert sent.body["tools"][0]["name"] in sent.body["system"]
    assert sent.rewritten == ["response_format"]


def test_plain_json_is_asked_for_in_words() -> None:
    sent = Sent(response_format={"type": "json_object"})
    assert "JSON object" in sent.body["system"]
    assert sent.rewritten == ["response_format"]
    assert "system" not in Sent(response_format={"type": "text"}).body


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Sent(response_format={"type": "json_schema", "json_schema": {"name": "x"}})


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("depth", [150, 450])
def test_a_request_nested_beyond_reason_is_refused_and_not_a_crash(depth: int, strict: bool) -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        deep = {"type": "object", "properties": {"a": deep}}
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": deep, "strict": strict}}
    with pytest.raises(InvalidRequest):
        AnthropicChat().encode({"messages": [USER], "tools": [tool]}, Ask(model="m"))
