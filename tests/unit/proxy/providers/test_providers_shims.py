"""Requests as their models take them: what changes, what stays byte for byte, and what is told."""

import random
import timeit

import orjson
import pytest

from proxy.catalogue import info
from proxy.catalogue.behaviour import behaviour_of
from proxy.errors import InvalidRequest
from proxy.providers.shims import shim, shim_chat
from proxy.translation.ask import Ask
from proxy.wire.values import JsonObject

USER: JsonObject = {"role": "user", "content": "hi"}
FUNCTION: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def ask_for(model: str) -> Ask:
    return Ask(model=model, behaviour=behaviour_of(model), info=info("openai", model))


def shimmed(model: str, body: JsonObject, endpoint: str = "chat") -> tuple[JsonObject, Ask]:
    """The request after the shim, which must be the same for bytes and for the hub."""
    ask = ask_for(model)
    raw = orjson.dumps(body)
    out = shim(endpoint, raw, ask)
    found: JsonObject = orjson.loads(out)
    assert (out is raw) == (found == body)
    if endpoint == "chat":
        again = ask_for(model)
        before = orjson.dumps(body)
        assert shim_chat(body, again) == found
        assert orjson.dumps(body) == before
        assert (again.notes.dropped, again.notes.rewritten) == (ask.notes.dropped, ask.notes.rewritten)
        assert (again.stop, again.whole, again.choices) == (ask.stop, ask.whole, ask.choices)
    return found, ask


@pytest.mark.parametrize(
    ("model", "given", "sent", "dropped", "rewritten"),
    [
        ("o1-preview", {"max_tokens": 50}, {"max_completion_tokens": 50}, [], ["max_tokens"]),
        ("o3", {"max_tokens": 50}, {"max_completion_tokens": 50}, [], ["max_tokens"]),
        ("gpt-5", {"max_tokens": 5, "max_completion_tokens": 6}, {"max_completion_tokens": 6}, ["max_tokens"], []),
        ("gpt-5", {"max_tokens": 5, "max_completion_tokens": None}, {"max_completion_tokens": 5}, [], ["max_tokens"]),
        ("gpt-4o", {"max_tokens": 50}, {"max_tokens": 50}, [], []),
        ("gpt-4o", {"max_tokens": 99_999}, {"max_tokens": 16_384}, [], ["max_tokens"]),
        (
            "o1-mini",
            {"max_completion_tokens": 99_999},
            {"max_completion_tokens": 65_536},
            [],
            ["max_completion_tokens"],
        ),
        ("o3", {"temperature": 0.2, "top_p": 1}, {}, ["temperature"], []),
        ("o1", {"temperature": 1, "presence_penalty": 0, "logprobs": False, "logit_bias": {}}, {}, [], []),
        ("o3", {"presence_penalty": 1, "frequency_penalty": 0.5}, {}, ["presence_penalty", "frequency_penalty"], []),
        (
            "o3",
            {"logprobs": True, "top_logprobs": 2, "logit_bias": {"1": 1}},
            {},
            ["logprobs", "top_logprobs", "logit_bias"],
            [],
        ),
        ("gpt-5.1", {"temperature": 0.2, "logprobs": True}, {"temperature": 0.2, "logprobs": True}, [], []),
        (
            "gpt-5.1",
            {"temperature": 0.2, "logprobs": True, "reasoning_effort": "low"},
            {"reasoning_effort": "low"},
            ["temperature", "logprobs"],
            [],
        ),
        ("gpt-5.5", {"temperature": 0.2}, {}, ["temperature"], []),
        (
            "gpt-5.5",
            {"temperature": 0.2, "reasoning_effort": "none"},
            {"temperature": 0.2, "reasoning_effort": "none"},
            [],
            [],
        ),
        ("gpt-6.1-sol", {"temperature": 0.2, "seed": 4}, {"seed": 4}, ["temperature"], []),
        (
            "o3",
            {"prediction": {"type": "content", "content": "x"}, "verbosity": "low"},
            {},
            ["prediction", "verbosity"],
            [],
        ),
        ("gpt-5", {"verbosity": "low"}, {"verbosity": "low"}, [], []),
        ("gpt-4o", {"verbosity": "medium"}, {}, [], []),
        ("o3", {"parallel_tool_calls": True}, {}, [], []),
        ("o3", {"parallel_tool_calls": False}, {}, ["parallel_tool_calls"], []),
        ("gpt-4o-mini", {"reasoning_effort": "low"}, {}, ["reasoning_effort"], []),
        ("o1-preview", {"reasoning_effort": "high"}, {}, ["reasoning_effort"], []),
        ("o3", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}, [], ["reasoning_effort"]),
        ("o3", {"reasoning_effort": "none"}, {"reasoning_effort": "low"}, [], ["reasoning_effort"]),
        ("o3", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}, [], ["reasoning_effort"]),
        ("gpt-5", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}, [], ["reasoning_effort"]),
        ("gpt-5.2", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}, [], ["reasoning_effort"]),
        ("gpt-5.2", {"reasoning_effort": "some-new"}, {"reasoning_effort": "some-new"}, [], []),
        ("o1-preview", {"tools": [], "tool_choice": "none", "n": 1}, {"n": 1}, [], []),
        ("o1-preview", {"response_format": {"type": "text"}}, {}, [], []),
        ("o1", {"n": 3}, {"n": 3}, [], []),
        ("gpt-5.4", {"tools": [FUNCTION]}, {"tools": [FUNCTION]}, [], []),
        (
            "gpt-5.4",
            {"tools": [FUNCTION], "reasoning_effort": "high"},
            {"tools": [FUNCTION], "reasoning_effort": "none"},
            [],
            ["reasoning_effort"],
        ),
        (
            "gpt-5.6-sol",
            {"tools": [FUNCTION], "temperature": 0.5},
            {"tools": [FUNCTION], "temperature": 0.5, "reasoning_effort": "none"},
            [],
            ["reasoning_effort"],
        ),
        ("gpt-6-astra", {"tools": [FUNCTION]}, {"tools": [FUNCTION]}, [], []),
        ("grok-4.3", {"presence_penalty": 1}, {}, ["presence_penalty"], []),
        ("claude-opus-5", {"temperature": 0.3, "max_tokens": 5}, {"temperature": 0.3, "max_tokens": 5}, [], []),
        ("llama", {"temperature": 0.3, "verbosity": "low"}, {"temperature": 0.3, "verbosity": "low"}, [], []),
    ],
)
def test_parameters(model: str, given: JsonObject, sent: JsonObject, dropped: list[str], rewritten: list[str]) -> None:
    found, ask = shimmed(model, {"model": model, "messages": [USER], **given})
    assert found == {"model": model, "messages": [USER], **sent}
    assert (ask.notes.dropped, ask.notes.rewritten) == (dropped, rewritten)


@pytest.mark.parametrize(
    ("given", "stop"), [("END", ("END",)), (["a", "b", "a", ""], ("a", "b")), ([], ()), (None, ())]
)
def test_stop_sequences_are_enforced_on_the_answer(given: str | list[str] | None, stop: tuple[str, ...]) -> None:
    found, ask = shimmed("o3", {"messages": [USER], "stop": given})  # type: ignore[dict-item]
    assert ("stop" in found) == (given is None)
    assert ask.stop == stop
    assert ask.notes.rewritten == (["stop"] if stop else [])


def test_a_model_that_stops_by_itself_is_left_alone() -> None:
    found, ask = shimmed("o3-mini", {"messages": [USER], "stop": "END"})
    assert (found["stop"], ask.stop) == ("END", ())


def test_a_stream_of_a_model_without_streams() -> None:
    found, ask = shimmed("o1-pro", {"messages": [USER], "stream": True, "stream_options": {"include_usage": True}})
    assert found == {"messages": [USER]}
    assert ask.whole
    assert ask.notes.rewritten == ["stream"]


@pytest.mark.parametrize(
    ("model", "body", "param", "code"),
    [
        ("o1-preview", {"tools": [FUNCTION]}, "tools", "unsupported_parameter"),
        ("o1-mini", {"functions": [{"name": "f"}]}, "functions", "unsupported_parameter"),
        ("o1-mini", {"n": 2}, "n", "unsupported_parameter"),
        (
            "o3-mini",
            {"messages": [USER, {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}]},
            "messages[1].content[1]",
            "unsupported_content_part",
        ),
    ],
)
def test_what_has_no_equivalent_is_refused_with_the_fix(model: str, body: JsonObject, param: str, code: str) -> None:
    whole = {"messages": [USER], **body}
    for run in (lambda: shim("chat", orjson.dumps(whole), ask_for(model)), lambda: shim_chat(whole, ask_for(model))):
        with pytest.raises(InvalidRequest) as caught:
            run()
        assert (caught.value.param, caught.value.code, caught.value.status) == (param, code, 400)
        assert "send" in caught.value.message


def test_instructions_of_the_first_reasoning_models_are_the_users() -> None:
    messages = [{"role": "system", "content": "be brief"}, USER, {"role": "developer", "content": "now"}, USER]
    found, ask = shimmed("o1-mini", {"messages": messages})
    assert found["messages"] == [
        {"role": "user", "content": "be brief"},
        USER,
        {"role": "user", "content": "now"},
        USER,
    ]
    assert ask.notes.rewritten == ["messages[].role"]


def test_both_kinds_of_instructions_become_one() -> None:
    both = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, USER]
    found, ask = shimmed("o3", {"messages": both})
    assert [message["role"] for message in found["messages"]] == ["developer", "developer", "user"]  # type: ignore[index,union-attr,call-overload]
    assert ask.notes.rewritten == ["messages[].role"]
    assert shimmed("o3", {"messages": [both[0], USER]})[0]["messages"] == [both[0], USER]
    assert shimmed("gpt-4o", {"messages": both})[0]["messages"] == both


def test_a_tool_history_is_told_in_words() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        USER,
        {"role": "assistant", "content": "wait", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "5"}]},
    ]
    found, ask = shimmed("o1-preview", {"messages": messages})
    assert found["messages"] == [
        USER,
        {"role": "assistant", "content": 'wait\nCalled the tool f with {"a":1} (call_1).'},
        {"role": "user", "content": "Result of the tool call call_1:\n5"},
    ]
    assert ask.notes.rewritten == ["messages[].tool_calls", "messages[].role"]


def test_json_is_asked_for_in_words_where_no_parameter_does() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted: JsonObject = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    found, ask = shimmed("o1-preview", {"messages": [USER], "response_format": wanted})
    first, second = found["messages"]  # type: ignore[misc,union-attr]
    assert '"properties"' in first["content"]
    assert (first["role"], second) == ("user", USER)
    assert "response_format" not in found
    assert ask.notes.rewritten == ["response_format"]
    found, _ = shimmed("gpt-4-turbo", {"messages": [USER], "response_format": wanted})
    assert found["response_format"] == {"type": "json_object"}
    assert found["messages"][0]["role"] == "system"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("model", "given", "sent", "dropped", "rewritten"),
    [
        ("gpt-4o", {"reasoning": {"effort": "low"}, "temperature": 0.2}, {"temperature": 0.2}, ["reasoning"], []),
        ("gpt-4o", {"reasoning": {"effort": None}}, {"reasoning": {"effort": None}}, [], []),
        (
            "o3",
            {"reasoning": {"effort": "minimal", "summary": "auto"}},
            {"reasoning": {"effort": "low", "summary": "auto"}},
            [],
            ["reasoning.effort"],
        ),
        ("gpt-5.5", {"reasoning": {"effort": "max"}}, {"reasoning": {"effort": "max"}}, [], []),
        (
            "o3",
            {"temperature": 0.2, "top_p": 1, "parallel_tool_calls": False},
            {},
            ["temperature", "parallel_tool_calls"],
            [],
        ),
        (
            "o3",
            {"text": {"verbosity": "low", "format": {"type": "text"}}},
            {"text": {"format": {"type": "text"}}},
            ["text.verbosity"],
            [],
        ),
        ("o3", {"max_output_tokens": 999_999}, {"max_output_tokens": 100_000}, [], ["max_output_tokens"]),
        ("gpt-5.1", {"temperature": 0.2}, {"temperature": 0.2}, [], []),
    ],
)
def test_responses(model: str, given: JsonObject, sent: JsonObject, dropped: list[str], rewritten: list[str]) -> None:
    found, ask = shimmed(model, {"model": model, "input": "hi", **given}, "responses")
    assert found == {"model": model, "input": "hi", **sent}
    assert (ask.notes.dropped, ask.notes.rewritten) == (dropped, rewritten)


def test_other_operations_have_no_shims() -> None:
    body = b'{"input": "x", "temperature": 0.1}'
    assert shim("embeddings", body, ask_for("o3")) is body


def test_bytes_that_stay_are_the_clients() -> None:
    body = (
        b'\n{ "temperature" : 0.2 ,\t"model":"m", "big": 123456789012345678901234567890, "x": 1.0,"max_tokens" :5,\r\n'
        b' "messages" : [ {"role": "user", "content": "\\u00e9\\/"} ], "top_p": 0.5 }\n'
    )
    assert shim("chat", body, ask_for("o3")) == (
        b'\n{"model":"m", "big": 123456789012345678901234567890, "x": 1.0,"max_completion_tokens":5,\r\n'
        b' "messages" : [ {"role": "user", "content": "\\u00e9\\/"} ] }\n'
    )


def test_messages_that_stay_keep_their_bytes() -> None:
    body = b'{"messages":[{"role":"system","content":"a"}, {"role": "user", "content": "\\u00e9 1e400"}]}'
    out = shim("chat", body, ask_for("o1-mini"))
    assert out == b'{"messages":[{"role":"user","content":"a"},{"role": "user", "content": "\\u00e9 1e400"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":"text","temperature":0.1}',
        b'{"messages":[1,null,"x",{}],"temperature":0.1}',
        b'{"messages":[{"role":7,"content":[1,{"type":"image_url"}]}],"tools":"x"}',
        b'{"stop":{"a":1},"n":"x","max_tokens":"y","reasoning_effort":5,"response_format":"json","logit_bias":[]}',
        b'{"tools":[1],"functions":{},"stream":1,"verbosity":[]}',
        b"{}",
    ],
)
@pytest.mark.parametrize("model", ["gpt-4o", "o3", "gpt-5.5", "o1-preview"])
def test_wrong_types_are_the_providers_to_refuse(body: bytes, model: str) -> None:
    try:
        out = shim("chat", body, ask_for(model))
    except InvalidRequest:
        return
    assert isinstance(orjson.loads(out), dict)


def test_any_order_of_members_splices_into_json() -> None:
    seed = random.Random(7)
    members: list[tuple[str, object]] = [
        ("model", "m"),
        ("messages", [{"role": "system", "content": "a"}, USER]),
        ("max_tokens", 5),
        ("temperature", 0.2),
        ("stop", ["x"]),
        ("reasoning_effort", "low"),
        ("seed", 1),
        ("user", "u"),
    ]
    for _ in range(300):
        seed.shuffle(members)
        body = dict(members[: seed.randint(0, len(members))])
        for model in ("o1-preview", "o3", "gpt-5.5", "gpt-4o"):
            shimmed(model, body)  # type: ignore[arg-type]


def test_a_shim_costs_little() -> None:
    plain = orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "y" * 900}], "temperature": 0.2})
    full = orjson.dumps(
        {"model": "o3", "messages": [{"role": "user", "content": "y" * 900}], "max_tokens": 9, "temperature": 0.2}
    )
    for model, body in (("gpt-4o", plain), ("o3", full)):
        behaviour = behaviour_of(model)
        took = min(
            timeit.repeat(
                lambda body=body, behaviour=behaviour: shim("chat", body, Ask(model="m", behaviour=behaviour)),
                number=200,
                repeat=7,
            )
        )
        assert took / 200 < 100e-6
