"""Bytes and headers to what a client understood."""

import json
from typing import Any

import pytest

from proxy.drill.seen import Received, Seen, understood

ENVELOPE = json.dumps({"error": {"message": "w", "type": "t", "param": None, "code": "c"}}).encode()
SSE = {"content-type": "text/event-stream; charset=utf-8"}


def chunk(text: str = "", *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def seen(body: bytes, *, status: int = 200, stream: bool = False, **more: Any) -> Seen:
    return understood(Received(status=status, body=body, headers=SSE if stream else {}, **more), stream=stream)


def test_a_plain_answer() -> None:
    body = json.dumps({"choices": [{"message": {"content": "Far."}}]}).encode()
    found = seen(body)
    assert (found.kind, found.text) == ("answer", "Far.")
    assert seen(body[:-2]).kind == "nonsense"
    assert seen(body, whole=False).kind == "nonsense"
    assert seen(b"").kind == "nonsense"
    assert seen(ENVELOPE).kind == "nonsense"
    assert seen(ENVELOPE).errors == ("c: w",)


def test_a_stream() -> None:
    whole = chunk("Far") + chunk(".", finish="stop") + b"data: [DONE]\n\n"
    found = seen(whole, stream=True)
    assert (found.kind, found.text, found.done) == ("answer", "Far.", True)
    assert seen(whole[:-1], stream=True).kind == "answer"
    assert seen(chunk("Far") + chunk("."), stream=True).kind == "broken"
    assert seen(whole, stream=True, whole=False).kind == "broken"
    assert seen(b": comment\n\n", stream=True).kind == "nonsense"
    cut = seen(chunk("Far") + b"data: " + ENVELOPE + b"\n\n", stream=True, whole=False)
    assert (cut.kind, cut.text, cut.errors, cut.done) == ("broken", "Far", ("c: w",), False)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ENVELOPE, "error"),
        (b'{"error": "words"}', "foreign error"),
        (b"<html>", "foreign error"),
        (b"", "foreign error"),
    ],
)
def test_errors_have_an_envelope_or_not(body: bytes, kind: str) -> None:
    assert seen(body, status=502).kind == kind


def test_nothing_and_patience_lost() -> None:
    assert seen(b"", status=0).kind == "nothing"
    assert seen(b"", status=0, late=True).kind == "hung"
    assert seen(chunk("Far"), stream=True, late=True).kind == "hung"


def test_headers_are_read() -> None:
    headers = {
        "x-tollway-attempts": "2",
        "x-tollway-reason": "r",
        "retry-after-ms": "500",
        "x-tollway-error-source": "upstream",
    }
    found = understood(Received(status=429, headers=headers, body=ENVELOPE), stream=False, place=1, calls=2, struck=1)
    assert (found.attempts, found.reason, found.retry_after, found.source) == (2, "r", "500", "upstream")
    assert (found.place, found.calls, found.struck) == (1, 2, 1)
