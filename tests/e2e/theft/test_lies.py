"""Usage that is missing, negative, absurd, zero, twice, in the middle, beyond a megabyte: what was delivered is charged."""

from typing import Any

import pytest

from .liar import chunk, completion, events, lie
from .stand import INPUT, OUTPUT, Stand

pytestmark = pytest.mark.e2e

TEXT = "hello world " * 20
WORDS = 41
"""Tokens of ``TEXT`` as a gpt-4o counts them."""

MODEL = "lying/gpt-4o"


def usage(prompt: object, output: object, **more: Any) -> dict[str, Any]:
    """As OpenAI's chat."""
    return {"prompt_tokens": prompt, "completion_tokens": output, **more}


def told(message: dict[str, Any]) -> dict[str, Any]:
    """An answer without usage whose text is somewhere else than in a string."""
    whole = completion("")
    whole["choices"][0]["message"] = {"role": "assistant", **message}
    return whole


BELIEVED_NOT: dict[str, dict[str, Any]] = {
    "none": completion(TEXT),
    "negative": completion(TEXT, usage(-5, -5)),
    "negative output": completion(TEXT, usage(5, -7)),
    "zero": completion(TEXT, usage(0, 0)),
    "text": completion(TEXT, usage("5", "7")),
    "null": completion(TEXT, usage(None, None)),
    "fractions": completion(TEXT, usage(5.0, 7.5)),
    "huge": completion(TEXT, usage(10**9, 10**9)),
    "beyond integers": completion(TEXT, usage(10**30, 10**30)),
    "a hundred times": completion(TEXT, usage(5000, 5000)),
    "a total alone": completion(TEXT, {"total_tokens": 50}),
    "parts": told({"content": [{"type": "text", "text": TEXT}]}),
    "reasoning": told({"content": "", "reasoning": TEXT}),
    "a function": told({"content": None, "function_call": {"name": "", "arguments": TEXT}}),
}


@pytest.mark.parametrize("name", BELIEVED_NOT)
@pytest.mark.parametrize("stream", [False, True])
async def test_our_own_count_is_charged(stand: Stand, name: str, stream: bool) -> None:
    """``stream``: asked for, and answered with JSON all the same."""
    thief = await stand.thief(usd=1)
    answer = await thief.chat(headers=lie(BELIEVED_NOT[name]), model=MODEL, stream=stream)
    assert answer.status == 200
    (entry,) = await thief.entries(1)
    assert (entry["output_tokens"], entry["input_tokens"]) == (WORDS, 11)
    assert entry["charge"] == WORDS * OUTPUT + 11 * INPUT
    assert entry["count"] == "counted"
    assert entry["flags"] in ('["usage_missing"]', '["usage_absurd"]')


STREAMS: dict[str, tuple[list[Any], int]] = {
    "none": ([chunk(TEXT), chunk()], WORDS),
    "zero": ([chunk(TEXT), chunk(), {"choices": [], "usage": usage(0, 0)}], WORDS),
    "zero after a good one": ([chunk(TEXT), chunk(usage=usage(5, 40)), {"choices": [], "usage": usage(0, 0)}], WORDS),
    "negative": ([chunk(TEXT), chunk(), {"choices": [], "usage": usage(-5, -20)}], WORDS),
    "a thousand times": ([chunk(TEXT), chunk(), {"choices": [], "usage": usage(50000, 50000)}], WORDS),
    "twice": ([chunk(TEXT, usage=usage(5, 2)), chunk(), {"choices": [], "usage": usage(5, 40)}], 40),
    "nothing after it": ([chunk(TEXT), chunk(), {"choices": [], "usage": usage(5, 40)}, {"choices": []}], 40),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("stream", [False, True])
async def test_usage_in_streams(stand: Stand, name: str, stream: bool) -> None:
    """``stream``: asked for; else a stream comes uncalled for."""
    chunks, output = STREAMS[name]
    thief = await stand.thief(usd=1)
    answer = await thief.chat(headers=lie(events(*chunks), type="text/event-stream"), model=MODEL, stream=stream)
    assert answer.status == 200
    (entry,) = await thief.entries(1)
    assert entry["output_tokens"] == output
    assert entry["charge"] >= output * OUTPUT


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_an_answer_too_large_to_be_held_is_charged(stand: Stand, encoding: str | None) -> None:
    """Log probabilities make a short answer large."""
    how = {"encoding": encoding} if encoding else {}
    for body, output in (
        (completion(TEXT + "@PAD@", usage(5, 700)), 700),
        ({"usage": usage(5, 700), **completion(TEXT + "@PAD@")}, 700),
    ):
        thief = await stand.thief(usd=5)
        answer = await thief.chat(headers=lie(body, pad=3_000_000, **how), model=MODEL)
        assert (answer.status, len(answer.body) > 3_000_000) == (200, True)
        (entry,) = await thief.entries(1)
        assert (entry["output_tokens"], entry["count"]) == (output, "reported")
    thief = await stand.thief(usd=5)
    await thief.chat(headers=lie(completion(TEXT + "@PAD@"), pad=3_000_000), model=MODEL, max_tokens=2000)
    (entry,) = await thief.entries(1)
    assert 500 <= entry["output_tokens"] <= 2000, "not for nothing, and not by the byte"


async def test_an_answer_under_a_false_name_is_charged(stand: Stand) -> None:
    thief = await stand.thief(usd=1)
    await thief.chat(headers=lie(completion(TEXT, usage(5, 40)), type="text/plain"), model=MODEL)
    assert (await thief.spent(1)) == 5 * INPUT + 40 * OUTPUT


REAL = {"input_tokens": 200_000, "output_tokens": 5}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
    "usage": REAL,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": REAL,
}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_file", "file_url": "https://example.com/long.pdf"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ],
)
async def test_a_document_that_the_body_does_not_show_is_paid_for(stand: Stand, part: dict[str, str]) -> None:
    """A thousand pages are a few bytes by address, and not many more when they are compressed."""
    thief = await stand.thief(usd=5)
    body = {"model": MODEL, "input": [{"role": "user", "content": [part]}], "max_output_tokens": 50}
    assert (await thief.ask("/v1/responses", body, headers=lie(RESPONSE))).status == 200
    assert await thief.spent(1) == 200_000 * INPUT + 5 * OUTPUT


@pytest.mark.parametrize(
    "source",
    [
        {"type": "url", "url": "https://example.com/long.pdf"},
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
    ],
)
async def test_a_document_of_anthropics_is_paid_for(stand: Stand, source: dict[str, str]) -> None:
    thief = await stand.thief(usd=5)
    content = [{"type": "document", "source": source}]
    body = {
        "model": "lying-claude/claude-sonnet-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": content}],
    }
    assert (await thief.ask("/v1/messages", body, headers=lie(MESSAGE))).status == 200
    assert await thief.spent(1) == 200_000 * INPUT + 5 * OUTPUT


async def test_an_absurd_prompt_does_not_make_the_answer_free(stand: Stand) -> None:
    thief = await stand.thief(usd=5)
    await thief.chat(headers=lie(completion(TEXT, usage(100_000, 40))), model=MODEL)
    (entry,) = await thief.entries(1)
    assert (entry["input_tokens"], entry["output_tokens"], entry["flags"]) == (11, 40, '["usage_absurd"]')
