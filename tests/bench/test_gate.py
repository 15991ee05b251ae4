"""The gate itself: it counts the same twice, fails when a request costs 6 % more, says where, and what it cannot count."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from . import instructions
from .chain import Bench
from .gate import __main__ as program
from .gate import allocations, baseline, machine, verdict
from .gate.measure import SHORT, Counted, Measured, measure

LOOSE = 0.1
"""Growth that fails here; ``make bench-check`` allows half of it, in more cases and more counts."""

PER_TURN = 7
"""Bytecode instructions of one turn of ``waste``, or more."""


def waste(turns: int) -> None:
    """What a careless change adds to a request."""
    total = 0
    for turn in range(turns):
        total += turn


class Wasteful:
    """A link that adds ``turns`` of waste to a request."""

    def __init__(self, app: ASGIApp, turns: int) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waste(self._turns)
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def measured() -> Measured:
    """The short form, once."""
    return measure(SHORT, followed_only=True)


def test_requests_cost_what_they_did(measured: Measured) -> None:
    """The gate's short form. ``make bench-check`` says more, and how to write a new baseline."""
    held = baseline.read().get(baseline.version())
    assert all(case.counts["bytecode instructions"] > 1000 for case in measured.cases.values())
    failed = verdict.grown(measured, held, allowed=LOOSE) if held is not None else []
    assert not failed, "\n" + verdict.reasons(failed, measured, held)


def test_this_version_of_python_has_a_baseline_or_none_is_claimed() -> None:
    assert "3.11" in baseline.read()


@pytest.mark.parametrize(("share", "fails"), [(0.06, True), (0.02, False)])
def test_what_adds_6_percent_fails_and_is_named(
    measured: Measured, monkeypatch: pytest.MonkeyPatch, share: float, fails: bool
) -> None:
    before = baseline.made(Measured({"plain": measured.cases["plain"]}))
    turns = int(before.cases["plain"]["bytecode instructions"] * share) // PER_TURN + 1
    chain = Bench.chain
    monkeypatch.setattr(Bench, "chain", lambda self, cache=None: Wasteful(chain(self, cache), turns))
    now = measure(["plain"], followed_only=True)
    failed = verdict.grown(now, before)
    assert [change.count for change in failed] == (["bytecode instructions"] if fails else [])
    assert ("tests.bench.test_gate:waste" in verdict.reasons(failed, now, before)) is fails


def test_a_task_and_a_timer_more_fail(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Bench.chain

    class Spawning(Wasteful):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            loop.call_later(60, id, None).cancel()
            await loop.create_task(asyncio.sleep(0))
            await super().__call__(scope, receive, send)

    monkeypatch.setattr(Bench, "chain", lambda self, cache=None: Spawning(chain(self, cache), 0))
    failed = verdict.grown(measure(["plain"], followed_only=True), baseline.made(measured))
    assert {"tasks", "timers", "loop callbacks"} <= {change.count for change in failed}


def test_a_cycle_fails(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Bench.chain

    class Leaving(Wasteful):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            cycle: list[object] = []
            cycle.append(cycle)
            await super().__call__(scope, receive, send)

    monkeypatch.setattr(Bench, "chain", lambda self, cache=None: Leaving(chain(self, cache), 0))
    failed = verdict.grown(measure(["plain"], followed_only=True), baseline.made(measured))
    assert ("left to the collector", 1) in [(change.count, change.now) for change in failed]


def test_answers_that_fail_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(Bench, "chain", lambda self, cache=None: broken)
    with pytest.raises(RuntimeError, match="not all answers"):
        measure(["plain"], followed_only=True)


def counted(**counts: float) -> Counted:
    return Counted(dict(counts), {"a:f": (10.0, 1.0), "(time.time)": (0.0, 1.0)})


def test_a_baseline_is_read_as_it_was_written_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "baseline.json"
    one, other = (
        Measured({"plain": counted(calls=3), "hit": counted(calls=4)}, "perf"),
        Measured({"plain": counted(x=1)}),
    )
    baseline.write(one, path)
    monkeypatch.setattr(baseline, "version", lambda: "3.99")
    baseline.write(other, path)
    held = baseline.read(path)
    assert set(held) == {"3.99", "3.11"} or len(held) == 2
    assert held["3.99"].cases == {"plain": {"x": 1}}
    again = next(kept for name, kept in held.items() if name != "3.99")
    assert again == baseline.made(one)
    assert again.counted("hit") == one.cases["hit"]
    assert again.counted("none") is None
    assert len([line for line in path.read_text().splitlines() if '"a:f"' in line]) == 2, "one line a function"
    assert json.loads(path.read_text())


def test_machine_instructions_are_judged_on_the_same_build_alone() -> None:
    before = baseline.made(Measured({"plain": counted(**{verdict.BY_BUILD: 100, "calls": 100})}, "perf"))
    now = {"plain": counted(**{verdict.BY_BUILD: 200, "calls": 200})}
    assert len(verdict.grown(Measured(now, "perf"), before)) == 2
    assert [change.count for change in verdict.grown(Measured(now, "callgrind"), before)] == ["calls"]


@pytest.mark.parametrize(
    ("before", "now", "grows"), [(100, 105, False), (100, 105.2, True), (0, 0, False), (0, 1, True)]
)
def test_five_percent(before: float, now: float, grows: bool) -> None:
    held = baseline.made(Measured({"plain": counted(calls=before)}))
    assert bool(verdict.grown(Measured({"plain": counted(calls=now)}), held)) is grows


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """The program on one measured figure, and a baseline of another; what ``main`` returns."""
    monkeypatch.setattr(baseline, "PATH", tmp_path / "baseline.json")

    def run(*arguments: str, calls: float) -> int:
        monkeypatch.setattr("sys.argv", ["gate", *arguments])
        monkeypatch.setattr(program, "measure", lambda names: Measured({"plain": counted(calls=calls)}, "perf"))
        return program.main()

    return run


def test_the_program(fixed: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert fixed(calls=100) == 0
    assert "no baseline for Python" in capsys.readouterr().out
    assert fixed("--update", calls=100) == 0
    assert fixed(calls=104) == 0
    capsys.readouterr()
    assert fixed("--all", calls=106) == 1
    shown = capsys.readouterr().out
    assert "| plain | calls | 100 | 106 | +6.0% |" in shown
    assert "make bench-check ARGS=--update" in shown
    assert fixed(calls=50) == 0
    assert "fell by more than 5%" in capsys.readouterr().out


def test_a_part_is_no_baseline(fixed: Callable[..., int]) -> None:
    with pytest.raises(SystemExit):
        fixed("--update", "--only", "plain", calls=1)


def test_no_compiler_and_no_counter_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(instructions, "SYSCALL", {})
    with pytest.raises(allocations.NotCountable, match="no C compiler"):
        allocations.Allocations.open()
    assert machine.counter().name.startswith("none: no counter of instructions")
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/valgrind")
    assert machine.counter().name == "callgrind"


async def test_allocations_are_exact() -> None:
    """One for each object whose bytes are its own; the list around them grows a few times."""
    try:
        counter = allocations.Allocations.open()
    except allocations.NotCountable as error:
        assert "compiler" in str(error)  # noqa: PT017 - nothing to count with
        return
    try:
        before = counter.read()
        kept = [bytes(1000) for _ in range(200)]
        found = counter.read() - before
    finally:
        counter.close()
    assert len(kept) == 200
    assert 200 <= found <= 230
