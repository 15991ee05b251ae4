"""Replayed answers: every recorded answer and any that can be made, there and back, through the official SDKs, and bytes that are none.

A stream folded is the plain answer; a plain answer unfolded and folded is itself; the same form is the same bytes.
"""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cache.replay import events_in, played, said
from proxy.wire.usage import reported
from tests.contract.providers import test_contract as contract
from tests.support import fronts as sdk
from tests.support.mutations import ODD, Mutator
from tests.support.replays import (
    Form,
    Recorded,
    folded,
    recorded,
    saying,
    stored,
    streamed,
    streamed_chat,
    whole_chat,
)

ENDPOINTS = ("chat", "completions", "responses", "messages")
RECORDED = ("chat", "responses", "messages")
KNOWN = reported(prompt=3, output=4)


def plain(answer: Recorded) -> Any:
    """The recorded answer as one object."""
    if answer.form == "json":
        return json.loads(answer.body)
    return folded(answer.endpoint, answer.body, KNOWN)


def normal(whole: Any) -> Any:
    """What no stream tells apart: content that is empty beside calls, and a call's own number."""
    for choice in whole.get("choices", []):
        message = choice.get("message", {})
        if message.get("tool_calls"):
            message["content"] = message["content"] or None
            for call in message["tool_calls"]:
                call.pop("index", None)
        elif "tool_calls" in message:
            del message["tool_calls"]
    return whole


def of(endpoint: str) -> list[Recorded]:
    return [answer for answer in recorded() if answer.endpoint == endpoint]


def distinct(endpoint: str) -> list[Recorded]:
    """Many hosts answer alike: each answer once."""
    return list({(answer.form, answer.body): answer for answer in of(endpoint)}.values())


# ---- recorded answers -------------------------------------------------------------------------------------------------
def test_there_are_many() -> None:
    for endpoint in RECORDED:
        for form in ("json", "events"):
            assert sum(answer.form == form for answer in of(endpoint)) > 300


@pytest.mark.parametrize("endpoint", RECORDED)
def test_the_same_form_is_the_same_bytes(endpoint: str) -> None:
    for answer in of(endpoint):
        entry = stored(endpoint, answer.form, answer.body, usage=KNOWN)
        stream = answer.form == "events"
        if not stream or b'"usage"' in answer.body:
            assert played(entry, stream=stream, include_usage=True) == answer.body, answer.origin
        if stream and b'"usage"' not in answer.body:
            assert played(entry, stream=stream, include_usage=False) == answer.body, answer.origin
        assert b"".join(events_in(answer.body)) == answer.body


@pytest.mark.parametrize("endpoint", RECORDED)
def test_there_and_back(endpoint: str) -> None:
    for answer in of(endpoint):
        whole = normal(plain(answer))
        events = streamed(endpoint, whole)
        found = folded(endpoint, events, KNOWN)
        if not whole.get("usage"):
            # No stream tells that a plain answer reports none: what we know of it is put in.
            assert found.pop("usage", None) is not None or endpoint != "chat"
            whole.pop("usage", None)
        assert found == whole, answer.origin
        assert said(stored(endpoint, "events", events)) == said(stored(endpoint, answer.form, answer.body))


def test_a_live_stream_folded_is_the_plain_answer() -> None:
    """Of chat, compared as the providers' own tests compare two recordings."""
    pairs: dict[str, dict[Form, Any]] = defaultdict(dict)
    for answer in of("chat"):
        pairs[answer.origin][answer.form] = plain(answer)
    checked = 0
    for case in contract.CHATS:
        forms = pairs[case.label]
        if contract.both_forms(case) and len(forms) == 2:
            asked = contract.driver.ask(case, body=contract.driver.streaming(case.body))
            translated = contract.translated(asked)
            if "usage" not in forms["json"]:
                forms["events"].pop("usage")
            one, other = contract.comparable(forms["events"]), contract.comparable(forms["json"])
            if not translated:
                one, other = contract.of_the_dialect(one), contract.of_the_dialect(other)
                one["usage"] = other["usage"] = None
            assert one == other, case.label
            checked += 1
    assert checked > 200


@pytest.mark.parametrize("endpoint", RECORDED)
def test_the_official_sdk_reads_the_same(endpoint: str) -> None:
    """Its accumulator reads the unfolded stream to the object that it makes of the plain answer."""
    checked = 0
    for answer in distinct(endpoint):
        whole = normal(plain(answer))
        if endpoint == "chat" and any(
            choice["finish_reason"] in ("length", "content_filter") for choice in whole["choices"]
        ):
            # The helper raises for these; the cache keeps none.
            continue
        if endpoint == "responses" and whole["status"] != "completed":
            continue
        one, other = _READERS[endpoint]
        body = json.dumps(whole).encode()
        assert _comparable(one(streamed(endpoint, whole))) == _comparable(other(body)), answer.origin
        checked += 1
    assert checked > 120


_READERS: dict[str, Any] = {
    "chat": (streamed_chat, whole_chat),
    "messages": (sdk.streamed_message, sdk.whole_message),
    "responses": (sdk.streamed_response, lambda body: sdk.whole_response(body).to_dict()),
}


def _comparable(found: Any) -> Any:
    """Without what the chat accumulator keeps of a call (its number) and drops of a choice (members of its last chunk)."""
    for choice in found.get("choices", []):
        for name in set(choice) - {"index", "message", "finish_reason", "logprobs"}:
            del choice[name]
        for call in choice["message"].get("tool_calls") or []:
            call.pop("index", None)
    return saying(found)


# ---- any answer -------------------------------------------------------------------------------------------------------
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
values: Any = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
unknown = st.dictionaries(st.sampled_from(["of_tomorrow", "provider", "metadata", "x_host"]), values, max_size=2)
usage = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99), "total_tokens": st.integers(0, 198)}
) | st.just(
    {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}
)
idents = st.sampled_from(["a", "b", "c"])


@st.composite
def logprobs(draw: st.DrawFn, said: str | None) -> Any:
    """None, those of the text's tokens, or of another text."""
    if draw(st.booleans()):
        return None
    text = said if said is not None and draw(st.booleans()) else draw(words)
    listed = [{"token": letter, "logprob": -0.5, "bytes": None, "top_logprobs": []} for letter in text]
    return {"content": listed, "refusal": draw(st.none() | st.just([]))}


@st.composite
def calls(draw: st.DrawFn) -> list[Any]:
    found: list[Any] = []
    for ident in draw(st.lists(idents, unique=True, min_size=1)):
        kind, member = draw(st.sampled_from([("function", "arguments"), ("custom", "input")]))
        body = {"name": draw(st.sampled_from(["f", "get_weather"])), member: draw(words)}
        extra = {"extra_content": {"google": {"thought_signature": "s"}}} if draw(st.booleans()) else {}
        found.append({"id": ident, "type": kind, kind: body, **extra})
    return found


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """A plain answer with everything that a message may have."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        called = draw(st.none() | calls())
        content = draw(st.none() | words) if not called else draw(st.none() | words.filter(bool))
        message: dict[str, Any] = {"role": "assistant", "content": content, **draw(unknown)}
        for name in draw(st.sets(st.sampled_from(["reasoning", "reasoning_content", "refusal", "thinking"]))):
            message[name] = draw(st.none() | words)
        if draw(st.booleans()):
            message["annotations"] = draw(st.lists(unknown, max_size=2))
        if draw(st.booleans()):
            message["reasoning_details"] = [
                {"type": "reasoning.text", "text": draw(words), "index": at} for at in range(2)
            ]
        if draw(st.booleans()):
            message["audio"] = {"id": "a", "data": "AAEC", "transcript": draw(words), "expires_at": 5}
        if draw(st.booleans()):
            message["function_call"] = {"name": "f", "arguments": draw(words)}
        if called:
            message["tool_calls"] = called
        choice = {
            "index": index,
            "message": message,
            "finish_reason": draw(st.sampled_from(["stop", "tool_calls", "eos"])),
        }
        if draw(st.booleans()):
            choice["logprobs"] = draw(logprobs(content))
        choices.append({**choice, **draw(unknown)})
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        **draw(unknown),
        "choices": choices,
        "usage": draw(usage),
    }


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        text = draw(words)
        told: Any = None
        if draw(st.booleans()):
            letters = list(text if draw(st.booleans()) else draw(words))
            told = {
                "tokens": letters,
                "token_logprobs": [-0.5] * len(letters),
                "top_logprobs": draw(st.none() | st.just([{}] * len(letters))),
            }
        choices.append({"text": text, "index": index, "logprobs": told, "finish_reason": "stop", **draw(unknown)})
    return {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        **draw(unknown),
        "choices": choices,
        "usage": draw(usage),
    }


@st.composite
def responses(draw: st.DrawFn) -> dict[str, Any]:
    output = []
    for at in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "of_tomorrow"]))
        item: dict[str, Any] = {"id": f"i{at}", "type": kind, "status": "completed", **draw(unknown)}
        if kind == "message":
            parts = st.fixed_dictionaries(
                {"type": st.sampled_from(["output_text", "refusal", "odd"]), "text": words, "refusal": words},
                optional={"annotations": st.lists(unknown, max_size=2), "logprobs": st.just([])},
            )
            item |= {"role": "assistant", "content": draw(st.lists(parts, max_size=2))}
        elif kind == "reasoning":
            item["summary"] = [{"type": "summary_text", "text": draw(words)}]
        item |= {"call_id": "c", "name": "f", "arguments": draw(words), "input": draw(words)}
        output.append(item)
    return {
        "id": "r",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": output,
        **draw(unknown),
        "usage": draw(values),
    }


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    content = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(
            st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "of_tomorrow"])
        )
        block: dict[str, Any] = {"type": kind, **draw(unknown)}
        if kind == "text":
            block |= {"text": draw(words), "citations": draw(st.none() | st.lists(unknown, max_size=2))}
        elif kind == "thinking":
            block |= {"thinking": draw(words), "signature": draw(words)}
        elif kind.endswith("tool_use"):
            block |= {"id": "t", "name": "f", "input": draw(st.dictionaries(words, values, max_size=2))}
        content.append(block)
    beside = draw(unknown)
    figures = {
        "input_tokens": draw(st.integers(0, 9)),
        "output_tokens": draw(st.integers(0, 9)),
        "cache_read_input_tokens": draw(st.none() | st.just(2)),
    }
    return {
        "id": "m", "type": "message", "role": "assistant", "model": "m", **beside, "content": content,
        "stop_reason": draw(st.sampled_from(["end_turn", "stop_sequence", "tool_use"])), "stop_sequence": draw(st.none() | words), "usage": figures,
    }  # fmt: skip


ANSWERS: dict[str, Any] = {
    "chat": chats(),
    "completions": completions(),
    "responses": responses(),
    "messages": messages(),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_answer_there_and_back(endpoint: str, data: st.DataObject) -> None:
    whole = data.draw(ANSWERS[endpoint])
    events = streamed(endpoint, whole, include_usage=True)
    assert folded(endpoint, events) == whole
    entry = stored(endpoint, "events", events)
    assert played(entry, stream=True, include_usage=True) == events
    unasked = played(entry, stream=True, include_usage=False)
    assert unasked is not None
    assert len(events_in(events)) - len(events_in(unasked)) == (endpoint in ("chat", "completions"))
    assert folded(endpoint, unasked, KNOWN) | {"usage": whole["usage"]} == whole
    assert said(stored(endpoint, "json", whole)) == said(stored(endpoint, "events", events))


@settings(max_examples=100, deadline=None)
@given(sdk.completions(), st.data())
def test_a_stream_cut_otherwise_is_the_same_answer(whole: Any, data: st.DataObject) -> None:
    """Deltas of any size, with empty ones between them."""
    chunks = [json.loads(line) for line in _lines(streamed("chat", whole))]
    cut = sdk.split(data.draw, chunks)
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in cut) + b"data: [DONE]\n\n"
    assert saying(folded("chat", events)) == saying(whole)


def _lines(events: bytes) -> list[bytes]:
    return [line[6:] for line in events.split(b"\n") if line.startswith(b"data: {")]


# ---- what is no answer ------------------------------------------------------------------------------------------------
def harmless(endpoint: str, form: Form, body: bytes) -> None:
    """Nothing is raised; what is given is JSON, or events of JSON."""
    entry = stored(endpoint, form, body, usage=KNOWN)
    for stream in (True, False):
        for include_usage in (True, False):
            found = played(entry, stream=stream, include_usage=include_usage)
            if found is not None and stream != (form == "events"):
                assert [json.loads(line) for line in _lines(found)] if stream else json.loads(found) is not None
    assert isinstance(said(entry), str)
    assert b"".join(events_in(body)) == body


@pytest.mark.parametrize("endpoint", RECORDED)
def test_answers_made_wrong(endpoint: str) -> None:
    """Members lost, replaced and doubled, in a part of the recorded answers."""
    for seed, answer in enumerate(distinct(endpoint)[::5]):
        mutator = Mutator(seed)
        whole = plain(answer)
        for _ in range(4):
            try:
                body = json.dumps(mutator.document(json.loads(json.dumps(whole)))).encode()
            except (UnicodeEncodeError, TypeError):
                continue
            harmless(endpoint, "json", body)
            harmless(endpoint, "events", mutator.bytes(streamed(endpoint, whole)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ENDPOINTS), st.sampled_from(["json", "events"]), st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes(endpoint: str, form: Form, body: bytes) -> None:
    harmless(endpoint, form, body)
    harmless(endpoint, form, b"data: " + body + b"\n\n")


@settings(max_examples=200, deadline=None)
@given(sdk.odd_chunks)
def test_chunks_of_hosts_that_keep_no_rule(chunks: list[Any]) -> None:
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    harmless("chat", "events", events)
    harmless("completions", "events", events)


def test_odd_values_everywhere() -> None:
    """Each member of each dialect's answer replaced by each odd value."""
    for endpoint, whole in _WHOLE.items():
        for path in _paths(whole):
            for odd in ODD:
                if odd != "\ud800":
                    harmless(endpoint, "json", json.dumps(_replaced(whole, path, odd)).encode())


_WHOLE: dict[str, Any] = {
    "chat": {
        "id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "x", "reasoning": "r", "annotations": [], "audio": {"data": "AA=="},
        "function_call": {"name": "f", "arguments": "{}"}, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        "logprobs": {"content": [{"token": "x"}]}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1},
    },
    "completions": {"choices": [{"text": "x", "index": 0, "logprobs": {"tokens": ["x"], "token_logprobs": [1]}, "finish_reason": "stop"}]},
    "responses": {
        "status": "completed", "output": [
            {"id": "m", "type": "message", "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": [{"token": "x"}]}]},
            {"id": "r", "type": "reasoning", "summary": [{"text": "x"}]}, {"type": "function_call", "arguments": "{}"},
        ],
    },
    "messages": {
        "content": [{"type": "text", "text": "x", "citations": [{}]}, {"type": "thinking", "thinking": "x", "signature": "s"}, {"type": "tool_use", "input": {}}],
        "stop_reason": "end_turn", "usage": {"output_tokens": 5},
    },
}  # fmt: skip


def _paths(value: Any) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *[(key, *path) for key, member in inner for path in _paths(member)]]


def _replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    found = dict(value) if isinstance(value, dict) else list(value)
    found[path[0]] = _replaced(value[path[0]], path[1:], odd)
    return found
