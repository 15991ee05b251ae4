"""A chat completion as the chunks that a host would have sent, and chunks of every kind of host as the plain answer."""

import base64
import json
from typing import Any

import pytest

from proxy.cache.replay import played, said
from proxy.wire.usage import reported
from tests.support.replays import data_of, folded, stored, streamed

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
KNOWN = reported(prompt=3, output=4)
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Oslo", "days": 3}'}}
CUSTOM = {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "print('ä'); exit()"}}


def whole(*messages: dict[str, Any], finish: str = "stop", **beside: Any) -> dict[str, Any]:
    """A plain answer with one choice for each message."""
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish}
        for index, message in enumerate(messages)
    ]
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m", "choices": choices, "usage": USAGE, **beside,
    }  # fmt: skip


def chunk(delta: Any, finish: str | None = None, index: int = 0, **beside: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "created": 1,
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        **beside,
    }


def sse(*chunks: Any, done: bool = True) -> bytes:
    told = b"".join([b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks])
    return told + (b"data: [DONE]\n\n" if done else b"")


def message_of(*chunks: Any) -> Any:
    return folded("chat", sse(*chunks, chunk({}, "stop")), KNOWN)["choices"][0]["message"]


# ---- to a stream ------------------------------------------------------------------------------------------------------
def test_events_in_the_order_of_a_model() -> None:
    message = {
        "content": "One moment please.",
        "refusal": None,
        "reasoning_content": "Where is it?",
        "tool_calls": [CALL, CUSTOM],
    }
    chunks = data_of(
        streamed("chat", whole(message, finish="tool_calls", service_tier="default", system_fingerprint="fp"))
    )
    assert all(each["object"] == "chat.completion.chunk" for each in chunks)
    assert {
        (each["id"], each["created"], each["model"], each["service_tier"], each["system_fingerprint"])
        for each in chunks
    } == {("chatcmpl-1", 7, "m", "default", "fp")}
    deltas = [each["choices"][0]["delta"] for each in chunks if each["choices"]]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas[1:3] == [{"reasoning_content": piece} for piece in ("Where", " is it?")]
    assert deltas[3:5] == [{"content": piece} for piece in ("One moment", " please.")]
    assert deltas[5] == {"tool_calls": [{"index": 0, **CALL, "function": {"name": "find", "arguments": ""}}]}
    told = [call for delta in deltas[6:-1] for call in delta["tool_calls"]]
    assert (
        "".join(call["function"]["arguments"] for call in told if call["index"] == 0) == CALL["function"]["arguments"]
    )
    assert {"index": 1, **CUSTOM, "custom": {"name": "run", "input": ""}} in told
    assert deltas[-1] == {}
    assert [each["choices"][0]["finish_reason"] for each in chunks[:-1]] == [None] * (len(chunks) - 2) + ["tool_calls"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == USAGE
    assert all(each["usage"] is None for each in chunks[:-1])


def test_usage_only_where_it_is_asked_for() -> None:
    events = streamed("chat", whole({"content": "Hi"}), include_usage=False)
    assert b"usage" not in events
    assert events.endswith(b"data: [DONE]\n\n")
    without = {name: value for name, value in whole({"content": "Hi"}).items() if name != "usage"}
    assert played(stored("chat", "json", without), stream=True, include_usage=True) is None
    events = played(stored("chat", "json", without, usage=KNOWN), stream=True, include_usage=True) or b""
    assert data_of(events)[-1]["usage"]["completion_tokens"] == 4


def test_choices_take_turns() -> None:
    given = whole({"content": "One two three four"}, {"content": "A"}, {"content": "Some more words"})
    chunks = data_of(streamed("chat", given, include_usage=False))
    assert [each["choices"][0]["index"] for each in chunks] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 0, 2]
    assert folded("chat", streamed("chat", given)) == given


def test_each_token_has_its_log_probabilities() -> None:
    listed = [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []} for token in ("To", " be", "!")]
    given = whole({"content": "To be!"})
    given["choices"][0]["logprobs"] = {"content": listed, "refusal": None}
    chunks = data_of(streamed("chat", given))
    spoken = [each["choices"][0] for each in chunks if each["choices"] and each["choices"][0]["delta"].get("content")]
    assert [(each["delta"]["content"], each["logprobs"]) for each in spoken] == [
        (entry["token"], {"content": [entry], "refusal": None}) for entry in listed
    ]
    assert folded("chat", streamed("chat", given)) == given
    listed[0]["token"] = "bytes:\\xf0"
    assert folded("chat", streamed("chat", given)) == given


@pytest.mark.parametrize(
    "message",
    [
        {"content": ""},
        {"content": "Hi", "refusal": None, "annotations": []},
        {"content": None, "refusal": "I cannot help with that."},
        {"content": None, "tool_calls": [CALL]},
        {"content": "Wait", "tool_calls": [CUSTOM, CALL]},
        {"content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"content": None, "function_call": {"name": "f", "arguments": '{"a": "long enough"}'}},
        {"content": "x", "reasoning": "the same", "reasoning_content": "the same"},
        {"content": "x", "reasoning": "one", "reasoning_content": "another one"},
        {"content": "x", "reasoning": "one two", "reasoning_details": [{"type": "reasoning.text", "text": "one two", "index": 0}]},
        {"content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}]},
        {"content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0}}]},
        {"content": None, "audio": {"id": "a", "data": "AAECAw==", "transcript": "Hi", "expires_at": 12345678901234567890123}},
        {"content": "x", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        {"content": "x", "of_tomorrow": {"deep": [1, 2.5, None, {"a": "b"}]}, "number": 5, "flag": False, "word": "long words here"},
        {"content": "x", "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "abc"}}}]},
    ],
    ids=str,
)  # fmt: skip
def test_there_and_back(message: dict[str, Any]) -> None:
    given = whole(message)
    events = streamed("chat", given)
    assert folded("chat", events) == given
    assert said(stored("chat", "json", given)) == said(stored("chat", "events", events))


def test_members_of_the_answer_and_of_choices_that_nobody_knows() -> None:
    given = whole(
        {"content": "x"}, citations=["https://example.com/" + "x" * 200], x_groq={"id": "r"}, big=2**70, nothing=None
    )
    given["choices"][0] |= {
        "native_finish_reason": "STOP",
        "token_ids": [1, 2],
        "content_filter_results": {"hate": {"filtered": False}},
    }
    events = streamed("chat", given)
    assert folded("chat", events) == given
    chunks = data_of(events)
    assert [("citations" in each) for each in chunks] == [True, False, True, False], (
        "large ones are not told with every word"
    )
    assert all(each["x_groq"] == {"id": "r"} for each in chunks)


def test_no_calls_are_no_member_of_a_delta() -> None:
    """Some clients take an empty list for calls that never end."""
    assert b"tool_calls" not in streamed("chat", whole({"content": "x", "tool_calls": []}))


def test_a_text_beside_the_message_is_told_with_it() -> None:
    given = whole({"content": "One two three four"})
    given["choices"][0]["text"] = "One two three four"
    chunks = data_of(streamed("chat", given, include_usage=False))
    assert [each["choices"][0].get("text") for each in chunks] == [None, "One two", " three", " four", ""]
    assert folded("chat", streamed("chat", given)) == given


# ---- to a plain answer ------------------------------------------------------------------------------------------------
def test_a_role_that_is_repeated_is_one() -> None:
    found = message_of(chunk({"role": "assistant", "content": "a"}), chunk({"role": "assistant", "content": "b"}))
    assert found == {"role": "assistant", "content": "ab"}


def test_content_beside_calls_is_null_when_it_is_empty() -> None:
    found = message_of(chunk({"role": "assistant", "content": ""}), chunk({"tool_calls": [{"index": 0, **CALL}]}))
    assert found == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_calls_of_hosts_that_do_not_number_them() -> None:
    def call(ident: str | None, arguments: str) -> dict[str, Any]:
        return {"id": ident, "function": {"name": "f" if ident else None, "arguments": arguments}}

    found = message_of(
        *[chunk({"tool_calls": [each]}) for each in (call("a", "{"), call(None, "}"), call("b", "[]"), call("a", " "))]
    )
    assert [(each["id"], each["function"]["arguments"]) for each in found["tool_calls"]] == [("a", "{} "), ("b", "[]")]


def test_calls_of_hosts_that_number_all_alike() -> None:
    found = message_of(*[chunk({"tool_calls": [{**CALL, "id": ident, "index": 0}]}) for ident in ("a", "b", "c")])
    assert [each["id"] for each in found["tool_calls"]] == ["a", "b", "c"]
    assert {each["function"]["arguments"] for each in found["tool_calls"]} == {CALL["function"]["arguments"]}


def test_calls_keep_the_order_of_their_numbers() -> None:
    found = message_of(chunk({"tool_calls": [{**CALL, "index": 1}, {**CUSTOM, "index": 0}]}))
    assert found["tool_calls"] == [CUSTOM, CALL]


def test_thoughts_as_parts_of_the_content() -> None:
    def thought(told: str) -> dict[str, Any]:
        return chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": told}]}]})

    found = message_of(
        chunk({"role": "assistant", "content": ""}),
        thought("One "),
        thought("two"),
        chunk({"content": "So"}),
        chunk({"content": "."}),
    )
    assert found["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "One two"}]},
        {"type": "text", "text": "So."},
    ]
    assert message_of(chunk({"content": "a"}), thought("b"))["content"][0] == {"type": "text", "text": "a"}


def test_details_continue_those_of_their_index_and_type() -> None:
    def detail(**members: Any) -> dict[str, Any]:
        return chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "format": "x", **members}]})

    found = message_of(
        detail(text="One "),
        detail(text="two"),
        detail(signature="s"),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "index": 0}]}),
    )
    assert found["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "format": "x", "text": "One two", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "d", "index": 0},
    ]  # fmt: skip


def test_audio_in_pieces() -> None:
    pieces = [base64.b64encode(part).decode() for part in (b"a", b"bc", b"def", b"g")]
    found = message_of(
        chunk({"audio": {"id": "au", "transcript": "Good "}}),
        *[chunk({"audio": {"data": piece}}) for piece in pieces],
        chunk({"audio": {"transcript": "day"}}),
        chunk({"audio": {"expires_at": 5}}),
    )
    assert base64.b64decode(found["audio"].pop("data"), validate=True) == b"abcdefg"
    assert found["audio"] == {"id": "au", "transcript": "Good day", "expires_at": 5}


def test_usage_wherever_hosts_put_it() -> None:
    last = chunk({}, "stop")
    for events in (
        sse(chunk({"content": "x"}), {**last, "usage": USAGE}),
        sse(chunk({"content": "x"}, usage={"prompt_tokens": 1}), {**last, "usage": USAGE}),
        sse(last, {"id": "c", "choices": [], "usage": USAGE}),
        sse({**last, "choices": [{**last["choices"][0], "usage": USAGE}]}),
        sse({**last, "x_groq": {"id": "r", "usage": USAGE}}),
    ):
        found = folded("chat", events)
        assert found["usage"] == USAGE
        assert "usage" not in found["choices"][0]
        assert found.get("x_groq") in (None, {"id": "r"})
    withheld = played(
        stored("chat", "events", sse(last), sse({"id": "c", "choices": [], "usage": USAGE}, done=False)),
        stream=False,
        include_usage=False,
    )
    assert json.loads(withheld or b"")["usage"] == USAGE
    assert played(stored("chat", "events", sse(last)), stream=False, include_usage=False) is None
    assert folded("chat", sse(last), KNOWN)["usage"]["total_tokens"] == 7


def test_what_stands_around_the_choices() -> None:
    """Azure's first chunk has filters and nothing else; paddings and cumulative messages are no part of the answer."""
    first = {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    part = chunk({"content": "x"}, object="chat.completion.chunk", obfuscation="abc", system_fingerprint=None)
    part["choices"][0]["message"] = {"role": "assistant", "content": "x so far"}
    last = chunk({}, "stop", system_fingerprint="fp", citations=["u"])
    assert folded("chat", sse(first, part, last), KNOWN) == {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "prompt_filter_results": [{"prompt_index": 0}],
        "system_fingerprint": "fp", "citations": ["u"], "usage": folded("chat", sse(last), KNOWN)["usage"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    }  # fmt: skip


def test_the_first_id_holds_and_choices_stand_in_order() -> None:
    """Some hosts give each chunk an id of its own, and any choice may speak first."""
    events = [chunk({"content": "b"}, "stop", 1), {**chunk({"content": "a"}, "stop", 0), "id": "other", "created": 2}]
    found = folded("chat", sse(*events), KNOWN)
    assert (found["id"], found["created"]) == ("c", 1)
    assert [(each["index"], each["message"]["content"]) for each in found["choices"]] == [(0, "a"), (1, "b")]


def test_what_follows_the_end_is_not_read() -> None:
    events = sse(chunk({"content": "a"}, "stop"))
    found = folded("chat", events + b"data: garbage\n\n" + sse(chunk({"content": "b"})), KNOWN)
    assert found["choices"][0]["message"]["content"] == "a"


def test_a_message_instead_of_a_delta() -> None:
    event = {
        "id": "c",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "all"}, "finish_reason": "stop"}],
    }
    assert folded("chat", sse(event), KNOWN)["choices"][0]["message"]["content"] == "all"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        b"data: {\n\n",
        b"data: []\n\n",
        b'data: {"choices":"x"}\n\n',
        b'data: {"choices":[5]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":7},"finish_reason":"stop"}]}\n\n',
        sse(chunk({}, "stop"), {"error": {"message": "overloaded"}}),
        b'data: {"choices":[{"index":0,"delta":{"content":"\xff"},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud800"},"finish_reason":"stop"}]}\n\n',
        b"data: " + b'{"choices":' * 3000 + b"[]" + b"}" * 3000 + b"\n\n",
        b'data: {"n":' + b"9" * 5000 + b"}\n\n",
    ],
)
def test_a_stream_that_is_no_answer(body: bytes) -> None:
    assert played(stored("chat", "events", body, usage=KNOWN), stream=False, include_usage=False) is None
    assert said(stored("chat", "events", body)) == ""


@pytest.mark.parametrize(
    "members",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [5]},
        {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "message": {"content": "x", "tool_calls": 5}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}] * 2},
    ],
    ids=str,
)
def test_an_answer_that_is_none(members: dict[str, Any]) -> None:
    assert played(stored("chat", "json", {**whole(), **members}), stream=True, include_usage=False) is None


# ---- what it says -----------------------------------------------------------------------------------------------------
def test_what_is_seen_without_thoughts() -> None:
    message = {"content": "Hi", "reasoning_content": "hidden", "refusal": "No", "tool_calls": [CALL, CUSTOM]}
    given = whole(message, {"content": [{"type": "thinking", "thinking": "hidden"}, {"type": "text", "text": "Parts"}]})
    assert said(stored("chat", "json", given)).split("\n") == [
        "Hi", "No", "find", CALL["function"]["arguments"], "run", "print('ä'); exit()", "Parts",
    ]  # fmt: skip
