"""The waiting room: fair, bounded, woken when there may be room, and left without a trace."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from proxy.limits.memory import MemoryLimitStore
from proxy.limits.queue import Queue
from proxy.policy.rules import Charge, Denial, Reservation, Rule
from tests.contract.limits.asking import charge, rule
from tests.support.clock import elapsed, turns, virtual

Answer = Reservation | Denial


class Room:
    """A queue before a real store, on the loop's virtual time; notes who tried and who got in."""

    def __init__(self, *, wait: float = 30.0, size: int = 100) -> None:
        loop = asyncio.get_running_loop()
        self.store = MemoryLimitStore(loop.time, lambda: 1.8e9)
        self.queue = Queue(wait=wait, size=size, clock=loop.time, waited=self._heard)
        self.waits: list[tuple[float, bool]] = []
        self.tried: list[str] = []
        self.entered: list[str] = []
        self._number = 0
        self.slow: Callable[[], Awaitable[None]] | None = None

    def _heard(self, seconds: float, *, admitted: bool) -> None:
        self.waits.append((round(seconds, 2), admitted))

    async def request(self, tenant: str, *charges: Charge, name: str = "") -> Answer:
        """As the link does it: tries, and waits when it is refused."""
        name = name or tenant

        async def attempt() -> Answer:
            self._number += 1
            self.tried.append(name)
            if self.slow is not None:
                await self.slow()
            answer = await self.store.reserve(f"{name}/{self._number}", charges, 1e6)
            if isinstance(answer, Reservation):
                self.entered.append(name)
            return answer

        answer: Answer | None = self.queue.ahead(charges)
        if answer is None:
            answer = await attempt()
        if isinstance(answer, Denial):
            answer = await self.queue.enter(tenant, answer, attempt)
        return answer

    async def waiting(self, tenant: str, *charges: Charge, name: str = "") -> asyncio.Task[Answer]:
        """A request that waits now."""
        before = self.queue.waiting
        task = asyncio.ensure_future(self.request(tenant, *charges, name=name))
        await turns()
        assert self.queue.waiting == before + 1
        return task

    async def settle(self, reservation: Answer, *used: int) -> None:
        assert isinstance(reservation, Reservation)
        await self.store.settle(reservation, used or [1] * len(reservation.grants))
        self.queue.freed(reservation)

    def no_trace(self) -> bool:
        return self.queue.waiting == 0 and not self.queue._lines


SLOT = 1


async def occupied(room: Room, limit: int = 1) -> tuple[Rule, list[Answer]]:
    """A limit on requests at once, all of them under way."""
    asked = rule("concurrency", limit)
    return asked, [await room.request("first", charge(asked, SLOT)) for _ in range(limit)]


# ---- woken ----------------------------------------------------------------------------------------------------------


@virtual
async def test_who_waits_enters_when_somebody_settles() -> None:
    room = Room()
    asked, (first,) = await occupied(room)
    task = await room.waiting("a", charge(asked, SLOT))
    await asyncio.sleep(0.3)
    assert not task.done()
    await room.settle(first)
    assert isinstance(await task, Reservation)
    assert elapsed() == pytest.approx(0.3)
    assert room.no_trace()


@virtual
async def test_who_waits_enters_when_the_time_has_come() -> None:
    room = Room()
    asked = rule("rpm", 1, period=6)
    await room.request("a", charge(asked, 1))
    assert isinstance(await room.request("a", charge(asked, 1)), Reservation)
    assert 6.0 <= elapsed() <= 6.2
    assert 3 <= len(room.tried) <= 4, "one try when it was due, and one more where rounding made it early"
    assert room.no_trace()


@virtual
async def test_each_wait_is_told_with_its_end() -> None:
    room = Room(wait=2.0)
    asked, (first,) = await occupied(room)
    admitted = await room.waiting("a", charge(asked, SLOT))
    await asyncio.sleep(0.5)
    await room.settle(first)
    await admitted
    refused = await room.waiting("a", charge(asked, SLOT))
    assert isinstance(await refused, Denial)
    given_up = await room.waiting("a", charge(asked, SLOT))
    await asyncio.sleep(0.25)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert room.waits == [(0.5, True), (2.0, False), (0.25, False)]


@virtual
async def test_whichever_is_first() -> None:
    room = Room()
    asked = rule("tpm", 10, period=20)
    held = await room.request("a", charge(asked, 6))
    used = await room.request("a", charge(asked, 4))
    await room.settle(used, 4)
    task = await room.waiting("a", charge(asked, 3))
    await asyncio.sleep(1)
    await room.settle(held, 1)
    assert isinstance(await task, Reservation)
    assert elapsed() == pytest.approx(1.0)


@virtual
async def test_without_saying_what_was_freed_everybody_s_first_may_try() -> None:
    room = Room()
    one, (first,) = await occupied(room)
    other, (second,) = await occupied(room)
    tasks = [await room.waiting("a", charge(one, SLOT)), await room.waiting("b", charge(other, SLOT))]
    for reservation in (first, second):
        assert isinstance(reservation, Reservation)
        await room.store.settle(reservation, [1])
    room.queue.freed()
    assert all(isinstance(answer, Reservation) for answer in await asyncio.gather(*tasks))


@virtual
async def test_only_those_who_wait_for_what_was_freed_try() -> None:
    room = Room()
    one, _ = await occupied(room)
    _, (second,) = await occupied(room)
    task = await room.waiting("a", charge(one, SLOT))
    room.tried.clear()
    await room.settle(second)
    await turns()
    assert room.tried == []
    task.cancel()


@virtual
async def test_freed_while_one_was_trying_is_not_lost() -> None:
    """The store had decided before there was room, and its answer was on its way."""
    room = Room()
    asked = rule("concurrency", 1)
    refusal, gate = Denial(asked, 1, 0, 20.0), asyncio.Event()
    answers: list[Answer] = [refusal, Reservation(ident="in", grants=[])]

    async def attempt() -> Answer:
        answer = answers.pop(0)
        await gate.wait()
        return answer

    entering = asyncio.ensure_future(room.queue.enter("a", refusal, attempt))
    await turns()
    room.queue.freed()
    await turns()
    assert len(answers) == 1, "it is trying"
    room.queue.freed()
    gate.set()
    assert isinstance(await entering, Reservation)
    assert elapsed() == 0
    assert room.no_trace()


@virtual
async def test_a_later_moment_does_not_replace_a_sooner_one() -> None:
    room = Room()
    asked = rule("rpm", 1)

    async def attempt() -> Answer:
        return Reservation(ident="in", grants=[])

    entering = [room.queue.enter("a", Denial(asked, 1, 0, seconds), attempt) for seconds in (9.0, 2.0, 20.0)]
    assert all(isinstance(answer, Reservation) for answer in await asyncio.gather(*entering))
    assert elapsed() == pytest.approx(2.0)
    assert room.no_trace()


# ---- fair -----------------------------------------------------------------------------------------------------------


@virtual
async def test_tenants_take_turns_and_within_one_the_first_comes_first() -> None:
    room = Room()
    asked, (inside,) = await occupied(room)
    tasks = [await room.waiting("a", charge(asked, SLOT), name=f"a{number}") for number in range(4)]
    tasks += [await room.waiting("b", charge(asked, SLOT), name=f"b{number}") for number in range(2)]
    tasks += [await room.waiting("c", charge(asked, SLOT), name="c0")]
    room.entered.clear()
    for _ in tasks:
        await room.settle(inside)
        await turns()
        inside = next(
            task.result() for task in tasks if task.done() and task.result() is not inside and not _settled(room, task)
        )
    assert room.entered == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
    assert room.no_trace()


def _settled(room: Room, task: asyncio.Task[Answer]) -> bool:
    answer = task.result()
    return isinstance(answer, Reservation) and answer.ident not in room.store._open


@virtual
async def test_a_newcomer_does_not_jump_the_line() -> None:
    room = Room()
    asked, (inside,) = await occupied(room)
    first = await room.waiting("a", charge(asked, SLOT), name="first")
    assert isinstance(inside, Reservation)
    await room.store.settle(inside, [1])
    late = asyncio.ensure_future(room.request("b", charge(asked, SLOT), name="late"))
    await turns()
    room.queue.freed(inside)
    assert isinstance(await first, Reservation)
    assert not late.done()
    await room.settle(first.result())
    assert isinstance(await late, Reservation)


@virtual
async def test_a_large_need_does_not_hold_up_small_ones_of_others() -> None:
    room = Room()
    asked = rule("tpm", 100)
    held = await room.request("x", charge(asked, 60))
    rest = await room.request("x", charge(asked, 40))
    large = await room.waiting("a", charge(asked, 90), name="large")
    small = await room.waiting("b", charge(asked, 10), name="small")
    await room.settle(rest, 0)
    await turns()
    assert isinstance(small.result(), Reservation)
    assert not large.done()
    await room.settle(held, 0)
    await turns()
    assert not large.done() or isinstance(large.result(), Reservation)
    await room.settle(small.result(), 0)
    assert isinstance(await large, Reservation)


@virtual
async def test_time_makes_room_for_a_small_need_before_a_large_one() -> None:
    room = Room()
    asked = rule("tpm", 100, period=12)
    for seconds, tokens in ((5, 20), (6, 80), (0, 0)):
        if tokens:
            await room.settle(await room.request("x", charge(asked, tokens)), tokens)
        await asyncio.sleep(seconds)
    large = await room.waiting("a", charge(asked, 90), name="large")
    small = await room.waiting("b", charge(asked, 20), name="small")
    assert isinstance(await small, Reservation)
    assert 12 <= elapsed() <= 13.5
    assert not large.done()
    assert room.queue.ahead([charge(asked, 0)]) is None, "who needs no more than is left stands in nobody's way"
    assert room.queue.ahead([charge(rule("tpm", 5), 5)]) is None
    denial = room.queue.ahead([charge(asked, 10)])
    assert denial is not None
    assert denial.retry_after is not None
    large.cancel()


@virtual
async def test_a_small_newcomer_is_not_held_up_by_a_large_need() -> None:
    room = Room()
    asked = rule("tpm", 100)
    await room.request("x", charge(asked, 60))
    large = await room.waiting("a", charge(asked, 90), name="large")
    assert isinstance(await room.request("b", charge(asked, 10), name="small"), Reservation)
    assert elapsed() == 0
    large.cancel()


@virtual
async def test_who_is_refused_by_another_limit_waits_for_that_one() -> None:
    room = Room()
    slots, (inside,) = await occupied(room)
    tokens = rule("tpm", 10, period=6)
    await room.settle(await room.request("x", charge(tokens, 10)), 10)
    task = await room.waiting("a", charge(slots, SLOT), charge(tokens, 5), name="both")
    assert set(room.queue._lines) == {tokens.ident}, "the longest wait is named"
    await asyncio.sleep(7)
    assert set(room.queue._lines) == {slots.ident}
    await room.settle(inside)
    assert isinstance(await task, Reservation)
    assert room.no_trace()


# ---- no herd --------------------------------------------------------------------------------------------------------


@virtual
async def test_one_tries_when_there_may_be_room_and_the_next_when_it_got_through() -> None:
    room = Room(size=1000)
    asked, inside = await occupied(room, 3)
    tasks = [await room.waiting(f"t{number}", charge(asked, SLOT)) for number in range(200)]
    room.tried.clear()
    await room.settle(inside[0])
    await turns(50)
    assert len(room.tried) == 2, "one got through, the next did not"
    room.tried.clear()
    for reservation in inside[1:]:
        assert isinstance(reservation, Reservation)
        await room.store.settle(reservation, [1])
    room.queue.freed(inside[1] if isinstance(inside[1], Reservation) else None)
    await turns(50)
    assert len(room.tried) == 3
    assert sum(task.done() for task in tasks) == 3
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.no_trace()


@virtual
async def test_a_moment_that_was_due_for_all_is_tried_by_one() -> None:
    room = Room(wait=5.0, size=1000)
    asked, _ = await occupied(room)
    tasks = [await room.waiting(f"t{number}", charge(asked, SLOT)) for number in range(100)]
    room.tried.clear()
    await asyncio.sleep(4.5)
    assert 1 <= len(room.tried) <= 5, "about one a second"
    answers = await asyncio.gather(*tasks)
    assert all(isinstance(answer, Denial) for answer in answers)
    assert len(room.tried) <= 7
    assert room.no_trace()


# ---- bounds ---------------------------------------------------------------------------------------------------------


@virtual
async def test_no_longer_than_the_wait() -> None:
    room = Room(wait=2.5)
    asked, _ = await occupied(room)
    answer = await room.request("a", charge(asked, SLOT))
    assert isinstance(answer, Denial)
    assert answer.rule == asked
    assert elapsed() == pytest.approx(2.5, abs=0.01)
    assert room.no_trace()


@virtual
async def test_no_more_than_the_size() -> None:
    room = Room(size=3)
    asked, (inside,) = await occupied(room)
    tasks = [await room.waiting("a", charge(asked, SLOT)) for _ in range(3)]
    assert isinstance(await room.request("b", charge(asked, SLOT)), Denial)
    assert elapsed() == 0
    await room.settle(inside)
    await turns()
    assert room.queue.waiting == 2
    tasks.append(await room.waiting("b", charge(asked, SLOT)))
    for task in tasks:
        task.cancel()


@virtual
async def test_a_wait_that_is_too_long_or_without_end_is_refused_at_once() -> None:
    room = Room(wait=10.0)
    minute, money = rule("rpm", 1), rule("budget", 5)
    await room.request("a", charge(minute, 1), charge(money, 5))
    for asked in (charge(minute, 1), charge(money, 1), charge(rule("tpm", 5), 6)):
        assert isinstance(await room.request("a", asked), Denial)
    assert elapsed() == 0
    assert len(room.tried) == 4
    assert room.no_trace()


@virtual
@pytest.mark.parametrize(("wait", "size"), [(0.0, 10), (10.0, 0)])
async def test_switched_off(wait: float, size: int) -> None:
    room = Room(wait=wait, size=size)
    asked, _ = await occupied(room)
    assert isinstance(await room.request("a", charge(asked, SLOT)), Denial)
    assert elapsed() == 0


@virtual
async def test_a_try_that_is_due_at_the_very_end_is_made() -> None:
    room = Room(wait=6.1)
    asked = rule("rpm", 1, period=6)
    await asyncio.sleep(6.1 * 60 - elapsed())
    await room.request("a", charge(asked, 1))
    answer = await room.request("a", charge(asked, 1))
    assert isinstance(answer, Reservation)


@virtual
async def test_once_waiting_is_no_use_any_more_it_ends() -> None:
    """The limit was lowered meanwhile."""
    room = Room()
    asked, _ = await occupied(room)
    never = Denial(asked, 5, 1, None)
    queue = room.queue

    async def attempt() -> Answer:
        return never

    entering = asyncio.ensure_future(queue.enter("a", Denial(asked, 1, 0, 20.0), attempt))
    await turns()
    queue.freed()
    assert await entering is never
    assert elapsed() == 0
    assert room.no_trace()


# ---- leaving --------------------------------------------------------------------------------------------------------


@virtual
async def test_who_leaves_leaves_no_trace() -> None:
    room = Room()
    asked, (inside,) = await occupied(room)
    gone = await room.waiting("a", charge(asked, SLOT), name="gone")
    stays = await room.waiting("a", charge(asked, SLOT), name="stays")
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert room.queue.waiting == 1
    await room.settle(inside)
    assert isinstance(await stays, Reservation)
    assert room.entered == ["first", "stays"]
    assert room.no_trace()


@virtual
async def test_a_turn_is_not_lost_with_who_had_it() -> None:
    """Called, and cancelled before it could try."""
    room = Room()
    asked, (inside,) = await occupied(room)
    gone = await room.waiting("a", charge(asked, SLOT), name="gone")
    stays = await room.waiting("b", charge(asked, SLOT), name="stays")
    await room.settle(inside)
    gone.cancel()
    assert isinstance(await stays, Reservation)
    assert elapsed() == 0
    assert "gone" not in room.entered


@virtual
@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("a bug")])
async def test_a_try_that_breaks_hands_the_turn_on(error: BaseException) -> None:
    room = Room()
    asked, (inside,) = await occupied(room)
    broken = await room.waiting("a", charge(asked, SLOT), name="broken")
    stays = await room.waiting("b", charge(asked, SLOT), name="stays")

    async def breaks() -> None:
        room.slow = None
        raise error

    room.slow = breaks
    await room.settle(inside)
    with pytest.raises(type(error)):
        await broken
    assert isinstance(await stays, Reservation)
    assert elapsed() == 0
    assert room.no_trace()


@virtual
async def test_whose_time_is_over_in_the_moment_of_its_turn_hands_it_on() -> None:
    room = Room(wait=2.0)
    asked, (inside,) = await occupied(room)
    over = await room.waiting("a", charge(asked, SLOT), name="over")
    await asyncio.sleep(0.5)
    stays = await room.waiting("b", charge(asked, SLOT), name="stays")
    loop = asyncio.get_running_loop()
    assert isinstance(inside, Reservation)
    await room.store.settle(inside, [1])
    loop.call_later(1.501, room.queue.freed, inside)
    assert isinstance(await over, Reservation | Denial)
    if isinstance(over.result(), Denial):
        assert isinstance(await stays, Reservation)
        assert elapsed() < 2.1
    stays.cancel()


@virtual
async def test_a_crowd_that_comes_and_goes() -> None:
    """Random tenants, needs, cancellations and times: everybody gets an answer, nobody waits too long, nothing is left."""
    source = random.Random(4)
    room = Room(wait=4.0, size=40)
    slots, tokens, steady = rule("concurrency", 3), rule("tpm", 60, period=2), rule("steady_rpm", 40, period=2)
    entered, refused, cancelled = [], [], []

    async def one(number: int) -> None:
        await asyncio.sleep(source.uniform(0, 20))
        asked = [charge(slots, SLOT), charge(tokens, source.randint(1, 30)), charge(steady, 1)]
        begun = elapsed()
        try:
            async with asyncio.timeout(source.choice([0.3, 100, 100])):
                answer = await room.request(f"t{number % 5}", *asked, name=f"{number}")
        except TimeoutError:
            cancelled.append(number)
            return
        assert elapsed() - begun <= 4.1
        if isinstance(answer, Denial):
            refused.append(number)
            return
        entered.append(number)
        await asyncio.sleep(source.uniform(0, 0.4))
        await room.settle(answer, 1, source.randint(0, 30), 1)

    await asyncio.gather(*(one(number) for number in range(300)))
    assert len(entered) + len(refused) + len(cancelled) == 300
    assert min(len(entered), len(refused), len(cancelled)) > 10
    assert room.no_trace()
    assert room.store.reservations == 0
    assert (await room.store.levels([(slots, "")]))[0].held == 0
