"""An embedding model of a provider, asked through the gateway's own router: its answer is read, not trusted."""

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Struct

from ...protocols import EmbedderFailed
from .unit import Floats, units

Ask: TypeAlias = Callable[[str, Sequence[str]], Awaitable[bytes]]
"""(public name of the model, texts) to the JSON of an answer of ``/v1/embeddings``."""


class _Item(Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(Struct):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode


class RemoteEmbedder:
    """``model``: the public name. What ``ask`` raises is ``error``, unless it is an ``EmbedderFailed``."""

    def __init__(self, ask: Ask, model: str) -> None:
        self.name = model
        self._ask = ask
        self._size = 0
        """Dimensions of the first answer, which all others must have."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector each. Raises ``EmbedderFailed``."""
        try:
            body = await self._ask(self.name, texts)
        except EmbedderFailed:
            raise
        except Exception as error:  # whatever the router raises, no vectors came
            raise EmbedderFailed("error", type(error).__name__) from error
        matrix = units(_vectors(body, len(texts)), count=len(texts), size=self._size)
        self._size = matrix.shape[1]
        return matrix

    async def close(self) -> None:
        """The router is not ours."""


def _vectors(body: bytes, count: int) -> list[object]:
    """Each text's vector, in the order of the texts."""
    try:
        items = _decode(body).data
    except (msgspec.DecodeError, RecursionError):  # ValidationError is one
        raise EmbedderFailed("error", "the answer is no list of embeddings") from None
    if len(items) != count:
        raise EmbedderFailed("error", f"{len(items)} vectors for {count} texts")
    placed: dict[int, object] = {
        position if item.index is None else item.index: _numbers(item.embedding) for position, item in enumerate(items)
    }
    if placed.keys() != set(range(count)):
        raise EmbedderFailed("error", "its vectors are not numbered from 0 on, each once")
    return [placed[number] for number in range(count)]


def _numbers(embedding: list[float] | str) -> object:
    """Base64 is of little-endian 32-bit floats."""
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        raise EmbedderFailed("error", "a vector is neither a list of numbers nor base64 of floats") from None
