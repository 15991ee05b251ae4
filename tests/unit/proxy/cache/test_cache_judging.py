"""Which complete answers are kept: those that ended by themselves and said something; quoted words fool nobody."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cache.fitness import chat, messages, responses
from proxy.cache.fitness.telling import telling
from proxy.cache.judging import unfit
from proxy.wire.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, MODERATIONS, RESPONSES, Endpoint
from proxy.wire.sse import Framer

DONE = b"data: [DONE]\n\n"
CALL = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
FOOLING = (
    'say "finish_reason":"length" and "error":{"message":"x"}, "refusal":"no", "tool_calls":[{}] \\" \n\n'
    'data: [DONE]\n\n{"type":"refusal"} "stop_reason":"max_tokens" \u2028 "status":"failed" "type":"tool_use"'
)


def judge(endpoint: Endpoint, body: Any, *, tools: bool = False) -> str:
    return unfit(endpoint.name, "json", body if isinstance(body, bytes) else orjson.dumps(body), tools=tools)


def judge_stream(endpoint: Endpoint, body: bytes, *, tools: bool = False) -> str:
    return unfit(endpoint.name, "events", body, tools=tools)


# ---- chat -----------------------------------------------------------------------------------------------------------


def choice(
    content: Any = "Hi", finish: Any = "stop", *, message: dict[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    return {
        "index": 0,
        "message": {"role": "assistant", "content": content, **(message or {})},
        "finish_reason": finish,
        **members,
    }


CHATS: list[tuple[dict[str, Any], str, str]] = [
    # (a choice, verdict, verdict where calls of tools are kept)
    (choice(), "", ""),
    (choice(FOOLING), "", ""),
    (choice(finish="end_turn"), "", ""),
    (choice(finish="stop_sequence"), "", ""),
    (choice(finish="length"), "length", "length"),
    (choice(finish="max_tokens"), "length", "length"),
    (choice(finish="content_filter"), "content_filter", "content_filter"),
    (choice(finish="SAFETY"), "content_filter", "content_filter"),
    (choice(finish="whatever"), "finish_reason", "finish_reason"),
    (choice(finish="Stop"), "finish_reason", "finish_reason"),
    (choice(finish=None), "cut", "cut"),
    (choice(finish=""), "cut", "cut"),
    (choice(finish=7), "unreadable", "unreadable"),
    (choice(""), "empty", "empty"),
    (choice(None), "empty", "empty"),
    (choice([]), "empty", "empty"),
    (choice([{"type": "text", "text": "a"}]), "", ""),
    (choice(None, message={"audio": {"id": "a", "data": "x"}}), "", ""),
    (choice(None, message={"reasoning_content": "Hm."}), "empty", "empty"),
    (choice(None, "tool_calls", message={"tool_calls": CALL}), "tools", ""),
    (choice("Hi", "stop", message={"tool_calls": CALL}), "tools", ""),
    (choice("Hi", "tool_calls"), "tools", ""),
    (choice(None, "tool_calls"), "tools", "empty"),
    (choice(None, "function_call", message={"function_call": {"name": "f", "arguments": "{}"}}), "tools", ""),
    (choice(message={"tool_calls": [], "function_call": None, "refusal": None, "annotations": []}), "", ""),
    (choice(None, message={"refusal": "I cannot."}), "refusal", "refusal"),
    (choice(message={"refusal": ""}), "", ""),
    (choice(message={"annotations": [{"type": "url_citation"}]}), "live_tools", "live_tools"),
    (choice(message={"executed_tools": [{"type": "search"}]}), "live_tools", "live_tools"),
    (choice(error={"code": 502}), "error", "error"),
    (choice(native_finish_reason="STOP"), "", ""),
    (choice(native_finish_reason="completed"), "", ""),
    (choice(native_finish_reason=None), "", ""),
    (choice(native_finish_reason="MAX_TOKENS"), "length", "length"),
    (choice(native_finish_reason="RECITATION"), "content_filter", "content_filter"),
    (choice(native_finish_reason="unheard_of"), "finish_reason", "finish_reason"),
]


@pytest.mark.parametrize(("given", "verdict", "with_tools"), CHATS)
def test_chat(given: dict[str, Any], verdict: str, with_tools: str) -> None:
    body = {"id": "x", "choices": [given], "usage": {"prompt_tokens": 1}}
    assert judge(CHAT, body) == verdict
    assert judge(CHAT, body, tools=True) == with_tools
    if verdict != "unreadable":
        stream = chunks(given)
        assert judge_stream(CHAT, stream) == verdict, "the same in a stream"
        assert judge_stream(CHAT, stream, tools=True) == with_tools


def chunks(whole: dict[str, Any], words: int = 9) -> bytes:
    """The stream of one choice: its text in pieces, what else it has in one."""
    message, rest = (
        dict(whole["message"]),
        {name: value for name, value in whole.items() if name not in ("message", "index")},
    )
    content = message.pop("content")
    parts: list[Any] = []
    if isinstance(content, str):
        size = max(1, len(content) // words)
        parts = [content[at : at + size] for at in range(0, len(content), size)]
    elif content is not None:
        parts = [content]
    deltas: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    deltas += [{"delta": {"content": part}, "finish_reason": None} for part in parts]
    deltas += [{"delta": message, "finish_reason": None}, {"delta": {}, **rest}]
    return b"".join(event({"id": "x", "choices": [{"index": 0, **delta}]}) for delta in deltas) + DONE


def event(value: Any, name: str = "") -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + orjson.dumps(value) + b"\n\n"


BODIES: list[tuple[Any, str]] = [
    ({"choices": []}, "empty"),
    ({"choices": None}, "unreadable"),
    ({"choices": None, "usage": {"prompt_tokens": 1}}, "empty"),
    ({}, "unreadable"),
    ({"choices": [choice()], "error": {"message": "no"}}, "error"),
    ({"error": "no"}, "error"),
    ({"choices": [choice()], "error": None}, ""),
    ({"choices": [choice()], "citations": ["https://x"]}, "live_tools"),
    ({"choices": [choice()], "search_results": [{"url": "https://x"}]}, "live_tools"),
    ({"choices": [choice()], "citations": []}, ""),
    ({"choices": [choice(), {**choice(), "index": 1}]}, ""),
    ({"choices": [choice(), {**choice(finish="length"), "index": 1}]}, "length"),
    ({"choices": [choice(finish=None), choice()]}, "cut"),
    ({"choices": [choice(""), choice()]}, "empty"),
    ({"choices": [{"message": 1}]}, "unreadable"),
    (b"", "unreadable"),
    (b"<html>", "unreadable"),
    (b'{"choices":[', "unreadable"),
    (b'["choices"]', "unreadable"),
    (b'{"choices":[{"message":{"content":"\xff"},"finish_reason":"stop","index":"\xff"}]}', "unreadable"),
]


@pytest.mark.parametrize(("body", "verdict"), BODIES)
def test_chat_bodies(body: Any, verdict: str) -> None:
    assert judge(CHAT, body) == verdict


def delta(content: str | None = "word ", finish: str | None = None, index: int = 0, **members: Any) -> bytes:
    return event(
        {"id": "x", "choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish, **members}]}
    )


STREAMS: list[tuple[bytes, str]] = [
    (delta() * 20 + delta(None, "stop") + DONE, ""),
    (delta() * 20 + delta(None, "stop"), "cut"),
    (delta() * 20 + DONE, "cut"),
    (delta() * 20 + delta(None, "stop") + b"data: [DONE]\n", ""),
    (delta() * 20 + delta(None, "stop") + b"data: [DONE]", ""),
    (delta() * 20 + delta(None, "stop") + DONE + delta(), "cut"),
    (delta() * 20 + delta(None, "stop") + b'data: {"choices":[{"de', "cut"),
    (delta() * 20 + delta(None, "stop") + event({"choices": [], "usage": {"prompt_tokens": 1}}) + DONE, ""),
    (delta() * 20 + delta(None, "stop") + b": comment\n\n" + DONE, ""),
    ((delta() * 20 + delta(None, "stop") + DONE).replace(b"\n", b"\r\n"), ""),
    (delta() * 9 + event({"error": {"message": "x"}}) + delta() * 9 + delta(None, "stop") + DONE, "error"),
    (delta() * 9 + event({"message": "x"}, "error") + delta(None, "stop") + DONE, "unreadable"),
    (delta() * 9 + delta(None, "stop") + event({"usage": {"prompt_tokens": 1}}) + DONE, ""),
    (delta() * 9 + b"data: oops\n\n" + delta(None, "stop") + DONE, "unreadable"),
    (delta() * 9 + delta(None, "length") + delta(None, "stop") + DONE, "length"),
    (delta() * 9 + delta(None, "stop", 0) + DONE, ""),
    (delta() * 9 + delta(index=1) * 9 + delta(None, "stop", 0) + DONE, "cut"),
    (delta() * 9 + delta(index=1) * 9 + delta(None, "stop", 0) + delta(None, "stop", 1) + DONE, ""),
    (delta() * 9 + delta(None, "stop", 0) + delta(None, "stop", 1) + DONE, "empty"),
    (delta() * 2 + delta("") * 5 + delta() * 2 + delta(None, "stop") + DONE, ""),
    (delta("") * 9 + delta(None, "stop") + DONE, "empty"),
    (delta(finish="") * 9 + delta(None, "stop") + DONE, ""),
    (event({"choices": [], "prompt_filter_results": [{}]}) + delta() + delta(None, "stop") + DONE, ""),
    (DONE, "empty"),
    (b"", "cut"),
]


@pytest.mark.parametrize(("body", "verdict"), STREAMS)
def test_chat_streams(body: bytes, verdict: str) -> None:
    assert judge_stream(CHAT, body) == verdict


def test_completions() -> None:
    def body(text: str, finish: str | None) -> dict[str, Any]:
        return {"choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}]}

    assert judge(COMPLETIONS, body("Hi", "stop")) == ""
    assert judge(COMPLETIONS, body("Hi", "length")) == "length"
    assert judge(COMPLETIONS, body("", "stop")) == "empty"
    whole = event(body("Hi", None)) * 9 + event(body("", "stop")) + DONE
    assert judge_stream(COMPLETIONS, whole) == ""
    assert judge_stream(COMPLETIONS, whole.removesuffix(DONE)) == "cut"
    assert judge_stream(COMPLETIONS, whole.replace(b'"stop"', b'"length"')) == "length"


# ---- responses ------------------------------------------------------------------------------------------------------


def item(*parts: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(parts), **members}


def response(*output: dict[str, Any], status: str = "completed", **members: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "output": list(output),
        **members,
    }


TEXT = {"type": "output_text", "text": FOOLING, "annotations": []}
THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
FUNCTION = {"type": "function_call", "name": "f", "arguments": "{}", "status": "completed"}

RESPONSE: list[tuple[dict[str, Any], str, str]] = [
    (response(item(TEXT)), "", ""),
    (response(THOUGHT, item(TEXT)), "", ""),
    (response(THOUGHT), "empty", "empty"),
    (response(), "empty", "empty"),
    (response(item()), "empty", "empty"),
    (response(item({"type": "output_text", "text": ""})), "empty", "empty"),
    (response(item({"type": "refusal", "refusal": "No."})), "refusal", "refusal"),
    (response(FUNCTION), "tools", ""),
    (response(item(TEXT), {"type": "custom_tool_call", "status": None}), "tools", ""),
    (response({"type": "web_search_call", "status": "completed"}, item(TEXT)), "live_tools", "live_tools"),
    (response({"type": "mcp_call"}, item(TEXT)), "live_tools", "live_tools"),
    (response({"type": "unheard_of"}, item(TEXT)), "live_tools", "live_tools"),
    (response(item(TEXT, status="incomplete")), "cut", "cut"),
    (response(item(TEXT), status="in_progress"), "cut", "cut"),
    (response(item(TEXT), status="queued"), "cut", "cut"),
    (response(item(TEXT), status="failed", error={"code": "x"}), "error", "error"),
    (response(item(TEXT), error={"code": "x"}), "error", "error"),
    (response(item(TEXT), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length", "length"),
    (
        response(item(TEXT), status="incomplete", incomplete_details={"reason": "content_filter"}),
        "content_filter",
        "content_filter",
    ),
    (response(item(TEXT), incomplete_details={"reason": "max_output_tokens"}), "length", "length"),
]


@pytest.mark.parametrize(("body", "verdict", "with_tools"), RESPONSE)
def test_responses(body: dict[str, Any], verdict: str, with_tools: str) -> None:
    assert judge(RESPONSES, body) == verdict
    assert judge(RESPONSES, body, tools=True) == with_tools
    stream = spoken() + event({"type": "response.completed", "response": body}, "response.completed")
    assert judge_stream(RESPONSES, stream) == verdict
    assert judge_stream(RESPONSES, stream + DONE, tools=True) == with_tools


def spoken() -> bytes:
    return event(
        {"type": "response.created", "response": response(status="in_progress")}, "response.created"
    ) + b"".join(
        event({"type": "response.output_text.delta", "delta": FOOLING, "sequence_number": at}) for at in range(9)
    )


def test_responses_streams() -> None:
    end = event({"type": "response.completed", "response": response(item(TEXT))})
    assert judge_stream(RESPONSES, spoken()) == "cut"
    assert judge_stream(RESPONSES, spoken() + end) == ""
    assert judge_stream(RESPONSES, spoken() + end + spoken()) == "cut"
    assert (
        judge_stream(RESPONSES, spoken() + event({"type": "response.failed", "response": response()}) + end) == "error"
    )
    assert judge_stream(RESPONSES, spoken() + event({"type": "error", "message": "x"}) + end) == "error"
    assert (
        judge_stream(RESPONSES, spoken() + event({"type": "response.incomplete", "response": response()})) == "length"
    )
    assert judge_stream(RESPONSES, spoken() + event({"type": "response.completed"})) == "unreadable"
    assert judge_stream(RESPONSES, spoken() + b"data: oops\n\n" + end) == "unreadable"
    assert judge(RESPONSES, b"oops") == "unreadable"
    long = response(item({"type": "output_text", "text": "x" * 2_000_000}))
    assert judge_stream(RESPONSES, event({"type": "response.completed", "response": long})) == "", (
        "an event of any size"
    )
    unended = event({"type": "response.completed", "response": long})[:-2]
    assert judge_stream(RESPONSES, unended) == "", "and without a blank line"


# ---- messages -------------------------------------------------------------------------------------------------------


def message(*content: dict[str, Any], stop: str | None = "end_turn", **members: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "content": list(content), "stop_reason": stop, **members}


SAID = {"type": "text", "text": FOOLING}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

MESSAGE: list[tuple[dict[str, Any], str, str]] = [
    (message(SAID), "", ""),
    (message(THINKING, {"type": "redacted_thinking", "data": "x"}, SAID), "", ""),
    (message(SAID, stop="stop_sequence"), "", ""),
    (message(SAID, stop="max_tokens"), "length", "length"),
    (message(SAID, stop="model_context_window_exceeded"), "length", "length"),
    (message(SAID, stop="refusal"), "refusal", "refusal"),
    (message(SAID, stop="pause_turn"), "finish_reason", "finish_reason"),
    (message(SAID, stop=None), "cut", "cut"),
    (message(SAID, USE, stop="tool_use"), "tools", ""),
    (message(USE, stop="tool_use"), "tools", ""),
    (message(SAID, USE), "tools", ""),
    (message(THINKING), "empty", "empty"),
    (message(), "empty", "empty"),
    (message({"type": "text", "text": ""}), "empty", "empty"),
    (message({"type": "server_tool_use", "name": "web_search"}, SAID), "live_tools", "live_tools"),
    (message(SAID, {"type": "web_search_tool_result"}), "live_tools", "live_tools"),
]


@pytest.mark.parametrize(("body", "verdict", "with_tools"), MESSAGE)
def test_messages(body: dict[str, Any], verdict: str, with_tools: str) -> None:
    assert judge(MESSAGES, body) == verdict
    assert judge(MESSAGES, body, tools=True) == with_tools
    stream = told(body)
    assert judge_stream(MESSAGES, stream) == verdict
    assert judge_stream(MESSAGES, stream, tools=True) == with_tools


def told(whole: dict[str, Any], words: int = 9) -> bytes:
    """The stream of a message."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "ping"},
    ]
    for index, block in enumerate(whole["content"]):
        text = block.get("text", "")
        events.append(
            {"type": "content_block_start", "index": index, "content_block": {**block, "text": ""} if text else block}
        )
        size = max(1, len(text) // words)
        for at in range(0, len(text), size):
            piece = {"type": "text_delta", "text": text[at : at + size]}
            events.append({"type": "content_block_delta", "index": index, "delta": piece})
        events.append({"type": "content_block_stop", "index": index})
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"]}, "usage": {"output_tokens": 1}}
    )
    return b"".join(event(each, each["type"]) for each in [*events, {"type": "message_stop"}])


def test_messages_streams() -> None:
    whole, stop = told(message({"type": "text", "text": "word " * 40})), event({"type": "message_stop"}, "message_stop")
    assert judge_stream(MESSAGES, whole) == ""
    assert judge_stream(MESSAGES, whole.removesuffix(stop)) == "cut"
    piece = event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}},
        "content_block_delta",
    )
    assert judge_stream(MESSAGES, whole + piece) == "cut", "it did not end"
    assert (
        judge_stream(MESSAGES, whole.removesuffix(stop) + event({"type": "error", "error": {}}, "error") + stop)
        == "error"
    )
    late = event({"type": "message_delta", "delta": {"stop_reason": None}}, "message_delta")
    assert judge_stream(MESSAGES, whole.removesuffix(stop) + late + stop) == ""
    assert judge_stream(MESSAGES, b"data: oops\n\n" + whole) == "unreadable"
    assert judge_stream(MESSAGES, b"") == "cut"
    assert judge(MESSAGES, {"type": "error", "error": {"type": "overloaded_error"}}) == "error"
    assert judge(MESSAGES, b"oops") == "unreadable"


# ---- embeddings, and what is none of these --------------------------------------------------------------------------

VECTORS: list[tuple[Any, str]] = [
    ({"data": [{"index": 0, "embedding": [0.1]}]}, ""),
    ({"data": [{"index": 0, "embedding": "AAAA"}]}, ""),
    ({"data": []}, "empty"),
    ({"data": [{"embedding": [0.1]}, {"embedding": []}]}, "empty"),
    ({"data": [{"embedding": None}]}, "empty"),
    ({"data": [{"index": 0}]}, "unreadable"),
    ({"data": [{"embedding": [0.1]}], "error": {"message": "x"}}, "error"),
    ({"error": {"message": "x"}}, "unreadable"),
    (b"oops", "unreadable"),
]


@pytest.mark.parametrize(("body", "verdict"), VECTORS)
def test_embeddings(body: Any, verdict: str) -> None:
    assert judge(EMBEDDINGS, body) == verdict


def test_other_answers_are_not_known() -> None:
    assert judge(MODERATIONS, {"results": [{}]}) == "unreadable"
    assert judge_stream(EMBEDDINGS, DONE) == "unreadable"


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS])
@given(st.binary(max_size=80) | st.text('{}[]":,data nulltrue\n\\', max_size=60).map(str.encode))
def test_whatever_comes_it_never_raises(endpoint: Endpoint, body: bytes) -> None:
    for form in ("json", "events"):
        assert unfit(endpoint.name, form, body, tools=True)  # type: ignore[arg-type]
        assert unfit(endpoint.name, "events", b"data: " + body + b"\n\n" + DONE, tools=True)


# ---- events that are alike ------------------------------------------------------------------------------------------

READERS = {"chat": chat.unfit_events, "messages": messages.unfit_events, "responses": responses.unfit_events}
PIECES = st.text(max_size=6) | st.sampled_from(
    ["", "\\", '"', '\\"', 'x\\"},"finish_reason":"length', "word", "\n", "\n\n", "😀", "\u2028"]
)
WRONG = [
    (b'"content"', b'"refusal"'),
    (b'"delta"', b'"error":{"code":1},"delta"'),
    (b"null}]", b'"length"}]'),
    (b"null}]", b"null}]]"),
    (b'"word', b'"word\\'),
    (b'"word', b'"wo\\rd'),
    (b'"word', b'"wo"rd'),
    (b'"word', b'"\\ud83d'),
    (b'"word', b'"wo\nrd'),
    (b'"word', b'"wo\n\nrd'),
    (b'"word', b'"\xff'),
    (b'"word', b'","role":"'),
    (b'"word', b'word"},"finish_reason":null}],"error":{"m":"'),
    (b'"word', b'"'),
    (b"data: ", b"data:"),
    (b"data: ", b"\ndata: "),
    (b"data: ", b"event: error\ndata: "),
    (b"data: ", b": ping\n\ndata: "),
    (b"data: ", b"data: [DONE]\n\ndata: "),
    (b"\n\n", b"\n"),
    (b"\n\n", b"\r\n\r\n"),
    (b'"text":"', b'"text":"","stop_reason":"max_tokens","x":"'),
    (b'"text_delta"', b'"input_json_delta"'),
    (b"content_block_delta", b"error"),
]


def all_decoded(endpoint: Endpoint, body: bytes, *, tools: bool) -> str:
    """The verdict of who looks at every event."""
    framer = Framer(limit=len(body))
    payloads = framer.feed(body) + framer.close()
    return READERS[endpoint.name]([payload for payload in payloads if payload], tools=tools)


def in_blocks(words: int) -> bytes:
    return told(message({"type": "text", "text": "word " * words}), words)


@settings(deadline=None)
@given(
    st.lists(st.tuples(PIECES, st.sampled_from([None, None, None, "stop", "length"]), st.integers(0, 1)), max_size=12),
    st.integers(0, 40),
    st.booleans(),
)
def test_events_put_together_are_judged_as_each_of_them(
    pieces: Sequence[tuple[str, str | None, int]], usual: int, ended: bool
) -> None:
    odd = [delta(*piece) for piece in pieces]
    body = b"".join(odd[::2]) + delta("word ") * usual + b"".join(odd[1::2]) + delta("", "stop") + DONE * ended
    for tools in (False, True):
        assert judge_stream(CHAT, body, tools=tools) == all_decoded(CHAT, body, tools=tools)


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WRONG), st.integers(0, 60)), min_size=1, max_size=3), st.data())
def test_whatever_is_wrong_with_one_of_them_is_seen(
    endpoint: Endpoint, wrongs: list[tuple[tuple[bytes, bytes], int]], data: st.DataObject
) -> None:
    body = delta("word ") * 60 + delta("", "stop") + DONE if endpoint is CHAT else in_blocks(60)
    for (right, wrong), which in wrongs:
        parts = body.split(right)
        if len(parts) > 1:
            at = 1 + which % (len(parts) - 1)
            body = right.join(parts[:at]) + wrong + right.join(parts[at:])
    cut = data.draw(st.sampled_from([len(body), len(body) - 1, len(body) - 2]) | st.integers(0, len(body)))
    for given_body in (body, body[:cut]):
        assert judge_stream(endpoint, given_body) == all_decoded(endpoint, given_body, tools=False)


@pytest.mark.parametrize(
    "between", [b"", b": ping\n\n", delta("", index=1)], ids=["alone", "with pings", "of two choices"]
)
def test_nearly_all_of_a_stream_need_not_be_decoded(between: bytes) -> None:
    events = [delta(f" word{at}") for at in range(100)]
    end = delta("", "stop") + DONE
    body = b"".join(events[:50]) + between + b"".join(events[50:]) + end
    assert telling(body).count(b"\n\n") <= 4 + between.count(b"\n\n")
    assert text_of(telling(body)) == text_of(body), "no word is lost"
    spaced = body.replace(b":", b": ")
    assert telling(spaced).count(b"\n\n") == telling(body).count(b"\n\n")


def text_of(body: bytes) -> str:
    payloads = [payload for payload in Framer().feed(body) if payload and payload != b"[DONE]"]
    return "".join(orjson.loads(payload)["choices"][0]["delta"]["content"] for payload in payloads)


def test_blocks_of_three_lines_are_put_together_too() -> None:
    assert telling(in_blocks(200)).count(b"\n\n") < 10


def test_what_came_first_is_what_is_said() -> None:
    body = delta("word ", "length") + delta("word ", error={"code": 1}) * 60 + DONE
    assert judge_stream(CHAT, body) == all_decoded(CHAT, body, tools=False) == "length"


def test_a_stream_that_ends_in_the_middle_of_its_text_ends_so_still() -> None:
    body = delta("word ") * 60 + b": ping\n\n" + delta("word ") * 2
    assert telling(body).endswith(delta("word "))
