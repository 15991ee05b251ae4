"""The counter of a running gateway: exact, off the loop when it takes long, and estimating under pressure."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from time import perf_counter
from unittest import mock

import pytest
from tokens_corpus import ALL
from tokens_reference import count

from proxy.tokens import counter as module
from proxy.tokens.bpe import SHIPPED, VocabularyError, VocabularyStore
from proxy.tokens.counter import TokenCounter
from proxy.tokens.prompt import PromptCount, count_prompt


@pytest.fixture
def counter() -> Iterator[TokenCounter]:
    counter = TokenCounter(queue=2)
    yield counter
    counter.close()


def chat(text: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


def _where(calls: list[str]) -> Callable[..., PromptCount]:
    def spy(*args: object, **kwargs: object) -> PromptCount:
        calls.append(threading.current_thread().name)
        return count_prompt(*args, **kwargs)  # type: ignore[arg-type]

    return spy


async def test_small_bodies_are_counted_here_and_large_ones_elsewhere(counter: TokenCounter) -> None:
    await counter.load()
    calls: list[str] = []
    with mock.patch.object(module, "count_prompt", _where(calls)):
        small = await counter.prompt("chat", "gpt-4o", chat("Hello"))
        large = await counter.prompt("chat", "gpt-4o", chat(ALL["english"] * 200))
    assert small.total == 8
    assert large.text == 1 + count(ALL["english"] * 200)
    assert calls[0] == threading.current_thread().name
    assert calls[1].startswith("tollway-tokens")


async def test_a_vocabulary_is_never_loaded_on_the_loop() -> None:
    store = VocabularyStore(SHIPPED.directory)
    counter = TokenCounter(store=store)
    calls: list[str] = []
    with mock.patch.object(module, "count_prompt", _where(calls)):
        assert (await counter.prompt("chat", "gpt-4", chat("Quite unseen so far"))).source == "counted"
        await counter.prompt("chat", "gpt-4", chat("Hello"))
    counter.close()
    assert calls[0].startswith("tollway-tokens")
    assert calls[1] == threading.current_thread().name


async def test_text(counter: TokenCounter) -> None:
    for text in ("Hello world", ALL["korean"] * 300):
        counted = await counter.text("gpt-4o", text)
        assert (counted.tokens, counted.source) == (count(text), "counted")
    assert (await counter.text("claude-opus-5", "Hello world")).tokens == 4
    assert (await counter.text("claude-opus-5", "Hello world")).source == "estimated"


async def test_the_loop_runs_on_while_a_megabyte_is_counted(counter: TokenCounter) -> None:
    await counter.load("o200k_base")
    unit = ALL["english"] + ALL["python"]
    text = unit * (1_000_000 // len(unit))
    gaps: list[float] = []

    async def heartbeat() -> None:
        last = perf_counter()
        while True:
            await asyncio.sleep(0.001)
            gaps.append(perf_counter() - last)
            last = perf_counter()

    beating = asyncio.create_task(heartbeat())
    await asyncio.sleep(0.01)
    gaps.clear()
    started = perf_counter()
    counted = await counter.text("gpt-4o", text)
    took = perf_counter() - started
    beating.cancel()
    assert counted.source == "counted"
    # On the loop there would be no beat at all; half of what an idle machine gives leaves room for a busy one.
    assert len(gaps) >= 5
    assert sorted(gaps)[len(gaps) // 2] < took / 4


async def test_a_full_queue_estimates_and_says_so(counter: TokenCounter) -> None:
    hold = threading.Event()

    def slow(*args: object, **kwargs: object) -> PromptCount:
        hold.wait(10)
        return PromptCount(total=1, source="counted")

    body = chat(ALL["english"] * 200)
    with mock.patch.object(module, "count_prompt", slow):
        tasks = [asyncio.create_task(counter.prompt("chat", "gpt-4o", body)) for _ in range(5)]
        done, waiting = await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert counter.overflowed == 2
        assert counter.pending == 3
        for task in done:
            assert task.result().source == "estimated"
            assert task.result().total == counter.estimate(body).likely
        hold.set()
        assert [(await task).source for task in waiting] == ["counted"] * 3
    assert counter.pending == 0


async def test_a_client_that_leaves_frees_its_place(counter: TokenCounter) -> None:
    hold = threading.Event()

    def slow(*args: object, **kwargs: object) -> PromptCount:
        hold.wait(10)
        return PromptCount(total=1)

    with mock.patch.object(module, "count_prompt", slow):
        tasks = [asyncio.create_task(counter.prompt("chat", "gpt-4o", chat("x" * 20_000))) for _ in range(3)]
        await asyncio.sleep(0)
        assert counter.pending == 3
        for task in tasks[1:]:
            task.cancel()
        gone = await asyncio.gather(*tasks[1:], return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in gone)
        assert counter.pending == 1
        hold.set()
        await tasks[0]
    assert counter.pending == 0


async def test_closing_turns_counts_into_estimates(counter: TokenCounter) -> None:
    hold = threading.Event()
    body = chat("x" * 20_000)

    def slow(*args: object, **kwargs: object) -> PromptCount:
        hold.wait(10)
        return PromptCount(total=1)

    with mock.patch.object(module, "count_prompt", slow):
        running, waiting = (asyncio.create_task(counter.prompt("chat", "gpt-4o", body)) for _ in range(2))
        await asyncio.sleep(0)
        counter.close()
        assert (await waiting).source == "estimated"
        hold.set()
        assert (await running).total == 1
    assert (await counter.prompt("chat", "gpt-4o", body)).source == "estimated"
    assert (await counter.text("gpt-4o", "x" * 20_000)).source == "estimated"


async def test_loading_a_damaged_vocabulary_says_so(tmp_path: object) -> None:
    counter = TokenCounter(store=VocabularyStore(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(VocabularyError, match="reinstall"):
        await counter.load()
    assert (await counter.prompt("chat", "gpt-4o", chat("not counted anywhere else"))).source == "estimated"
    counter.close()


async def test_a_giant_body_is_estimated_without_a_thread(counter: TokenCounter) -> None:
    await counter.load()
    with mock.patch.object(module, "LARGEST_BODY", 20_000):
        result = await counter.prompt("chat", "gpt-4o", chat("x" * 20_000))
    assert result.source == "estimated"
    assert (await counter.prompt("chat", "gpt-4o", chat("x" * 20_000))).source == "counted"


async def test_no_thread_before_the_first_need() -> None:
    counter = TokenCounter()
    counter.estimate(chat("Hello"))
    assert counter._pool is None
    counter.close()
