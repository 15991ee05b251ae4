"""What the semantic layer costs beside the embedding, and what an embedding under way costs everybody else.

``python -m tests.bench.cache_vectors [--json]``. Targets: a lookup 1 ms over 10,000 entries and 4 ms over 50,000 that all have one
signature, 20 us where the partition is empty, and a loop that is late by less than 5 ms in 99 of 100 cases with embeddings running.
"""

import argparse
import asyncio
import gc
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from proxy.policy.caching import SemanticCache
from proxy.protocols import Purge, Question, Vector
from proxy.semantic.embedders.local import LocalEmbedder
from proxy.semantic.embedders.patient import PatientEmbedder
from proxy.semantic.layer import SemanticLayer
from proxy.semantic.vectors import Kept
from proxy.semantic.vectors.memory import MemoryIndex
from tests.contract.vectors.made import Records

from .chain import loop_factory

SIZE = 384
FULL = b"f" * 32
OTHERS = b"o" * 32
TEXT = "Could you please tell me how I can convert a list of dictionaries into a table in Python?"
TRIES = 5
SHORT = "How do I reset the password of my account when I lost my phone yesterday?"


class Same:
    """Guards that find everything alike, so that vectors decide."""

    def features(self, text: str) -> str:
        """The text."""
        return text

    def signature(self, features: str) -> bytes:
        """One for all, but for the texts of the partition ``OTHERS``."""
        return features[:8].encode() if features.startswith("#") else b"same-all"

    def differs(self, a: str, b: str) -> str:
        """Never."""
        return ""


class Served:
    """Thresholds that serve."""

    def decide(
        self, entry: bytes, similarity: float, floor: float, draw: float, *, pool: bytes
    ) -> Literal["serve", "explore", "refuse"]:
        """Always."""
        return "serve"

    def observed(self, entry: bytes, similarity: float, same: bool, *, pool: bytes) -> None: ...

    def forget(self, entry: bytes) -> None: ...


class Known:
    """An embedder that knows its vectors."""

    name = "known"

    def __init__(self, vector: Vector) -> None:
        self._vector = vector

    async def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """The same for each."""
        return [self._vector for _ in texts]

    async def close(self) -> None: ...


def filled(rows: int) -> tuple[SemanticLayer[str], MemoryIndex]:
    """A layer whose partition ``FULL`` has ``rows`` with vectors of one signature, and ``OTHERS`` as many of as many signatures."""
    rng = np.random.default_rng(1)
    index = MemoryIndex(max_entries=rows, max_total=2 * rows, wall=time.time, records=Records())
    for number in range(rows):
        vector = rng.standard_normal(SIZE).astype(np.float32)
        key = number.to_bytes(32, "big")
        index.add(
            Kept(partition=FULL, key=key, signature=b"same-all", text=SHORT, expires=9e9),
            vector / np.linalg.norm(vector),
        )
        index.add(
            Kept(
                partition=OTHERS,
                key=key,
                signature=b"%d" % number,
                text=f"#{number} {random.random()} of {TEXT}",
                expires=9e9,
            )
        )
    vector = rng.standard_normal(SIZE).astype(np.float32)
    records = Records()
    layer = SemanticLayer(
        settings=SemanticCache(enabled=True, threshold=0.5, timeout=5),
        index=index,
        embedder=PatientEmbedder(Known(vector), records=records, clock=time.monotonic),
        guards=Same(),
        thresholds=Served(),
        same=lambda cached, fresh: cached == fresh,
        records=records,
        clock=time.monotonic,
        rng=random.Random(1),
    )
    return layer, index


def asking(partition: bytes, text: str) -> Question:
    """A question."""
    return Question(partition=partition, text=text, route="fast", threshold=0.5)


def best(tries: Sequence[Sequence[float]]) -> dict[str, float]:
    """The median and the 99th of 100, of the try in which it was lowest: other programs run on these cores, too."""
    return {f"p{share}": min(float(np.percentile(found, share)) for found in tries) for share in (50, 99)}


async def times(work: Callable[[int], Awaitable[object]], rounds: int) -> dict[str, float]:
    """Microseconds; ``cpu``: of this thread, which other programs do not lengthen."""
    tries: list[list[float]] = []
    spent: list[float] = []
    gc.collect()
    for number in range(TRIES):
        tries.append([])
        cpu = time.thread_time()
        for other in range(number * rounds, (number + 1) * rounds):
            began = time.perf_counter()
            await work(other)
            tries[-1].append((time.perf_counter() - began) * 1e6)
        spent.append((time.thread_time() - cpu) / rounds * 1e6)
    return best(tries) | {"cpu": min(spent)}


class Queued:
    """Seconds that this thread was ready and had no core: other programs', not ours (``/proc``, Linux; 0 elsewhere)."""

    def __init__(self) -> None:
        path = Path("/proc/thread-self/schedstat")
        self._file = path.open("rb", buffering=0) if path.exists() else None

    def __call__(self) -> float:
        """So far."""
        if self._file is None:
            return 0.0
        self._file.seek(0)
        return int(self._file.read(100).split()[1]) / 1e9

    def close(self) -> None:
        """Ends it."""
        if self._file is not None:
            self._file.close()


async def late(work: Callable[[], Awaitable[object]] | None, seconds: float) -> dict[str, float]:
    """Milliseconds by which a timer of 1 ms is late while ``work`` is done again and again, without what it waited for a core."""

    async def again() -> None:
        while work is not None:
            await work()
            await asyncio.sleep(0)

    task = asyncio.create_task(again())
    tries: list[list[float]] = []
    queued = Queued()
    for _ in range(TRIES):
        tries.append([])
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            waited = queued()
            await asyncio.sleep(0.001)
            tries[-1].append((time.perf_counter() - began - 0.001 - (queued() - waited)) * 1e3)
    queued.close()
    assert work is None or not task.done(), "it broke"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return best(tries)


async def lookups(rows: int, rounds: int) -> dict[str, dict[str, float]]:
    """Of one size of index."""
    layer, index = filled(rows)

    async def full(_: int) -> object:
        return await layer.find(asking(FULL, SHORT))

    async def empty(number: int) -> object:
        return await layer.find(asking(b"%032d" % number, TEXT))

    async def refused(number: int) -> object:
        return await layer.find(asking(OTHERS, f"#x{number} {TEXT}"))

    async def added(number: int) -> None:
        index.add(Kept(partition=OTHERS, key=b"%032d" % number, signature=b"new", text=TEXT, expires=9e9))

    verdict = await layer.find(asking(FULL, SHORT))
    assert verdict.similarity is not None
    assert (await layer.find(asking(b"else" * 8, TEXT))).reason == "empty"
    assert (await layer.find(asking(OTHERS, f"#xy {TEXT}"))).reason == "no_neighbour"
    found = {
        f"lookup, {rows} of one signature": await times(full, rounds),
        f"refused without a vector, {rows}": await times(refused, rounds),
        f"partition empty, {rows} elsewhere": await times(empty, rounds),
        f"row added, {rows}": await times(added, rounds),
    }
    found[f"loop late (ms), searching {rows}"] = await late(lambda: full(0), rounds / 200)
    model = LocalEmbedder()
    await model.warm()

    async def both() -> object:
        return await asyncio.gather(full(0), full(1), full(2), model.embed([SHORT] * 2))

    found[f"loop late (ms), three searches of {rows} and embedding"] = await late(both, rounds / 200)
    await model.close()
    found[f"loop late (ms), purging {rows}"] = await purged(index)
    return found


async def purged(index: MemoryIndex) -> dict[str, float]:
    """While all rows are forgotten, once."""
    task, times, queued = asyncio.create_task(index.purge(Purge())), list[float](), Queued()
    while not task.done():
        began, waited = time.perf_counter(), queued()
        await asyncio.sleep(0)
        times.append((time.perf_counter() - began - (queued() - waited)) * 1e3)
    queued.close()
    return best([times])


async def embeddings(rounds: int) -> dict[str, dict[str, float]]:
    """Of the model on this machine."""
    model = LocalEmbedder()
    began = time.perf_counter()
    await model.warm()
    took = time.perf_counter() - began
    found = {
        "model loaded": {"p50": took * 1e6},
        "embedding, 14 words": await times(lambda _: model.embed([SHORT]), rounds // 4 + 1),
        "embedding, 180 words": await times(lambda _: model.embed([TEXT * 10]), rounds // 40 + 1),
        "loop late (ms), idle": await late(None, rounds / 100),
        "loop late (ms), embedding": await late(lambda: model.embed([SHORT] * 8), rounds / 100),
    }
    await model.close()
    return found


async def measure(*, sizes: Sequence[int] = (10_000, 50_000), rounds: int = 200) -> dict[str, dict[str, float]]:
    """Microseconds, but where it says otherwise."""
    figures: dict[str, dict[str, float]] = {}
    for rows in sizes:
        figures |= await lookups(rows, rounds)
        gc.collect()
    return figures | await embeddings(rounds)


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    options.add_argument("--rounds", type=int, default=200, help="times that each is measured")
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000], help="sizes of the index")
    chosen = options.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        figures = runner.run(measure(sizes=chosen.rows, rounds=chosen.rounds))
    if chosen.json:
        print(json.dumps({name: {key: round(value, 3) for key, value in row.items()} for name, row in figures.items()}))
        return
    for name, row in figures.items():
        print(f"{name:56s}" + "".join(f"{what} {value:10.2f}  " for what, value in row.items()))


if __name__ == "__main__":
    main()
