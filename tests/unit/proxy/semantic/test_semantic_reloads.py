"""A configuration that changes while the gateway runs: another embedder, another size, another file, another mode."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from proxy.cached import AnswerCache
from proxy.config import Config
from proxy.lifespan import StartRefused
from proxy.policy.caching import Cache
from proxy.protocols import Question, Similar, Verdict
from proxy.semantic.embedders import local
from proxy.telemetry.caching import CacheMetrics

ONE, OTHER = "How do I quit vim?", "How can I quit vim?"


class Vectors:
    """Finds all texts alike; notes which model was asked."""

    def __init__(self) -> None:
        self.models: list[str] = []

    async def __call__(self, model: str, texts: Sequence[str]) -> bytes:
        self.models.append(model)
        return json.dumps({"data": [{"embedding": [1.0, 0.0]} for _ in texts]}).encode()


def config(**semantic: Any) -> Config:
    """With a provider's vectors, unless they are named."""
    settings = {"enabled": True, "embedder": "vectors", "timeout": 5.0, **semantic}
    return Config(cache=msgspec.convert({"exact": {}, "semantic": settings}, Cache))


class Stand:
    """A cache and what it is asked."""

    def __init__(self) -> None:
        self.vectors = Vectors()
        self.cache = AnswerCache(CacheMetrics(CollectorRegistry()), ask=self.vectors, rng=Random(1))

    @property
    def similar(self) -> Similar:
        made = self.cache.made(self._config)
        assert made is not None
        assert made.similar is not None
        return made.similar

    async def use(self, config: Config) -> None:
        await self.cache.use(config)
        self._config = config

    def remember(self, partition: int) -> None:
        self.similar.remember(question(ONE, partition), partition.to_bytes(32, "big"), 9e9)

    async def find(self, partition: int, text: str = OTHER) -> Verdict:
        return await self.similar.find(question(text, partition))


def question(text: str, partition: int) -> Question:
    return Question(partition=partition.to_bytes(32, "little"), text=text, route="r", threshold=0.9)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    """Started with a provider's vectors, and one question stored in each of some partitions."""
    found = Stand()
    await found.use(config())
    for partition in range(20):
        found.remember(partition)
    yield found
    await found.cache.close()


async def test_what_was_stored_is_found_under_another_threshold_and_mode(stand: Stand) -> None:
    kinds = {(await stand.find(partition)).kind for partition in range(10)}
    assert kinds <= {"hit", "explore"}
    assert "hit" in kinds
    await stand.use(config(mode="shadow", threshold=0.99))
    assert {(await stand.find(partition)).kind for partition in range(10)} == {"shadow"}


async def test_another_embedder_is_asked_and_begins_with_nothing(stand: Stand) -> None:
    await stand.find(0)
    await stand.use(config(embedder="others"))
    assert (await stand.find(0)).reason == "empty"
    stand.remember(0)
    assert (await stand.find(0)).similarity == pytest.approx(1.0)
    assert stand.vectors.models == ["vectors", "others"]


async def test_an_index_of_another_size(stand: Stand) -> None:
    await stand.use(config(max_total=1))
    assert (await stand.find(1)).reason == "empty"
    stand.remember(1)
    stand.remember(2)
    assert (await stand.find(1)).reason == "empty"
    assert (await stand.find(2)).similarity == pytest.approx(1.0)


async def shadowed(stand: Stand, partition: int) -> None:
    """One pair that is to be recorded."""
    verdict = await stand.find(partition)
    assert verdict.kind == "shadow"
    stand.similar.learn(question(OTHER, partition), verdict, "Press escape.", "Press escape.")


async def test_pairs_are_recorded_where_it_says_now_and_no_more_where_it_says_nothing(
    stand: Stand, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    await stand.use(config(mode="shadow", record=str(one)))
    await shadowed(stand, 1)
    await stand.use(config(mode="shadow", record=str(other)))
    await shadowed(stand, 2)
    await stand.use(config(mode="shadow"))
    await shadowed(stand, 3)
    await stand.cache.close()
    assert [len(file.read_bytes().splitlines()) for file in (one, other)] == [1, 1]


async def test_an_embedder_that_cannot_be_had_leaves_the_other_at_work(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "_installed", lambda: tmp_path / "none")
    with pytest.raises(StartRefused, match="embedding model"):
        await stand.cache.use(config(embedder="local"))
    assert (await stand.find(0)).similarity == pytest.approx(1.0)
