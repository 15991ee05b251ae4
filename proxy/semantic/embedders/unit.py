"""What an embedder says is checked before it is believed: as many vectors as texts, all of one size, finite, and then of length 1."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...protocols import EmbedderFailed

Floats: TypeAlias = NDArray[np.float32]

LARGEST = 16_000
"""Dimensions: as many as pgvector takes, and more than any embedding model has."""

FAINT = 1e-6
"""Length below which a vector points nowhere."""


def units(rows: Sequence[object], *, count: int, size: int = 0) -> Floats:
    """``count`` vectors of length 1, one a row. ``size``: dimensions that they must have; 0: any, but all the same.

    Raises ``EmbedderFailed``: ``error`` for another count, ``dimensions``, ``not_finite`` also for a vector of zeros.
    """
    if len(rows) != count:
        raise EmbedderFailed("error", f"{len(rows)} vectors for {count} texts")
    if not count:
        return np.empty((0, size), dtype=np.float32)
    try:
        with np.errstate(over="ignore"):
            vectors = [np.asarray(row, dtype=np.float32) for row in rows]
    except (TypeError, ValueError, OverflowError):
        raise EmbedderFailed("error", "what it gave is no vector") from None
    size = size or vectors[0].size
    if any(vector.shape != (size,) for vector in vectors) or not 0 < size <= LARGEST:
        shapes = sorted({str(vector.size) for vector in vectors})
        raise EmbedderFailed("dimensions", f"vectors of {', '.join(shapes)} numbers where {size} were due")
    matrix = np.stack(vectors)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.vecdot(matrix, matrix))
    if not np.isfinite(lengths).all() or bool((lengths < FAINT).any()):
        raise EmbedderFailed("not_finite", "a vector of zeros, or with numbers that are none")
    matrix /= lengths[:, None]
    return matrix
