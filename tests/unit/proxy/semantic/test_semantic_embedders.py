"""No embedder is believed or awaited too far: a provider's answer is read strictly, and whoever is late too often is let rest."""

import asyncio
import base64
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocols import EmbedderFailed, Vector
from proxy.semantic.embedders.patient import REST, STRIKES, PatientEmbedder
from proxy.semantic.embedders.remote import RemoteEmbedder
from proxy.semantic.embedders.unit import units
from tests.contract.vectors.made import Records
from tests.support.clock import FakeClock, virtual


def answer(*vectors: object, indices: Sequence[int] | None = None) -> bytes:
    """As ``/v1/embeddings`` gives it."""
    numbered = enumerate(vectors) if indices is None else zip(indices, vectors, strict=True)
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in numbered]
    return json.dumps({"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 3}}).encode()


def packed(*numbers: float) -> str:
    """As base64."""
    return base64.b64encode(np.array(numbers, dtype="<f4").tobytes()).decode()


class Provider:
    """Answers with what it was given, in turn."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, list[str]]] = []

    async def __call__(self, model: str, texts: Sequence[str]) -> bytes:
        self.asked.append((model, list(texts)))
        given = self.answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


async def test_a_providers_vectors_are_read_in_the_order_of_the_texts() -> None:
    provider = Provider(answer([0, 2], [3, 4], indices=(1, 0)), answer(packed(0, 5), packed(-1, 0)))
    remote = RemoteEmbedder(provider, "embed-small")
    assert remote.name == "embed-small"
    assert (await remote.embed(["a", "b"])).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 1]]
    assert (await remote.embed(["c", "d"])).tolist() == [[0, 1], [-1, 0]]
    assert provider.asked == [("embed-small", ["a", "b"]), ("embed-small", ["c", "d"])]
    await remote.close()


LIES = {
    "too few": (answer([1, 2]), "error"),
    "too many": (answer([1, 2], [1, 2], [1, 2]), "error"),
    "an index twice": (answer([1, 2], [1, 2], indices=(0, 0)), "error"),
    "an index that was not asked for": (answer([1, 2], [1, 2], indices=(0, 2)), "error"),
    "another size": (answer([1, 2, 3], [1, 2, 3]), "dimensions"),
    "two sizes": (answer([1, 2], [1, 2, 3]), "dimensions"),
    "no numbers": (answer([], []), "dimensions"),
    "zeros": (answer([1, 2], [0, 0]), "not_finite"),
    "nearly zeros": (answer([1, 2], [1e-30, 0]), "not_finite"),
    "NaN": (answer([1, 2], packed(float("nan"), 1)), "not_finite"),
    "infinite": (answer([1, 2], packed(float("inf"), 1)), "not_finite"),
    "beyond 32 bits": (answer([1, 2], [1e300, 1]), "not_finite"),
    "NaN as a word": (answer([1, 2], [float("nan"), 1]), "error"),
    "no base64": (answer([1, 2], "%%%"), "error"),
    "half a float": (answer([1, 2], base64.b64encode(b"abcde").decode()), "error"),
    "strings": (answer([1, 2], ["1", "2"]), "error"),
    "nested": (answer([1, 2], [[1, 2], [1, 2]]), "error"),
    "null": (answer([1, 2], None), "error"),
    "no list": (b'{"data": {}}', "error"),
    "an error body": (b'{"error": {"message": "no"}}', "error"),
    "no JSON": (b"<html>", "error"),
    "cut": (answer([1, 2], [3, 4])[:-5], "error"),
    "nothing": (b"", "error"),
    "an exception": (RuntimeError("no route"), "error"),
    "its own word": (EmbedderFailed("busy"), "busy"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_provider_that_lies_is_not_believed(lie: str) -> None:
    given, kind = LIES[lie]
    remote = RemoteEmbedder(Provider(answer([1, 2]), given, answer([3, 4])), "m")
    assert len(await remote.embed(["first"])) == 1
    with pytest.raises(EmbedderFailed) as failure:
        await remote.embed(["a", "b"])
    assert failure.value.kind == kind
    assert len(await remote.embed(["afterwards"])) == 1


@given(st.lists(st.lists(st.floats(width=32), max_size=4), max_size=4), st.integers(0, 4), st.integers(0, 4))
def test_whatever_comes_is_unit_vectors_or_refused(rows: list[list[float]], count: int, size: int) -> None:
    kind, matrix = "", np.empty((0, 0))
    try:
        matrix = units(rows, count=count, size=size)
    except EmbedderFailed as failure:
        kind = failure.kind
    assert kind in ("", "error", "dimensions", "not_finite")
    if not kind:
        assert matrix.shape == (count, size or (len(rows[0]) if rows else 0))
        assert np.allclose(np.linalg.norm(matrix.astype(np.float64), axis=1), 1, atol=1e-3)


class Slow:
    """Takes as long as it is told to; gives what it is told to."""

    name = "slow"

    def __init__(self) -> None:
        self.seconds = 0.0
        self.rows: object = None
        self.calls = 0
        self.closed = False

    async def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows or [[1.0, 0.0] for _ in texts]  # type: ignore[return-value]

    async def close(self) -> None:
        self.closed = True


def patient() -> tuple[PatientEmbedder, Slow, Records, FakeClock]:
    """With everything under control."""
    slow, records, clock = Slow(), Records(), FakeClock()
    return PatientEmbedder(slow, records=records, clock=clock), slow, records, clock


async def kind_of(embedder: PatientEmbedder) -> str:
    """How it fails."""
    with pytest.raises(EmbedderFailed) as failure:
        await embedder.embed(["a"], 0.25)
    return failure.value.kind


@virtual
async def test_one_that_is_late_is_let_rest_after_three_times() -> None:
    embedder, slow, records, clock = patient()
    slow.seconds = 3600
    assert [await kind_of(embedder) for _ in range(STRIKES)] == ["timeout"] * STRIKES
    assert [await kind_of(embedder) for _ in range(50)] == ["resting"] * 50
    assert slow.calls == STRIKES
    assert records.embeddings == ["timeout"] * STRIKES
    clock.advance(REST)
    assert await kind_of(embedder) == "timeout"
    slow.seconds = 0
    assert len(await embedder.embed(["a"], 0.25)) == 1
    assert records.embeddings[-1] == "ok"
    await embedder.close()
    assert slow.closed


@virtual
async def test_only_times_in_a_row_count() -> None:
    embedder, slow, _, _ = patient()
    for _ in range(3):
        slow.seconds = 3600
        assert [await kind_of(embedder) for _ in range(STRIKES - 1)] == ["timeout"] * (STRIKES - 1)
        slow.seconds = 0
        await embedder.embed(["a"], 0.25)
    assert slow.calls == 3 * STRIKES


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[1.0, 0.0, 0.0]], "dimensions"),
        ([[float("nan"), 0.0]], "not_finite"),
        ([[0.0, 0.0]], "not_finite"),
        ([[1.0, 0.0], [1.0, 0.0]], "error"),
        (["what"], "error"),
        (ValueError("a bug"), "error"),
        (EmbedderFailed("missing", "install it"), "missing"),
    ],
)
async def test_any_embedder_is_checked(rows: object, kind: str) -> None:
    embedder, slow, records, _ = patient()
    await embedder.embed(["a"], 1.0)
    slow.rows = rows
    assert await kind_of(embedder) == kind
    slow.rows = None
    assert len(await embedder.embed(["a"], 1.0)) == 1
    assert records.embeddings == ["ok", kind, "ok"]


@virtual
async def test_a_client_that_leaves_is_no_failure_of_the_embedder() -> None:
    embedder, slow, records, _ = patient()
    slow.seconds = 3600
    for _ in range(STRIKES + 1):
        task = asyncio.create_task(embedder.embed(["a"], 10.0))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert records.embeddings == []
    slow.seconds = 0
    assert len(await embedder.embed(["a"], 1.0)) == 1
