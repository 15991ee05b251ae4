"""What the benchmark rests on, in counts that do not depend on the machine."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.context import Message

from . import chain
from .chain import BODY, LAST, REPLY, STREAM_BODY, Bench, measure, scope_for


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.close()


async def answered(bench: Bench, body: bytes) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await bench.chain()(scope_for(body), receive, send)
    return sent


async def test_a_plain_request_is_two_sends(bench: Bench) -> None:
    bench.transport.plain()
    start, body = await answered(bench, BODY)
    assert (start["status"], body["body"], body["more_body"]) == (200, REPLY, False)


@pytest.mark.parametrize("events", [0, 1, 50])
async def test_a_stream_is_one_send_a_read(bench: Bench, events: int) -> None:
    bench.transport.stream(events)
    sent = await answered(bench, STREAM_BODY)
    assert len(sent) == 1 + events + 1
    assert sent[-1]["body"] == LAST


async def test_events_that_come_together_leave_together(bench: Bench) -> None:
    bench.transport.stream(64, together=8)
    assert len(await answered(bench, STREAM_BODY)) == 1 + 8 + 1


async def test_a_quick_request_makes_no_task_and_one_timer_a_stage(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    made: list[Any] = []
    loop.set_task_factory(lambda loop, work, **kw: made.append(work) or asyncio.Task(work, loop=loop, **kw))
    timers = []
    call_at = loop.call_at

    def counting(when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *args, **kwargs)

    loop.call_at = counting  # type: ignore[method-assign]
    bench.transport.plain()
    await answered(bench, BODY)
    assert made == []
    assert len(timers) <= 3, "the body's, the watchdog's, and the access log's first"
    loop.set_task_factory(None)


async def test_requests_import_nothing(bench: Bench) -> None:
    for prepare, body in ((bench.transport.plain, BODY), (lambda: bench.transport.stream(3), STREAM_BODY)):
        prepare()
        before = set(sys.modules)
        await answered(bench, body)
        assert set(sys.modules) - before == set()


async def test_requests_leave_nothing_behind(bench: Bench) -> None:
    bench.transport.stream(3)
    await answered(bench, STREAM_BODY)
    assert len(bench.services.tasks) == 0  # type: ignore[arg-type]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_figures_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.gc, "collect", lambda: 0)
    figures = await measure(count=40, rounds=1)
    assert {"request", "event", "link edge", "link streaming"} <= set(figures)
    assert figures["request"] > figures["harness"] > 0


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["chain", "--json", "--count", "20", "--rounds", "1"])
    monkeypatch.setattr(chain, "collect_as_served", lambda: None)
    monkeypatch.setattr(chain.gc, "collect", lambda: 0)
    chain.main()
    assert '"request"' in capsys.readouterr().out
