"""Chunks of one answer as OpenAI sends them."""

import re
from typing import Any

from proxy.translation.chunks import ChatStream, usage_object
from proxy.wire.usage import reported, usage_in
from proxy.wire.values import JsonObject
from tests.support.fronts import asked


def deltas(chunks: list[JsonObject]) -> list[Any]:
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]  # type: ignore[union-attr, index, call-overload]


def indices(chunks: list[JsonObject]) -> list[int]:
    return [call["index"] for delta in deltas(chunks) for call in delta.get("tool_calls", [])]


def test_the_role_comes_first_and_once() -> None:
    stream = ChatStream(asked())
    assert not stream.begun
    found = stream.content("a") + stream.content("b") + stream.finish("stop")
    assert deltas(found) == [{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}, {}]
    assert stream.begun
    assert stream.begin() == []


def test_an_answer_that_only_ends_has_a_role_too() -> None:
    assert deltas(ChatStream(asked()).finish("stop")) == [{"role": "assistant", "content": ""}, {}]


def test_every_chunk_has_the_same_head() -> None:
    stream = ChatStream(asked())
    stream.ident, stream.model = "id-1", "served"
    found = stream.content("a") + stream.finish("stop") + stream.usage({"prompt_tokens": 1})
    assert {(each["id"], each["object"], each["created"], each["model"]) for each in found} == {
        ("id-1", "chat.completion.chunk", 1_700_000_000, "served")
    }
    assert found[-1]["choices"] == []
    assert ChatStream(asked()).begin()[0]["id"] == "chatcmpl-req1"


def test_nothing_is_said_for_nothing() -> None:
    stream = ChatStream(asked())
    assert stream.content("") == stream.reasoning("") == stream.arguments("unknown", "x") == []


def test_each_choice_has_its_own_role_and_tools() -> None:
    stream = ChatStream(asked())
    found = stream.tool("a", "1", "f") + stream.tool("a", "2", "f", "", 1) + stream.tool("b", "3", "f")
    assert indices(found) == [0, 0, 1]
    assert [delta["role"] for delta in deltas(found) if "role" in delta] == ["assistant", "assistant"]


def test_tools_are_numbered_in_the_order_of_their_mention() -> None:
    stream = ChatStream(asked())
    assert not stream.called
    found = (
        stream.tool(7, "x", "f") + stream.tool(3, "y", "g", "{}") + stream.arguments(7, "1") + stream.arguments(3, "2")
    )
    assert indices(found) == [0, 1, 0, 1]
    assert stream.called
    assert stream.known(7)
    assert not stream.known(0)


def test_a_reused_key_is_another_call_with_an_index_of_its_own() -> None:
    stream = ChatStream(asked())
    found = stream.tool(0, "x", "f") + stream.tool(0, "y", "g") + stream.arguments(0, "1") + stream.tool(1, "z", "h")
    assert indices(found) == [0, 1, 1, 2]


def test_a_missing_id_is_made_and_a_name_given_back() -> None:
    ask = asked()
    sent = ask.names.forth("a.b", invalid=re.compile("[^a-z]"), limit=64)
    found = ChatStream(ask).tool(0, "", sent, extra_content={"google": {}})
    call = deltas(found)[-1]["tool_calls"][0]
    assert call["function"]["name"] == "a.b"
    assert call["id"]
    assert call["extra_content"] == {"google": {}}


def test_the_native_reason_stands_beside_where_it_says_more() -> None:
    def last(native: str) -> Any:
        return ChatStream(asked()).finish("stop", native)[-1]["choices"][0]  # type: ignore[index, call-overload]

    assert last("END_TURN")["native_finish_reason"] == "END_TURN"
    assert "native_finish_reason" not in last("STOP")
    assert "native_finish_reason" not in last("")


def test_usage_can_be_read_back() -> None:
    usage = reported(prompt=10, output=5, cached=3, cache_write=2, audio_input=1, reasoning=4, audio_output=1)
    assert usage_in(usage_object(usage)) == usage
    assert usage_object(usage)["total_tokens"] == 15
