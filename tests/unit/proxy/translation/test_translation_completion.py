"""Whole answers, and streams folded together."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.translation.completion import choice, completion, fold, tool_call, unfold
from proxy.wire.values import JsonObject
from tests.support.fronts import asked, chunk, completions, odd_chunks, split


def folded(*chunks: JsonObject) -> Any:
    return fold(chunks)["choices"][0]  # type: ignore[index, call-overload]


def piece(**call: Any) -> JsonObject:
    return chunk({"tool_calls": [call]})


@given(completions())
def test_an_answer_unfolded_and_folded_is_itself(whole: JsonObject) -> None:
    assert fold(unfold(whole)) == whole


@given(st.data())
@settings(deadline=None)
def test_and_so_it_is_in_smaller_pieces(data: st.DataObject) -> None:
    whole = data.draw(completions())
    assert fold(data.draw(st.composite(lambda draw: split(draw, unfold(whole)))())) == whole


@given(odd_chunks)
def test_odd_chunks_fold_into_something(chunks: list[JsonObject]) -> None:
    found = fold(chunks)
    assert found["object"] == "chat.completion"
    unfold(found)


def test_no_chunks_are_no_choices() -> None:
    assert fold([]) == {"object": "chat.completion", "choices": []}


def test_a_repeated_name_or_an_empty_id_changes_nothing() -> None:
    found = folded(
        piece(index=0, id="a", type="function", function={"name": "f", "arguments": "{"}),
        piece(index=0, id=None, function={"name": "f", "arguments": "}"}),
        piece(index=0, id="", function={"name": None, "arguments": None}),
    )
    assert found["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_pieces_without_an_index_find_their_call() -> None:
    found = folded(
        piece(id="a", function={"name": "f", "arguments": "1"}),
        piece(function={"arguments": "2"}),
        piece(id="b", function={"name": "g", "arguments": "3"}),
        piece(id="a", function={"arguments": "4"}),
    )
    assert [call["function"]["arguments"] for call in found["message"]["tool_calls"]] == ["124", "3"]


def test_indices_that_were_skipped_leave_no_empty_calls() -> None:
    found = folded(piece(index=3, id="a", function={"name": "f", "arguments": "{}"}))
    assert len(found["message"]["tool_calls"]) == 1
    assert folded(piece(index=10**9, id="a", function={"name": "f"}))["message"].get("tool_calls") in ([], None)


def test_an_empty_usage_is_no_usage() -> None:
    assert "usage" not in fold([{**chunk({"content": "a"}), "usage": None}, chunk({}, "stop")])


def test_members_of_later_chunks_are_kept() -> None:
    found = fold([chunk({"content": "a"}), {**chunk({}, "stop", stop_reason="END"), "system_fingerprint": "fp"}])
    assert found["system_fingerprint"] == "fp"
    assert found["choices"][0]["stop_reason"] == "END"  # type: ignore[index, call-overload]


def test_thinking_blocks_follow_their_own_text() -> None:
    blocks: list[Any] = [{"type": "thinking", "thinking": text, "signature": text} for text in ("a", "b")]
    whole: JsonObject = {
        "choices": [{"message": {"reasoning_content": "ab", "thinking_blocks": blocks}, "finish_reason": "stop"}]
    }
    told = [each["choices"][0]["delta"] for each in unfold(whole)]  # type: ignore[index, call-overload]
    assert told[1:-1] == [
        {"reasoning_content": "a"},
        {"thinking_blocks": [blocks[0]]},
        {"reasoning_content": "b"},
        {"thinking_blocks": [blocks[1]]},
    ]


def test_models_speak_in_their_order() -> None:
    call: Any = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message: JsonObject = {"tool_calls": [call], "refusal": "No.", "content": "Hi", "reasoning_content": "Hm"}
    whole: JsonObject = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    told: list[Any] = [each["choices"][0]["delta"] for each in unfold(whole)]  # type: ignore[index, call-overload]
    assert [next(iter(delta), "") for delta in told] == [
        "role",
        "reasoning_content",
        "content",
        "refusal",
        "tool_calls",
        "",
    ]


def test_log_probabilities_survive_even_without_text() -> None:
    whole: JsonObject = {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ""},
                "finish_reason": "stop",
                "logprobs": {"content": [1]},
            }
        ]
    }
    assert fold(unfold(whole))["choices"][0]["logprobs"] == {"content": [1]}  # type: ignore[index, call-overload]


def test_several_choices_stay_apart() -> None:
    whole: JsonObject = {
        "choices": [
            {
                "index": n,
                "message": {"role": "assistant", "content": f"{n}", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
            for n in range(2)
        ]
    }
    assert fold(unfold(whole))["choices"] == whole["choices"]


def test_a_whole_answer_is_built() -> None:
    ask = asked()
    sent = ask.names.forth("a.b", invalid=re.compile("[^a-z]"), limit=64)
    call = tool_call(ask, 0, "", sent, "{}", extra_content={"google": {}})
    made = choice(
        content=None, finish="tool_calls", native="TOOL_USE", reasoning="Hm", tool_calls=[call], thinking_blocks=[]
    )
    found: Any = completion(ask, [made], {"prompt_tokens": 1})
    assert (found["id"], found["model"], found["usage"]) == ("chatcmpl-req1", "up", {"prompt_tokens": 1})
    message = found["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "a.b", "arguments": "{}"}
    assert message["tool_calls"][0]["id"]
    assert message["reasoning_content"] == "Hm"
    assert found["choices"][0]["native_finish_reason"] == "TOOL_USE"
    assert "usage" not in completion(ask, [made], None)
    assert "native_finish_reason" not in choice(content="a", finish="stop", native="STOP")
