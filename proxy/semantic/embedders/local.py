"""MiniLM-L6 on this machine: an int8 ONNX file from a package, run in one thread of its own, one text after the other.

What is loaded is checked by its SHA-256 and takes 0.3 s and 200 MB, in that thread too. onnxruntime lets go of the interpreter while it
computes, so the event loop hardly notices.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...protocols import EmbedderFailed
from .installed import FIX, PACKAGE, check_installed
from .unit import Floats, units
from .wordpiece import WordPiece

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""Of ``model.onnx`` in version 1.0.0 of the package."""

NAME = f"minilm-l6-int8@{SHA256[:12]}"
SIZE = 384
"""Dimensions."""

LONGEST = 256
"""Tokens of a text; a longer one is refused, since a model that saw only its beginning would call it like others that begin so."""

QUEUE = 16
"""Calls that may wait for the thread."""


class LocalEmbedder:
    """``path``: of the model, by default the installed one; whichever it is must be the file that this release was tested with."""

    name = NAME

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._model: _Model | None = None
        self._failure: EmbedderFailed | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")
        self._jobs: set[Future[Floats]] = set()
        self._left: set[Future[Floats]] = set()
        """Jobs under way for which nobody waits any more: the thread hangs, or is as good as that."""

    async def warm(self) -> None:
        """Loads the model. Raises ``EmbedderFailed``."""
        await self.embed(())

    async def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector each. Raises ``EmbedderFailed``: ``too_long``, ``busy`` while the queue is full or nobody waited for what
        the thread still computes, ``missing`` and ``error`` with what to do."""
        if len(self._jobs) >= QUEUE or self._left:
            raise EmbedderFailed("busy", "too many texts wait for the local model")
        try:
            job = self._thread.submit(self._vectors, tuple(texts))
        except RuntimeError:
            raise EmbedderFailed("error", "the gateway is closing") from None
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel() and not job.done():
                self._left.add(job)
                if job.done():  # it ended in between
                    self._left.discard(job)
            raise

    async def close(self) -> None:
        """Nothing new begins; what runs ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # ---- in the thread ----------------------------------------------------------------------------------------------
    def _ended(self, job: "Future[Floats]") -> None:
        self._jobs.discard(job)
        self._left.discard(job)

    def _vectors(self, texts: tuple[str, ...]) -> Floats:
        if self._failure is not None:
            raise self._failure
        if self._model is None:
            try:
                self._model = _load(self._path)
            except EmbedderFailed as failure:
                self._failure = failure
                raise
        return units(self._model.run(texts), count=len(texts), size=SIZE)


class _Model:
    def __init__(self, session: "InferenceSession", words: WordPiece) -> None:
        self._session = session
        self._words = words

    def run(self, texts: tuple[str, ...]) -> list[Floats]:
        """The mean over each text's tokens. One by one: nothing is padded, and a text's vector is the same in whatever company."""
        numbered = [self._words.numbers(text, LONGEST) for text in texts]
        for numbers in numbered:
            if len(numbers) > LONGEST:
                raise EmbedderFailed("too_long", f"a text has more than {LONGEST} tokens")
        return [self._one(numbers) for numbers in numbered]

    def _one(self, numbers: list[int]) -> Floats:
        ids = np.array([numbers], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        try:
            (states,) = self._session.run(None, given)
        except Exception as error:  # noqa: BLE001 - the engine's errors share no class; each is told as ours
            raise EmbedderFailed("error", type(error).__name__) from None
        mean: Floats = np.asarray(states, dtype=np.float32)[0].mean(axis=0)
        return mean


def _load(path: Path | None) -> _Model:
    """Reads, checks and builds the model."""
    check_installed(local=True)
    import onnxruntime  # noqa: PLC0415 - the extra, and 0.1 s to import

    found = path or _installed()
    try:
        content = found.read_bytes()
    except OSError as error:
        raise EmbedderFailed("error", f"the embedding model {found} cannot be read ({error}): {FIX}") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise EmbedderFailed(
            "error",
            f"the embedding model {found} is not the file this release was tested with: {FIX} --force-reinstall",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return _Model(session, WordPiece.read())


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or ("",)
    return Path(next(iter(folders))) / "model.onnx"
