"""One timer a request, on a loop whose time is the test's."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.context import Limits, RequestContext
from proxy.errors import ClientGone, DeadlineExceeded, TollwayError, UpstreamTimeout
from proxy.relay.watchdog import WATCH_AFTER, Watchdog
from proxy.wire.chat import RequestView
from tests.support.clock import virtual

LIMITS = Limits(connect=1.0, first_byte=None, idle=20.0, total=100.0)


class Kennel:
    """A watchdog, the request it guards, and when it did what (virtual seconds since its start)."""

    def __init__(
        self,
        *,
        limits: Limits = LIMITS,
        keepalive: float = 0.0,
        stream: bool = True,
        send_limit: float = 30.0,
        left: float | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.ctx = RequestContext(request_id="r", request=RequestView(stream=stream))
        self.ctx.task = self.loop.create_task(asyncio.Event().wait())
        self.watched: list[float] = []
        self.beats: list[float] = []
        self.dog = Watchdog(
            self.ctx,
            limits,
            send_limit=send_limit,
            keepalive=keepalive,
            watch=lambda: self.watched.append(self.now),
            beat=lambda: self.beats.append(self.now),
            left=left,
        )

    @property
    def now(self) -> float:
        return self.loop.time() - self.began

    async def ended(self) -> tuple[TollwayError, float]:
        assert self.ctx.task is not None
        with pytest.raises(asyncio.CancelledError):
            await self.ctx.task
        assert self.ctx.interruption is not None
        return self.ctx.interruption, self.now

    async def quiet(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        assert self.ctx.interruption is None

    async def close(self) -> None:
        self.dog.stop()
        assert self.ctx.task is not None
        self.ctx.task.cancel()
        await asyncio.gather(self.ctx.task, return_exceptions=True)


class FakeUpload:
    length = None
    finished = False

    def rename(self, model: str) -> None: ...

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b""

    def close(self) -> None: ...


@virtual
async def test_the_watcher_starts_once_and_late() -> None:
    kennel = Kennel()
    await kennel.quiet(WATCH_AFTER / 2)
    assert kennel.watched == []
    await kennel.quiet(5)
    assert kennel.watched == [pytest.approx(WATCH_AFTER)]
    assert WATCH_AFTER <= 0.25
    await kennel.close()


@virtual
async def test_a_quick_request_never_starts_it() -> None:
    kennel = Kennel()
    kennel.dog.stop()
    await kennel.quiet(1000)
    assert kennel.watched == []
    await kennel.close()


@pytest.mark.parametrize(("stream", "first_byte", "seconds"), [(True, None, 60), (False, None, 600), (True, 7.0, 7)])
@virtual
async def test_the_first_byte_has_a_limit(stream: bool, first_byte: float | None, seconds: float) -> None:
    limits = Limits(connect=1.0, first_byte=first_byte, idle=20.0, total=1000.0)
    error, when = await Kennel(limits=limits, stream=stream).ended()
    assert isinstance(error, UpstreamTimeout)
    assert "first byte" in error.message
    assert when == pytest.approx(seconds, abs=0.1)


@virtual
async def test_idle_is_counted_from_the_last_read() -> None:
    kennel = Kennel()
    kennel.dog.answered = True
    for _ in range(4):
        await kennel.quiet(15)
        kennel.dog.touched = kennel.loop.time()
    error, when = await kennel.ended()
    assert isinstance(error, UpstreamTimeout)
    assert "idle" in error.message
    assert when == pytest.approx(80, abs=0.1)


@virtual
async def test_the_total_limit_holds_however_busy() -> None:
    kennel = Kennel()
    kennel.dog.answered = True

    async def busy() -> None:
        while True:
            kennel.dog.touched = kennel.loop.time()
            await asyncio.sleep(1)

    task = asyncio.create_task(busy())
    error, when = await kennel.ended()
    task.cancel()
    assert isinstance(error, UpstreamTimeout)
    assert "total" in error.message
    assert when == pytest.approx(100, abs=0.1)


@virtual
async def test_a_client_that_stops_reading_is_given_up() -> None:
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=None, idle=20.0, total=1000.0))
    kennel.dog.answered = True
    await kennel.quiet(3)
    kennel.ctx.sending = kennel.loop.time()
    error, when = await kennel.ended()
    assert isinstance(error, ClientGone)
    assert 33 <= when <= 33 + 30 / 4 + 0.1


@virtual
async def test_while_sending_the_provider_is_not_blamed() -> None:
    kennel = Kennel()
    kennel.dog.answered = True
    kennel.ctx.sending = kennel.loop.time()
    await kennel.quiet(25)
    kennel.ctx.sending = 0.0
    kennel.dog.touched = kennel.loop.time()
    await kennel.quiet(15)
    await kennel.close()


@virtual
async def test_a_limit_ends_the_try_where_another_can_be_made() -> None:
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=7.0, idle=20.0, total=1000.0))
    told: list[tuple[TollwayError, float]] = []
    kennel.dog.expire = lambda error: told.append((error, kennel.now))
    await kennel.quiet(60)
    [(error, when)] = told
    assert "first byte" in error.message
    assert when == pytest.approx(7, abs=0.1)
    kennel.dog.begin(Limits(connect=1.0, first_byte=3.0, idle=20.0, total=1000.0))
    error, when = await kennel.ended()
    assert "first byte" in error.message
    assert when == pytest.approx(63, abs=0.1), "the next one's limit holds at once"


@virtual
async def test_a_short_limit_that_begins_late_is_kept() -> None:
    """Although the timer slept for something far away."""
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=900.0, idle=500.0, total=1000.0), send_limit=400.0)
    await kennel.quiet(60)
    kennel.dog.begin(Limits(connect=1.0, first_byte=3.0, idle=20.0, total=1000.0))
    _, when = await kennel.ended()
    assert when == pytest.approx(63, abs=0.1)


@virtual
async def test_a_pause_is_nobodys_silence() -> None:
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=7.0, idle=8.0, total=100.0))
    kennel.dog.paused = True
    await kennel.quiet(90)
    error, when = await kennel.ended()
    assert "total" in error.message
    assert when == pytest.approx(100, abs=0.1)


@virtual
async def test_the_deadline_comes_before_the_total() -> None:
    kennel = Kennel(left=12.5)
    kennel.dog.answered = True
    kennel.dog.paused = True
    error, when = await kennel.ended()
    assert isinstance(error, DeadlineExceeded)
    assert when == pytest.approx(12.5, abs=0.01)


@virtual
async def test_comments_come_in_silence_only() -> None:
    kennel = Kennel(keepalive=5.0)
    kennel.dog.answered = True
    await kennel.quiet(4)
    kennel.dog.touched = kennel.loop.time()
    await kennel.quiet(15.5)
    assert kennel.beats == [pytest.approx(9, abs=0.1), pytest.approx(14, abs=0.1), pytest.approx(19, abs=0.1)]
    await kennel.close()


@pytest.mark.parametrize("busy", ["sending", "uploading", "off"])
@virtual
async def test_no_comments_while_bytes_move_or_when_off(busy: str) -> None:
    kennel = Kennel(keepalive=0.0 if busy == "off" else 5.0)
    kennel.dog.answered = busy != "uploading"
    if busy == "sending":
        kennel.ctx.sending = kennel.loop.time()
    if busy == "uploading":
        kennel.ctx.upload = FakeUpload()
    await kennel.quiet(18)
    assert kennel.beats == []
    await kennel.close()


@virtual
async def test_an_upload_pauses_the_limits_and_the_watcher() -> None:
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=7.0, idle=20.0, total=1000.0))
    upload = kennel.ctx.upload = FakeUpload()
    await kennel.quiet(100)
    assert kennel.watched == [], "receive belongs to the upload while it lasts"
    upload.finished = True
    await kennel.quiet(5)
    assert len(kennel.watched) == 1
    error, _ = await kennel.ended()
    assert "first byte" in error.message


@virtual
async def test_the_timer_fires_seldom() -> None:
    kennel = Kennel(limits=Limits(connect=1.0, first_byte=3600.0, idle=20.0, total=4000.0), keepalive=15.0)
    fired = 0
    fire = kennel.loop.call_at

    def counting(*args: object, **kwargs: object) -> asyncio.TimerHandle:
        nonlocal fired
        fired += 1
        return fire(*args, **kwargs)  # type: ignore[arg-type]

    kennel.loop.call_at = counting  # type: ignore[method-assign]
    await asyncio.sleep(3500)
    assert fired < 3500 / 5, "one firing each few seconds"
    await kennel.close()
