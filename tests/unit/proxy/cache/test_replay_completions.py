"""A legacy completion as chunks, and back."""

import json
from typing import Any

import pytest

from proxy.cache.replay import played, said
from proxy.wire.usage import reported
from tests.support.replays import data_of, folded, stored, streamed

KNOWN = reported(prompt=3, output=4)


def whole(*choices: dict[str, Any], **beside: Any) -> dict[str, Any]:
    listed = [{"index": index, "finish_reason": "stop", **choice} for index, choice in enumerate(choices)]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m", "choices": listed, "usage": usage, **beside}  # fmt: skip


PROBABLE = {
    "tokens": ["To", " be", "!"],
    "token_logprobs": [None, -0.5, -1.25],
    "top_logprobs": None,
    "text_offset": [0, 2, 5],
}


def test_events_in_the_order_of_a_model() -> None:
    chunks = data_of(
        streamed("completions", whole({"text": "One moment please.", "logprobs": None}, system_fingerprint="fp"))
    )
    assert {(each["id"], each["object"], each["system_fingerprint"]) for each in chunks} == {
        ("cmpl-1", "text_completion", "fp")
    }
    assert [each["choices"][0] for each in chunks[:-1]] == [
        {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        for text, finish in (("One moment", None), (" please.", None), ("", "stop"))
    ]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 7)
    assert b"usage" not in streamed("completions", whole({"text": "x"}), include_usage=False)


def test_each_token_has_its_log_probabilities() -> None:
    chunks = data_of(streamed("completions", whole({"text": "To be!", "logprobs": PROBABLE})))
    told = [(each["choices"][0]["text"], each["choices"][0]["logprobs"]) for each in chunks[:-2]]
    assert told[1] == (" be", {"tokens": [" be"], "token_logprobs": [-0.5], "top_logprobs": None, "text_offset": [2]})
    assert [text for text, _ in told] == PROBABLE["tokens"]


@pytest.mark.parametrize(
    "choices",
    [
        [{"text": ""}],
        [{"text": "One two three"}, {"text": "Four", "logprobs": None}],
        [{"text": "To be!", "logprobs": PROBABLE}],
        [{"text": "Something else", "logprobs": PROBABLE}],
        [{"text": "To be!", "logprobs": {**PROBABLE, "text_offset": [0]}}],
        [{"text": "To be!", "logprobs": {**PROBABLE, "of_tomorrow": {"a": 1}}}],
        [{"text": "x", "stop_reason": None, "prompt_logprobs": None, "token_ids": [1, 2], "odd": {"a": 2**70}}],
    ],
    ids=str,
)
def test_there_and_back(choices: list[dict[str, Any]]) -> None:
    given = whole(*choices, kv_transfer_params=None)
    events = streamed("completions", given)
    assert folded("completions", events) == given
    assert said(stored("completions", "events", events)) == "\n".join(
        choice["text"] for choice in choices if choice["text"]
    )


def test_a_finish_beside_the_last_text() -> None:
    parts: list[tuple[str, str | None]] = [("a", None), ("b", "stop")]
    events = b"".join(
        b"data: "
        + json.dumps(
            {"id": "c", "choices": [{"text": text, "index": 0, "finish_reason": finish, "token_ids": [1]}]}
        ).encode()
        + b"\n\n"
        for text, finish in parts
    )
    (choice,) = folded("completions", events, KNOWN)["choices"]
    assert choice == {"text": "ab", "index": 0, "finish_reason": "stop", "token_ids": [1, 1]}


@pytest.mark.parametrize(
    "choice", [{"text": None}, {"text": "x", "finish_reason": None}, {"text": "x", "finish_reason": 5}], ids=str
)
def test_an_answer_that_is_none(choice: dict[str, Any]) -> None:
    assert played(stored("completions", "json", whole(choice)), stream=True, include_usage=False) is None
    event = b"data: " + json.dumps({"choices": [{"text": "x", "finish_reason": None}]}).encode() + b"\n\n"
    assert played(stored("completions", "events", event), stream=False, include_usage=False) is None
