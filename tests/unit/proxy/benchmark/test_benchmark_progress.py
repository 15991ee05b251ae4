"""What is told while a load runs: a bar on a terminal, lines elsewhere, colours only where they are wanted."""

import asyncio
from contextlib import suppress
from io import StringIO
from random import Random

import pytest

from proxy.benchmark.driving import Load, Turns
from proxy.benchmark.lengths import Lengths
from proxy.benchmark.phases import Extent, Phases
from proxy.benchmark.progress import Progress
from proxy.benchmark.prompts import Shape, Synthetic

from .timelines import request

LENGTH = Lengths("uniform", 4, 4)


def load(ended: int = 0, failed: int = 0, *, begun: float | None = 100.0) -> Load:
    made = Load(
        [],
        Synthetic(Shape(model="m"), prompt=LENGTH, answer=None, seed=1),
        Turns(Phases(Extent(), Extent(), Extent()), 1, Random(1)),
        lambda: 0.0,
    )
    made.measured.begun = begun
    made.measured.ended, made.measured.failed = ended, failed
    made.measured.latest.extend(request(first=0.25) for _ in range(ended - failed))
    return made


def progress(
    found: Load, extent: Extent, *, drawn: bool = False, colour: bool = False, now: float = 100.0
) -> tuple[Progress, StringIO]:
    out = StringIO()
    return Progress(found, extent, 1, label="run 1/2  ", out=out, drawn=drawn, colour=colour, clock=lambda: now), out


def test_a_line() -> None:
    made, _ = progress(load(30, 2), Extent(requests=120))
    assert made.line() == "run 1/2  25%  30/120  0 in flight  TTFT p50 250 ms  2 failed"


def test_time_counts_where_it_is_the_bound() -> None:
    made, _ = progress(load(7), Extent(seconds=20, requests=100), now=115.0)
    assert "75%  7/100" in made.line()
    made, _ = progress(load(7), Extent(seconds=20), now=500.0)
    assert "100%  7  " in made.line()


def test_before_the_measured_phase() -> None:
    found = load(begun=None)
    made, _ = progress(found, Extent(requests=5))
    assert made.line() == "run 1/2  starting  0 in flight"
    found.timelines.append(request(phase="warmup"))
    assert made.line() == "run 1/2  warm-up  1 in flight"


@pytest.mark.parametrize(("colour", "red"), [(True, True), (False, False)])
async def test_a_terminal_gets_a_bar(colour: bool, red: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.benchmark.progress.EVERY_DRAWN", 0.001)
    made, out = progress(load(60, 1), Extent(requests=120), drawn=True, colour=colour)
    await watched(made, out)
    text = out.getvalue()
    assert "[#######-------]  50%" in text
    assert "\n" not in text
    assert text.endswith("\r\x1b[2K")
    assert ("\x1b[31m1 failed" in text) is red


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, "run 1/2  [############------------]  50%  60/120  0 in flight  TTFT p50 250 ms  1 failed"),
        (72, "run 1/2  [###---]  50%  60/120  0 in flight  TTFT p50 250 ms  1 failed"),
        (40, "run 1/2  50%  60/120  0 in flight  TTFT"),
    ],
)
def test_a_drawn_line_fits_into_the_terminal(columns: int, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.benchmark.progress.width_of", lambda out: columns)
    made, out = progress(load(60, 1), Extent(requests=120), drawn=True)
    made._write(made.line())
    assert out.getvalue() == f"\r\x1b[2K{shown}"
    assert len(shown) < columns


async def test_elsewhere_there_are_lines_without_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.benchmark.progress.EVERY_LINE", 0.001)
    made, out = progress(load(60, 1), Extent(requests=120), colour=True)
    await watched(made, out)
    assert out.getvalue().splitlines()[0] == made.line()
    assert "\x1b" not in out.getvalue()


async def watched(made: Progress, out: StringIO) -> None:
    """Until something was written; then it is cancelled, as a run that ends does."""
    task = asyncio.create_task(made.watch())
    async with asyncio.timeout(5):
        while not out.getvalue():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
