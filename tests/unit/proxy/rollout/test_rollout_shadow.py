"""Shadows: what is copied, what becomes of the copy, what is booked, and that nothing of it concerns the client."""

import asyncio
from collections.abc import Sequence
from math import inf
from random import Random
from typing import cast

import orjson
import pytest

from proxy.context import Attempt, Cached, Principal, RequestContext, Settled, Target
from proxy.errors import (
    LedgerUnavailable,
    ModelNotFound,
    NoHealthyTarget,
    RateLimited,
    RawHeaders,
    TollwayError,
    UpstreamCut,
    UpstreamUnavailable,
)
from proxy.failover import classify
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker, Shadow
from proxy.policy.targets import Candidate, Plan, Route
from proxy.protocols import Board, Entry, Exchange, Hold, Ledger, Router
from proxy.rollout.comparison import Comparison
from proxy.rollout.expenses import Expenses
from proxy.rollout.places import Places
from proxy.rollout.reading import LARGEST as LARGEST_ANSWER
from proxy.rollout.shadow import Shadows
from proxy.rollout.trying import Means
from proxy.wire.chat import RequestView, StreamOptions
from proxy.wire.endpoints import CHAT, COUNT_TOKENS, EMBEDDINGS, IMAGES, RESPONSES, SPEECH, Endpoint
from proxy.wire.usage import Usage
from tests.support.clock import FakeClock, virtual
from tests.support.fakes import (
    JSON,
    LIMITS,
    SSE,
    FakeAdmission,
    FakeCounter,
    FakeExchange,
    FakePricing,
    FakeProvider,
    FakeSettlement,
    FakeTasks,
    FakeTransport,
)

OTHER = Target(provider="other", model="cheap", limits=LIMITS)
CANDIDATE = Candidate(target=OTHER, model="cheaper")
ANSWER = orjson.dumps(
    {"choices": [{"message": {"content": "well"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
)
STREAM = (
    b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"we"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"ll"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\ndata: [DONE]\n\n',
)


class FakeRouter:
    """Always the same plan, or an error."""

    def __init__(self) -> None:
        self.error: TollwayError | None = None
        self.asked: list[RequestContext] = []

    def plan(self, ctx: RequestContext) -> Plan:
        self.asked.append(ctx)
        if self.error is not None:
            raise self.error
        route = Route(label="cheaper", candidates=(CANDIDATE,))
        return Plan(route=route, candidates=(CANDIDATE,), chosen=CANDIDATE)


class FakeLease:
    """Notes what it is told."""

    key = 1

    def __init__(self) -> None:
        self.told: list[object] = []

    def answered(self, status: int, headers: RawHeaders) -> None:
        self.told.append(status)

    def first_output(self, seconds: float) -> None:
        self.told.append("output")

    def failed(self, fault: Fault) -> None:
        self.told.append(fault.kind)

    def close(self) -> None:
        self.told.append("closed")


class FakeBoard:
    """One target in one state."""

    def __init__(self) -> None:
        self.now = "ready"
        self.lease = FakeLease()
        self.entered = 0

    def state(self, candidate: Candidate) -> str:
        return "ready" if self.now == "taken" else self.now

    def enter(self, candidate: Candidate, *, key: int = -1, hint: str = "") -> FakeLease | None:
        self.entered += 1
        return None if self.now == "taken" else self.lease


class FakeLedger:
    """Keeps what is written, in order."""

    def __init__(self, full: bool = False) -> None:
        self.full = full
        self.holds: list[Hold] = []
        self.sent: list[str] = []
        self.entries: list[Entry] = []
        self.released: list[str] = []

    def hold(self, hold: Hold) -> None:
        if self.full:
            raise LedgerUnavailable("full")
        self.holds.append(hold)

    def dispatched(self, ident: str) -> None:
        self.sent.append(ident)

    def settle(self, entry: Entry) -> None:
        self.entries.append(entry)

    def release(self, ident: str) -> None:
        self.released.append(ident)


class Records:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.skips: list[str] = []
        self.comparisons: list[Comparison] = []

    def skipped(self, route: str, model: str, reason: str) -> None:
        assert (route, model) == ("fast", "cheaper")
        self.skips.append(reason)

    def compared(self, comparison: Comparison) -> None:
        self.comparisons.append(comparison)


class Stand:
    """Shadows over fakes."""

    def __init__(
        self,
        *script: Exchange | float | BaseException,
        ledger: FakeLedger | None = None,
        forwards: bool = False,
        board: HealthBoard | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.tasks = FakeTasks()
        self.router, self.board, self.admission = FakeRouter(), FakeBoard(), FakeAdmission()
        self.transport, self.provider = FakeTransport(*script), FakeProvider(forwards=forwards)
        self.settlement, self.counter, self.records = FakeSettlement(), FakeCounter(), Records()
        self.places = Places(self.tasks)
        clock = self.clock
        expenses = Expenses(
            pricing=FakePricing(700),
            ledger=cast(Ledger | None, ledger),
            ident=lambda: "shadow-1",
            clock=clock,
            wall=lambda: 5000.0,
        )
        means = Means(
            router=cast(Router, self.router),
            board=board or cast(Board, self.board),
            admission=self.admission,
            providers=dict.fromkeys(("other#1", "other#2"), (self.provider, self.transport)),
            account=lambda provider, key: f"{provider}#{key + 1}",
            classify=classify,
            counter=self.counter,
            settlement=self.settlement,
            expenses=expenses,
            clock=lambda: asyncio.get_running_loop().time(),
            wall=lambda: 5000.0,
        )
        self.shadows = Shadows(self.places, means, self.records)

    async def run(self, ctx: RequestContext) -> Comparison | None:
        """One request's settlement and whatever follows from it."""
        await self.shadows.after(ctx)
        await self.tasks.finish()
        assert len(self.places) == 0
        return self.records.comparisons[-1] if self.records.comparisons else None


def request(
    body: dict[str, object] | None = None, *, endpoint: Endpoint = CHAT, share: float = 1.0, concurrency: int = 2
) -> RequestContext:
    """A request that has been answered, on a route with a shadow."""
    document = {"model": "fast", "messages": [{"role": "user", "content": "How are you?"}], **(body or {})}
    shadow = Shadow(model="cheaper", share=share, concurrency=concurrency)
    mine = Candidate(target=Target(provider="mine", model="dear", limits=LIMITS), model="fast")
    route = Route(label="fast", candidates=(mine,), shadow=shadow)
    ctx = RequestContext(
        request_id="req_1",
        endpoint=endpoint,
        started=990.0,
        path="/chat/completions" if endpoint is CHAT else f"/{endpoint.name}",
        raw_headers=[
            (b"content-type", b"application/json"), (b"accept-encoding", b"gzip"), (b"idempotency-key", b"once"),
            (b"x-tollway-strict", b"true"), (b"x-customer", b"kept"),
        ],
        principal=Principal(name="app", tenant="acme", account="acme", key="k"),
        body=orjson.dumps(document),
        request=RequestView(model="fast", stream=document.get("stream") is True),
        plan=Plan(route=route, candidates=(mine,), chosen=mine),
        status=200,
        usage=Usage(input=9, output=6, input_source="reported", output_source="reported"),
        settled=Settled(charge=40, cost=30, ending="complete", count="reported"),
    )  # fmt: skip
    ctx.attempts = [Attempt(provider="mine", model="dear", started=991.0, status=200, ended=994.0)]
    return ctx


def answer(*script: bytes | float | BaseException, status: int = 200, headers: RawHeaders = JSON) -> FakeExchange:
    return FakeExchange(*script, status=status, headers=headers)


# ---- the main path --------------------------------------------------------------------------------------------------


@virtual
async def test_a_copy_is_sent_and_its_answer_compared() -> None:
    exchange = answer(1.5, ANSWER)
    stand = Stand(exchange)
    found = await stand.run(request())
    assert found is not None
    assert (found.request_id, found.route, found.model, found.stream) == ("req_1", "fast", "cheaper", False)
    mine, shadow = found.answer, found.shadow
    assert (mine.provider, mine.outcome, mine.duration, mine.output, mine.cost) == ("mine", "ok", 3.0, 6, 30)
    assert (shadow.provider, shadow.model, shadow.outcome, shadow.status) == ("other", "cheap", "ok", 200)
    assert (shadow.duration, shadow.first, shadow.output, shadow.cost) == (1.5, 0.0, 4, 700)
    assert exchange.released == 1
    assert exchange.closed_once
    assert stand.board.lease.told == [200, "output", "closed"]
    assert stand.records.skips == []


@virtual
async def test_the_copy_is_the_operators_and_names_the_shadow() -> None:
    stand = Stand(answer(ANSWER))
    ctx = request({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"file_id": "x"}}}]})
    before = ctx.body
    await stand.run(ctx)
    (copy,) = stand.router.asked
    assert orjson.loads(stand.transport.bodies[0]) == {**orjson.loads(before), "model": "cheaper"}
    assert copy.request.model == "cheaper"
    assert (copy.principal.account, copy.principal.key, copy.principal.models) == ("", "", ("*",))
    assert copy.raw_headers == [(b"content-type", b"application/json"), (b"x-customer", b"kept")]
    assert copy.attempts[0].role == "shadow"
    assert copy.attempts[0].key == 1
    assert stand.admission.attempts == [OTHER]
    assert ctx.body is before
    assert len(ctx.attempts) == 1
    assert ctx.response_headers == []


@virtual
async def test_a_streams_first_token_and_usage_are_seen() -> None:
    stand = Stand(answer(0.25, STREAM[0], 0.5, STREAM[1], 1.0, STREAM[2], headers=SSE))
    ctx = request({"stream": True})
    ctx.first_token_at = 991.75
    found = await stand.run(ctx)
    assert found is not None
    assert found.stream
    assert found.answer.first == 0.75
    assert (found.shadow.outcome, found.shadow.first, found.shadow.duration) == ("ok", 0.75, 1.75)
    assert found.shadow.output == 2
    assert stand.provider.included == [True]


@virtual
async def test_usage_is_not_asked_for_twice() -> None:
    stand = Stand(answer(*STREAM, headers=SSE))
    ctx = request({"stream": True})
    ctx.request = RequestView(model="fast", stream=True, stream_options=StreamOptions(include_usage=True))
    await stand.run(ctx)
    assert stand.provider.included == [False]


@virtual
async def test_what_is_not_reported_is_counted() -> None:
    stand = Stand(answer(orjson.dumps({"choices": [{"message": {"content": "twelve bytes"}}]})))
    stand.settlement.counts = True
    found = await stand.run(request())
    assert found is not None
    assert found.shadow.output == len("twelve bytes")
    assert stand.counter.counted[0][1] == "cheap"


@virtual
async def test_sound_passes_by() -> None:
    exchange = answer(b"RIFF", 1.0, b"more", headers=((b"content-type", b"audio/wav"),))
    stand = Stand(exchange)
    found = await stand.run(request({"input": "Hi"}, endpoint=SPEECH))
    assert found is not None
    assert found.shadow.outcome == "ok"
    assert exchange.reads == 2
    assert stand.board.lease.told == [200, "output", "closed"]


# ---- which requests -------------------------------------------------------------------------------------------------


@virtual
async def test_a_share_of_the_requests_is_copied_the_same_each_time() -> None:
    stand = Stand(*[answer(ANSWER) for _ in range(2000)])
    chosen: list[set[int]] = []
    for _ in range(2):
        before = len(stand.router.asked)
        for index in range(1000):
            ctx = request(share=0.2)
            ctx.request_id = f"req_{index}"
            await stand.run(ctx)
        chosen.append({int(copy.request_id[4:]) for copy in stand.router.asked[before:]})
    assert 150 < len(chosen[0]) < 250
    assert chosen[0] == chosen[1]


def without_plan(ctx: RequestContext) -> None:
    ctx.plan = None


def without_shadow(ctx: RequestContext) -> None:
    mine = Candidate(target=OTHER, model="fast")
    ctx.plan = Plan(route=Route(label="fast", candidates=(mine,)), candidates=(mine,), chosen=mine)


def refused(ctx: RequestContext) -> None:
    ctx.outcome, ctx.status = "rejected", 429


def at_fault(ctx: RequestContext) -> None:
    ctx.outcome, ctx.status = "upstream_error", 400


def left(ctx: RequestContext) -> None:
    ctx.outcome = "client_closed"


def unsent(ctx: RequestContext) -> None:
    ctx.attempts.clear()


def from_cache(ctx: RequestContext) -> None:
    ctx.attempts.clear()
    ctx.cached = Cached(status="hit", provider="local", model="small")


def empty(ctx: RequestContext) -> None:
    ctx.body = b""


def image(ctx: RequestContext) -> None:
    ctx.endpoint = IMAGES


def counting(ctx: RequestContext) -> None:
    ctx.endpoint = COUNT_TOKENS


def choosing(ctx: RequestContext) -> None:
    ctx.request = RequestView(model="fast", models=("fast", "slow"))


def compacting(ctx: RequestContext) -> None:
    ctx.path = "/responses/compact"


@pytest.mark.parametrize(
    "change",
    [
        without_plan,
        without_shadow,
        refused,
        at_fault,
        left,
        unsent,
        from_cache,
        empty,
        image,
        counting,
        choosing,
        compacting,
    ],
)
@virtual
async def test_requests_that_are_never_copied(change: object) -> None:
    stand, ctx = Stand(), request()
    change(ctx)  # type: ignore[operator]
    assert await stand.run(ctx) is None
    assert stand.tasks.spawned == []
    assert stand.records.skips == []


@virtual
async def test_a_request_that_its_provider_failed_is_copied_too() -> None:
    stand, ctx = Stand(answer(ANSWER)), request()
    ctx.outcome, ctx.status = "upstream_error", 502
    ctx.attempts[0].fault = Fault(kind="connect")
    found = await stand.run(ctx)
    assert found is not None
    assert (found.answer.outcome, found.shadow.outcome) == ("connect", "ok")


@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        ({"store": True}, CHAT),
        ({"background": True}, RESPONSES),
        ({"previous_response_id": "resp_1"}, RESPONSES),
        ({"conversation": {"id": "conv_1"}}, RESPONSES),
        ({"prompt": {"id": "pmpt_1"}}, RESPONSES),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, RESPONSES),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}, CHAT),
        ({"tools": [{"type": "mcp", "server_url": "https://acts.example"}]}, RESPONSES),
        ({"mcp_servers": [{"url": "https://acts.example"}]}, CHAT),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, RESPONSES),
        ({"container": "cntr_1"}, CHAT),
    ],
)
@virtual
async def test_what_names_or_leaves_state_is_not_copied(body: dict[str, object], endpoint: Endpoint) -> None:
    stand = Stand()
    assert await stand.run(request(body, endpoint=endpoint)) is None
    assert stand.records.skips == ["stateful"]
    assert stand.router.asked == []


@virtual
async def test_a_request_that_is_bound_to_a_place_is_not_copied() -> None:
    stand, ctx = Stand(), request()
    ctx.bound = "mine#1"
    await stand.run(ctx)
    assert stand.records.skips == ["stateful"]


@pytest.mark.parametrize("body", [{}, {"store": None}, {"store": False}])
@virtual
async def test_a_copied_response_is_not_stored(body: dict[str, object]) -> None:
    stand = Stand(answer(b'{"output":[],"usage":{"input_tokens":1,"output_tokens":1}}'))
    await stand.run(request({"input": "Hi", **body}, endpoint=RESPONSES))
    assert stand.records.skips == []
    assert orjson.loads(stand.transport.bodies[0])["store"] is False


@virtual
async def test_a_large_request_is_not_copied() -> None:
    stand = Stand()
    await stand.run(request({"input": "x" * 1024 * 1024}, endpoint=EMBEDDINGS))
    assert stand.records.skips == ["oversize"]
    assert stand.tasks.spawned == []


@virtual
async def test_at_most_so_many_at_once() -> None:
    stand = Stand(*[answer(5.0, ANSWER) for _ in range(3)])
    for _ in range(3):
        await stand.shadows.after(request(concurrency=2))
    assert stand.records.skips == ["busy"]
    await stand.tasks.finish()
    await stand.run(request(concurrency=2))
    assert len(stand.records.comparisons) == 3


# ---- what can go wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["open", "probing", "cooling", "no_key", "full", "taken"])
@virtual
async def test_a_target_that_is_not_ready_is_left_alone(state: str) -> None:
    stand = Stand()
    stand.board.now = state
    await stand.run(request())
    assert stand.records.skips == ["unready"]
    assert stand.board.entered == (state == "taken")
    assert stand.transport.requests == []


@virtual
async def test_the_probe_of_a_target_that_failed_is_left_to_a_request() -> None:
    clock = FakeClock()
    board = HealthBoard(Breaker(consecutive=1, cooldown=5), provider_keys={"other": 2}, clock=clock, rng=Random(1))
    failed = board.enter(CANDIDATE)
    assert failed is not None
    failed.failed(Fault(kind="connect"))
    failed.close()
    for wait in (0.0, 600.0):
        clock.advance(wait)
        stand = Stand(board=board)
        await stand.run(request())
        assert stand.records.skips == ["unready"]
        assert board.inflight(CANDIDATE) == 0
    probe = board.enter(CANDIDATE)
    assert probe is not None
    assert board.state(CANDIDATE) == "probing"
    probe.first_output(0.1)
    probe.close()
    assert await Stand(answer(ANSWER), board=board).run(request()) is not None
    assert board.inflight(CANDIDATE) == 0


@pytest.mark.parametrize(("error", "reason"), [(ModelNotFound("no"), "refused"), (NoHealthyTarget("none"), "unready")])
@virtual
async def test_a_shadow_that_cannot_be_routed_to(error: TollwayError, reason: str) -> None:
    stand = Stand()
    stand.router.error = error
    await stand.run(request())
    assert stand.records.skips == [reason]


@virtual
async def test_a_limit_of_the_provider_holds_for_copies() -> None:
    stand = Stand()

    async def full(ctx: RequestContext, target: Target) -> None:
        raise RateLimited("full")

    stand.admission.attempt = full  # type: ignore[method-assign]
    await stand.run(request())
    assert stand.records.skips == ["limited_here"]
    assert stand.board.lease.told == ["closed"]


@virtual
async def test_the_clients_own_account_is_never_used() -> None:
    stand = Stand(forwards=True)
    await stand.run(request())
    assert stand.records.skips == ["refused"]


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        ((UpstreamUnavailable("refused"),), "connect", 0),
        ((answer(b"{}", status=429),), "rate_limited", 429),
        ((answer(b"oops", status=500),), "server_error", 500),
        ((answer(b'{"error":{"message":"no","code":"insufficient_quota"}}'),), "quota", 200),
        ((answer(b"", status=304),), "invalid", 304),
        ((answer(UpstreamCut("cut")),), "cut", 200),
        ((answer(STREAM[0], STREAM[1], headers=SSE),), "cut", 200),
        ((700.0, answer(ANSWER)), "timeout", 0),
        ((answer(ANSWER[:9], 121.0, ANSWER[9:]),), "timeout", 200),
    ],
)
@virtual
async def test_a_shadow_that_fails(
    script: Sequence[Exchange | float | BaseException], outcome: str, status: int
) -> None:
    stand = Stand(*script)
    found = await stand.run(request())
    assert found is not None
    assert (found.shadow.outcome, found.shadow.status) == (outcome, status)
    assert found.answer.outcome == "ok"
    assert stand.board.lease.told[-2:] == [outcome, "closed"]
    for exchange in script:
        if isinstance(exchange, FakeExchange) and status:
            assert exchange.closed_once


@virtual
async def test_an_event_that_is_an_error_is_a_failure() -> None:
    stand = Stand(answer(STREAM[1], b'data: {"error":{"message":"no"}}\n\n', headers=SSE))
    found = await stand.run(request({"stream": True}))
    assert found is not None
    assert found.shadow.outcome == "error_event"
    assert stand.board.lease.told == [200, "output", "error_event", "closed"]


@pytest.mark.parametrize("headers", [(*JSON, (b"content-encoding", b"br")), JSON])
@virtual
async def test_an_answer_that_cannot_be_read_blames_nobody(headers: RawHeaders) -> None:
    parts = [b" " * 1024 * 1024] * (LARGEST_ANSWER // 1024 // 1024 + 1)
    exchange = answer(*parts, headers=headers)
    stand = Stand(exchange)
    found = await stand.run(request())
    assert found is not None
    assert found.shadow.outcome == "unread"
    assert exchange.closed_once
    assert stand.board.lease.told == [200, "closed"]


@virtual
async def test_when_the_process_ends_copies_are_broken_off_and_booked() -> None:
    ledger, exchange = FakeLedger(), answer(500.0, ANSWER)
    stand = Stand(exchange, ledger=ledger)
    await stand.shadows.after(request())
    await asyncio.sleep(1)
    assert stand.places.oldest() == 990.0
    stand.places.close()
    await asyncio.gather(*stand.tasks.spawned, return_exceptions=True)
    assert len(stand.places) == 0
    assert stand.places.oldest() == inf
    assert exchange.aborted == 1
    assert [entry.ident for entry in ledger.entries] == ["shadow-1"]
    assert stand.records.comparisons[0].shadow.outcome == "cancelled"
    await stand.shadows.after(request())
    assert stand.records.skips == ["busy"]


@virtual
async def test_while_the_gateway_drains_nothing_is_copied() -> None:
    stand = Stand()
    stand.tasks.draining = True
    await stand.run(request())
    assert stand.tasks.spawned == []


# ---- money ----------------------------------------------------------------------------------------------------------


@virtual
async def test_the_operator_pays_and_nobody_is_charged() -> None:
    ledger = FakeLedger()
    stand = Stand(answer(1.0, ANSWER), ledger=ledger)
    ctx = request()
    await stand.run(ctx)
    (hold,), (entry,) = ledger.holds, ledger.entries
    assert (hold.account, hold.held, hold.input_price, hold.output_price) == ("", 0, 0, 0)
    assert (hold.provider, hold.model, hold.route, hold.request_id) == ("other", "cheap", "cheaper", "req_1")
    assert ledger.sent == ["shadow-1"]
    assert (entry.account, entry.charge, entry.flags) == ("", 0, ("shadow",))
    assert ctx.ledger_id == ""
    assert ctx.settled == Settled(charge=40, cost=30, ending="complete", count="reported")


@virtual
async def test_a_copy_that_cannot_be_written_down_is_not_sent() -> None:
    ledger = FakeLedger(full=True)
    stand = Stand(ledger=ledger)
    await stand.run(request())
    assert stand.records.skips == ["unbooked"]
    assert stand.transport.requests == []
    assert ledger.released == ["shadow-1"]


@virtual
async def test_what_the_try_held_is_given_back() -> None:
    stand = Stand(answer(ANSWER))
    given: list[str] = []

    async def give_back(ctx: RequestContext) -> None:
        given.append(ctx.attempts[0].provider)

    async def attempt(ctx: RequestContext, target: Target) -> None:
        ctx.settlers.append(give_back)

    stand.admission.attempt = attempt  # type: ignore[method-assign]
    await stand.run(request())
    assert given == ["other"]


@virtual
async def test_a_count_that_breaks_loses_no_money() -> None:
    ledger = FakeLedger()
    stand = Stand(answer(b'{"choices":[]}'), ledger=ledger)
    stand.settlement.counts, stand.counter.error = True, ValueError("broken")
    await stand.shadows.after(request())
    results = await asyncio.gather(*stand.tasks.spawned, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError]
    assert [entry.flags for entry in ledger.entries] == [("shadow",)]
    assert len(stand.places) == 0
