"""What a request may not do, found by following real ones through every function that they run: not what the source says, what happens."""

import asyncio
import dis
import re
from collections import Counter
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from proxy.relay.watchdog import WATCH_AFTER
from tests.bench.chain import BODY, Bench, loop_factory, scope_for
from tests.bench.gate.functions import Calls, Opcodes, name_of
from tests.bench.gate.turning import LoopCounts, counting_loop
from tests.bench.product import CASES, Client, Product

PLAIN = ("plain", "miss", "hit", "miss, waited for")
"""Whole answers; each passes other modules."""

STREAM = ("paced stream of 16",)

FEW = 64
"""Requests that are followed: some things are done once for as many."""

MADE: dict[str, str] = {}
"""Functions, lambdas and generator expressions that are made for a request. Comprehensions are none: CPython 3.12 makes none of them."""

PATTERNS: dict[str, str] = {
    "proxy.wire.alike:usual": "once a stream that is kept, or is counted here, when its client has it",
}
"""Functions that match a regular expression for a request."""

TASKS = {
    "paced stream of 16": 2,
    "burst of 500 by 25": 2,
}
"""The pump of a stream (ADR 5), and what looks whether a stream may be kept once its client has it."""

DATABASES = ("sqlalchemy", "sqlite3", "aiosqlite", "asyncpg")


class Followed:
    """What the requests of one case did, each with how often. Modules of the project are in ``modules``."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.imported: Counter[str] = Counter()
        self.matched: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.modules: set[str] = set()
        self._steps: dict[CodeType, dict[int, tuple[str, str]]] = {}

    def stepped(self, frame: FrameType) -> None:
        """An instruction is about to run."""
        code = frame.f_code
        if code not in self._steps:
            self._steps[code] = telling(code)
        step = self._steps[code].get(frame.f_lasti)
        if step is None:
            return
        what, name = step
        if what == "IMPORT_NAME":
            self.imported[f"{name_of(frame)} imports {name}"] += 1
        elif name not in ("<listcomp>", "<setcomp>", "<dictcomp>"):
            self.made[f"{name_of(frame)} makes {name}"] += 1

    def called(self, frame: FrameType, function: object) -> None:
        """A function is about to run; ``function``: the one in C that ``frame`` calls."""
        module = str(frame.f_globals.get("__name__", ""))
        if function is None:
            self.modules.add(module)
            package = module.partition(".")[0]
            if package in ("re", "logging", *DATABASES):
                self.foreign[package] += 1
        elif isinstance(getattr(function, "__self__", None), re.Pattern):
            self.matched[name_of(frame).partition(".<locals>")[0]] += 1


def telling(code: CodeType) -> dict[int, tuple[str, str]]:
    """Offsets of the instructions that are looked for: making a function, importing a module; and of what."""
    found, constant = {}, ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            found[step.offset] = (step.opname, str(step.argval))
        elif step.opname == "MAKE_FUNCTION":
            found[step.offset] = (step.opname, constant)
        elif step.opname == "LOAD_CONST" and isinstance(step.argval, CodeType):
            constant = step.argval.co_name
    return found


async def _followed() -> dict[str, Followed]:
    product = await Product.made()
    found = {}
    try:
        for name in (*PLAIN, *STREAM):
            await product.work(CASES[name], FEW)()
            seen = found[name] = Followed()
            for hook in (Opcodes(seen.stepped), Calls(seen.called)):
                work = product.work(CASES[name], FEW if name in PLAIN else 3)
                with hook:
                    await work()
    finally:
        await product.close()
    return found


@pytest.fixture(scope="module")
def followed() -> Iterator[dict[str, Followed]]:
    """Each case, once."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        yield runner.run(_followed())


@pytest.mark.parametrize("case", PLAIN)
def test_requests_run_through_what_they_are_to_run_through(followed: dict[str, Followed], case: str) -> None:
    """Or the other tests would be about nothing."""
    assert {"middleware.edge", "middleware.auth", "middleware.parse", "middleware.rate_limit"} <= followed[case].modules
    if case != "hit":
        assert "proxy.relay.plain" in followed[case].modules
    assert ("middleware.cache" in followed[case].modules) is (case != "plain")


@pytest.mark.parametrize("case", [*PLAIN, *STREAM])
def test_no_function_is_made_for_a_request(followed: dict[str, Followed], case: str) -> None:
    allowed = MADE if case in STREAM else ()
    assert not set(followed[case].made) - set(allowed), followed[case].made


@pytest.mark.parametrize("case", [*PLAIN, *STREAM])
def test_nothing_is_imported_by_a_request(followed: dict[str, Followed], case: str) -> None:
    assert not followed[case].imported


@pytest.mark.parametrize("case", [*PLAIN, *STREAM])
def test_no_regular_expression_is_matched_for_a_request(followed: dict[str, Followed], case: str) -> None:
    allowed = PATTERNS if case in STREAM else ()
    assert not set(followed[case].matched) - set(allowed), followed[case].matched


@pytest.mark.parametrize("case", [*PLAIN, *STREAM])
def test_a_request_calls_neither_logging_nor_re_nor_a_database(followed: dict[str, Followed], case: str) -> None:
    assert not followed[case].foreign


def test_every_exception_is_needed(followed: dict[str, Followed]) -> None:
    assert set(MADE) <= {name for case in STREAM for name in followed[case].made}
    assert set(PATTERNS) <= {name for case in STREAM for name in followed[case].matched}
    assert all([*MADE.values(), *PATTERNS.values()])


@pytest.mark.parametrize("case", [*PLAIN, *TASKS])
def test_tasks_are_few(case: str) -> None:
    """None for an answer that is quick: not even the watcher, which the first timer makes (ADR 5)."""
    counts = LoopCounts()

    async def made() -> float:
        product = await Product.made()
        try:
            await product.work(CASES[case], 2)()
            work = product.work(CASES[case], 10)
            before = counts.tasks
            await work()
            return (counts.tasks - before) / 10
        finally:
            await product.close()

    with asyncio.Runner(loop_factory=counting_loop(counts)) as runner:
        assert runner.run(made()) <= TASKS.get(case, 0)


async def test_a_slow_answer_has_one_watcher() -> None:
    bench, client = Bench(), Client(BODY)
    made: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(
        lambda loop, work, **kw: made.append(work.__qualname__) or asyncio.Task(work, loop=loop, **kw)
    )
    send = bench.transport.send

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(WATCH_AFTER * 1.5)
        return await send(*args, **kwargs)

    bench.transport.plain()
    bench.transport.send = slowly  # type: ignore[method-assign]
    try:
        await bench.chain()(scope_for(BODY), client.receive, client.send)
    finally:
        loop.set_task_factory(None)
        bench.close()
    assert client.status == 200
    assert made == ["Relay._until_gone"]


def test_what_is_looked_for_is_found() -> None:
    """The hooks themselves: each thing that is forbidden, done once."""
    source = """
import re
pattern = re.compile("a+")
def careless():
    import json
    import logging
    again = lambda: 1
    pattern.match("aaa")
    re.sub("a", "b", "aaa")
    logging.getLogger("tollway").debug("never shown")
    return sum(x for x in (1, 2)) + again()
"""
    namespace: dict[str, object] = {"__name__": "careless"}
    exec(compile(source, "careless.py", "exec"), namespace)
    careless, seen = namespace["careless"], Followed()
    assert callable(careless)
    careless()
    for hook in (Opcodes(seen.stepped), Calls(seen.called)):
        with hook:
            careless()
    assert set(seen.imported) >= {"careless:careless imports json", "careless:careless imports logging"}
    assert set(seen.made) == {"careless:careless makes <lambda>", "careless:careless makes <genexpr>"}
    assert seen.matched["careless:careless"] == 1
    assert set(seen.foreign) == {"re", "logging"}
