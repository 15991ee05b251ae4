"""Answers, plain and streamed: the same blocks both ways, every split, usage, finish reasons, errors, broken bytes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import TollwayError, UpstreamAuthFailed, UpstreamCut, UpstreamInvalid, UpstreamRejected
from proxy.providers.bedrock import stream as streams
from proxy.providers.bedrock.blocks import ANSWER_TOOL
from proxy.providers.bedrock.chat import Converse
from proxy.providers.bedrock.eventstream import event, exception, message
from proxy.translation.ask import Ask
from proxy.translation.completion import fold

USAGE = {
    "inputTokens": 2,
    "outputTokens": 5,
    "totalTokens": 1329,
    "cacheReadInputTokens": 1300,
    "cacheWriteInputTokens": 22,
}


def ask(**more: Any) -> Ask:
    return Ask(model="m", request_id="r1", created=7, **more)


def plain(content: Any, reason: str = "end_turn", usage: Any = USAGE) -> bytes:
    return orjson.dumps(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": reason,
            "usage": usage,
            "metrics": {},
        }
    )


def one(name: str, payload: dict[str, Any]) -> bytes:
    return event(name, orjson.dumps({**payload, "p": "abcdefgh"}))


def delta(index: int, said: dict[str, Any]) -> bytes:
    return one("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def start(index: int, said: dict[str, Any]) -> bytes:
    return one("contentBlockStart", {"contentBlockIndex": index, "start": said})


def stop(index: int) -> bytes:
    return one("contentBlockStop", {"contentBlockIndex": index})


def halves(whole: str) -> list[str]:
    return [whole[: len(whole) // 2], whole[len(whole) // 2 :]]


def block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    """One block of a plain answer as the events of a stream."""
    found: list[bytes] = []
    if "text" in block:
        found = [delta(index, {"text": piece}) for piece in ("", *halves(block["text"]))]
    elif "reasoningContent" in block:
        inner = block["reasoningContent"]
        if "reasoningText" in inner:
            found = [
                delta(index, {"reasoningContent": {"text": piece}}) for piece in halves(inner["reasoningText"]["text"])
            ]
            if "signature" in inner["reasoningText"]:
                found.append(delta(index, {"reasoningContent": {"signature": inner["reasoningText"]["signature"]}}))
        else:
            found = [delta(index, {"reasoningContent": inner})]
    elif "toolUse" in block:
        use = dict(block["toolUse"])
        given = use.pop("input")
        found = [start(index, {"toolUse": use})]
        if given:
            found += [delta(index, {"toolUse": {"input": piece}}) for piece in halves(orjson.dumps(given).decode())]
    elif "toolResult" in block:
        result = dict(block["toolResult"])
        content = result.pop("content")
        found = [start(index, {"toolResult": result}), delta(index, {"toolResult": content})]
    elif "citationsContent" in block:
        inner = block["citationsContent"]
        found = [delta(index, {"text": piece["text"]}) for piece in inner["content"]]
        found += [delta(index, {"citation": citation}) for citation in inner["citations"]]
    elif "image" in block:
        found = [
            start(index, {"image": {"format": block["image"]["format"]}}),
            delta(index, {"image": {"source": block["image"]["source"]}}),
        ]
    return [*found, stop(index)]


def streamed(content: list[dict[str, Any]], reason: str = "end_turn", usage: Any = USAGE, gap: int = 1) -> bytes:
    found = [one("messageStart", {"role": "assistant"})]
    for index, block in enumerate(content):
        found += block_events(index * gap, block)
    found.append(one("messageStop", {"stopReason": reason}))
    found.append(one("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
    return b"".join(found)


def run(*pieces: bytes, about: Ask | None = None) -> tuple[list[dict[str, Any]], TollwayError | None]:
    decoder = Converse().decoder(about or ask())
    found: list[Any] = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    found += decoder.close()
    return found, decoder.error


def whole(body: bytes, about: Ask | None = None) -> dict[str, Any]:
    return dict(Converse().decode(body, about or ask()))


def first(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["choices"][0]
    return found


TEXT = {"text": "Hello there"}
CALL = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1, "b": "ü"}}}
EMPTY_CALL = {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hmm", "signature": "Eq=="}}}
UNSIGNED = {"reasoningContent": {"reasoningText": {"text": "well"}}}
SEALED = {"reasoningContent": {"redactedContent": "AAEC"}}
WEB = {"title": "T", "location": {"web": {"url": "https://example.com", "domain": "example.com"}}}
PAGE = {"title": "D", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
CITED = {"citationsContent": {"content": [{"text": "so it is"}], "citations": [WEB, PAGE]}}
SERVER = {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"}}
RESULT = {"toolResult": {"toolUseId": "s1", "content": [{"text": "found"}], "status": "success"}}
IMAGE = {"image": {"format": "png", "source": {"bytes": "iVBO"}}}
BLOCKS = [TEXT, CALL, EMPTY_CALL, THOUGHT, UNSIGNED, SEALED, CITED, SERVER, RESULT, IMAGE]


def test_a_plain_answer() -> None:
    answer = whole(plain([TEXT]))
    assert answer == {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "end_turn",
            }
        ],
        "usage": {
            "prompt_tokens": 1324,
            "completion_tokens": 5,
            "total_tokens": 1329,
            "prompt_tokens_details": {"cached_tokens": 1300, "cache_write_tokens": 22},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_every_block_has_its_place() -> None:
    found = first(whole(plain([THOUGHT, SEALED, TEXT, CITED, SERVER, RESULT, IMAGE, CALL, EMPTY_CALL], "tool_use")))
    said = found["message"]
    assert found["finish_reason"] == "tool_calls"
    assert said["content"] == "Hello thereso it is"
    assert said["reasoning_content"] == "hmm"
    assert said["thinking_blocks"] == [
        {"type": "thinking", "thinking": "hmm", "signature": "Eq=="},
        {"type": "redacted_thinking", "data": "AAEC"},
    ]
    assert [(call["id"], call["function"]) for call in said["tool_calls"]] == [
        ("t1", {"name": "f", "arguments": '{"a":1,"b":"ü"}'}),
        ("t2", {"name": "g", "arguments": "{}"}),
    ]
    assert said["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://example.com", "title": "T", "start_index": 11, "end_index": 19},
        }
    ]
    assert [(entry["index"], entry["at"], list(entry["block"])) for entry in said["provider_blocks"]] == [
        (3, 11, ["citationsContent"]),
        (4, 19, ["toolUse"]),
        (5, 19, ["toolResult"]),
    ]
    assert said["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]


contents = st.lists(st.sampled_from(BLOCKS), max_size=5)
reasons = st.sampled_from(["end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "brand_new"])


@settings(max_examples=300, deadline=None)
@given(contents, reasons, st.data())
def test_a_stream_adds_up_to_the_plain_answer(content: list[dict[str, Any]], reason: str, data: st.DataObject) -> None:
    raw = streamed(content, reason)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    chunks, error = run(*[raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])])
    assert error is None
    folded = fold(chunks)
    expected = whole(plain(content, reason))
    assert folded == expected


def test_every_split_gives_the_same_chunks() -> None:
    raw = streamed([THOUGHT, TEXT, CALL, EMPTY_CALL], "tool_use")
    expected, _ = run(raw)
    for at in range(len(raw)):
        assert run(raw[:at], raw[at:]) == (expected, None)
    assert run(*[bytes((byte,)) for byte in raw]) == (expected, None)


def test_gaps_between_indices_do_not_show() -> None:
    chunks, _ = run(streamed([TEXT, CALL, EMPTY_CALL], "tool_use", gap=2))
    calls = [call for chunk in chunks for part in chunk["choices"] for call in part["delta"].get("tool_calls", ())]
    assert {call["index"] for call in calls} == {0, 1}
    assert fold(chunks) == whole(plain([TEXT, CALL, EMPTY_CALL], "tool_use"))


def test_the_order_of_chunks() -> None:
    chunks, _ = run(streamed([TEXT]))
    assert [next(iter(part["delta"]), None) for chunk in chunks for part in chunk["choices"]] == [
        "role",
        "content",
        "content",
        None,
    ]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["prompt_tokens"] == 1324


def test_a_deltas_chunk_leaves_at_once() -> None:
    decoder = Converse().decoder(ask())
    assert [chunk["choices"][0]["delta"] for chunk in decoder.feed(delta(0, {"text": "a"}))] == [  # type: ignore[index, call-overload]
        {"role": "assistant", "content": ""},
        {"content": "a"},
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"), ("content_filtered", "content_filter"), ("malformed_tool_use", "stop"),
        ("malformed_model_output", "stop"), ("tool_use", "stop"), ("never_seen", "stop"), ("", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons(reason: str, finish: str) -> None:
    assert first(whole(plain([TEXT], reason)))["finish_reason"] == finish
    assert first(fold(run(streamed([TEXT], reason))[0]))["finish_reason"] == finish


@pytest.mark.parametrize("reason", ["end_turn", "tool_use"])
def test_a_call_decides_the_finish(reason: str) -> None:
    assert first(whole(plain([CALL], reason)))["finish_reason"] == "tool_calls"
    assert first(whole(plain([CALL], "max_tokens")))["finish_reason"] == "length"


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
@pytest.mark.parametrize("content", [[], [THOUGHT]])
def test_malformed_output_with_nothing_left_is_a_failure(reason: str, content: list[dict[str, Any]]) -> None:
    with pytest.raises(UpstreamInvalid, match="malformed"):
        whole(plain(content, reason))
    _, error = run(streamed(content, reason))
    assert isinstance(error, UpstreamInvalid)


def test_an_empty_answer_is_an_answer() -> None:
    assert first(whole(plain([])))["message"]["content"] == ""


def test_structured_output_by_a_tool_is_content() -> None:
    block = {"toolUse": {"toolUseId": "t", "name": ANSWER_TOOL, "input": {"a": 1}}}
    answer = whole(plain([block], "tool_use"))
    assert first(answer)["message"]["content"] == '{"a":1}'
    assert first(answer)["finish_reason"] == "stop"
    assert "tool_calls" not in first(answer)["message"]
    assert fold(run(streamed([block], "tool_use"))[0]) == answer


def test_renamed_tools_come_back_under_their_names() -> None:
    about = ask()
    import re

    sent = about.names.forth("my tool", invalid=re.compile(r"[^a-z_0-9]"), limit=64)
    block = {"toolUse": {"toolUseId": "t", "name": sent, "input": {}}}
    assert first(whole(plain([block]), about))["message"]["tool_calls"][0]["function"]["name"] == "my tool"
    assert (
        first(fold(run(streamed([block]), about=about)[0]))["message"]["tool_calls"][0]["function"]["name"] == "my tool"
    )


def test_stop_sequences_are_enforced_where_the_model_takes_none() -> None:
    about = ask(stop=("lo t",))
    answer = whole(plain([TEXT]), about)
    assert first(answer)["message"]["content"] == "Hel"
    folded = fold(run(streamed([TEXT]), about=about)[0])
    assert first(folded)["message"]["content"] == "Hel"
    assert first(folded)["finish_reason"] == "stop"


# ---- usage ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "usage",
    [None, {}, [], "x", {"inputTokens": -1, "outputTokens": 1}, {"inputTokens": 1}, {"inputTokens": "1", "outputTokens": 1},
     {"inputTokens": 2**80, "outputTokens": 1}, {"inputTokens": 2**62, "cacheReadInputTokens": 2**62, "outputTokens": 1}],
)  # fmt: skip
def test_usage_that_is_none_is_not_invented(usage: Any) -> None:
    assert "usage" not in whole(orjson.dumps({"output": {"message": {"content": [TEXT]}}, "stopReason": "end_turn"}))
    body = plain([TEXT], usage=usage) if usage != {"inputTokens": 2**80, "outputTokens": 1} else None
    if body is not None:
        assert "usage" not in whole(body)
        chunks, error = run(streamed([TEXT], usage=usage))
        assert error is None
        assert all("usage" not in chunk for chunk in chunks)


def test_the_legacy_names_of_cached_tokens() -> None:
    usage = {"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokenCount": 4, "cacheWriteInputTokenCount": 2}
    assert whole(plain([TEXT], usage=usage))["usage"]["prompt_tokens"] == 7
    both = {**usage, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 2}
    assert whole(plain([TEXT], usage=both))["usage"]["prompt_tokens"] == 7


def test_a_stream_without_metadata_ends_well_and_without_usage() -> None:
    raw = b"".join([delta(0, {"text": "a"}), one("messageStop", {"stopReason": "end_turn"})])
    chunks, error = run(raw)
    assert error is None
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in chunk for chunk in chunks)


# ---- streams that go wrong ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("before", [b"", delta(0, {"text": "a"}), delta(0, {"text": "a"}) + stop(0)])
def test_an_end_before_the_stop_is_a_cut(before: bytes) -> None:
    chunks, error = run(before)
    assert isinstance(error, UpstreamCut)
    assert all(part["finish_reason"] is None for chunk in chunks for part in chunk["choices"])


def test_every_truncation_is_an_error_or_a_whole_answer() -> None:
    raw = streamed([TEXT, CALL], "tool_use")
    complete = len(raw) - len(one("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}))
    for at in range(len(raw)):
        _, error = run(raw[:at])
        assert (error is None) == (at >= complete)


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("throttlingException", 429, "rate_limit_error"),
        ("modelStreamErrorException", 502, "server_error"),
        ("validationException", 400, "invalid_request_error"),
        ("internalServerException", 500, "server_error"),
        ("serviceUnavailableException", 503, "server_error"),
        ("somethingNewException", 500, "server_error"),
    ],
)
@pytest.mark.parametrize("before", [b"", delta(0, {"text": "a"})])
def test_exceptions_in_a_stream(kind: str, status: int, type_: str, before: bytes) -> None:
    chunks, error = run(before + exception(kind, b'{"message":"told"}') + delta(0, {"text": "after"}))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.type, error.message) == (status, type_, "told")
    assert len(chunks) == (2 if before else 0)


def test_error_frames() -> None:
    _, error = run(
        message({":message-type": "error", ":error-code": "throttlingException", ":error-message": "slow"}, b"")
    )
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.message) == (429, "slow")


@pytest.mark.parametrize(
    "raw", [b'{"message":"no stream"}', b"<html>" * 9, event("contentBlockDelta", b"{broken"), b"\x00" * 64]
)
def test_what_is_no_event_stream_is_one_clear_error(raw: bytes) -> None:
    chunks, error = run(raw)
    assert not chunks
    assert isinstance(error, UpstreamInvalid)


def test_what_came_before_a_broken_message_is_told_however_it_was_cut() -> None:
    good = event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Half"}}')
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    for pieces in ([good + bad], [good, bad]):
        decoder = Converse().decoder(Ask(model="m"))
        chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
        assert isinstance(decoder.error, UpstreamInvalid)
        assert fold(chunks)["choices"][0]["message"]["content"] == "Half"  # type: ignore[index, call-overload]


def test_invalid_utf8_costs_a_character_not_the_answer() -> None:
    raw = event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"a\xffb"}}')
    chunks, error = run(raw + one("messageStop", {"stopReason": "end_turn"}))
    assert error is None
    assert first(fold(chunks))["message"]["content"] == "a\ufffdb"


def test_unknown_events_pass_and_unknown_blocks_are_kept() -> None:
    raw = [one("novelty", {"x": 1}), start(0, {"novel": {"a": 1}}), delta(0, {"novel": {"b": 2}}), stop(0)]
    raw += [delta(1, {"text": "a"}), one("messageStop", {"stopReason": "end_turn"})]
    folded = fold(run(b"".join(raw))[0])
    block = {"start": {"novel": {"a": 1}}, "deltas": [{"novel": {"b": 2}}]}
    assert first(folded)["message"]["provider_blocks"] == [{"type": "bedrock", "index": 0, "at": 0, "block": block}]
    lone = fold(run(delta(0, {"novel": {"b": 2}}) + stop(0) + one("messageStop", {"stopReason": "end_turn"}))[0])
    assert first(lone) == first(whole(plain([{"novel": {"b": 2}}])))
    answer = whole(plain([{"novel": 1}, TEXT]))
    assert first(answer)["message"]["provider_blocks"] == [
        {"type": "bedrock", "index": 0, "at": 0, "block": {"novel": 1}}
    ]


def test_missing_indices_and_doubled_starts() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "f"}}
    raw = [one("contentBlockStart", {"start": use}), one("contentBlockStart", {"start": use})]
    raw += [one("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a":1}'}}}), one("contentBlockStop", {})]
    raw += [one("messageStop", {"stopReason": "tool_use"})]
    [call] = first(fold(run(b"".join(raw))[0]))["message"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HELD", 10_000)
    _, error = run(b"".join([delta(0, {"reasoningContent": {"signature": "x" * 500}})] * 30))
    assert isinstance(error, UpstreamInvalid)


def test_a_tool_input_nested_without_end() -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    body = plain([{"toolUse": {"toolUseId": "t", "name": "f", "input": "@"}}]).replace(b'"@"', deep)
    with pytest.raises(UpstreamInvalid):
        whole(body)
    _, error = run(event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"novel":' + deep + b"}}"))
    assert isinstance(error, UpstreamInvalid)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                """text toolUse reasoningContent citation image toolResult input toolUseId name type source bytes signature
        redactedContent delta start contentBlockIndex stopReason usage inputTokens outputTokens citationsContent content citations
        output message reasoningText""".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
names = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(names, json_values), max_size=8), st.binary(max_size=8))
def test_no_event_breaks_the_decoder(events: Sequence[tuple[str, Any]], tail: bytes) -> None:
    def written(value: Any) -> bytes:
        try:
            return orjson.dumps(value)
        except TypeError:
            return b"null"

    raw = b"".join(event(name, written(payload)) for name, payload in events) + tail
    chunks, error = run(raw)
    orjson.dumps(chunks)
    assert error is not None or any(part["finish_reason"] for chunk in chunks for part in chunk["choices"])
    for _, payload in events:
        for body in (written(payload), plain(payload) if written(payload) != b"null" else b"{}"):
            try:
                orjson.dumps(whole(body))
            except TollwayError:
                continue


# ---- plain answers that are none ------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"output":{}}', b'{"output":{"message":"x"}}'])
def test_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        whole(body)


def test_an_error_inside_a_200() -> None:
    with pytest.raises(UpstreamRejected) as caught:
        whole(b'{"__type":"com.amazon.coral#ThrottlingException","message":"slow down"}')
    assert caught.value.status == 429


# ---- errors ---------------------------------------------------------------------------------------------------------
def failure(status: int, kind: str, said: str = "told", **more: Any) -> TollwayError:
    headers = ((b"x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/".encode()),) if kind else ()
    return Converse().error(status, headers, orjson.dumps({"message": said, **more}))


@pytest.mark.parametrize(
    ("status", "kind", "said", "expected"),
    [
        (400, "ValidationException", "bad field", (400, "invalid_request_error", None)),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            "ValidationException",
            "prompt is too long: 9 tokens",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            (404, "invalid_request_error", "model_not_found"),
        ),
        (404, "ResourceNotFoundException", "gone", (404, "invalid_request_error", "model_not_found")),
        (408, "ModelTimeoutException", "slow", (408, "server_error", "timeout")),
        (
            429,
            "ThrottlingException",
            "Too many tokens, please wait before trying again.",
            (429, "rate_limit_error", "rate_limit_exceeded"),
        ),
        (429, "ThrottlingException", "Too many requests", (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, "ModelNotReadyException", "warming", (429, "rate_limit_error", "model_not_ready")),
        (400, "ServiceQuotaExceededException", "over", (429, "rate_limit_error", "rate_limit_exceeded")),
        (424, "ModelErrorException", "broke", (502, "server_error", None)),
        (424, "ModelStreamErrorException", "broke", (502, "server_error", None)),
        (500, "InternalServerException", "oops", (500, "server_error", None)),
        (503, "ServiceUnavailableException", "busy", (503, "server_error", "overloaded")),
        (424, "", "odd", (502, "server_error", None)),
        (503, "", "busy", (503, "server_error", "overloaded")),
    ],
)
def test_errors(status: int, kind: str, said: str, expected: tuple[int, str, str | None]) -> None:
    error = failure(status, kind, said)
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.type, error.code) == expected
    assert error.message == said


@pytest.mark.parametrize(
    ("status", "kind", "said", "fix"),
    [
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "check its AWS keys",
        ),
        (400, "UnrecognizedClientException", "x", "check its AWS keys"),
        (403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than", "clock"),
        (403, "ExpiredTokenException", "expired", "session token"),
        (403, "MissingAuthenticationTokenException", "none", "API key"),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            "access to the model",
        ),
        (401, "", "x", "api_key"),
    ],
)
def test_our_credentials_refused_are_never_the_clients_fault(status: int, kind: str, said: str, fix: str) -> None:
    error = failure(status, kind, said)
    assert isinstance(error, UpstreamAuthFailed)
    assert fix in error.message
    assert error.status == 502


def test_the_models_own_failure_is_told() -> None:
    error = failure(424, "ModelErrorException", "The model failed.", originalStatusCode=500, originalMessage="CUDA")
    assert error.message == "The model failed. (CUDA)"
    assert "500" in error.detail


@pytest.mark.parametrize(
    "body", [b"", b"<html><title>503 Busy</title></html>", b"\xff\xfe", b"[]", b'"x"', b'{"Message":"x"}']
)
def test_odd_error_bodies(body: bytes) -> None:
    error = Converse().error(503, (), body)
    assert error.status == 503
    assert error.message


def test_headers_that_reach_the_client() -> None:
    headers = (
        (b"x-amzn-requestid", b"abc"),
        (b"content-type", b"application/json"),
        (b"content-length", b"3"),
        (b"connection", b"close"),
    )
    assert Converse().headers(headers) == [(b"x-amzn-requestid", b"abc")]
