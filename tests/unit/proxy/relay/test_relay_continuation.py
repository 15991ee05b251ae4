"""An answer that breaks off goes on at another target: one stream for the client, and both parts accounted for."""

import json
from typing import Any

import orjson
import pytest

from proxy.context import Principal, RequestContext, TokenEstimate
from proxy.errors import UpstreamCut, UpstreamUnavailable
from proxy.relay.continuation import Part, Said, Seam, continued, resumable
from proxy.wire.stream import Withholder
from tests.support.clock import virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import SSE, FakeExchange
from tests.support.journeys import BEATING, DONE, PLAIN, ROLE, Journey, Script, chunk, good, target

BODY = b'{"model":"public", "max_tokens":50,"messages":[{"role":"user","content":"count"}],"stream":true}'
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


def event(ident: str, delta: dict[str, Any], finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: "
        + orjson.dumps({"id": ident, "object": "chat.completion.chunk", "choices": [choice], **more})
        + b"\n\n"
    )


def opened(ident: str, *words: str) -> tuple[bytes, ...]:
    return (event(ident, {"role": "assistant", "content": ""}), *[event(ident, {"content": word}) for word in words])


def ended(ident: str) -> bytes:
    return event(ident, {}, "stop") + DONE


def resumed(a: Script, *others: Script, **more: object) -> Journey:
    """``a`` first; ``b`` and ``c`` go on with its answer."""
    names = "bc"[: len(others)]
    course = FakeCourse(
        step_to(target("a")), continuations=[step_to(target(name), role="continuation") for name in names]
    )
    run = Journey(a, *others, course=course, attempts=1, body=BODY, **more)  # type: ignore[arg-type]
    run.continues = True
    return run


def cut(*reads: bytes) -> FakeExchange:
    return FakeExchange(*reads, UpstreamCut("cut"), headers=SSE)


def read(stream: bytes) -> tuple[str, set[str], list[str]]:
    """(text, ids, comments) of a stream that the client can read from end to end."""
    text, idents, comments = "", set(), []
    for block in stream.decode().split("\n\n"):
        if block.startswith(":"):
            comments.append(block)
        elif block and block != "data: [DONE]":
            found = json.loads(block.removeprefix("data: "))
            idents.add(found["id"])
            for choice in found["choices"]:
                text += choice["delta"].get("content") or ""
    return text, idents, comments


async def test_the_client_sees_one_answer() -> None:
    run = resumed(cut(*opened("one", "1 ", "2 ")), FakeExchange(*opened("two", "3 ", "4"), ended("two"), headers=SSE))
    client = await run.go()
    assert read(client.body) == ("1 2 3 4", {"one"}, [": tollway-seam b/model-b"])
    assert client.body.count(b'"role"') == 1
    assert client.body.count(b"[DONE]") == 1
    assert client.body.startswith(b"".join(opened("one", "1 ", "2 ")))
    assert client.ended
    assert run.context.outcome == "ok"
    assert run.context.error is None


async def test_the_second_is_given_what_was_said() -> None:
    run = resumed(cut(*opened("one", "1 ", "2 ")), FakeExchange(*opened("two", "3"), ended("two"), headers=SSE))
    await run.go()
    sent = json.loads(run.transports["b"].bodies[0])
    assert sent["messages"] == [{"role": "user", "content": "count"}, {"role": "assistant", "content": "1 2 "}]
    assert sent["max_tokens"] == 48
    assert run.context.body == BODY


async def test_both_parts_are_accounted_for() -> None:
    last = event("two", {}, "stop", usage=USAGE) + DONE
    run = resumed(cut(*opened("one", "1 ", "2 ")), FakeExchange(*opened("two", "3 "), last, headers=SSE))
    await run.go()
    first, second = run.context.attempts
    assert (first.provider, second.provider) == ("a", "b")
    assert (first.role, second.role) == ("first", "continuation")
    assert first.usage is not None
    assert first.usage.output == 2
    assert first.fault is not None
    assert second.usage is not None
    assert (second.usage.input, second.usage.output) == (12, 3)
    assert "".join(run.context.output_text) == "1 2 3 "
    assert run.context.token_events == 3
    assert run.context.usage.input_source == "estimated", "it is counted from the prompt and all of the text"
    assert run.leases[0].told == ["answered 200", "output", "failed cut", "closed"]
    assert run.leases[1].told == ["answered 200", "output", "closed"]
    assert run.context.target is not None
    assert run.context.target.provider == "b"


async def test_usage_for_the_client_is_that_of_one_answer() -> None:
    last = (
        event("two", {}, "stop")
        + b"data: "
        + orjson.dumps({"id": "two", "choices": [], "usage": USAGE})
        + b"\n\n"
        + DONE
    )
    run = resumed(cut(*opened("one", "1 ", "2 ")), FakeExchange(*opened("two", "3 "), last, headers=SSE))
    client = await run.go()
    (found,) = [json.loads(line[6:])["usage"] for line in client.body.split(b"\n\n") if b'"usage"' in line]
    assert found == {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    exact = Principal(name="app", tenant="app", exact_usage=True)
    run = resumed(
        cut(*opened("one", "1 ", "2 ")), FakeExchange(*opened("two", "3 "), last, headers=SSE), principal=exact
    )
    client = await run.go()
    assert b'"usage"' not in client.body
    assert read(client.body)[0] == "1 2 3 "


async def test_half_an_event_never_leaves() -> None:
    run = resumed(
        cut(*opened("one", "1 "), b'data: {"id":"one","cho'),
        FakeExchange(*opened("two", "2"), ended("two"), headers=SSE),
    )
    client = await run.go()
    assert read(client.body)[0] == "1 2"


async def test_a_stream_that_ends_without_its_end_is_continued() -> None:
    first = FakeExchange(*opened("one", "1 "), b'data: {"id', headers=SSE)
    run = resumed(first, FakeExchange(*opened("two", "2"), ended("two"), headers=SSE))
    assert read((await run.go()).body)[0] == "1 2"


async def test_a_continuation_may_be_continued() -> None:
    run = resumed(
        cut(*opened("one", "1 ")),
        cut(*opened("two", "2 ")),
        FakeExchange(*opened("three", "3"), ended("three"), headers=SSE),
    )
    client = await run.go()
    text, idents, comments = read(client.body)
    assert (text, idents) == ("1 2 3", {"one"})
    assert comments == [": tollway-seam b/model-b", ": tollway-seam c/model-c"]
    sent = json.loads(run.transports["c"].bodies[0])
    assert sent["messages"][-1] == {"role": "assistant", "content": "1 2 "}
    assert [attempt.usage.output for attempt in run.context.attempts if attempt.usage is not None] == [1, 1, 1]
    assert "".join(run.context.output_text) == "1 2 3"


@pytest.mark.parametrize(
    "second",
    [
        UpstreamUnavailable("down"),
        FakeExchange(b"{}", status=500),
        FakeExchange(event("two", {"role": "assistant"}), UpstreamCut("cut"), headers=SSE),
    ],
)
async def test_a_target_that_cannot_go_on_is_passed_over(second: Script) -> None:
    run = resumed(cut(*opened("one", "1 ")), second, FakeExchange(*opened("three", "2"), ended("three"), headers=SSE))
    assert read((await run.go()).body)[0] == "1 2"
    assert run.tried == ["a", "b", "c"]


async def test_without_any_the_stream_breaks_as_always() -> None:
    run = resumed(cut(*opened("one", "1 ")), UpstreamUnavailable("down"))
    client = await run.go()
    assert client.body.startswith(b"".join(opened("one", "1 ")))
    assert b'"upstream_error"' in client.chunks[-1]
    assert not client.ended
    assert run.tried == ["b", "a"], "what the client got is still the first's"
    assert run.context.attempts[-1].usage is None
    assert "".join(run.context.output_text) == "1 "
    assert run.context.outcome == "upstream_error"


@pytest.mark.parametrize(
    "last",
    [
        event("one", {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}),
        b'data: {"choices": nonsense}\n\n',
        chunk("more").replace(b"\n", b"\r\n"),
    ],
)
async def test_what_is_more_than_text_is_not_continued(last: bytes) -> None:
    run = resumed(cut(*opened("one", "1 "), last), good())
    client = await run.go()
    assert b"".join(opened("one", "1 ")) + last in client.body
    assert b'"upstream_error"' in client.body
    assert run.tried == ["a"]


@pytest.mark.parametrize("continues", [True, False])
async def test_only_where_the_route_says_so(continues: bool) -> None:
    run = resumed(cut(*opened("one", "1 ")), FakeExchange(*opened("two", "2"), ended("two"), headers=SSE))
    run.continues = continues
    client = await run.go()
    assert client.ended is continues
    assert len(run.context.attempts) == 1 + int(continues)


async def test_a_plain_answer_is_never_continued() -> None:
    run = resumed(FakeExchange(b'{"cho', UpstreamCut("cut")), good(), request=PLAIN)
    assert (await run.go()).status == 502
    assert run.tried == ["a"]


@virtual
async def test_comments_go_on_before_the_seam() -> None:
    run = resumed(
        cut(*opened("one", "1 ")),
        (12.0, FakeExchange(*opened("two", "2"), ended("two"), headers=SSE)),
        settings=BEATING,
    )  # type: ignore[arg-type]
    client = await run.go()
    assert read(client.body)[0] == "1 2"
    assert client.body.count(b": keepalive") == 2


# ---- parts and seams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, 50, 5000])
def test_whole_events_leave_unchanged_however_they_are_split(size: int) -> None:
    data = ROLE + b": comment\n\n" + chunk("a") + chunk("b") + DONE
    part = Part(None)
    out = [part.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(out) == data
    assert all(piece.endswith(b"\n\n") for piece in out if piece)
    assert (part.said.text, part.said.tokens) == ("ab", 2)


def test_a_last_event_without_its_blank_line_leaves_and_half_of_one_does_not() -> None:
    for tail, leaves in ((b"data: [DONE]", True), (chunk("b").rstrip(), True), (b'data: {"choi', False)):
        part = Part(Withholder())
        assert part.feed(chunk("a") + tail) == chunk("a")
        assert part.close() == (tail if leaves else b"")


def test_a_seam_says_where_it_is_once() -> None:
    seam = Seam(None, Said(ident="one", text="1 ", tokens=1), "b/model\r\nx: y")
    assert seam.feed(event("two", {"role": "assistant", "content": ""})) == b""
    out = seam.feed(event("two", {"content": "2"}))
    assert out.startswith(b": tollway-seam b/model??x: y\n\ndata: {")
    assert b"seam" not in seam.feed(event("two", {"content": "3"}))
    assert seam.said.text == "1 23"


@pytest.mark.parametrize(
    ("said", "output", "expected"),
    [
        (Said(text="a", tokens=1), 0, True),
        (Said(text="a", tokens=1), 1, False),
        (Said(text="a", tokens=1), 2, True),
        (Said(), 0, False),
        (Said(text="a", plain=False), 0, False),
    ],
)
def test_what_can_be_resumed(said: Said, output: int, expected: bool) -> None:
    ctx = RequestContext(request_id="r", estimate=TokenEstimate(output=output))
    assert resumable(ctx, said) is expected


def test_the_requests_other_bytes_stay() -> None:
    said = Said(text='say "hi"\n', tokens=4)
    body = b'{ "seed": 12345678901234567890123, "messages" : [ {"role":"user","content":"x"} ], "max_completion_tokens":10 }'
    found = continued(body, said)
    assert found == (
        b'{ "seed": 12345678901234567890123, "messages" : [ {"role":"user","content":"x"} ,'
        b'{"role":"assistant","content":"say \\"hi\\"\\n"}], "max_completion_tokens":6 }'
    )
    assert continued(b'{"model":"x"}', said) is None
    assert continued(b'{"messages":null}', said) is None
