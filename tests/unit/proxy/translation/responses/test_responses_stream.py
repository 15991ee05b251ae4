"""The stream of the Responses front: order, numbering, items, endings, and OpenAI's SDK as the judge."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamRejected
from proxy.translation.carried import unseal
from proxy.translation.completion import unfold
from proxy.translation.responses import ResponsesFront
from proxy.translation.responses.stream import ResponsesStream
from proxy.wire.values import JsonObject
from tests.support.fronts import (
    asked,
    chunk,
    completions,
    events_in,
    odd_chunks,
    response_events,
    split,
    streamed_response,
    usage_chunk,
)


def opened(**body: Any) -> ResponsesStream:
    front, ask = ResponsesFront(), asked()
    front.request({"model": "m", "input": "hello", **body}, ask)
    return front.stream(ask)


def told(chunks: list[JsonObject], **body: Any) -> bytes:
    stream = opened(**body)
    return stream.begin() + stream.feed(chunks) + stream.close()


def ending(data: bytes) -> dict[str, Any]:
    return list(events_in(data))[-1][1]["response"]


def names(data: bytes) -> list[str]:
    return [name.removeprefix("response.") for name, _ in events_in(data)]


def call(index: int, ident: str | None = None, name: str | None = None, arguments: str = "") -> JsonObject:
    function: JsonObject = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk({"tool_calls": [{"index": index, "function": function} | ({"id": ident} if ident else {})]})


def check_order(data: bytes) -> None:
    """The documented order: numbers from 0, items announced before their parts, each ended once, all of them at the end."""
    events = list(events_in(data))
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    assert all(name == event["type"] for name, event in events)
    assert [name for name, _ in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1][0] in ("response.completed", "response.incomplete")
    open_items: dict[int, Any] = {}
    done: dict[int, Any] = {}
    texts: dict[tuple[int, int], str] = {}
    for name, event in events[2:-1]:
        place = event["output_index"]
        if name == "response.output_item.added":
            assert place == len(open_items) + len(done)
            open_items[place] = event["item"]
            continue
        assert place in open_items
        if name == "response.output_item.done":
            added = open_items.pop(place)
            assert (event["item"]["type"], event["item"]["id"]) == (added["type"], added["id"])
            done[place] = event["item"]
            continue
        assert event["item_id"] == open_items[place]["id"]
        part = place, event.get("content_index", event.get("summary_index", 0))
        if name.endswith("part.added"):
            assert part not in texts
            texts[part] = ""
        elif name.endswith(".delta"):
            texts[part] = texts.get(part, "") + event["delta"]
        elif name.endswith(("_text.done", "refusal.done", "arguments.done", "input.done")):
            value = event.get("text", event.get("refusal", event.get("arguments", event.get("input"))))
            assert value == texts.get(part, "")
    assert not open_items
    response = events[-1][1]["response"]
    for index, item in enumerate(response["output"]):
        late = [{**each, "annotations": []} for each in item.get("content", [])]
        assert late == [{**each, "annotations": []} for each in done[index].get("content", [])]
        assert {**item, "content": 0} == {**done[index], "content": 0}
    assert len(response["output"]) == len(done)


def test_a_text_in_the_documented_order() -> None:
    data = told([chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk({}, "stop")])
    check_order(data)
    assert names(data) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert b"[DONE]" not in data
    delta = next(event for name, event in events_in(data) if name == "response.output_text.delta")
    assert (delta["output_index"], delta["content_index"], delta["delta"], delta["logprobs"]) == (0, 0, "Hi", [])


def test_a_call_in_the_documented_order() -> None:
    data = told([call(0, "call_1", "f"), call(0, arguments='{"a":'), call(0, arguments="1}"), chunk({}, "tool_calls")])
    check_order(data)
    assert names(data)[2:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip
    added = dict(events_in(data))["response.output_item.added"]["item"]
    assert added == {
        "id": "fc_req1_0", "type": "function_call", "status": "in_progress", "call_id": "call_1", "name": "f", "arguments": ""
    }  # fmt: skip


def test_reasoning_is_told_as_a_summary() -> None:
    data = told(
        [
            chunk({"reasoning_content": "Hm"}),
            chunk({"reasoning_content": "m"}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    check_order(data)
    assert names(data)[2:9] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
    ]  # fmt: skip
    assert ending(data)["output"][0] == {
        "id": "rs_req1_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm"}]
    }  # fmt: skip


def test_signatures_travel_encrypted() -> None:
    block: JsonObject = {"type": "thinking", "thinking": "Hmm", "signature": "EqQB"}
    data = told(
        [
            chunk({"reasoning_content": "Hmm"}),
            chunk({"thinking_blocks": [block]}),
            chunk({"content": "Hi"}),
            chunk({}, "stop"),
        ]
    )
    assert unseal(ending(data)["output"][0]["encrypted_content"]) == {"thinking_blocks": [block]}


def test_state_without_text_is_a_reasoning_item_too() -> None:
    detail: JsonObject = {"type": "reasoning.encrypted", "data": "x"}
    data = told([chunk({"content": "Hi"}), chunk({"reasoning_details": [detail]}), chunk({}, "stop")])
    check_order(data)
    last = ending(data)["output"][-1]
    assert (last["type"], last["summary"]) == ("reasoning", [])
    assert unseal(last["encrypted_content"]) == {"reasoning_details": [detail]}


def test_encrypted_reasoning_is_there_when_it_is_asked_for() -> None:
    pieces = [chunk({"reasoning_content": "Hm"}), chunk({"content": "Hi"}), chunk({}, "stop")]
    assert "encrypted_content" not in ending(told(pieces))["output"][0]
    assert unseal(ending(told(pieces, include=["reasoning.encrypted_content"]))["output"][0]["encrypted_content"]) == {}


def test_a_refusal_is_a_part_of_the_message() -> None:
    data = told([chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop")])
    check_order(data)
    assert names(data)[4:7] == ["refusal.delta", "refusal.delta", "refusal.done"]
    assert ending(data)["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot."}]


def test_mixed_calls_stay_open_beside_one_another() -> None:
    data = told(
        [call(0, "a", "f", '{"x":'), call(1, "b", "g", '{"y":2}'), call(0, arguments="1}"), chunk({}, "tool_calls")]
    )
    check_order(data)
    assert [item["arguments"] for item in ending(data)["output"]] == ['{"x":1}', '{"y":2}']


def test_a_finished_call_ends_when_the_next_begins() -> None:
    stream = opened()
    stream.feed([call(0, "a", "f", '{"x":1}')])
    out = stream.feed([call(1, "b", "g")])
    assert names(out) == ["function_call_arguments.done", "output_item.done", "output_item.added"]


def test_a_finished_call_ends_when_text_begins() -> None:
    stream = opened()
    stream.feed([call(0, "a", "f", '{"x":1}')])
    assert names(stream.feed([chunk({"content": "so"})]))[:3] == [
        "function_call_arguments.done", "output_item.done", "output_item.added"
    ]  # fmt: skip


def test_a_call_that_was_cut_is_incomplete() -> None:
    data = told([call(0, "a", "f", '{"x":1}'), call(1, "b", "g", '{"y"'), chunk({}, "length")])
    check_order(data)
    assert [item["status"] for item in ending(data)["output"]] == ["completed", "incomplete"]


def test_a_name_that_was_spelt_otherwise_comes_back() -> None:
    front, ask = ResponsesFront(), asked()
    tools: Any = [{"type": "namespace", "name": "n" * 40, "tools": [{"type": "function", "name": "f" * 40}]}]
    sent: Any = front.request({"input": "x", "tools": tools}, ask)
    stream = front.stream(ask)
    name = sent["tools"][0]["function"]["name"]
    assert len(name) <= 64
    item = ending(stream.feed([call(0, "a", name, "{}")]) + stream.close())["output"][0]
    assert (item["namespace"], item["name"]) == ("n" * 40, "f" * 40)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    data = told([call(0, "a", "f"), chunk({}, "tool_calls")])
    check_order(data)
    assert ending(data)["output"][0]["arguments"] == "{}"


def test_a_custom_tool_gets_its_input_whole() -> None:
    tools = [{"type": "custom", "name": "patch", "format": {"type": "text"}}]
    data = told(
        [call(0, "a", "patch", '{"input":'), call(0, arguments='"*** Begin"}'), chunk({}, "tool_calls")], tools=tools
    )
    check_order(data)
    assert names(data)[2:6] == [
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"
    ]  # fmt: skip
    item = ending(data)["output"][0]
    assert (item["type"], item["call_id"], item["name"], item["input"]) == (
        "custom_tool_call",
        "a",
        "patch",
        "*** Begin",
    )


def test_a_tool_of_a_namespace_is_named_with_it() -> None:
    tools = [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find", "parameters": {}}]}]
    item = ending(told([call(0, "a", "crm__find", "{}"), chunk({}, "tool_calls")], tools=tools))["output"][0]
    assert (item["name"], item["namespace"]) == ("find", "crm")


def test_an_answer_cut_at_the_limit_is_incomplete() -> None:
    data = told([chunk({"content": "Hi"}), chunk({}, "length"), usage_chunk(prompt_tokens=3, completion_tokens=1)])
    check_order(data)
    assert names(data)[-1] == "incomplete"
    response = ending(data)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"]["total_tokens"] == 4


def test_a_filtered_answer_is_incomplete() -> None:
    response = ending(told([chunk({"content": "Hi"}), chunk({}, "content_filter")]))
    assert response["incomplete_details"] == {"reason": "content_filter"}


def test_without_usage_none_is_made_up() -> None:
    assert ending(told([chunk({"content": "Hi"}), chunk({}, "stop")]))["usage"] is None


def test_citations_are_told_before_their_text_ends() -> None:
    citation = {"url": "http://a", "title": "A", "start_index": 0, "end_index": 2}
    note: JsonObject = {"type": "url_citation", "url_citation": {**citation}}
    data = told([chunk({"content": "Hi"}), chunk({"annotations": [note]}), chunk({}, "stop")])
    check_order(data)
    assert names(data)[5:7] == ["output_text.annotation.added", "output_text.done"]
    assert ending(data)["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **citation}]


def test_citations_after_the_message_stand_in_the_response() -> None:
    note: JsonObject = {"type": "url_citation", "url_citation": {"url": "http://a"}}
    data = told([chunk({"content": "Hi"}), call(0, "a", "f", "{}"), chunk({"annotations": [note]}), chunk({}, "stop")])
    assert ending(data)["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", "url": "http://a"}]


def test_log_probabilities_stand_beside_their_text() -> None:
    entry: JsonObject = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    data = told([chunk({"content": "Hi"}, logprobs={"content": [entry]}), chunk({}, "stop")])
    assert dict(events_in(data))["response.output_text.delta"]["logprobs"] == [entry]
    assert ending(data)["output"][0]["content"][0]["logprobs"] == [entry]


def test_images_are_items() -> None:
    images: list[Any] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    data = told([chunk({"content": "See"}), chunk({"images": images}), chunk({}, "stop")])
    assert [item["type"] for item in ending(data)["output"]] == ["message", "image_generation_call"]
    assert ending(data)["output"][1]["result"] == "AAAA"


def test_an_empty_answer_is_an_empty_message() -> None:
    data = told([chunk({"role": "assistant", "content": ""}), chunk({}, "stop")])
    check_order(data)
    assert ending(data)["output"][0]["content"] == [
        {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    ]


def test_a_failure_ends_the_stream_with_the_failed_response() -> None:
    stream = opened()
    begun = stream.begin() + stream.feed([chunk({"content": "Hi"})])
    data = begun + stream.fail(UpstreamCut("The provider's stream broke off."), "req_1")
    assert names(data)[-2:] == ["error", "failed"]
    events = response_events(data)
    assert events[-2].message == "The provider's stream broke off."
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.code == "server_error"
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_failure_for_too_many_requests_says_so() -> None:
    stream = opened()
    out = stream.fail(UpstreamRejected("Slow down.", status=429, type="rate_limit_error", code="slow_down"), "req_1")
    assert names(out) == ["created", "in_progress", "error", "failed"]
    assert ending(out)["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_stream_adds_up_to_the_whole_answer(data: st.DataObject) -> None:
    whole = data.draw(completions())
    front, ask = ResponsesFront(), asked()
    front.request({"model": "m", "input": "hello"}, ask)
    stream = front.stream(ask)
    chunks = data.draw(st.composite(lambda draw: split(draw, unfold(whole)))())
    events = stream.begin() + stream.feed(chunks) + stream.close()
    check_order(events)
    plain = front.reply(whole, ask)
    assert ending(events) == plain
    typed = response_events(events)
    assert [event.type for event in typed] == [name for name, _ in events_in(events)]
    if plain["status"] == "completed":
        found = streamed_response(events)
        assert [item["id"] for item in found["output"]] == [item["id"] for item in plain["output"]]


@given(odd_chunks)
@settings(max_examples=300, deadline=None)
def test_odd_chunks_give_a_well_formed_stream_however_they_are_fed(chunks: list[JsonObject]) -> None:
    together = told(chunks)
    check_order(together)
    single = opened()
    alone = single.begin() + b"".join([single.feed([each]) for each in chunks]) + single.close()
    assert alone == together
    response_events(together)
