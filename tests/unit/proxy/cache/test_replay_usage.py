"""The same form: byte for byte, and the usage chunk exactly where it is asked for."""

import json

import pytest

from proxy.cache.replay import played
from proxy.wire.usage import NO_USAGE, Usage, reported
from tests.support.replays import data_of, stored

KNOWN = reported(prompt=3, output=4, cached=1, reasoning=2)
FIGURES = '"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'
CHUNK = f'data: {{"id":"c","object":"chat.completion.chunk","choices":[],{FIGURES}}}\n\n'.encode()
DONE = b"data: [DONE]\n\n"


def said(content: str, beside: str = "") -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return f'data: {{"id":"c","object":"chat.completion.chunk","choices":[{json.dumps(choice)}]{beside}}}\n\n'.encode()


def replayed(body: bytes, *, include_usage: bool, usage_event: bytes = b"", usage: Usage = NO_USAGE) -> bytes | None:
    return played(stored("chat", "events", body, usage_event, usage), stream=True, include_usage=include_usage)


QUOTED = said('say "usage":{"prompt_tokens":1} and [DONE]') + said("usage")


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_what_was_withheld_comes_before_the_end_of_those_who_ask(endpoint: str) -> None:
    entry = stored(endpoint, "events", QUOTED + DONE, CHUNK)
    assert played(entry, stream=True, include_usage=True) == QUOTED + CHUNK + DONE
    assert played(entry, stream=True, include_usage=False) == QUOTED + DONE


def test_what_is_in_the_body_is_taken_out_for_those_who_do_not_ask() -> None:
    body = QUOTED + said("x", ',"usage":null') + CHUNK + DONE
    assert replayed(body, include_usage=True) == body
    assert replayed(body, include_usage=False) == QUOTED + said("x", ',"usage":null') + DONE


def test_wherever_it_is() -> None:
    body = CHUNK + QUOTED + CHUNK + CHUNK + said("x") + DONE
    assert replayed(body, include_usage=False) == QUOTED + said("x") + DONE
    assert replayed(CHUNK + DONE, include_usage=False) == DONE
    assert replayed(QUOTED + CHUNK[:-2], include_usage=False) == QUOTED


@pytest.mark.parametrize("line", [b"\r\n", b"\r"])
def test_other_line_ends(line: bytes) -> None:
    body = (QUOTED + CHUNK + DONE).replace(b"\n", line)
    assert replayed(body, include_usage=True) == body
    assert replayed(body, include_usage=False) == (QUOTED + DONE).replace(b"\n", line)
    withheld = CHUNK.replace(b"\n", line)
    given = replayed((QUOTED + DONE).replace(b"\n", line), include_usage=True, usage_event=withheld)
    assert given == QUOTED.replace(b"\n", line) + CHUNK + DONE.replace(b"\n", line)


def test_usage_of_a_chunk_that_says_more_stays() -> None:
    """Live, it reaches every client, too."""
    body = said("x", "," + FIGURES) + DONE
    assert replayed(body, include_usage=True) == body
    assert replayed(body, include_usage=False) == body


@pytest.mark.parametrize("end", [b"", b"\n\n"])
def test_hosts_that_send_no_end(end: bytes) -> None:
    body = QUOTED[:-2] + end
    assert replayed(body, include_usage=True, usage_event=CHUNK) == QUOTED + CHUNK


def test_usage_that_only_we_know_of_is_told_in_a_chunk_of_the_same_answer() -> None:
    found = replayed(QUOTED + DONE, include_usage=True, usage=KNOWN)
    assert found is not None
    assert found.startswith(QUOTED)
    assert found.endswith(DONE)
    last = data_of(found)[-1]
    assert (last["id"], last["object"], last["choices"]) == ("c", "chat.completion.chunk", [])
    assert last["usage"]["total_tokens"] == 7
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 1


def test_usage_that_nobody_knows_cannot_be_given() -> None:
    assert replayed(QUOTED + DONE, include_usage=True) is None
    assert replayed(QUOTED + DONE, include_usage=True, usage=Usage(input=1, output=1)) is None
    assert replayed(QUOTED + DONE, include_usage=False) == QUOTED + DONE


def test_forms_without_such_a_chunk_are_not_looked_at() -> None:
    for endpoint in ("responses", "messages"):
        for wanted in (True, False):
            assert played(stored(endpoint, "events", CHUNK), stream=True, include_usage=wanted) is CHUNK
    for endpoint in ("chat", "completions", "responses", "messages", "embeddings"):
        assert played(stored(endpoint, "json", b" {} "), stream=False, include_usage=True) == b" {} "


def test_what_has_no_other_form() -> None:
    assert played(stored("embeddings", "json", b"{}"), stream=True, include_usage=False) is None
    assert played(stored("embeddings", "events", b"data: {}\n\n"), stream=False, include_usage=False) is None
