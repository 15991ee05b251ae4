"""Answers of shimmed requests: cut at stop sequences, made into streams, else byte for byte."""

import random

import orjson
import pytest

from proxy.errors import UpstreamCut, UpstreamInvalid, UpstreamRejected
from proxy.translation.ask import Ask
from proxy.translation.completion import fold
from proxy.translation.shimmed import Shimmed, shimmed
from proxy.translation.stops import Stops
from proxy.wire.values import JsonObject

TEXT = "Hello wor\nEND of ENDING STOP now"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def ask(*stop: str, include_usage: bool = True, choices: int = 1) -> Ask:
    return Ask(model="o3", stop=stop, stream=True, include_usage=include_usage, choices=choices)


def chunk(delta: JsonObject, finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


def usage_chunk() -> bytes:
    return b"data: " + orjson.dumps({"id": "x", "choices": [], "usage": USAGE}) + b"\n\n"


def stream_of(*pieces: str, end: bytes = b"data: [DONE]\n\n") -> bytes:
    said = [chunk({"content": piece}) for piece in pieces]
    return b"".join([chunk({"role": "assistant", "content": ""}), *said, chunk({}, "stop"), usage_chunk(), end])


def chunks(out: bytes) -> list[JsonObject]:
    payloads = [event[6:] for event in out.split(b"\n\n") if event.startswith(b"data: ")]
    return [orjson.loads(payload) for payload in payloads if payload != b"[DONE]"]


def content(whole: JsonObject, index: int = 0) -> str:
    return whole["choices"][index]["message"]["content"]  # type: ignore[index,call-overload,no-any-return,return-value]


def whole(text: str, **message: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "length"}
    return orjson.dumps({"id": "x", "object": "chat.completion", "model": "o3", "choices": [choice], "usage": USAGE})


@pytest.mark.parametrize(
    "stop", [("END",), ("STOP", "XX"), ("wor\n",), ("zzz",), ("w",), ("now!",), ("Hello", "H"), ("o", "orl")]
)
def test_every_split_is_cut_where_the_whole_is(stop: tuple[str, ...]) -> None:
    seed = random.Random(3)
    plain = orjson.loads(Shimmed(ask(*stop)).reply(200, whole(TEXT)))
    for _ in range(60):
        marks = sorted(seed.sample(range(len(TEXT)), seed.randint(0, 12)))
        pieces = [TEXT[start:end] for start, end in zip([0, *marks], [*marks, len(TEXT)], strict=True)]
        data, found = stream_of(*pieces), Shimmed(ask(*stop)).stream()
        out, at = b"", 0
        while at < len(data) and not found.done:
            size = seed.randint(1, 60)
            out += found.feed(data[at : at + size])
            at += size
        out += found.close()
        assert found.error is None
        assert out.endswith(b"data: [DONE]\n\n")
        folded = fold(chunks(out))
        assert content(folded) == content(plain)
        assert found.done == (content(plain) != TEXT)


def test_a_cut_answer_says_that_it_stopped() -> None:
    translation = Shimmed(ask("END"))
    found = orjson.loads(translation.reply(200, whole(TEXT, tool_calls=[{"id": "c"}])))
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["choices"][0]["message"] == {"role": "assistant", "content": "Hello wor\n"}
    assert translation.usage is not None
    assert translation.usage.output == 2


def test_an_answer_without_a_match_keeps_its_bytes() -> None:
    body = b' {"choices" : [{"index":0,"message":{"content":"fine"},"finish_reason":"stop"}], "x": 1.0}\n'
    assert Shimmed(ask("END")).reply(200, body) is body
    assert Shimmed(ask("END")).reply(200, b"<html>") == b"<html>"
    data = b'data: {"choices" : [{"index":0,"delta":{"content":"fine"}}], "x": 1.0}\n\n'
    assert Shimmed(ask("END")).stream().feed(data) == data


def test_only_what_could_begin_a_sequence_waits() -> None:
    found = Shimmed(ask("END", "\n\n")).stream()
    assert content(fold(chunks(found.feed(chunk({"content": "so E"}))))) == "so "
    assert found.feed(chunk({"content": "N"})) == b""
    assert content(fold(chunks(found.feed(chunk({"content": "o more"}))))) == "ENo more"
    assert content(fold(chunks(found.feed(chunk({"content": " text"}))))) == " text"


def test_what_waited_goes_before_the_end_and_before_a_call() -> None:
    found = Shimmed(ask("END")).stream()
    out = found.feed(chunk({"content": "wait E"}) + chunk({}, "stop") + b"data: [DONE]\n\n") + found.close()
    assert content(fold(chunks(out))) == "wait E"
    found = Shimmed(ask("END")).stream()
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    first = chunks(found.feed(chunk({"content": "wait E"}) + chunk(call)))
    assert content(fold(first)) == "wait E"
    assert not found.done


def test_each_choice_stops_on_its_own() -> None:
    found = Shimmed(ask("END", choices=2)).stream()
    out = found.feed(chunk({"content": "one END"}, index=0) + chunk({"content": "two "}, index=1))
    assert not found.done
    out += found.feed(chunk({"content": "more"}, index=0) + chunk({"content": "here END"}, index=1))
    assert found.done
    folded = fold(chunks(out + found.close()))
    assert (content(folded, 0), content(folded, 1)) == ("one ", "two here ")


def test_usage_is_read_and_kept_from_a_client_that_did_not_ask() -> None:
    translation = Shimmed(ask("zzz", include_usage=False))
    out = translation.stream().feed(stream_of("a"))
    assert translation.usage is not None
    assert translation.usage.input == 1
    assert all("usage" not in found for found in chunks(out))


@pytest.mark.parametrize("end", [b"", b'data: {"id":"x","choi'])
def test_a_stream_that_breaks_off_is_an_error(end: bytes) -> None:
    found = Shimmed(ask("END")).stream()
    out = found.feed(chunk({"content": "half E"}) + end) + found.close()
    assert isinstance(found.error, UpstreamCut)
    assert content(fold(chunks(out))) == "half E"
    assert b"[DONE]" not in out


def test_a_finished_stream_without_its_last_word_is_whole() -> None:
    found = Shimmed(ask("END")).stream()
    out = found.feed(stream_of("fine", end=b"")) + found.close()
    assert found.error is None
    assert out.endswith(b"data: [DONE]\n\n")


def test_an_error_inside_the_stream_is_told() -> None:
    found = Shimmed(ask("END")).stream()
    event = b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
    assert found.feed(chunk({"content": "a"}) + event + chunk({"content": "b"})).count(b"data: ") == 1
    assert found.close() == b""
    assert isinstance(found.error, UpstreamRejected)
    assert (found.error.status, found.error.message) == (503, "overloaded")


def test_a_whole_answer_as_a_stream() -> None:
    translation = Shimmed(Ask(model="o1-pro", whole=True, stream=True, include_usage=True))
    out = translation.unfold(whole("hi"))
    assert out.endswith(b"data: [DONE]\n\n")
    folded = fold(chunks(out))
    assert content(folded) == "hi"
    assert folded["usage"] == USAGE
    assert translation.usage is not None
    for body in (b"", b"<html>", b'{"error":1}'):
        with pytest.raises(UpstreamInvalid):
            translation.unfold(body)


@pytest.mark.parametrize(
    ("endpoint", "given", "needed"), [("chat", ask("x"), True), ("chat", ask(), False), ("responses", ask("x"), False)]
)
def test_most_answers_pass(endpoint: str, given: Ask, needed: bool) -> None:
    assert (shimmed(endpoint, given) is not None) == needed


def test_headers_pass_but_for_the_framing() -> None:
    given = ((b"content-type", b"x"), (b"content-length", b"3"), (b"x-request-id", b"r"), (b"openai-model", b"m"))
    assert Shimmed(ask("x")).headers(given) == [given[0], *given[2:]]
    assert Shimmed(ask("x")).error(500, (), b"") is None


@pytest.mark.parametrize(
    "part",
    [{}, {"index": -1, "delta": 5}, {"index": "x", "delta": {"content": 7}}, {"delta": None, "finish_reason": 3}],
)
def test_odd_chunks_break_nothing(part: JsonObject) -> None:
    found = Stops(("END",))
    assert found.feed({"choices": [part]}) == [{"choices": [part]}]
    assert found.feed({"choices": None}) == [{"choices": None}]
    assert not found.done
