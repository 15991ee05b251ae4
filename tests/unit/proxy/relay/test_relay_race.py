"""A hedge: the first real output wins, of the loser no byte leaves, and it is closed and written down at once."""

import asyncio

import pytest

from proxy.errors import RateLimited, UpstreamCut, UpstreamDropped, UpstreamUnavailable
from proxy.policy.routes import Hedge
from proxy.policy.targets import Facts, Limits
from proxy.wire.sse import COMMENT
from tests.support.clock import elapsed, turns, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import SSE, FakeExchange, FakeProvider, FakeTransport
from tests.support.journeys import ANSWER, BEATING, DONE, END, GOOD, PLAIN, ROLE, Journey, Script, chunk, good, target

QUICK = Limits(connect=1.0, first_byte=5.0, idle=8.0, total=600.0)
PRICED = Facts(input_price=1_000_000, output_price=2_000_000)


def hedged(a: object, b: object, *, after: float = 1.0, limits: Limits | None = None, **more: object) -> Journey:
    """``a`` first, ``b`` beside it after a second."""
    own = {"limits": limits} if limits is not None else {}
    course = FakeCourse(
        step_to(target("a", **own)),
        hedge=Hedge(),
        hedge_after=after,
        seconds=[step_to(target("b", **own), role="hedge", facts=PRICED)],
    )
    return Journey(a, b, course=course, attempts=3, **more, **own)  # type: ignore[arg-type]


@virtual
async def test_a_quick_first_target_is_alone() -> None:
    run = hedged((0.5, good()), good())
    assert (await run.go()).body == GOOD
    assert run.tried == ["a"]
    assert run.course.races == []
    assert run.transports["b"].requests == []


@virtual
async def test_the_second_wins_where_the_first_is_late() -> None:
    run = hedged((3600.0, good()), (0.2, good()))
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(1.2, abs=0.05)
    assert run.tried == ["a", "b"], "the one that answered is last"
    first, second = run.context.attempts
    assert (second.role, first.role) == ("hedge", "first")
    assert first.maybe_billed
    assert first.usage is not None
    assert first.ended == pytest.approx(second.started + 0.2, abs=0.05)
    assert first.fault is None
    assert run.leases[0].told == ["closed"], "a lost race proves nothing"
    assert run.leases[1].told == ["answered 200", "output", "closed"]
    assert run.context.target is not None
    assert run.context.target.provider == "b"
    [(winner, loser, spent)] = run.course.races
    assert winner.candidate.target.provider == "b"
    assert loser is not None
    assert loser.candidate.target.provider == "a"
    assert spent is None, "what a costs is not known"


@virtual
async def test_the_first_may_still_win() -> None:
    lost = FakeExchange(ROLE, 3600.0, headers=SSE)
    run = hedged((3.0, good()), lost)
    assert (await run.go()).body == GOOD
    assert elapsed() == pytest.approx(3, abs=0.05)
    assert run.tried == ["b", "a"]
    assert lost.aborted == 1
    assert [attempt.role for attempt in run.context.attempts] == ["hedge", "first"]
    [(winner, _loser, spent)] = run.course.races
    assert winner.candidate.target.provider == "a"
    assert spent == run.context.estimate.likely


@virtual
async def test_only_real_output_wins() -> None:
    run = hedged(
        FakeExchange(ROLE, 3.0, chunk("a"), END + DONE, headers=SSE),
        FakeExchange(ROLE, 0.5, chunk("b"), END + DONE, headers=SSE),
    )
    assert (await run.go()).body == ROLE + chunk("b") + END + DONE
    assert elapsed() == pytest.approx(1.5, abs=0.05)


@virtual
async def test_whole_answers_race_too() -> None:
    run = hedged(FakeExchange(b'{"choices"', 3600.0), (0.5, FakeExchange(ANSWER)), request=PLAIN)
    assert (await run.go()).body == ANSWER
    assert run.tried == ["a", "b"]
    assert run.context.usage.output == 1


@pytest.mark.parametrize(
    "b",
    [UpstreamUnavailable("down"), FakeExchange(b"{}", status=503), FakeExchange(ROLE, UpstreamCut("cut"), headers=SSE)],
)
def test_a_second_that_fails_leaves_the_first_running(b: Script) -> None:
    @virtual
    async def test() -> None:
        run = hedged((3.0, good()), b)
        assert (await run.go()).body == GOOD
        assert elapsed() == pytest.approx(3, abs=0.05)
        assert run.tried == ["b", "a"]
        assert run.course.faults == [], "nobody asks what next while the first is under way"
        assert len(run.course.races) == 1
        assert [step.candidate.target.provider for step, _ in run.course.failures] == ["b"]

    test()


@virtual
async def test_a_first_that_fails_leaves_the_second_running() -> None:
    run = hedged((2.0, UpstreamDropped("gone"), UpstreamDropped("gone")), (3.0, good()))
    assert (await run.go()).body == GOOD
    assert run.kinds[-1] == ""
    assert run.tried[-1] == "b"
    assert run.context.attempts[-2].maybe_billed


@virtual
async def test_a_first_that_fails_early_is_an_ordinary_fault() -> None:
    run = hedged((0.5, UpstreamUnavailable("down")), good())
    run.course.steps.append(step_to(target("b"), role="failover"))
    assert (await run.go()).body == GOOD
    assert run.course.races == []
    assert [attempt.role for attempt in run.context.attempts] == ["first", "failover"]


@virtual
async def test_when_both_fail_the_last_is_told_and_others_are_tried() -> None:
    run = hedged((2.0, FakeExchange(b'{"a":1}', status=500)), (3.0, FakeExchange(b'{"b":1}', status=503)))
    client = await run.go()
    assert (client.status, client.body) == (503, b'{"b":1}')
    assert (run.tried, run.kinds) == (["a", "b"], ["server_error", "overloaded"])
    assert [fault.kind for fault in run.course.faults] == ["overloaded"]
    told = [(step.candidate.target.provider, fault.kind) for step, fault in run.course.failures]
    assert told == [("a", "server_error")], "of the one that failed before the other, too"
    course = FakeCourse(
        step_to(target("a")),
        step_to(target("c")),
        hedge=Hedge(),
        hedge_after=1.0,
        seconds=[step_to(target("b"), role="hedge")],
    )
    run = Journey(
        (2.0, FakeExchange(b"{}", status=500)), (3.0, UpstreamUnavailable("down")), good(), course=course, attempts=4
    )
    course._hedge_after = 1.0
    assert (await run.go()).body == GOOD
    assert run.tried == ["a", "b", "c"]


@virtual
async def test_a_second_that_a_limit_of_ours_forbade_uses_up_no_try() -> None:
    course = FakeCourse(
        step_to(target("a")),
        step_to(target("c")),
        hedge=Hedge(),
        hedge_after=1.0,
        seconds=[step_to(target("b"), role="hedge")],
    )
    down, held = (2.0, UpstreamUnavailable("down")), FakeExchange(ROLE, 5.0, UpstreamCut("cut"), headers=SSE)
    run = Journey(down, good(), held, course=course, attempts=3, refused={"b": RateLimited("full")})
    run.course.steps.append(step_to(target("d"), role="failover"))
    run.transports["d"] = FakeTransport(good())
    run.providers["d"] = FakeProvider()
    assert (await run.go()).body == GOOD
    assert run.tried[-1] == "d"


@virtual
async def test_the_requests_own_fault_ends_the_race() -> None:
    body = b'{"error":{"message":"bad field"}}'
    other = FakeExchange(ROLE, 3600.0, headers=SSE)
    run = hedged((2.0, FakeExchange(body, status=400)), other)
    client = await run.go()
    assert (client.status, client.body) == (400, body)
    assert elapsed() == pytest.approx(2, abs=0.05)
    assert other.aborted == 1


@virtual
async def test_no_second_target_no_race() -> None:
    run = hedged((3.0, good()), good())
    run.course._seconds.clear()
    assert (await run.go()).body == GOOD
    assert run.course.races == []


@virtual
async def test_each_has_its_own_limits() -> None:
    run = hedged((3600.0, good()), FakeExchange(ROLE, 3600.0, headers=SSE), limits=QUICK)
    client = await run.go()
    assert client.status == 504
    # The first's first byte at 5 s; the second answered at 1 s and was silent for 8 more.
    assert elapsed() == pytest.approx(9, abs=0.2)
    assert run.kinds == ["timeout", "timeout"]
    assert all("failed timeout" in lease.told for lease in run.leases)


@virtual
async def test_the_winner_is_watched_like_any_other() -> None:
    run = hedged((3600.0, good()), FakeExchange(ROLE, chunk("a"), 3600.0, headers=SSE), limits=QUICK)
    client = await run.go()
    assert client.body.startswith(ROLE + chunk("a"))
    assert b'"upstream_timeout"' in client.body
    assert elapsed() == pytest.approx(1 + 8, abs=0.5)


@virtual
async def test_the_limits_of_the_race_end_with_it() -> None:
    reads = (ROLE, chunk("a"), 6.0, chunk("b"), 6.0, chunk("c"), 6.0, END + DONE)
    run = hedged((3600.0, good()), FakeExchange(*reads, headers=SSE), limits=QUICK)
    client = await run.go()
    assert client.ended
    assert run.context.outcome == "ok"


@virtual
async def test_a_winner_whose_head_came_long_ago_waits_for_its_next_bytes_only() -> None:
    """Its first byte is no longer due."""
    run = hedged((3600.0, good()), FakeExchange(ROLE, chunk("a"), 7.0, END + DONE, headers=SSE), limits=QUICK)
    assert (await run.go()).ended
    assert run.context.outcome == "ok"


@virtual
async def test_notes_are_those_of_the_winner() -> None:
    class Noting(FakeProvider):
        def __init__(self, note: str) -> None:
            super().__init__()
            self.note = note

        def prepare(self, ctx, target, *, include_usage, now):  # type: ignore[no-untyped-def]
            ctx.dropped.append(self.note)
            return super().prepare(ctx, target, include_usage=include_usage, now=now)

    run = hedged((3.0, good()), (60.0, good()), providers={"a": Noting("of a"), "b": Noting("of b")})
    assert (await run.go()).headers[b"x-tollway-dropped"] == b"of a"
    assert run.context.dropped == ["of a"]


@virtual
async def test_comments_go_on_during_a_race() -> None:
    run = hedged((60.0, good()), (20.0, good()), settings=BEATING)
    assert (await run.go()).body == COMMENT * 4 + GOOD


@pytest.mark.parametrize("when", [0.5, 2.0])
def test_a_client_that_leaves_ends_both(when: float) -> None:
    @virtual
    async def test() -> None:
        run = hedged(FakeExchange(ROLE, 3600.0, headers=SSE), FakeExchange(ROLE, 3600.0, headers=SSE))
        request = asyncio.create_task(run.start())
        await asyncio.sleep(when)
        run.client.leave()
        await request
        run.check()
        assert run.context.outcome == "client_closed"
        assert elapsed() == pytest.approx(when, abs=0.1)
        assert all(lease.told == ["answered 200", "closed"] for lease in run.leases)
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    test()


@virtual
async def test_both_at_the_same_moment_is_one_answer() -> None:
    run = hedged((3.0, good()), (2.0, good()))
    assert (await run.go()).body == GOOD
    assert len(run.course.races) == 1
