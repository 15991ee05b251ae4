"""``stream_options.include_usage`` asked for on the client's behalf: spliced in, and withheld again from who did not ask."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running

from .wire import CHAT, JSON, ask, body_of, chat, mark, one

pytestmark = pytest.mark.e2e

ASK = b'{"messages":[{"role":"user","content":"How long is the road?"}], "model" : "gpt-4o"'


@pytest.fixture(scope="module")
def always(mock: Mock) -> Iterator[Gateway]:
    with running(config_for(mock.url, streaming={"include_usage": "always"})) as gateway:
        yield gateway


CASES = [
    (b',"stream":true}', None),
    (b',"stream" : true , "x":1 }', None),
    (b',"stream":true,"stream_options":null}', None),
    (b',"stream":true,"stream_options":{}}', None),
    (b',"stream":true,"stream_options":{ "include_obfuscation" : false}}', {"include_obfuscation": False}),
    (b',"stream":true,"stream_options":{"include_usage":false}}', None),
    (b',"stream":true,"stream_options":{"include_usage":null,"z":{"a":1}}}', {"z": {"a": 1}}),
]


@pytest.mark.parametrize(("rest", "kept"), CASES)
@pytest.mark.parametrize("framing", ["lf", "crlf", "cr"])
@pytest.mark.parametrize("split", ["0", "1"])
def test_asked_for_and_withheld(
    always: Gateway, mock: Mock, rest: bytes, kept: dict[str, object] | None, framing: str, split: str
) -> None:
    marked = mark()
    given = f"inject-{time.monotonic_ns()}"
    controls = [("x-mock-framing", framing), ("x-mock-split", split), ("x-mock-tokens", "4")]
    answer = chat(always.origin, ASK + rest, headers=[marked, ("x-request-id", given), *controls])
    plain = chat(mock.origin, ASK + b',"stream":true}', headers=controls)
    sent = body_of(one(mock, marked))
    document = json.loads(sent)
    assert document["stream_options"] == {**(kept or {}), "include_usage": True}
    assert ASK[1:] in sent
    assert {key: value for key, value in document.items() if key != "stream_options"} == {
        key: value for key, value in json.loads(ASK + rest).items() if key != "stream_options"
    }
    events = [part for part in answer.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n") if part]
    assert events[-1] == b"data: [DONE]"
    assert all(json.loads(event.removeprefix(b"data: "))["choices"] for event in events[:-1])
    assert len(events) == plain.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"data: ")
    record = json.loads(always.wait_for(f'"request_id":"{given}"', timeout=5))
    assert (record["output_source"], record["output_tokens"]) == ("reported", 4)


def test_who_asked_gets_it_and_nothing_is_changed(always: Gateway, mock: Mock) -> None:
    body = ASK + b',"stream":true,"stream_options":{"include_usage":true}}'
    marked = mark()
    answer = chat(always.origin, body, headers=[marked])
    assert answer.body == chat(mock.origin, body).body
    assert b'"usage":{' in answer.body
    assert body_of(one(mock, marked)) == body


def test_other_requests_are_left_alone(always: Gateway, mock: Mock) -> None:
    for path, body in (
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT[:-1] + b',"stream":false}'),
        ("/v1/responses", b'{"model":"gpt-4o","input":"?","stream":true}'),
        ("/v1/embeddings", b'{"model":"gpt-4o","input":"?"}'),
    ):
        marked = mark()
        assert ask(always.origin, "POST", path, headers=[JSON, marked], body=body).status == 200
        assert body_of(one(mock, marked)) == body


def test_legacy_completions(always: Gateway, mock: Mock) -> None:
    marked = mark()
    body = b'{"model":"gpt-4o","prompt":"The road","stream":true}'
    answer = ask(always.origin, "POST", "/v1/completions", headers=[JSON, marked], body=body)
    assert json.loads(body_of(one(mock, marked)))["stream_options"] == {"include_usage": True}
    assert b'"usage":{' not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_renamed_and_injected(always: Gateway, mock: Mock) -> None:
    marked = mark()
    body = b'{ "stream" : true, "model" : "fast", "messages":[{"role":"user","content":"\\u0041"}]}'
    assert chat(always.origin, body, headers=[marked]).status == 200
    sent = body_of(one(mock, marked))
    assert json.loads(sent) == {**json.loads(body), "model": "gpt-4o", "stream_options": {"include_usage": True}}
    assert b' "stream" : true, "model" : "gpt-4o", "messages":[{"role":"user","content":"\\u0041"}]' in sent


def test_nothing_is_injected_where_it_decides_nothing(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    body = ASK + b',"stream":true}'
    answer = chat(gateway.origin, body, headers=[marked])
    assert body_of(one(mock, marked)) == body
    assert answer.body == chat(mock.origin, body).body


def test_a_provider_that_reports_usage_anyway(always: Gateway, mock: Mock) -> None:
    """Withheld too when it comes as an event of its own: who did not ask does not see it."""
    body = ASK + b',"stream":true}'
    answer = chat(always.origin, body, headers=[("x-mock-usage", "on")])
    assert b'"choices":[]' not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
