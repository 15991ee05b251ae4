"""The body of a request that is sent as it comes, at the pace at which the provider takes it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol


class Sink(Protocol):
    """Where it goes."""

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        """Sends ``data``. A future: to be waited for before the next."""


class WrongLength(ValueError):
    """The body is not as long as its head has said, so nothing may follow it on its connection."""


async def upload(sink: Sink, body: AsyncIterable[bytes], length: int | None) -> None:
    """All of ``body``, chunked where its ``length`` is unknown. Raises ``WrongLength``, and whatever ``body`` raises."""
    try:
        await (_chunked(sink, body) if length is None else _sized(sink, body, length))
    finally:
        if isinstance(body, AsyncGenerator):
            # Stopped between two pieces, it would learn of that when somebody collects it.
            await body.aclose()


async def _chunked(sink: Sink, body: AsyncIterable[bytes]) -> None:
    async for data in body:
        full = sink.write(b"%x\r\n%b\r\n" % (len(data), data)) if data else None
        if full is not None:
            await full
    sink.write(b"0\r\n\r\n")


async def _sized(sink: Sink, body: AsyncIterable[bytes], left: int) -> None:
    async for data in body:
        left -= len(data)
        if left < 0:
            raise WrongLength("longer than declared")
        full = sink.write(data) if data else None
        if full is not None:
            await full
    if left:
        raise WrongLength("shorter than declared")
