"""The dialect for clients that do not speak chat: requests from the hub, answers to it."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamAuthFailed, UpstreamCut
from proxy.providers.cerebras import CEREBRAS
from proxy.providers.deepseek import DEEPSEEK
from proxy.providers.groq import GROQ
from proxy.providers.minimax import MINIMAX
from proxy.providers.mistral import MISTRAL
from proxy.providers.openai import OPENAI
from proxy.providers.openai_dialect.chat import CompatibleChat
from proxy.providers.openai_dialect.spec import Compatible
from proxy.providers.openrouter import OPENROUTER
from proxy.providers.perplexity import PERPLEXITY
from proxy.providers.together import TOGETHER
from proxy.translation.ask import Ask
from proxy.translation.completion import fold
from proxy.wire.values import Json, JsonObject, obj, objects

DONE = b"data: [DONE]\n\n"


def ask(model: str = "m", *, stream: bool = False) -> Ask:
    return Ask(model=model, request_id="r" * 32, created=7, stream=stream)


def sent(spec: Compatible, chat: JsonObject, given: Ask | None = None) -> JsonObject:
    found: JsonObject = json.loads(CompatibleChat(spec).encode(chat, given or ask()).body)
    return found


def event(delta: Json, finish: str | None = None, **more: Json) -> bytes:
    choice: JsonObject = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served", "choices": [choice], **more}).encode() + b"\n\n"  # fmt: skip


def decoded(spec: Compatible, data: bytes, cuts: list[int] | None = None) -> list[JsonObject]:
    decoder = CompatibleChat(spec).decoder(ask())
    places = [0, *sorted(min(cut, len(data)) for cut in cuts or ()), len(data)]
    found = [chunk for a, b in pairwise(places) for chunk in decoder.feed(data[a:b])]
    found += decoder.close()
    assert decoder.error is None, decoder.error
    return found


CHAT: JsonObject = {
    "model": "public",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "reasoning_content": "r", "thinking_blocks": [{"type": "thinking", "thinking": "r", "signature": "x"}]},
    ],
    "top_k": 5,
    "max_completion_tokens": 9,
}  # fmt: skip


def test_a_plain_provider_gets_plain_messages() -> None:
    given = ask()
    found = sent(GROQ, CHAT, given)
    assert found["model"] == "m"
    assert found["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "reasoning": "r"},
    ]
    assert "top_k" not in found
    assert sorted(given.notes.dropped) == ["cache_control", "messages[].thinking_blocks", "top_k"]


def test_openai_gets_no_reasoning_back() -> None:
    given = ask()
    assert objects(sent(OPENAI, CHAT, given)["messages"])[2] == {"role": "assistant", "content": "a"}
    assert "messages[].reasoning_content" in given.notes.dropped


def test_the_request_is_not_changed_in_place() -> None:
    before = json.dumps(CHAT)
    for spec in (GROQ, OPENROUTER, MISTRAL, MINIMAX, DEEPSEEK, PERPLEXITY):
        sent(spec, CHAT)
    assert json.dumps(CHAT) == before


def test_openrouter_gets_signatures_and_cache_control_back() -> None:
    given = ask()
    messages = objects(sent(OPENROUTER, CHAT, given)["messages"])
    assert messages[0] == objects(CHAT["messages"])[0]
    assert messages[2]["reasoning_details"] == [
        {"format": "anthropic-claude-v1", "index": 0, "type": "reasoning.text", "text": "r", "signature": "x"}
    ]


def test_deepseek_and_minimax_get_their_reasoning_back() -> None:
    assert objects(sent(DEEPSEEK, CHAT)["messages"])[2] == {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "r",
    }
    assert objects(sent(MINIMAX, CHAT)["messages"])[2] == {"role": "assistant", "content": "<think>\nr\n</think>\n\na"}


def test_mistral_gets_thinking_where_the_model_thinks() -> None:
    last = objects(sent(MISTRAL, CHAT, ask("magistral-small"))["messages"])[2]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}
    assert last == {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}], "prefix": True}
    given = ask("ministral-8b")
    assert objects(sent(MISTRAL, CHAT, given)["messages"])[2] == {"role": "assistant", "content": "a", "prefix": True}
    assert "messages[].reasoning_content" in given.notes.dropped


def test_a_stream_reports_usage_where_it_can_be_asked_to() -> None:
    assert sent(GROQ, CHAT, ask(stream=True))["stream_options"] == {"include_usage": True}
    found = sent(MISTRAL, CHAT, ask(stream=True))
    assert (found["stream"], "stream_options" in found) == (True, False)


STREAMS: dict[str, tuple[Compatible, bytes, JsonObject]] = {
    "tools": (
        GROQ,
        event({"role": "assistant", "content": None, "reasoning": "hm"})
        + event({"reasoning": "m", "channel": "analysis"})
        + event({"tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]})
        + event({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]})
        + event({"tool_calls": [{"index": 1, "id": "t2", "type": "function", "function": {"name": "g"}}]})
        + event({}, "stop", x_groq={"usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "total_time": 0.5}}),
        {"role": "assistant", "content": None, "reasoning": "hmm", "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
        ]},
    ),
    "think": (
        TOGETHER,
        event({"role": "assistant", "content": "<think>a"}) + event({"content": "b</think>\n"}) + event({"content": "\nc"}) + event({"content": ""}, "stop", usage={"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "total_time": 0.5}),
        {"role": "assistant", "content": "<think>ab</think>\n\nc"},
    ),
    "parts": (
        MISTRAL,
        event({"role": "assistant", "content": ""}) + event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]}]}) + event({"content": "c"}) + event({"content": ""}, "stop", usage={"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "total_time": 0.5}),
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]}, {"type": "text", "text": "c"}]},
    ),
}  # fmt: skip


def plain(spec: Compatible, message: JsonObject) -> JsonObject:
    choice: JsonObject = {"index": 0, "message": message, "finish_reason": "stop"}
    body: JsonObject = {"id": "c", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice], "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7, "total_time": 0.5}}  # fmt: skip
    return CompatibleChat(spec).decode(json.dumps(body).encode(), ask())


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_folds_to_the_plain_answer(name: str) -> None:
    spec, data, message = STREAMS[name]
    whole = plain(spec, message)
    assert fold(decoded(spec, data + DONE)) == whole
    assert fold(decoded(spec, data)) == whole
    assert whole["model"] == "served"
    assert obj(whole["usage"])["prompt_tokens"] == 4
    assert obj(whole["usage"])["total_time"] == 0.5


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 2000), max_size=10))
def test_every_split_gives_the_same_chunks(name: str, cuts: list[int]) -> None:
    spec, data, _ = STREAMS[name]
    split, whole = fold(decoded(spec, data + DONE, cuts)), fold(decoded(spec, data + DONE))
    assert split == whole


def test_chunks_are_in_the_canonical_order() -> None:
    spec, data, _ = STREAMS["tools"]
    found = decoded(spec, data + DONE)
    deltas = [obj(objects(chunk["choices"])[0]["delta"]) for chunk in found if chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert all("role" not in delta for delta in deltas[1:])
    assert {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]} in deltas
    assert objects(found[-2]["choices"])[0]["finish_reason"] == "tool_calls"
    assert found[-1]["choices"] == []


def test_sources_become_annotations() -> None:
    data = event(
        {"role": "assistant", "content": "x"}, search_results=[{"title": "A", "url": "https://a.test"}]
    ) + event({}, "stop")
    message = obj(objects(fold(decoded(PERPLEXITY, data + DONE))["choices"])[0]["message"])
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"start_index": 0, "end_index": 0, "url": "https://a.test", "title": "A"},
        }
    ]
    body = json.dumps(
        {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "citations": ["https://b.test"]}
    )
    whole = CompatibleChat(PERPLEXITY).decode(body.encode(), ask())
    assert (
        obj(objects(obj(objects(whole["choices"])[0]["message"])["annotations"])[0]["url_citation"])["url"]
        == "https://b.test"
    )


def test_the_old_function_call_is_a_tool_call() -> None:
    body = b'{"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call"}]}'
    choice = objects(CompatibleChat(GROQ).decode(body, ask())["choices"])[0]
    assert choice["finish_reason"] == "tool_calls"
    assert obj(objects(obj(choice["message"])["tool_calls"])[0]["function"])["name"] == "f"
    data = (
        event({"role": "assistant", "function_call": {"name": "f", "arguments": ""}})
        + event({"function_call": {"arguments": "{}"}})
        + event({}, "function_call")
    )
    message = obj(objects(fold(decoded(GROQ, data))["choices"])[0]["message"])
    assert obj(objects(message["tool_calls"])[0]["function"]) == {"name": "f", "arguments": "{}"}


def test_renamed_tools_get_their_names_back() -> None:
    given = ask()
    invalid = re.compile(r"[^a-z]")
    assert given.names.forth("f.x", invalid=invalid, limit=64) != "f.x"
    public = given.names.forth("f.x", invalid=invalid, limit=64)
    call: JsonObject = {"id": "t", "type": "function", "function": {"name": public, "arguments": "{}"}}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "stop"}]}).encode()
    message = obj(objects(CompatibleChat(GROQ).decode(body, given)["choices"])[0]["message"])
    assert obj(objects(message["tool_calls"])[0]["function"])["name"] == "f.x"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b'event: error\ndata: {"error":{"message":"x","status_code":400}}\n\n', 400),
        (b'data: {"error":"x"}\n\n', 502),
        (event({"content": "x"}, "network_error"), 502),
    ],
)
def test_errors_in_a_stream(data: bytes, status: int) -> None:
    decoder = CompatibleChat(GROQ).decoder(ask())
    head = decoder.feed(event({"role": "assistant", "content": "a"}))
    assert len(head) == 2
    assert decoder.feed(data + event({"content": "more"})) == []
    assert decoder.error is not None
    assert decoder.error.status == status
    assert decoder.close() == []


def test_a_stream_that_just_ends_was_cut() -> None:
    decoder = CompatibleChat(GROQ).decoder(ask())
    decoder.feed(event({"role": "assistant", "content": "a"}))
    assert decoder.close() == []
    assert isinstance(decoder.error, UpstreamCut)


def test_rate_limits_have_openais_names() -> None:
    headers = ((b"x-ratelimit-limit-requests-day", b"100"), (b"content-length", b"3"))
    assert CompatibleChat(CEREBRAS).headers(headers) == [
        (b"x-ratelimit-limit-requests-day", b"100"),
        (b"x-ratelimit-limit-requests", b"100"),
    ]


def test_a_refused_key_is_ours() -> None:
    assert isinstance(CompatibleChat(GROQ).error(401, (), b'{"error":{"message":"no"}}'), UpstreamAuthFailed)


def test_stop_sequences_that_the_model_does_not_take() -> None:
    given = Ask(model="m", request_id="r" * 32, stop=("END",))
    decoder = CompatibleChat(OPENAI).decoder(given)
    data = event({"role": "assistant", "content": "a E"}) + event({"content": "ND b"}) + event({}, "stop") + DONE
    found = fold([*decoder.feed(data), *decoder.close()])
    assert obj(objects(found["choices"])[0]["message"])["content"] == "a "
    body = b'{"choices":[{"message":{"content":"a END b"},"finish_reason":"length"}]}'
    whole = objects(CompatibleChat(OPENAI).decode(body, given)["choices"])[0]
    assert (obj(whole["message"])["content"], whole["finish_reason"]) == ("a ", "stop")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["content", "role", "tool_calls", "function", "index", "id", "name", "arguments", "reasoning"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=14,
)


@given(st.lists(JUNK, max_size=5))
def test_no_delta_raises_and_the_chunks_are_sound(deltas: list[Json]) -> None:
    data = b"".join(event(delta) for delta in deltas) + event({}, "stop") + DONE
    for spec in (TOGETHER, MISTRAL):
        for chunk in decoded(spec, data):
            for choice in objects(chunk["choices"]):
                delta = obj(choice["delta"])
                assert isinstance(delta.get("content", ""), str)
                assert all(isinstance(call["index"], int) for call in objects(delta.get("tool_calls")))
