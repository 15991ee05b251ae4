"""Every dialect against what it was not written for: any request is sent or refused, any answer is well-formed or one clear error."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from proxy.context import RequestContext
from proxy.errors import ClientError, TollwayError
from proxy.protocols import Prepared, Translation
from proxy.translation.composed import Composed
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT
from proxy.wire.stream import StreamDecoder
from tests.contract.providers import driver
from tests.contract.providers.cases import Case, cases
from tests.support.mutations import ODD, Mutator

DIALECTS = (
    "anthropic",
    "bedrock",
    "cohere",
    "gemini",
    "vertex",
    "mistral",
    "openrouter",
    "groq",
    "deepseek",
    "cloudflare",
)
CASES = {
    name: [case for case in cases() if case.provider == name and case.path == "/chat/completions"] for name in DIALECTS
}
CLIENTS = {
    "/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9},
    "/responses": {"input": "Hi"},
}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
every_client = pytest.mark.parametrize("path", CLIENTS)


def prepared(case: Case, path: str, body: dict[str, Any] | bytes, *, stream: bool) -> Prepared:
    """The request to the account of ``case``, the account made once."""
    ctx = RequestContext(
        request_id=driver.REQUEST_ID,
        endpoint=driver.endpoint_of(path),
        path=path,
        principal=driver.PRINCIPAL,
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        request=RequestView(model="public", stream=stream),
    )
    return ACCOUNTS[case.provider].prepare(ctx, driver.target(case), include_usage=False, now=driver.NOW)


ACCOUNTS = {name: driver.account(found[0]) for name, found in CASES.items()}


def question(path: str, *, stream: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": "public", **CLIENTS[path]}
    if stream:
        asked["stream"] = True
        if path == "/chat/completions":
            asked["stream_options"] = {"include_usage": True}
    return asked


# ---- requests -----------------------------------------------------------------------------------------------------------
words = st.sampled_from(
    """role user system developer assistant tool function content text type image_url url input_audio file file_data data format
    tool_calls name arguments id index tool_call_id reasoning_content thinking_blocks thinking signature redacted_thinking
    provider_blocks block cache_control ephemeral extra_content google thought_signature parameters properties object required
    json_schema schema strict none auto allowed_tools mode tools custom high low data:image/png;base64,AA== https://a.test/b.png
    {} {"a":1} end""".split()
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": words | values,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": words, "arguments": words | values}),
        },
        optional={"extra_content": values},
    ),
    max_size=3,
)
spoken = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "developer", "assistant", "tool", "function"]) | values,
        "content": words | values,
    },
    optional={
        "tool_calls": calls | values,
        "tool_call_id": words | values,
        **dict.fromkeys(
            (
                "reasoning_content",
                "thinking_blocks",
                "reasoning_details",
                "provider_blocks",
                "name",
                "cache_control",
                "refusal",
                "audio",
            ),
            values,
        ),
    },
)
tools = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["function", "custom", "web_search"]) | values},
        optional={
            "function": st.fixed_dictionaries(
                {"name": words | values}, optional={"parameters": values, "strict": values}
            )
            | values
        },
    ),
    max_size=3,
)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "tools": tools | values,
        **dict.fromkeys(
            """tool_choice temperature top_p top_k stop max_tokens max_completion_tokens frequency_penalty presence_penalty logprobs
            top_logprobs response_format reasoning_effort n parallel_tool_calls seed user metadata modalities audio prediction
            service_tier store verbosity web_search_options logit_bias functions function_call safety_settings unknown""".split(),
            values,
        ),
    },
)


@every_dialect
@settings(max_examples=60, deadline=None)
@given(messages=st.lists(spoken | values, max_size=5) | values, more=parameters, stream=st.booleans())
@example(messages=[], more={}, stream=False)
def test_any_chat_is_sent_or_refused(dialect: str, messages: Any, more: dict[str, Any], stream: bool) -> None:
    for case in CASES[dialect][:1]:
        with suppress(ClientError):
            body = prepared(
                case, "/chat/completions", {"model": "public", **more, "messages": messages}, stream=stream
            ).request.body
            assert isinstance(body, bytes)
            assert isinstance(orjson.loads(body), dict)


@every_dialect
@settings(max_examples=30, deadline=None)
@given(
    content=st.lists(values, max_size=3) | values, more=parameters, path=st.sampled_from(["/messages", "/responses"])
)
def test_any_request_of_another_client_is_sent_or_refused(
    dialect: str, content: Any, more: dict[str, Any], path: str
) -> None:
    asked = {"model": "public", **more}
    asked |= {"messages": content, "max_tokens": 9} if path == "/messages" else {"input": content}
    with suppress(ClientError):
        body = prepared(CASES[dialect][0], path, asked, stream=False).request.body
        assert isinstance(body, bytes)
        assert isinstance(orjson.loads(body), dict)


@every_dialect
@settings(max_examples=30, deadline=None)
@given(
    body=st.binary(max_size=60)
    | st.sampled_from([b"{}", b"[]", b'"x"', b'{"messages":[{}]}', b"\xff", b"{" * 5000, b'{"messages":' + b"[" * 3000])
)
def test_any_bytes_are_refused_or_sent(dialect: str, body: bytes) -> None:
    """Bodies that pass have been read as JSON by a link before; those that are translated may be anything."""
    case = CASES[dialect][0]
    for path in ("/messages", "/responses"):
        if not ACCOUNTS[dialect].passes(driver.endpoint_of(path), case.model, path):
            with suppress(ClientError):
                prepared(case, path, body, stream=False)


# ---- answers ------------------------------------------------------------------------------------------------------------
def check_whole(data: bytes, path: str, *, made: bool) -> None:
    """A well-formed answer, in OpenAI's own types where every member is ours."""
    document = json.loads(data)
    if path == "/chat/completions" and made:
        ChatCompletion.model_validate_json(data)
        assert document["choices"]
        for choice in document["choices"]:
            assert choice["finish_reason"] in ("stop", "length", "tool_calls", "content_filter")
        usage = document.get("usage")
        if usage is not None:
            assert usage["total_tokens"] >= usage["prompt_tokens"] + usage["completion_tokens"]
            assert min(usage["prompt_tokens"], usage["completion_tokens"]) >= 0


def check_stream(out: bytes, error: TollwayError | None, path: str, *, made: bool) -> None:
    """Whole events, and exactly one way to end."""
    # What passes may lack the end of its last line; the relay puts one before its own event.
    assert out == b"" or out.endswith((b"\n\n", b"\r\n\r\n")) or not made
    found = driver.events(out)
    if path == "/chat/completions":
        chunks = [payload for _, payload in found if payload != b"[DONE]"]
        if made:
            for payload in chunks:
                ChatCompletionChunk.model_validate_json(payload)
            assert (error is None) == (bool(found) and found[-1][1] == b"[DONE]")
            if error is None:
                assert b'"finish_reason":"' in out
        return
    kinds = [json.loads(payload)["type"] for _, payload in found]
    ends = {"message_stop", "response.completed", "response.incomplete"}
    assert (error is None) == bool(kinds and kinds[-1] in ends), kinds


def translation_of(case: Case, path: str, *, stream: bool) -> Translation | None:
    asked = question(path, stream=stream)
    with suppress(ClientError):
        return prepared(case, path, asked, stream=stream).translation
    return None


@every_client
@every_dialect
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**9), at=st.integers(0, 10**6))
def test_a_whole_answer_made_wrong(dialect: str, path: str, seed: int, at: int) -> None:
    wholes = [case for case in CASES[dialect] if case.reply is not None]
    case = wholes[at % len(wholes)]
    assert case.reply is not None
    translation = translation_of(case, path, stream=False)
    if translation is None:
        return
    body = Mutator(seed).whole(case.reply)
    error = translation.error(case.reply.status if case.reply.status >= 400 else 500, case.reply.headers, body)
    assert error is None or 400 <= error.status <= 599
    if case.reply.status >= 300:
        return
    with suppress(TollwayError):
        check_whole(translation.reply(200, body), path, made=isinstance(translation, Composed))
    with suppress(TollwayError):
        check_stream(translation.unfold(body), None, path, made=isinstance(translation, Composed))


@every_client
@every_dialect
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9), at=st.integers(0, 10**6))
def test_a_stream_made_wrong(dialect: str, path: str, seed: int, at: int) -> None:
    streams = [case for case in CASES[dialect] if case.stream is not None and case.stream.status < 300]
    case = streams[at % len(streams)]
    assert case.stream is not None
    translation = translation_of(case, path, stream=True)
    if translation is None:
        return
    mutator = Mutator(seed)
    data = mutator.stream(case.stream)
    out, error = driver.fed(translation.stream(), mutator.pieces(data))
    check_stream(out, error, path, made=isinstance(translation, Composed))
    if path == "/chat/completions" and isinstance(translation, Composed):
        at_once, _ = driver.fed(translation.stream(), [data])
        assert error is not None or driver.read_chat(at_once) == driver.read_chat(out)
    usage = translation.usage
    assert usage is None or min(usage.input, usage.output, usage.cached, usage.reasoning) >= 0


@every_client
@every_dialect
@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"data: ", b"\n\n", b"event: error\n", b"{}", b"[DONE]", b"\x00\x00\x00\x10"]),
        max_size=12,
    )
)
def test_any_bytes_are_no_answer(dialect: str, path: str, data: list[bytes]) -> None:
    case = CASES[dialect][0]
    translation = translation_of(case, path, stream=True)
    if translation is None:
        return
    out, error = driver.fed(translation.stream(), [piece for piece in data if piece])
    if isinstance(translation, Composed):
        assert error is not None, out
    with suppress(TollwayError):
        translation.reply(200, b"".join(data))
        assert not isinstance(translation, Composed)
    found = translation.error(500, (), b"".join(data))
    assert found is None or found.status >= 400


@every_dialect
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_any_value_is_no_answer(dialect: str, odd: Any) -> None:
    """A document that is not an object, or an object that is nothing known."""
    translation = translation_of(CASES[dialect][0], "/chat/completions", stream=False)
    assert translation is not None
    with pytest.raises(TollwayError):
        translation.reply(200, json.dumps(odd).encode())


# ---- memory -------------------------------------------------------------------------------------------------------------
MIB = 1024 * 1024
LARGEST_HELD = 40 * MIB
"""Bytes that an unfinished event may take: its own limit, and the copy that is being made of it."""

ENDLESS = {
    "a line without an end": (b"data: ", b"x" * MIB),
    "an event without an end": (b"", b"data: " + b"x" * 1016 + b"\n"),
    "comments": (b": ", b"\n: " + b"x" * 1020),
    "names": (b"", b"event: " + b"x" * 1016 + b"\n"),
    "a frame without an end": (b"\xff\xff\xff\xff", b"x" * MIB),
    "nothing but zeros": (b"", b"\x00" * MIB),
}


@every_dialect
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_event_is_not_kept(dialect: str, kind: str) -> None:
    translation = translation_of(CASES[dialect][0], "/chat/completions", stream=True)
    assert translation is not None
    assert_bounded(translation.stream().feed, kind)


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_event_that_passes_is_not_kept(kind: str) -> None:
    assert_bounded(StreamDecoder(CHAT.dialect).feed, kind)


def assert_bounded(feed: Any, kind: str) -> None:
    head, piece = ENDLESS[kind]
    piece *= MIB // len(piece)
    tracemalloc.start()
    try:
        feed(head)
        for _ in range(64 * MIB // len(piece)):
            feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LARGEST_HELD
