"""The counter that the chain holds: decides between estimate and count, and between the event loop and a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import TypeVar

from .bpe import SHIPPED, VocabularyError, VocabularyName, VocabularyStore
from .encodings import tokenizer_for
from .estimate import TokenEstimate, estimate_prompt, estimate_text
from .memo import Counted
from .prompt import PromptCount, count_prompt, estimated_prompt
from .text import count_for, count_piece

INLINE = 16 * 1024
"""Bytes up to which counting on the loop (at most about 2 ms) costs less than handing over to a thread."""

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of a body beyond which even decoding it would hold the interpreter too long: estimated."""

T = TypeVar("T")


class TokenCounter:
    """Counts tokens for a running gateway. One event loop; the thread pool is made on first need."""

    def __init__(
        self, *, inline: int = INLINE, threads: int = 1, queue: int = 64, store: VocabularyStore = SHIPPED
    ) -> None:
        self.inline = inline
        self.queue = queue
        self.overflowed = 0
        """Counts that became estimates because ``queue`` jobs were waiting already."""
        self._threads = threads
        self._store = store
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._loading: set[VocabularyName] = set()
        self._pending = 0
        self._lock = Lock()

    @property
    def pending(self) -> int:
        """Jobs handed to the threads and not done."""
        return self._pending

    def estimate(self, body: bytes) -> TokenEstimate:
        """Tokens of a request body from its bytes: well under a microsecond a kilobyte."""
        return estimate_prompt(body)

    async def prompt(self, endpoint: str, model: str | None, body: bytes) -> PromptCount:
        """Tokens of a request body, counted; see ``count_prompt``."""
        if len(body) <= self.inline and self._store.ready(tokenizer_for(model).vocabulary):
            return count_prompt(endpoint, model, body, store=self._store)
        if len(body) > LARGEST_BODY:
            return estimated_prompt(endpoint, model, body)
        counted = await self._off_loop(lambda: count_prompt(endpoint, model, body, store=self._store))
        return estimated_prompt(endpoint, model, body) if counted is None else counted

    async def text(self, model: str | None, text: str) -> Counted:
        """Tokens of one text, for instance of an answer."""
        tokenizer = tokenizer_for(model)
        if len(text) <= self.inline and self._store.ready(tokenizer.vocabulary):
            return count_for(tokenizer, text, store=self._store)
        counted = await self._off_loop(lambda: count_for(tokenizer, text, store=self._store))
        return Counted(estimate_text(text), "estimated") if counted is None else counted

    def inline_count(self, model: str | None) -> tuple[Callable[[str], int], float]:
        """(tokens of a short text, what they are multiplied by for ``model``), for counting on the loop while a stream runs.

        Until the vocabulary is loaded, which begins here, texts count as what they are likely to be at most.
        """
        tokenizer, store = tokenizer_for(model), self._store
        vocabulary = tokenizer.vocabulary
        if not store.ready(vocabulary) and vocabulary not in self._loading and not self._closed:
            self._loading.add(vocabulary)
            self._submit(lambda: store.encoding(vocabulary))

        def count(text: str) -> int:
            return count_piece(text, vocabulary, store=store) if store.ready(vocabulary) else estimate_text(text)

        return count, tokenizer.factor

    async def ready(self, model: str | None) -> None:
        """Waits until ``inline_count`` is exact for ``model``: 0.15 s, once. Without its vocabulary estimates stay."""
        vocabulary = tokenizer_for(model).vocabulary
        if not self._store.ready(vocabulary) and not self._closed:
            with suppress(VocabularyError):
                await self.load(vocabulary)

    async def load(self, *names: VocabularyName) -> None:
        """Load vocabularies now (all, if none is named) instead of with the first count. Raises VocabularyError."""

        def read() -> VocabularyError | None:
            try:
                for name in names or ("o200k_base", "cl100k_base"):
                    self._store.encoding(name)
            except VocabularyError as error:
                return error
            return None

        error = await asyncio.wrap_future(self._submit(read))
        if error is not None:
            raise error

    def close(self) -> None:
        """Drop what waits and stop the threads; counts asked for later are estimates."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _off_loop(self, work: Callable[[], T]) -> T | None:
        """The result of ``work`` in a thread; None if there is no room for it."""
        if self._closed:
            return None
        if self._pending >= self.queue + self._threads:
            self.overflowed += 1
            return None
        future = self._submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # close() cancels the job, a departing client cancels us: only the latter is to be passed on.
            if _is_cancelling():
                raise
            return None

    def _submit(self, work: Callable[[], T]) -> "Future[T]":
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tollway-tokens")
        future = self._pool.submit(work)
        with self._lock:
            self._pending += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        # Runs in whichever thread ends the job, also when its caller has long gone.
        with self._lock:
            self._pending -= 1


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
