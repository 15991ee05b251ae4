"""Whole answers and error answers of deviating providers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import TollwayError, UpstreamAuthFailed, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from proxy.providers.minimax import MINIMAX
from proxy.providers.openai_dialect.quirks import STANDARD, Quirks
from proxy.providers.openai_dialect.repair import ChatRepair, ErrorRepair
from proxy.providers.xai import XAI
from proxy.providers.zai import ZAI
from proxy.translation.ask import Ask
from proxy.wire.values import JsonObject

EVERYTHING = Quirks(mirror=True, think=True, unopened=("*thinking*",))


def made(quirks: Quirks = EVERYTHING, *, model: str = "m", forwards: bool = False) -> ChatRepair:
    return ChatRepair(quirks, Ask(model=model, request_id="r" * 32, created=9), forwards=forwards)


def answer(message: object, finish: str | None = "stop", **more: object) -> JsonObject:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice], **more}  # type: ignore[dict-item,list-item]


def repaired(document: object, quirks: Quirks = EVERYTHING, model: str = "m") -> JsonObject:
    found: JsonObject = json.loads(made(quirks, model=model).reply(200, json.dumps(document).encode()))
    return found


def message_of(document: JsonObject) -> JsonObject:
    found: JsonObject = document["choices"][0]["message"]  # type: ignore[index,call-overload,assignment]
    return found


@pytest.mark.parametrize(
    "body",
    [
        b'{ "id":"c","object" : "chat.completion","created":7,"x":1.0e2,"choices":[{"index":0,"message":{"role":"assistant","content":"a <think>b"},"finish_reason":"stop"}] }',
        b'\n\n{"object":"chat.completion","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}',
    ],
)
def test_a_right_answer_is_the_very_object(body: bytes) -> None:
    assert made().reply(200, body) is body


def test_parts_of_the_content_are_told_apart() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "why"}]},
        {"type": "text", "text": "because"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "reference", "reference_ids": [1]},
    ]
    found = message_of(repaired(answer({"role": "assistant", "content": parts})))
    assert (found["content"], found["reasoning_content"]) == ("because", "why")
    assert found["images"] == [{"type": "image_url", "image_url": {"url": "u"}}]
    assert found["provider_blocks"] == [
        {"type": "openai", "index": 0, "block": {"type": "reference", "reference_ids": [1]}}
    ]


def test_reasoning_in_the_text() -> None:
    found = message_of(repaired(answer({"content": "<think>\nwhy\n</think>\n\nbecause"})))
    assert (found["content"], found["reasoning_content"]) == ("because", "why")


def test_reasoning_without_its_opening_tag_needs_a_known_model() -> None:
    document = answer({"role": "assistant", "content": "why</think>because"})
    assert message_of(repaired(document))["content"] == "why</think>because"
    assert message_of(repaired(document, model="Qwen3-Thinking"))["reasoning_content"] == "why"
    plain = answer({"role": "assistant", "content": "no tags"})
    assert message_of(repaired(plain, model="Qwen3-Thinking"))["content"] == "no tags"


def test_tool_calls_get_what_they_lack() -> None:
    calls = [
        {"function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "t", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    document = repaired(answer({"content": None, "tool_calls": calls}))
    first, second = message_of(document)["tool_calls"]  # type: ignore[misc]
    assert first == {
        "function": {"name": "f", "arguments": '{"a":1}'},
        "id": "call_" + "r" * 24 + "_0",
        "type": "function",
    }
    assert second["function"]["arguments"] == "{}"  # type: ignore[index,call-overload]
    assert document["choices"][0]["finish_reason"] == "tool_calls"  # type: ignore[index,call-overload]


def test_usage_moves_to_its_place() -> None:
    document = answer({"content": "x"})
    document["choices"][0]["usage"] = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}  # type: ignore[index,call-overload]
    repair = made()
    found = json.loads(repair.reply(200, json.dumps(document).encode()))
    assert found["usage"]["prompt_tokens"] == 3
    assert repair.usage is not None
    assert repair.usage.input == 3


def test_seconds_are_whole() -> None:
    assert repaired({**answer({"content": "x"}), "created": 1763800000123.5})["created"] == 1763800000
    assert repaired({**answer({"content": "x"}), "created": 7.9})["created"] == 7


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"error": {"code": 429, "message": "slow", "metadata": {}}}, 429, "rate_limit_exceeded"),
        ({"error": "it failed"}, 502, None),
        ({"object": "error", "message": "maximum context length is 10", "code": 400}, 400, "context_length_exceeded"),
        ({"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, 502, None),
        (answer({"content": "x"}, "network_error"), 502, "network_error"),
        (answer({"content": "x"}, "insufficient_system_resource"), 503, "insufficient_system_resource"),
    ],
)
def test_an_error_with_status_200(document: object, status: int, code: str | None) -> None:
    with pytest.raises(UpstreamError) as caught:
        repaired(document)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(
    ("number", "status", "kind"),
    [
        (1002, 429, "rate_limit_error"),
        (1008, 429, "insufficient_quota"),
        (1027, 400, "invalid_request_error"),
        (2013, 400, "invalid_request_error"),
        (77, 502, "server_error"),
    ],
)
def test_minimax_numbers(number: int, status: int, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        repaired({"choices": None, "base_resp": {"status_code": number, "status_msg": "no"}}, MINIMAX.quirks)
    assert (caught.value.status, caught.value.type) == (status, kind)


def test_minimax_success_is_none() -> None:
    body = json.dumps(
        {**answer({"role": "assistant", "content": "x"}), "base_resp": {"status_code": 0, "status_msg": ""}}
    ).encode()
    assert made(MINIMAX.quirks).reply(200, body) is body


def test_minimax_key_refused_is_ours() -> None:
    with pytest.raises(UpstreamAuthFailed):
        repaired({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, MINIMAX.quirks)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"[]", b"17", b'{"id":"c"}', b'{"choices":[]}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        made().reply(200, body)


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    out = made().unfold(
        json.dumps(answer({"content": "x"}, "eos", usage={"prompt_tokens": 1, "completion_tokens": 1})).encode()
    )
    assert out.endswith(b'"finish_reason":"stop","native_finish_reason":"eos"}]}\n\ndata: [DONE]\n\n')
    assert b'"usage"' not in out


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["content", "type", "text", "thinking", "function", "arguments", "id", "message"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["choices", "usage", "error", "object", "created", "detail", "message", "base_resp", "x_groq"]),
        JUNK,
        max_size=5,
    ),
    JUNK,
)
def test_no_answer_raises_anything_else(document: dict[str, object], message: object) -> None:
    for body in (document, {**document, "choices": [{"message": message, "finish_reason": "stop"}]}):
        try:
            repaired(body)
        except TollwayError as error:
            assert 400 <= error.status <= 599  # noqa: PT017


# ---- error answers --------------------------------------------------------------------------------------------------
def error(status: int, body: bytes, quirks: Quirks = STANDARD, *, forwards: bool = False) -> TollwayError | None:
    return made(quirks, forwards=forwards).error(status, ((b"retry-after", b"4"),), body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"m"}}',
        b'{"error":{"message":"m","type":"t","code":429,"metadata":{"raw":1}},"user_id":"u"}',
    ],
)
def test_openais_envelope_passes(body: bytes) -> None:
    assert error(429, body) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"flat","type":"rate_limited","code":"1300"}', "flat"),
        (b'{"error":"words here"}', "words here"),
        (b'{"detail":[{"loc":["body","n"],"msg":"bad"}]}', "body.n: bad"),
        (b'{"errors":[{"code":1,"message":"listed"}],"success":false}', "listed"),
        (b'[{"error":{"message":"in a list"}}]', "in a list"),
        (b'"bare"', "bare"),
        (b"<html><title>503 sorry</title></html>", "503 sorry"),
        (b"", "The provider gave no reason."),
    ],
)
def test_other_shapes_become_the_envelope(body: bytes, message: str) -> None:
    found = error(429, body)
    assert found is not None
    assert (found.status, found.message, found.type) == (429, message, "rate_limit_error")
    assert (b"retry-after", b"4") in found.headers


def test_our_key_refused_never_reaches_the_client() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-ours"}}'
    assert isinstance(error(401, body), UpstreamAuthFailed)
    assert error(401, body, forwards=True) is None
    flat = error(401, b'{"detail":"Unauthorized"}', forwards=True)
    assert flat is not None
    assert (flat.status, flat.code, flat.message) == (401, "invalid_api_key", "Unauthorized")


def test_a_refused_prompt_is_no_refused_key() -> None:
    found = error(403, b'{"code":"x","error":"blocked: SAFETY_CHECK_TYPE_BIO"}', XAI.quirks)
    assert found is not None
    assert (found.status, found.code) == (403, "content_filter")


def test_a_proxy_that_wants_credentials() -> None:
    assert isinstance(error(407, b'{"error":{"message":"m"}}'), UpstreamUnavailable)


def test_numbers_of_zai() -> None:
    found = error(400, b'{"code":"1113","message":"no money"}', ZAI.quirks)
    assert found is not None
    assert (found.status, found.type) == (429, "insufficient_quota")


def test_other_operations_have_their_errors_repaired_alone() -> None:
    repair = ErrorRepair(MINIMAX.quirks, Ask(model="m"), forwards=False)
    body = b'{ "data":[{"embedding":[1.0e1]}],"usage":{"prompt_tokens":4,"total_tokens":4}}'
    assert repair.reply(200, body) is body
    assert repair.usage is not None
    assert repair.usage.input == 4
    with pytest.raises(UpstreamError):
        repair.reply(200, b'{"vectors":null,"base_resp":{"status_code":1002,"status_msg":"slow"}}')
    with pytest.raises(UpstreamInvalid):
        repair.stream()
    with pytest.raises(UpstreamInvalid):
        repair.unfold(b"{}")


def test_headers_without_those_of_the_framing() -> None:
    headers = (
        (b"content-type", b"a"),
        (b"content-length", b"1"),
        (b"x-ratelimit-limit-requests", b"5"),
        (b"set-cookie", b"c"),
    )
    assert made().headers(headers) == [(b"content-type", b"a"), (b"x-ratelimit-limit-requests", b"5")]
