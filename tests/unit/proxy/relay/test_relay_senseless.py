"""Answers that are none: another target is asked while one may be, and for want of another they reach the client as they came."""

import gzip
import zlib
from collections.abc import Callable, Iterable

import pytest

from proxy.errors import RateLimited
from proxy.policy.faults import Fault
from proxy.relay import opening
from proxy.relay.plain import HOLD
from proxy.wire import answered
from proxy.wire import headers as wire
from proxy.wire.endpoints import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MESSAGES,
    PASSTHROUGH,
    RERANK,
    RESPONSES,
    SPEECH,
    Endpoint,
)
from proxy.wire.headers import check_texts
from tests.support.clock import elapsed, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import JSON, SSE, FakeExchange
from tests.support.journeys import ANSWER, GOOD, LOUD, PLAIN, STREAM, Journey, good, target

HTML = ((b"content-type", b"text/html; charset=utf-8"),)
TEXT = ((b"content-type", b"text/plain"),)
GZIP = (*JSON, (b"content-encoding", b"gzip"))
PAGE = b"<html><body>Welcome</body></html>"
CUT = ANSWER[:-20]

SENSELESS: dict[str, Callable[[], FakeExchange]] = {
    "a page": lambda: FakeExchange(PAGE, headers=HTML),
    "a page in pieces": lambda: FakeExchange(PAGE[:9], PAGE[9:], headers=HTML, early_end=False),
    "a page called JSON": lambda: FakeExchange(PAGE),
    "words": lambda: FakeExchange(b"This is no JSON."),
    "words under no name": lambda: FakeExchange(b"This is no JSON.", headers=()),
    "a number": lambda: FakeExchange(b"12"),
    "a list": lambda: FakeExchange(b"[{}]"),
    "cut": lambda: FakeExchange(CUT),
    "cut and zipped": lambda: FakeExchange(gzip.compress(ANSWER)[:-20], headers=GZIP),
    "half of it zipped": lambda: FakeExchange(gzip.compress(CUT), headers=GZIP),
    "a bomb": lambda: FakeExchange(gzip.compress(bytes(32 * HOLD)), headers=GZIP),
    "not zipped": lambda: FakeExchange(b"\x1f\x8bnot really", headers=GZIP),
    "larger than is held": lambda: FakeExchange(PAGE, *[b"x" * HOLD] * 3),
    "moved": lambda: FakeExchange(b"{}", status=307, headers=(*JSON, (b"location", b"/login"))),
    "moved by a page": lambda: FakeExchange(PAGE, status=302, headers=HTML),
    "moved, in an encoding that is not read": lambda: FakeExchange(
        b"\x28\xb5", status=307, headers=(*JSON, (b"content-encoding", b"zstd"))
    ),
    "moved by a stream": lambda: FakeExchange(b": hi\n\n", status=302, headers=SSE),
    "not modified": lambda: FakeExchange(status=304, headers=()),
}


@pytest.mark.parametrize("name", SENSELESS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_none_moves_on(name: str, stream: bool) -> None:
    run = Journey(SENSELESS[name](), good() if stream else FakeExchange(ANSWER), request=STREAM if stream else PLAIN)
    client = await run.go()
    assert (client.status, client.body) == (200, GOOD if stream else ANSWER)
    assert (run.tried, run.kinds) == (["a", "b"], ["invalid", ""])
    assert run.leases[0].told[1:] == ["failed invalid", "closed"]
    assert run.context.attempts[0].maybe_billed
    assert run.context.outcome == "ok"


@pytest.mark.parametrize("name", [name for name in SENSELESS if name != "a bomb"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("tries", [1, 3])
async def test_for_want_of_another_it_reaches_the_client_as_it_came(name: str, stream: bool, tries: int) -> None:
    """``tries``: with one nothing is held back; with more the course finds nobody else."""
    request, direct = STREAM if stream else PLAIN, SENSELESS[name]()
    body = b"".join([part for part in direct._script if isinstance(part, bytes)])
    run = Journey(SENSELESS[name](), course=FakeCourse(step_to(target("a"))), attempts=tries, request=request)
    client = await run.go()
    assert (client.status, client.body) == (direct.status, body)
    assert client.headers.get(b"location") == dict(direct.headers).get(b"location")
    assert client.headers.get(b"content-encoding") == dict(direct.headers).get(b"content-encoding")
    if name != "moved by a stream" or tries > 1:
        assert run.context.outcome == "upstream_error"
        assert run.kinds == ["invalid"]
        assert "output" not in run.leases[0].told


@pytest.mark.parametrize("stream", [True, False])
async def test_it_reaches_the_client_though_a_limit_of_ours_forbade_the_next_try(stream: bool) -> None:
    page = FakeExchange(PAGE[:9], PAGE[9:], headers=HTML, early_end=False)
    run = Journey(page, good(), refused={"b": RateLimited("full")}, attempts=3, request=STREAM if stream else PLAIN)
    client = await run.go()
    assert (client.status, client.body) == (200, PAGE)
    assert run.context.outcome == "upstream_error"


@virtual
async def test_where_nothing_else_can_be_tried_it_is_passed_on_read_by_read() -> None:
    run = Journey(FakeExchange(PAGE[:9], 5.0, PAGE[9:], headers=HTML), request=PLAIN, attempts=1)
    assert (await run.go()).chunks == [PAGE[:9], PAGE[9:]]
    assert elapsed() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("reads", "headers"),
    [
        ((b"\n" + ANSWER + b"\r\n \n",), JSON),
        ((b"\xef\xbb\xbf" + ANSWER,), JSON),
        ((ANSWER[:20], ANSWER[20:-1], ANSWER[-1:]), JSON),
        ((gzip.compress(ANSWER),), GZIP),
        ((zlib.compress(ANSWER),), (*JSON, (b"content-encoding", b"deflate"))),
        ((b"\x28\xb5\x2f\xfd",), (*JSON, (b"content-encoding", b"zstd"))),
        ((ANSWER,), TEXT),
        ((ANSWER,), ()),
        ((ANSWER,), ((b"content-type", b"application/vnd.api+json"),)),
        ((b'{"choices":[],"pad":"' + b"x" * HOLD, b"x" * HOLD, b'"}'), JSON),
    ],
)
async def test_whatever_it_is_called_json_is_an_answer(
    reads: tuple[bytes, ...], headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    for early in (True, False):
        run = Journey(FakeExchange(*reads, headers=headers, early_end=early), FakeExchange(ANSWER), request=PLAIN)
        assert (await run.go()).body == b"".join(reads)
        assert run.kinds == [""]


async def test_a_stream_under_a_false_name_is_a_stream() -> None:
    """And it passes read by read."""
    for headers in (TEXT, ()):
        run = Journey(FakeExchange(*[GOOD[:40], GOOD[40:]], headers=headers), good())
        assert (await run.go()).chunks == [GOOD[:40], GOOD[40:]]
        assert run.kinds == [""]


@pytest.mark.parametrize(
    ("endpoint", "answer", "moves"),
    [
        (CHAT, FakeExchange(PAGE, headers=HTML), True),
        (COMPLETIONS, FakeExchange(PAGE, headers=HTML), True),
        (RESPONSES, FakeExchange(PAGE, headers=HTML), True),
        (MESSAGES, FakeExchange(PAGE, headers=HTML), True),
        (EMBEDDINGS, FakeExchange(PAGE, headers=HTML), True),
        (RERANK, FakeExchange(b'[{"index":0}'), True),
        (RERANK, FakeExchange(b'[{"index":0}]'), False),
        (SPEECH, FakeExchange(b"ID3", headers=((b"content-type", b"audio/mpeg"),)), False),
        (SPEECH, FakeExchange(PAGE, headers=HTML), False),
        (PASSTHROUGH, FakeExchange(PAGE, headers=HTML), False),
        (PASSTHROUGH, FakeExchange(PAGE, status=302, headers=HTML), False),
    ],
)
async def test_only_where_json_is_due(endpoint: Endpoint, answer: FakeExchange, moves: bool) -> None:
    run = Journey(answer, FakeExchange(ANSWER), endpoint=endpoint, request=PLAIN)
    client = await run.go()
    assert run.kinds == (["invalid", ""] if moves else [""])
    assert (client.body == ANSWER) is moves


# ---- an error inside a 200 ------------------------------------------------------------------------------------------

ERROR = b'{"error":{"message":"no","code":"server_error"}}'


@pytest.mark.parametrize("tries", [1, 3])
async def test_the_last_error_inside_a_200_is_no_success(tries: int) -> None:
    run = Journey(FakeExchange(ERROR), course=FakeCourse(step_to(target("a"))), attempts=tries, request=PLAIN)
    assert (await run.go()).body == ERROR
    assert run.context.outcome == "upstream_error"
    assert run.leases[0].told == ["answered 200", "failed error_event", "closed"]


async def test_a_slow_stream_that_nobody_could_replace_is_a_success() -> None:
    run = Journey(good(), course=FakeCourse(step_to(target("a")), allow=lambda fault: False), attempts=3)

    async def slow(*_: object) -> Fault:
        return Fault(kind="slow", status=200)

    original = opening.EventStream.probe
    opening.EventStream.probe = slow  # type: ignore[assignment, method-assign]
    try:
        assert (await run.go()).body == GOOD
    finally:
        opening.EventStream.probe = original  # type: ignore[method-assign]
    assert run.context.outcome == "ok"


# ---- what is said of the way ----------------------------------------------------------------------------------------


async def test_what_a_limit_of_ours_forbade_is_no_try() -> None:
    run = Journey(good(), good(), refused={"a": RateLimited("provider a is full")}, settings=LOUD)
    client = await run.go()
    assert client.headers[b"x-tollway-attempts"] == b"1"
    assert b"a/model-a: limited_here" in client.headers[b"x-tollway-reason"]


async def test_a_fallback_that_stood_in_at_once_is_counted() -> None:
    run = Journey(good(), course=FakeCourse(step_to(target("a"), role="fallback")), settings=LOUD)
    client = await run.go()
    assert (client.headers[b"x-tollway-attempts"], client.headers[b"x-tollway-fallbacks"]) == (b"1", b"1")


async def test_notices_about_a_model_are_those_of_the_one_that_answers() -> None:
    def planned(run: Journey) -> Journey:
        """The router has said what there is to say of the first choice."""
        course = run.course
        begin = course.first

        async def first():  # type: ignore[no-untyped-def]
            run.context.response_headers += [
                (b"x-tollway-model-tier", b"preview"),
                (b"deprecation", b"@1"),
                (b"sunset", b"model-a"),
                (b"x-tollway-warning", b"kept"),
            ]
            return await begin()

        course.first = first  # type: ignore[method-assign]
        return run

    for ageing in (True, False):
        course = FakeCourse(step_to(target("a")), step_to(target("b")), ageing=ageing)
        client = await planned(Journey(FakeExchange(b"{}", status=500), good(), course=course)).go()
        assert client.headers.get(b"x-tollway-model-tier") == (b"deprecated" if ageing else None)
        assert client.headers.get(b"sunset") == (b"model-b" if ageing else None)
        assert b"deprecation" not in client.headers
        assert client.headers[b"x-tollway-warning"] == b"kept"
    client = await planned(Journey(good(), good())).go()
    assert (client.headers[b"x-tollway-model-tier"], client.headers[b"sunset"]) == (b"preview", b"model-a")


@pytest.mark.parametrize("tries", [1, 2])
async def test_each_header_that_is_not_our_own_is_looked_at_once(tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def look(values: Iterable[bytes]) -> None:
        told = [value for value in values if value]
        seen.extend(told)
        check_texts(told)

    for module in (wire, answered):
        monkeypatch.setattr(module, "check_texts", look)
    exchange = FakeExchange(ANSWER, headers=(*JSON, (b"x-theirs", b"of theirs")))
    run = Journey(exchange, request=PLAIN, attempts=tries)
    begin = run.course.first

    async def first():  # type: ignore[no-untyped-def]
        run.context.response_headers.append((b"x-tollway-warning", b"of a link"))
        return await begin()

    run.course.first = first  # type: ignore[method-assign]
    client = await run.go()
    assert client.headers[b"x-theirs"] == b"of theirs"
    for value in (b"application/json", b"of theirs", b"of a link"):
        assert seen.count(value) == 1
