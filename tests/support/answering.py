"""An upstream that answers by a plan: what is said to each request is known by the request's own path."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

from .answers import Said
from .raw_upstream import Peer, RawUpstream, breath, raw_upstream


class Plan:
    """Answers by path. What is not planned is answered with its own path."""

    def __init__(self) -> None:
        self.upstream: RawUpstream
        self._planned: dict[str, Said] = {}
        self._said: dict[str, asyncio.Future[Peer]] = {}
        self._numbers = count(1)

    def path(self, said: Said | None = None) -> str:
        """A new one, answered by ``said``."""
        path = f"/{next(self._numbers)}"
        if said is not None:
            self._planned[path] = said
            self._said[path] = asyncio.get_running_loop().create_future()
        return path

    async def said(self, path: str) -> Peer:
        """Waits until the answer has been given; where."""
        return await self._said[path]

    def forget(self, path: str) -> None:
        """It has been seen."""
        del self._planned[path], self._said[path]

    async def serve(self, peer: Peer) -> None:
        """One connection."""
        while True:
            target = (await peer.request(3600)).target
            said = self._planned.get(target)
            if said is None:
                body = target.encode()
                await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                continue
            with suppress(ConnectionError):
                await peer.say(*said.pieces)
            await peer.end(said.end)
            self._said[target].set_result(peer)
            if said.end:
                return


async def finished(task: "asyncio.Task[object]", peer: Peer, turns: int = 12) -> None:
    """Gives ``task`` some turns of the loop; when it waits for more then, it is told that there is none."""
    for _ in range(turns):
        if task.done():
            return
        await breath(1)
    peer.half_close()


@asynccontextmanager
async def planned() -> AsyncIterator[Plan]:
    """One for a test."""
    plan = Plan()
    async with raw_upstream(plan.serve) as plan.upstream:
        yield plan
