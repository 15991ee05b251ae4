"""Streams of deviating providers: what is right leaves byte for byte, what is not is set right, however the bytes are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import TollwayError, UpstreamCut
from proxy.providers.openai_dialect.quirks import STANDARD, Quirks
from proxy.providers.openai_dialect.repair import ChatRepair
from proxy.translation.ask import Ask
from proxy.wire.usage import Usage
from proxy.wire.values import JsonObject

EVERYTHING = Quirks(mirror=True, think=True)
DONE = b"data: [DONE]\n\n"


def chunk(delta: object, finish: str | None = None, **more: object) -> JsonObject:
    choice: JsonObject = {"index": 0, "delta": delta, "finish_reason": finish}  # type: ignore[dict-item]
    found: JsonObject = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    found.update(more)  # type: ignore[arg-type]
    return found


def event(value: object, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end


def ran(
    stream: bytes, quirks: Quirks = EVERYTHING, *, size: int = 0, include_usage: bool = False
) -> tuple[bytes, TollwayError | None, Usage | None]:
    """What leaves, the error, the usage; ``size``: bytes of a read, 0 = all at once."""
    ask = Ask(model="m", request_id="r" * 32, include_usage=include_usage)
    repair = ChatRepair(quirks, ask, forwards=False)
    found = repair.stream()
    step = size or max(1, len(stream))
    out = b"".join([found.feed(stream[at : at + step]) for at in range(0, len(stream), step)])
    if found.error is None:
        out += found.close()
    return out, found.error, repair.usage


def chunks(out: bytes) -> list[JsonObject]:
    assert out.endswith(DONE)
    return [
        json.loads(part.removeprefix(b"data: "))
        for part in out.replace(b"\r", b"").removesuffix(DONE).split(b"\n\n")
        if part[:5] == b"data:"
    ]


RIGHT = (
    b": OPENROUTER PROCESSING\n\n"
    + event(chunk({"role": "assistant", "content": ""}))
    + b'data: {"id":"c1" , "object":"chat.completion.chunk","created":7,"choices":[{"index":0,"delta":{"content":"a\\u00e9"},"x":1.0e2}]}\n\n'
    + b": keep-alive\n\n"
    + event(chunk({"content": "b <think>c</think>"}, service_tier="auto"))
    + event(
        chunk({"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}]})
    )
    + event(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}))
    + event(chunk({}, "tool_calls"))
    + DONE
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("quirks", [STANDARD, EVERYTHING])
def test_a_right_stream_is_the_same_at_every_split(end: bytes, quirks: Quirks) -> None:
    stream = RIGHT.replace(b"\n", end)
    for size in range(1, len(stream) + 1):
        out, error, _ = ran(stream, quirks, size=size)
        assert (out, error) == (stream, None)


WRONG = (
    b"\xef\xbb\xbf"
    + event(chunk({"role": "assistant", "content": ""}))
    + event(chunk({"role": "assistant", "content": "<think>"}, id="c2"))
    + event(chunk({"content": "why\n</th"}), b"\r\n\r\n")
    + event(chunk({"content": "ink>\n\nbecause"}))
    + event(chunk({"tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": {"a": 1}}}]}))
    + event(
        chunk(
            {"tool_calls": [{"index": 0, "id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}}]}
        )
    )
    + event(chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}))
)


@given(st.lists(st.integers(min_value=0, max_value=len(WRONG)), max_size=12))
def test_every_split_gives_the_same(cuts: list[int]) -> None:
    ask = Ask(model="m", request_id="r" * 32, include_usage=True)
    found = ChatRepair(EVERYTHING, ask, forwards=False).stream()
    places = [0, *sorted(cuts), len(WRONG)]
    out = b"".join([found.feed(WRONG[a:b]) for a, b in pairwise(places)]) + found.close()
    assert out == ran(WRONG, include_usage=True)[0]


def test_what_was_wrong_is_right() -> None:
    out, error, usage = ran(WRONG, include_usage=True)
    assert error is None
    assert usage is not None
    assert (usage.input, usage.output) == (3, 2)
    found = chunks(out.removeprefix(b"\xef\xbb\xbf"))
    choices = [part["choices"][0] for part in found if part["choices"]]  # type: ignore[index,call-overload]
    deltas = [choice["delta"] for choice in choices]  # type: ignore[index,call-overload]
    assert {part["id"] for part in found} == {"c1"}
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "why"
    assert "".join(delta.get("content", "") for delta in deltas) == "because"
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1, 1]
    assert calls[0]["function"]["arguments"] == '{"a":1}'
    assert calls[2] == {"index": 1, "function": {"arguments": "{}"}}
    assert choices[-1]["finish_reason"] == "tool_calls"  # type: ignore[index,call-overload]
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert [part["usage"] for part in found if part.get("usage")] == [found[-1]["usage"]]


def test_the_line_ends_of_a_rebuilt_event_stay() -> None:
    head = event(chunk({"role": "assistant"}), b"\r\n\r\n")
    out, _, _ = ran(head + event(chunk({"content": "x"}, "eos"), b"\r\n\r\n") + DONE)
    assert b'"finish_reason":"stop","native_finish_reason":"eos"}]}\r\n\r\n' in out


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("eos", "stop"),
        ("model_length", "length"),
        ("sensitive", "content_filter"),
        ("tool_use", "tool_calls"),
        ("new", "stop"),
    ],
)
def test_finish_reasons(native: str, finish: str) -> None:
    out, error, _ = ran(event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, native)) + DONE)
    last = chunks(out)[-1]["choices"][0]  # type: ignore[index,call-overload]
    assert error is None
    assert (last["finish_reason"], last["native_finish_reason"]) == (finish, native)  # type: ignore[index,call-overload]


def test_no_reason_yet_may_be_an_empty_string() -> None:
    out, _, _ = ran(event(chunk({"role": "assistant", "content": "x"}, "")) + event(chunk({}, "stop")) + DONE)
    assert chunks(out)[0]["choices"][0]["finish_reason"] is None  # type: ignore[index,call-overload]


@pytest.mark.parametrize("native", ["error", "network_error", "insufficient_system_resource"])
def test_reasons_that_are_failures(native: str) -> None:
    head = event(chunk({"role": "assistant", "content": "x"}))
    out, error, _ = ran(head + event(chunk({}, native)) + DONE)
    assert out == head
    assert error is not None
    assert error.status == (503 if native == "insufficient_system_resource" else 502)


@pytest.mark.parametrize(
    ("frame", "status", "message"),
    [
        (
            b'event: error\ndata: {"error":{"message":"bad call","code":"tool_use_failed","status_code":400}}\n\n',
            400,
            "bad call",
        ),
        (b'data: {"error":{"message":"gone","type":"server_error"}}\n\ndata: [DONE]\n\n', 502, "gone"),
        (b'data: {"error":"flat words"}\n\n', 502, "flat words"),
        (b'data: {"object":"error","message":"too long","code":400}\n\n', 400, "too long"),
        (b"event: error\ndata: it broke\n\n", 502, "it broke"),
        (b'data: {"detail":"no such thing"}\n\n', 502, "no such thing"),
        (b'data: {"choices":null,"base_resp":{"status_code":2,"status_msg":"odd"}}\n\n', 502, "odd"),
        (event({"id": "c1", "choices": [{"index": 0, "error": {"code": 429, "message": "slow"}}]}), 429, "slow"),
    ],
)
def test_errors_in_a_stream(frame: bytes, status: int, message: str) -> None:
    head = event(chunk({"role": "assistant", "content": "x"}))
    for size in (0, 1):
        out, error, _ = ran(head + frame, size=size)
        assert out == head
        assert error is not None
        assert (error.status, error.message) == (status, message)


def test_a_stream_that_just_ends_was_cut() -> None:
    out, error, _ = ran(event(chunk({"role": "assistant", "content": "x"})) + b'data: {"id":"c1","cho')
    assert isinstance(error, UpstreamCut)
    assert out == event(chunk({"role": "assistant", "content": "x"}))


def test_an_empty_stream_was_cut() -> None:
    assert isinstance(ran(b"")[1], UpstreamCut)


def test_an_unfinished_second_choice_was_cut() -> None:
    second = chunk({"role": "assistant", "content": "y"})
    second["choices"][0]["index"] = 1  # type: ignore[index,call-overload]
    stream = event(chunk({"role": "assistant", "content": "x"})) + event(second) + event(chunk({}, "stop"))
    assert isinstance(ran(stream)[1], UpstreamCut)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n"])
def test_done_is_added_after_a_whole_answer(tail: bytes) -> None:
    body = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop"), tail)
    out, error, _ = ran(body)
    assert error is None
    assert out == body.rstrip(b"\n") + b"\n\n" + DONE


def test_done_without_a_finish_reason_finishes() -> None:
    out, error, _ = ran(event(chunk({"role": "assistant", "content": "x"})) + DONE)
    assert error is None
    assert chunks(out)[-1]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]


# ---- usage ----------------------------------------------------------------------------------------------------------
USAGE: JsonObject = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize("place", ["finish", "x_groq", "choice", "every"])
def test_usage_is_given_in_a_chunk_of_its_own(place: str) -> None:
    last = chunk({}, "stop")
    first = chunk({"role": "assistant", "content": "x"})
    if place == "finish":
        last["usage"] = USAGE
    elif place == "x_groq":
        last["x_groq"] = {"usage": USAGE}
    elif place == "every":
        first["usage"], last["usage"] = {**USAGE, "completion_tokens": 1}, USAGE
    else:
        last["choices"][0]["usage"] = USAGE  # type: ignore[index,call-overload]
    stream = event(first) + event(last) + DONE
    found = chunks(ran(stream, include_usage=True)[0])
    assert found[-1] == {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "m",
        "choices": [],
        "usage": USAGE,
    }
    assert [part["usage"] for part in found if part.get("usage")] == [USAGE]
    out, _, usage = ran(stream)
    assert out == stream
    assert usage is not None
    assert usage.input == 3


def test_a_usage_chunk_that_came_is_the_only_one() -> None:
    usage = {**chunk({}), "choices": [], "usage": USAGE}
    stream = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop")) + event(usage) + DONE
    assert ran(stream, include_usage=True)[0] == stream


def test_a_usage_chunk_that_nobody_asked_for_stays_here() -> None:
    usage = {**chunk({}), "choices": [], "usage": USAGE}
    rest = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop"))
    out, _, seen = ran(rest + event(usage) + DONE)
    assert out == rest + DONE
    assert seen is not None
    assert seen.output == 2


def test_usage_of_an_empty_choice_becomes_a_usage_chunk() -> None:
    usage = chunk({"role": "assistant", "content": ""}, usage=USAGE)
    stream = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop")) + event(usage) + DONE
    found = chunks(ran(stream, include_usage=True)[0])
    assert (found[-1]["choices"], found[-1]["usage"], len(found)) == ([], USAGE, 3)


def test_usage_in_every_chunk_stays_where_the_client_asks_the_server_for_it() -> None:
    stream = (
        event(chunk({"role": "assistant", "content": "x"}, usage=USAGE)) + event(chunk({}, "stop", usage=USAGE)) + DONE
    )
    quirks = Quirks(late_usage=False)
    assert ran(stream, quirks, include_usage=True)[0].startswith(stream.removesuffix(DONE))


def test_reasoning_beside_the_completion_is_added_once() -> None:
    quirks = Quirks(reasoning_beside=True)
    usage: JsonObject = {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35, "completion_tokens_details": {"reasoning_tokens": 20},
    }  # fmt: skip
    stream = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop"))
    bare = event({**chunk({}), "choices": [], "usage": usage})
    found = chunks(ran(stream + bare + DONE, quirks, include_usage=True)[0])
    assert found[-1]["usage"]["completion_tokens"] == 25  # type: ignore[index,call-overload]
    right = event({**chunk({}), "choices": [], "usage": {**usage, "completion_tokens": 25}})
    assert ran(stream + right + DONE, quirks, include_usage=True)[0] == stream + right + DONE


@pytest.mark.parametrize("figure", [-1, 2**70, "3", None, [1]])
def test_absurd_usage_is_none(figure: object) -> None:
    usage = {"prompt_tokens": figure, "completion_tokens": 2, "total_tokens": 5}
    stream = event(chunk({"role": "assistant", "content": "x"})) + event(chunk({}, "stop", usage=usage)) + DONE
    _, error, seen = ran(stream, include_usage=True)
    assert (error, seen) == (None, None)


# ---- shapes ---------------------------------------------------------------------------------------------------------
def test_a_message_that_repeats_everything_is_left_out() -> None:
    first, second = chunk({"role": "assistant", "content": "a"}), chunk({"content": "b"}, "stop")
    first["choices"][0]["message"] = {"role": "assistant", "content": "a"}  # type: ignore[index,call-overload]
    second["choices"][0]["message"] = {"role": "assistant", "content": "ab"}  # type: ignore[index,call-overload]
    found = chunks(ran(event(first) + event(second) + DONE)[0])
    assert [part["choices"][0].get("message") for part in found] == [None, None]  # type: ignore[index,call-overload,union-attr]
    assert [part["choices"][0]["delta"]["content"] for part in found] == ["a", "b"]  # type: ignore[index,call-overload]


def test_reasoning_is_mirrored_only_where_the_provider_needs_it() -> None:
    stream = (
        event(chunk({"role": "assistant", "content": ""}))
        + event(chunk({"reasoning": "r"}))
        + event(chunk({}, "stop"))
        + DONE
    )
    assert ran(stream, STANDARD)[0] == stream
    assert b'{"reasoning":"r","reasoning_content":"r"}' in ran(stream, EVERYTHING)[0]


def test_text_that_only_looks_like_reasoning_stays() -> None:
    stream = (
        event(chunk({"role": "assistant", "content": "<thin"}))
        + event(chunk({"content": "g>"}))
        + event(chunk({}, "stop"))
        + DONE
    )
    found = chunks(ran(stream)[0])
    assert "".join(part["choices"][0]["delta"].get("content", "") for part in found) == "<thing>"  # type: ignore[index,call-overload,union-attr]


def test_invalid_utf8_becomes_well_formed_where_something_was_wrong() -> None:
    bad = event(chunk({"role": "assistant", "content": "x"}, "eos")).replace(b'"x"', b'"\xff"')
    out, error, _ = ran(bad + DONE)
    assert error is None
    assert "\ufffd" in out.decode()


def test_what_is_no_json_passes() -> None:
    stream = (
        event(chunk({"role": "assistant", "content": "x"}))
        + b"data: hello\n\n"
        + event(chunk({}, "stop"))
        + DONE
        + b"junk\n\n"
    )
    assert ran(stream)[0] == stream


def test_a_huge_event_passes_in_bounded_memory() -> None:
    huge = event(chunk({"content": "x" * (17 * 1024 * 1024)}))
    head = event(chunk({"role": "assistant", "content": ""}))
    stream = head + huge + event(chunk({}, "stop")) + DONE
    assert ran(stream, size=1 << 20)[0] == stream


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "index",
                    "content",
                    "tool_calls",
                    "function",
                    "arguments",
                    "id",
                    "name",
                    "usage",
                    "error",
                    "finish_reason",
                    "message",
                    "x_groq",
                    "base_resp",
                    "role",
                    "reasoning",
                    "created",
                    "object",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JUNK, max_size=4), st.integers(min_value=0, max_value=40))
def test_nothing_that_arrives_raises(values: list[object], size: int) -> None:
    stream = b"".join([event(value) for value in values]) + DONE
    out, error, _ = ran(stream, Quirks(mirror=True, think=True, reasoning_beside=True), size=size, include_usage=True)
    assert error is not None or out.endswith(DONE)


@given(
    st.lists(
        st.fixed_dictionaries({}, optional={"role": JUNK, "content": JUNK, "tool_calls": JUNK, "reasoning": JUNK}),
        max_size=5,
    )
)
def test_no_delta_raises(deltas: list[dict[str, object]]) -> None:
    stream = b"".join([event(chunk(delta)) for delta in deltas]) + event(chunk({}, "stop")) + DONE
    _, error, _ = ran(stream, EVERYTHING)
    assert error is None
