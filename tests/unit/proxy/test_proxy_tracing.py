"""Traces of one process and, of requests that ask for them, of all processes on one state."""

from typing import Any

from proxy.context import Controls, RequestContext
from proxy.routing.explain import Explainer
from proxy.routing.policies import policies
from proxy.state.settings import StoreDown
from proxy.tracing import KEPT, MOST, Tracing
from tests.support.fakes import FakeTasks
from tests.unit.proxy.routing.candidates import FakeBoard
from tests.unit.proxy.routing.test_explain import planned

EXPLAINER = Explainer(board=FakeBoard(), policies=policies(None))


class FakeLink:
    """A store that two processes share."""

    def __init__(self) -> None:
        self.up = True
        self.down = False
        self.kept: dict[str, bytes] = {}
        self.calls: list[tuple[Any, ...]] = []

    async def call(self, *words: bytes | str | int) -> object:
        self.calls.append(words)
        if self.down:
            raise StoreDown("timeout")
        if words[0] == "SET":
            assert isinstance(words[2], bytes)
            self.kept[str(words[1])] = words[2]
            return b"OK"
        return self.kept.get(str(words[1]))


def made(link: FakeLink | None = None, size: int = 10) -> tuple[Tracing, FakeTasks]:
    tasks = FakeTasks()
    return Tracing(size, explainer=lambda: EXPLAINER, tasks=tasks, link=link), tasks


def traced(request_id: str = "req_1") -> RequestContext:
    return planned(request_id=request_id, controls=Controls(trace=True), status=200)


async def test_a_trace_is_found_where_it_was_made() -> None:
    tracing, _ = made()
    tracing.record(planned(), 102.0)
    found = await tracing.find("req_1")
    assert found is not None
    assert found["object"] == "tollway.route"
    assert await tracing.find("req_2") is None
    tracing.resize(0)
    assert await tracing.find("req_1") is None


async def test_a_request_that_asks_for_its_trace_is_found_by_every_process() -> None:
    link = FakeLink()
    here, tasks = made(link)
    there, _ = made(link)
    here.record(traced(), 102.0)
    here.record(planned(request_id="req_2"), 102.0)
    await tasks.finish()
    assert [call[:2] + call[3:] for call in link.calls] == [("SET", "{tollway}:trace:req_1", "EX", KEPT)]
    assert await there.find("req_1") == await here.find("req_1")
    assert await there.find("req_2") is None


async def test_a_store_that_is_down_costs_nothing_but_the_sharing() -> None:
    link = FakeLink()
    tracing, tasks = made(link)
    link.down = True
    tracing.record(traced(), 102.0)
    await tasks.finish()
    assert await tracing.find("req_1") is not None
    assert await tracing.find("req_9") is None
    link.up = False
    tracing.record(traced("req_2"), 102.0)
    assert len(tasks.spawned) == 1
    assert await tracing.find("req_9") is None
    assert len(link.calls) == 2


async def test_clients_cannot_fill_the_store() -> None:
    link = FakeLink()
    tracing, tasks = made(link)
    for _ in range(MOST + 10):
        tracing.record(traced(), 102.0)
    assert len(tasks.spawned) == MOST
    tracing.record(traced(), 102.0 + KEPT)
    assert len(tasks.spawned) == MOST + 1
    await tasks.finish()
