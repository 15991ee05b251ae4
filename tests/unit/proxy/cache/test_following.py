"""Several clients, one answer: who gets what and when, who leads when the leader is gone, and that nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from proxy.cache.attending import Attendance, Departure
from proxy.cache.flight import Flight
from proxy.cache.following import Following
from proxy.cache.recording import Recording
from proxy.cache.serving import Manner
from proxy.context import Message, Principal, RequestContext
from proxy.errors import DeadlineExceeded, GatewayDraining, RateLimited, UpstreamCut, UpstreamUnavailable
from proxy.policy.caching import Cache, ExactCache
from proxy.relay.relay import RelaySettings
from proxy.wire.chat import RequestView
from proxy.wire.sse import COMMENT
from tests.support.asgi import Client
from tests.support.caches import DONE, QUIET, STREAM, USAGE, Asked, Lane, LiveExchange, answer, chunk
from tests.support.clock import FakeClock, elapsed, turns, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import TARGET

PLAIN = b"".join(STREAM).replace(USAGE, b"")
"""What a client gets that did not ask for usage."""


async def flock(lane: Lane, size: int, **how: object) -> list[Asked]:
    """``size`` identical requests under way."""
    asked = [lane.ask(**how) for _ in range(size)]  # type: ignore[arg-type]
    await lane.settle()
    return asked


async def ended(asked: Sequence[Asked], within: float = 5.0) -> None:
    await asyncio.wait_for(asyncio.gather(*(each.task for each in asked)), within)


class Stalled(Client):
    """Reads nothing once it was given ``enough`` messages, until ``read`` is called."""

    def __init__(self, enough: int) -> None:
        super().__init__()
        self._enough = enough
        self.reading = asyncio.Event()

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._enough:
            await self.reading.wait()
        await super().send(message)


# ---- live -----------------------------------------------------------------------------------------------------------


async def test_fifty_clients_stream_one_answer_live() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    asked = await flock(lane, 50, stream=True)
    late = lane.ask(stream=True)
    await lane.settle()
    assert {each.client.body for each in (*asked, late)} == {STREAM[0]}, "before the leader has its last"
    exchange.feed(*STREAM[1:], b"")
    await ended([*asked, late])
    assert {each.client.body for each in (*asked, late)} == {PLAIN}
    assert all(each.client.ended for each in asked)
    assert lane.sent == 1
    assert [each.said for each in asked] == ["miss"] + 49 * ["hit shared"]
    assert lane.records.told.count("exact shared") == 50
    assert lane.caching.flights == {}
    cached = late.ctx.cached
    assert cached is not None
    assert (cached.served, cached.usage.input, cached.usage.output) == (True, 3, 2)
    assert (cached.provider, cached.age, late.ctx.attempts) == ("local", 0.0, [])
    assert late.client.headers[b"x-tollway-attempts"] == b"0"
    assert {each.ctx.outcome for each in asked} == {"ok"}


async def test_fifty_clients_get_one_json_answer() -> None:
    lane = Lane()
    asked = await flock(lane, 50)
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended(asked)
    assert {each.client.body for each in asked} == {answer()}
    assert {each.client.headers[b"content-length"] for each in asked} == {b"%d" % len(answer())}
    assert lane.sent == 1


async def test_whoever_comes_while_it_is_stored_elsewhere_finds_it_still() -> None:
    lane = Lane(LiveExchange.whole(answer()), remote=True)
    storing = asyncio.Event()
    put = lane.store.put

    async def slowly(key: bytes, entry: object) -> None:
        await storing.wait()
        await put(key, entry)  # type: ignore[arg-type]

    lane.store.put = slowly  # type: ignore[method-assign]
    first = await lane.answered()
    assert first.client.ended, "nobody waits for a store"
    assert (await lane.answered()).said == "hit shared"
    storing.set()
    await lane.tasks.finish()
    assert (await lane.answered()).said == "hit"
    assert lane.sent == 1


async def test_different_callers_share_nothing() -> None:
    exchanges = LiveExchange(STREAM[0]), LiveExchange(STREAM[0])
    lane = Lane(*exchanges)
    asked = [lane.ask(stream=True, principal=Principal(name=name, tenant=name, account=name)) for name in "ab"]
    await lane.settle()
    assert lane.sent == 2
    for exchange in exchanges:
        exchange.feed(*STREAM[1:], b"")
    await ended(asked)


async def test_an_account_may_share() -> None:
    lane = Lane(settings=Cache(exact=ExactCache(), share="account"))
    keys = [Principal(name=name, tenant="t", account="t", key=name) for name in "ab"]
    asked = [lane.ask(principal=key) for key in keys]
    await lane.settle()
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended(asked)
    assert lane.sent == 1
    assert [len(each.ctx.attempts) for each in asked] == [1, 0], "each settles for itself, and the leader pays"


async def test_a_refresh_follows_nobody() -> None:
    lane = Lane()
    first = lane.ask()
    await lane.settle()
    second = lane.ask(headers=[(b"x-tollway-cache", b"refresh")])
    await lane.settle()
    assert lane.sent == 2
    lane.upstream.give(LiveExchange.whole(answer("old")))
    lane.upstream.give(LiveExchange.whole(answer("new")))
    await ended([first, second])
    assert second.said.startswith("refresh")
    assert (await lane.answered()).client.body == answer("new")


# ---- forms and wishes -----------------------------------------------------------------------------------------------


async def test_a_stream_follows_a_json_answer() -> None:
    lane = Lane()
    asked = [lane.ask(), lane.ask(stream=True, include_usage=True)]
    await lane.settle()
    lane.upstream.give(LiveExchange.whole(answer("Hello you")))
    await ended(asked)
    follower = asked[1].client
    assert follower.headers[b"content-type"].startswith(b"text/event-stream")
    assert follower.body.endswith(DONE)
    assert b'"prompt_tokens":3' in follower.body
    assert lane.sent == 1


async def test_a_json_answer_follows_a_stream() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    asked = [lane.ask(stream=True), lane.ask()]
    await lane.settle()
    assert asked[1].client.sent == []
    exchange.feed(*STREAM[1:], b"")
    await ended(asked)
    found = orjson.loads(asked[1].client.body)
    assert found["choices"][0]["message"]["content"] == "Hello"
    assert found["usage"]["total_tokens"] == 5
    assert asked[1].said == "hit shared"


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("split", [None, 7, 1])
async def test_each_gets_the_usage_chunk_as_it_wishes(leads: bool, split: int | None) -> None:
    """``leads``: it is the leader who asks for it. However the reads are cut."""
    whole = b"".join(STREAM)
    reads = [whole[at : at + split] for at in range(0, len(whole), split)] if split else list(STREAM)
    exchange = LiveExchange()
    lane = Lane(exchange)
    asked = [lane.ask(stream=True, include_usage=wish) for wish in ((True, False) if leads else (False, True))]
    await lane.settle()
    for read in (*reads, b""):
        exchange.feed(read)
        await turns(3)
    await ended(asked)
    assert [each.client.body for each in asked] == ([whole, PLAIN] if leads else [PLAIN, whole])
    assert lane.sent == 1


async def test_a_wish_for_usage_that_nobody_asks_the_provider_for_is_asked_alone() -> None:
    lane = Lane(relay=RelaySettings(**{**_fields(QUIET), "include_usage": "never"}))
    asked = [lane.ask(stream=True), lane.ask(stream=True, include_usage=True)]
    await lane.settle()
    assert lane.sent == 2
    for _ in asked:
        lane.upstream.give(LiveExchange(*STREAM, over=True))
    await ended(asked)


async def test_a_cap_of_one_caller_does_not_cut_the_others_answer() -> None:
    lane = Lane()
    capped = lane.ask(uncapped=b'{"model":"small","messages":[{"role":"user","content":"Hi"}]}', max_tokens=7)
    other = lane.ask()
    await lane.settle()
    assert lane.sent == 2
    for _ in range(2):
        lane.upstream.give(LiveExchange.whole(answer()))
    await ended([capped, other])


def _fields(settings: RelaySettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


# ---- leaving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [True, False], ids=["in the middle", "before the first byte"])
async def test_a_leader_that_leaves_does_not_end_the_followers(begun: bool) -> None:
    exchange = LiveExchange(*STREAM[:1]) if begun else LiveExchange()
    lane = Lane(exchange)
    leader, *others = await flock(lane, 5, stream=True)
    await asyncio.sleep(0.06)
    leader.client.leave()
    await lane.settle()
    assert exchange.aborted == 0
    exchange.feed(*STREAM[0 if not begun else 1 :], b"")
    await ended([leader, *others])
    assert {each.client.body for each in others} == {PLAIN}
    assert lane.sent == 1
    assert (leader.ctx.outcome, leader.ctx.usage.output) == ("ok", 2), "it pays for the whole"
    assert (await lane.answered(stream=True)).said == "hit"


async def test_when_everybody_has_left_the_provider_stops() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    leader, *others = asked = await flock(lane, 4, stream=True)
    await asyncio.sleep(0.06)
    leader.client.leave()
    for each in others[:-1]:
        each.client.leave()
    await lane.settle()
    assert exchange.aborted == 0
    others[-1].client.leave()
    await ended(asked)
    assert exchange.aborted == 1
    assert {each.ctx.outcome for each in asked} == {"client_closed"}
    assert lane.caching.flights == {}


async def test_who_comes_when_everybody_has_left_leads_anew() -> None:
    lane = Lane(LiveExchange(STREAM[0]))
    leader = lane.ask(stream=True)
    await lane.settle()
    await asyncio.sleep(0.06)
    leader.client.leave()
    await turns(2)
    late = lane.ask(stream=True)
    await ended([leader])
    later = lane.ask(stream=True)
    await lane.settle()
    lane.upstream.give(LiveExchange(*STREAM, over=True))
    await ended([late, later])
    assert late.client.body == later.client.body == PLAIN
    assert lane.sent == 2, "the old one's end is not the new one's"


async def test_a_follower_that_leaves_is_nobodys_business() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    leader, follower, other = asked = await flock(lane, 3, stream=True)
    follower.client.leave()
    await ended([follower])
    assert follower.ctx.outcome == "client_closed"
    exchange.feed(*STREAM[1:], b"")
    await ended(asked)
    assert [each.client.body for each in (leader, other)] == [PLAIN, PLAIN]


async def test_a_follower_who_leads_and_leaves_ends_its_relay() -> None:
    """What waited for its departure as a follower goes on as the leader's."""
    lane = Lane()
    leader, heir = await flock(lane, 2, stream=True)
    leader.ctx.interrupt(RateLimited("No more."))
    await ended([leader])
    exchange = LiveExchange(STREAM[0])
    lane.upstream.give(exchange)
    await lane.settle()
    await asyncio.sleep(0.06)
    heir.client.leave()
    await ended([heir])
    assert (heir.ctx.outcome, exchange.aborted) == ("client_closed", 1)


# ---- the leader fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [RateLimited("The leader's limit."), DeadlineExceeded("The leader's deadline."), GatewayDraining()],
    ids=lambda error: type(error).__name__,
)
async def test_of_a_hundred_followers_one_leads_when_the_leader_has_a_failure_of_its_own(error: Exception) -> None:
    lane = Lane()
    leader, *others = await flock(lane, 101, stream=True)
    leader.ctx.interrupt(error)  # type: ignore[arg-type]
    await ended([leader])
    await lane.settle()
    assert lane.sent == 2, "one more, and only one"
    lane.upstream.give(LiveExchange(*STREAM, over=True))
    await lane.settle()
    # The exchange that the first never got goes to the second.
    await ended(others)
    assert {each.client.body for each in others} == {PLAIN}
    assert sorted(each.said for each in others) == 99 * ["hit shared"] + ["miss"]
    assert lane.sent == 2


async def test_leaders_may_fail_one_after_the_other() -> None:
    lane = Lane()
    waiting = await flock(lane, 20)
    for _ in range(19):
        (leader,) = [each for each in waiting if lane.caching.flights and _leads(lane, each)]
        leader.ctx.interrupt(RateLimited("Its limit."))
        await ended([leader])
        waiting.remove(leader)
        await lane.settle()
        assert len(lane.caching.flights) == 1
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended(waiting)
    assert waiting[0].client.body == answer()


def _leads(lane: Lane, asked: Asked) -> bool:
    return any(flight.ctx is asked.ctx for flight in lane.caching.flights.values())


async def test_a_providers_failure_is_everybodys_and_is_failed_over_once() -> None:
    """The second target answers, for all of them."""
    other = TARGET.__class__(provider="other", model="small", limits=TARGET.limits)
    lane = Lane(courses=lambda ctx: FakeCourse(step_to(), step_to(other, role="failover")))
    asked = await flock(lane, 10)
    lane.upstream.give(LiveExchange.whole(b'{"error":{"message":"no"}}', status=500))
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended(asked)
    assert {each.client.body for each in asked} == {answer()}
    assert lane.sent == 2
    assert asked[1].client.headers[b"x-tollway-provider"] == b"other"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_answer_is_everybodys(stream: bool) -> None:
    lane = Lane()
    asked = await flock(lane, 5, stream=stream)
    headers = ((b"content-type", b"application/json"), (b"retry-after", b"7"), (b"openai-organization", b"org-1"))
    body = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded","param":null}}'
    lane.upstream.give(LiveExchange.whole(body, status=429, headers=headers))
    await ended(asked)
    assert [(each.client.status, each.client.body) for each in asked] == 5 * [(429, body)]
    assert {each.client.headers[b"retry-after"] for each in asked} == {b"7"}
    assert b"openai-organization" not in asked[1].client.headers, "what is the leader's alone"
    assert asked[1].client.headers[b"x-tollway-error-source"] == b"upstream"
    assert asked[1].said == "miss shared"
    assert asked[1].ctx.outcome == "upstream_error"
    assert lane.sent == 1
    assert lane.store.entries == {}  # type: ignore[attr-defined]


async def test_an_upstream_that_cannot_be_reached_is_everybodys() -> None:
    lane = Lane()
    asked = await flock(lane, 5)
    lane.upstream.give(UpstreamUnavailable("Refused."))
    await ended(asked)
    assert [each.client.status for each in asked] == 5 * [502]
    assert len({each.ctx.request_id.encode() in each.client.body for each in asked}) == 1, "each its own error"
    assert len({id(each.ctx.error) for each in asked}) == 5
    assert lane.sent == 1


async def test_a_limit_that_only_the_leader_has_set_is_no_failure_of_the_provider() -> None:
    lane = Lane()
    leader, follower = await flock(lane, 2)
    leader.ctx.controls = leader.ctx.controls.__class__(retries=0)
    lane.upstream.give(UpstreamUnavailable("Refused."))
    await ended([leader])
    assert leader.client.status == 502
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended([follower])
    assert follower.client.body == answer()


async def test_a_stream_that_breaks_off_ends_with_one_error_event() -> None:
    exchange = LiveExchange(STREAM[0], b'data: {"half')
    lane = Lane(exchange)
    asked = await flock(lane, 4, stream=True, include_usage=True)
    exchange.feed(UpstreamCut("Cut."))
    await ended(asked)
    for each in asked:
        assert each.client.body.startswith(STREAM[0])
        assert each.client.body.count(b'"error"') == 1
        assert not each.client.ended, "a broken answer looks broken"
        assert b'data: {"half\n\ndata: {"error"' in each.client.body, "the event stands by itself"
    assert lane.sent == 1
    assert lane.store.entries == {}  # type: ignore[attr-defined]


async def test_a_follower_that_was_given_nothing_yet_is_given_the_error_of_a_stream_that_broke_off() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    leader, follower = lane.ask(stream=True), lane.ask()
    await lane.settle()
    exchange.feed(UpstreamCut("Cut."))
    await ended([leader, follower])
    assert follower.client.status == 502


async def test_a_leader_whose_limit_ends_its_stream_leaves_an_error_event_and_who_waits_for_the_end_leads_anew() -> (
    None
):
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    leader, live, waiting = lane.ask(stream=True), lane.ask(stream=True), lane.ask()
    await lane.settle()
    leader.ctx.interrupt(RateLimited("Its budget."))
    await ended([leader, live])
    assert live.client.body.count(b'"error"') == 1
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended([waiting])
    assert waiting.client.body == answer()


async def test_a_stream_without_an_end_is_neither_stored_nor_given_as_whole() -> None:
    lane = Lane(LiveExchange(STREAM[0], over=True))
    asked = await flock(lane, 2, stream=True)
    await ended(asked)
    assert {each.ctx.outcome for each in asked} == {"upstream_error"}
    assert lane.store.entries == {}  # type: ignore[attr-defined]


# ---- what cannot be passed on ---------------------------------------------------------------------------------------


async def test_who_cannot_have_the_answer_asks_alone() -> None:
    """It comes compressed in a way that nobody here reads."""
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"zstd"))
    lane = Lane()
    asked = await flock(lane, 3)
    lane.upstream.give(LiveExchange.whole(b"\x28\xb5\x2f\xfd", headers=headers))
    await lane.settle()
    assert lane.sent == 3
    for _ in range(2):
        lane.upstream.give(LiveExchange.whole(answer()))
    await ended(asked)
    assert [each.client.body for each in asked[1:]] == [answer(), answer()]


async def test_beyond_the_limit_nobody_joins_and_laggards_are_cut() -> None:
    lane = Lane(settings=Cache(exact=ExactCache(max_entry=4096)))
    exchange = LiveExchange(chunk("x" * 1000))
    lane.upstream.give(exchange)
    slow = Stalled(2)
    leader, quick = lane.ask(stream=True), lane.ask(stream=True)
    await lane.settle()
    laggard = lane.ask(stream=True, client=slow)
    await lane.settle()
    for _ in range(10):
        exchange.feed(chunk("y" * 1000))
        await turns(10)
    late = lane.ask(stream=True)
    await lane.settle()
    assert lane.sent == 2, "it leads for itself"
    slow.reading.set()
    await ended([laggard])
    assert laggard.client.body.count(b'"error"') == 1
    exchange.feed(*STREAM[1:], b"")
    lane.upstream.give(LiveExchange(*STREAM, over=True))
    await ended([leader, quick, late])
    assert leader.client.body == quick.client.body
    assert "kept oversize" in lane.records.told


# ---- time -----------------------------------------------------------------------------------------------------------


@virtual
async def test_each_follower_has_its_own_comments() -> None:
    lane = Lane()
    waiting, live = lane.ask(), lane.ask(stream=True)
    await asyncio.sleep(40)
    assert live.client.body == 2 * COMMENT
    assert live.client.headers[b"content-type"].startswith(b"text/event-stream")
    assert waiting.client.sent == []
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended([waiting, live])
    assert live.client.body.startswith(2 * COMMENT + b"data: {")
    assert live.client.body.endswith(DONE)


@virtual
async def test_the_leaders_comments_do_not_put_off_those_of_its_followers() -> None:
    lane = Lane()
    leader = lane.ask(stream=True)
    await asyncio.sleep(1)
    follower = lane.ask(stream=True)
    await asyncio.sleep(40)
    assert (leader.client.body, follower.client.body) == (2 * COMMENT, 2 * COMMENT)
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended([leader, follower])


@virtual
async def test_comments_stand_between_events_only() -> None:
    exchange = LiveExchange(STREAM[0], b"data: {")
    lane = Lane(exchange)
    asked = [lane.ask(stream=True, include_usage=True) for _ in range(2)]
    await asyncio.sleep(40)
    assert asked[1].client.body == STREAM[0] + b"data: {"
    exchange.feed(STREAM[1][7:])
    await asyncio.sleep(20)
    assert asked[1].client.body == STREAM[0] + STREAM[1] + COMMENT
    exchange.feed(STREAM[2], b"")
    await ended(asked)


@virtual
async def test_an_error_behind_comments_is_an_event() -> None:
    lane = Lane()
    asked = [lane.ask(stream=True), lane.ask(stream=True)]
    await asyncio.sleep(20)
    lane.upstream.give(LiveExchange.whole(b'{"error":{"message":"no",\n"code":"x"}}', status=400))
    await ended(asked)
    assert asked[1].client.body == COMMENT + b'data: {"error":{"message":"no", "code":"x"}}\n\n'
    assert asked[1].ctx.outcome == "upstream_error"


@virtual
async def test_who_has_comments_already_may_lead() -> None:
    lane = Lane()
    leader, heir = lane.ask(), lane.ask(stream=True)
    await asyncio.sleep(20)
    leader.ctx.interrupt(RateLimited("Its limit."))
    lane.upstream.give(LiveExchange(*STREAM, over=True))
    await ended([leader, heir])
    assert heir.client.body == COMMENT + PLAIN
    assert (await lane.answered(stream=True)).client.body == PLAIN, "it was stored as any other"


@virtual
async def test_who_was_given_nothing_but_comments_when_the_leader_is_cut_leads_itself() -> None:
    """What came of the answer meanwhile is not begun with."""
    exchange = LiveExchange()
    lane = Lane(exchange)
    slow = Stalled(1)
    leader, heir = lane.ask(stream=True, include_usage=True), lane.ask(stream=True, client=slow)
    await asyncio.sleep(16)
    exchange.feed(STREAM[0])
    await turns(30)
    leader.ctx.interrupt(RateLimited("Its budget."))
    await ended([leader])
    lane.upstream.give(LiveExchange(*STREAM, over=True))
    slow.reading.set()
    await ended([heir])
    assert heir.client.body == COMMENT + PLAIN
    assert lane.sent == 2


async def test_an_error_that_the_provider_was_translated_to_have_said_is_said_once() -> None:
    """The relay ended the stream with an event of its own, which the follower has as any other."""
    told = b'data: {"error":{"message":"cut"}}\n\n'
    leader, ctx = RequestContext(request_id="l"), RequestContext(request_id="f", task=asyncio.current_task())
    leader.request = ctx.request = RequestView(stream=True)
    recording = Recording(1000)
    recording.begin({"status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    recording.add(STREAM[0], last=False)
    flight = Flight(b"k", leader, Client().receive, Client().send, recording, {})
    client = Client()
    departure = Departure(client.receive)
    following = Following(
        flight,
        ctx,
        client.send,
        attendance=Attendance(ctx, departure, send_limit=30.0, left=None),
        manner=Manner(headers=lambda _: [], keepalive=0, pace=0, status_header=False, clock=FakeClock()),
        entry=lambda _: pytest.fail("it is not asked for"),
    )
    running = asyncio.create_task(following.run())
    await turns()
    recording.add(told, last=False)
    leader.insertion = None
    flight.fail(UpstreamCut("Cut."))
    with pytest.raises(UpstreamCut):
        await running
    assert client.body == STREAM[0] + told
    assert ctx.insertion is None, "nothing follows"
    departure.close()


@virtual
async def test_a_follower_has_its_own_deadline() -> None:
    lane = Lane()
    leader, follower = lane.ask(), lane.ask(deadline=lane.clock() + 3.0)
    await follower.task
    assert (follower.client.status, elapsed()) == (504, 3.0)
    lane.upstream.give(LiveExchange.whole(answer()))
    await ended([leader])
    assert leader.client.body == answer()


@virtual
async def test_a_follower_that_does_not_read_is_given_up_and_slows_nobody() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    slow = Stalled(1)
    leader, follower = lane.ask(stream=True), lane.ask(stream=True, client=slow)
    await turns(30)
    exchange.feed(*STREAM[1:], b"")
    await ended([leader])
    assert elapsed() < 1.0
    assert leader.client.body == PLAIN
    await asyncio.wait_for(follower.task, 100)
    assert follower.ctx.outcome == "client_closed"
    assert 30.0 <= elapsed() < 61.0


@virtual
async def test_a_leader_that_does_not_read_holds_up_its_followers_for_a_moment_only() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    slow = Stalled(2)
    leader = lane.ask(stream=True, client=slow)
    await turns(30)
    follower = lane.ask(stream=True)
    await turns(30)
    exchange.feed(*STREAM[1:], b"")
    await ended([follower])
    assert follower.client.body == PLAIN
    assert elapsed() <= 2.0
    assert (await lane.answered(stream=True)).said == "hit"
    slow.reading.set()
    await ended([leader])
    assert (leader.client.body, leader.ctx.outcome) == (PLAIN, "ok")


@virtual
async def test_a_leader_that_never_reads_on_is_given_up_in_the_end() -> None:
    exchange = LiveExchange(STREAM[0])
    lane = Lane(exchange)
    leader = lane.ask(stream=True, client=Stalled(2))
    await turns(30)
    follower = lane.ask(stream=True)
    await turns(30)
    exchange.feed(*STREAM[1:], b"")
    await ended([follower])
    await asyncio.wait_for(leader.task, 100)
    assert leader.ctx.outcome == "client_closed"


async def test_a_drain_ends_everybody_with_its_own_error() -> None:
    lane = Lane()
    asked = await flock(lane, 4)
    for each in asked:
        each.ctx.interrupt(GatewayDraining())
    await ended(asked)
    assert [each.client.status for each in asked] == 4 * [503]
    assert lane.sent == 1
    assert lane.caching.flights == {}
