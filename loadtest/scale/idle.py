"""A client that opens many streams and listens: ``python -m loadtest.scale.idle PORT STREAMS RATE BODY``.

It says ``open`` once every stream has had its first event, goes on until its standard input ends, then prints one JSON object: streams
still open, comments, and how long after the silence began each of them came, in milliseconds.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from loadtest.bench.servers import API_KEY
from loadtest.compare.bodies import MARK

COMMENT, EVENT = b"\n:", b"\ndata:"
"""How a line begins in a chunked body whose events each come in a chunk of their own."""

HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"


class Listener(asyncio.Protocol):
    """One stream."""

    __slots__ = ("comments", "events", "heard", "intervals", "lost", "request", "transport")

    def __init__(self, request: bytes, intervals: list[float]) -> None:
        self.request = request
        self.intervals = intervals
        self.transport: asyncio.BaseTransport | None = None
        self.comments = self.events = 0
        self.heard = 0.0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Counts what came."""
        now = time.monotonic()
        self.events += data.count(EVENT)
        if COMMENT in data:
            self.comments += data.count(COMMENT)
            self.intervals.append((now - self.heard) * 1000)
        self.heard = now

    def connection_lost(self, exc: Exception | None) -> None:
        """Ended by the other side, or by us at the end."""
        self.lost = True


async def listen(port: int, streams: int, rate: float, body: bytes) -> dict[str, float]:
    """Opens ``streams`` at ``rate`` a second and listens until standard input ends."""
    loop = asyncio.get_running_loop()
    head = HEAD.format(key=API_KEY, length=len(body)).encode()
    mark = MARK.encode()
    intervals: list[float] = []
    # Every prompt is another one, or the gateway would let all streams follow the first.
    listeners = [
        Listener(head + body.replace(mark, b"%0*d" % (len(mark), number)), intervals) for number in range(streams)
    ]
    ended = loop.run_in_executor(None, sys.stdin.read)
    began = loop.time()
    for number, listener in enumerate(listeners):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        await loop.create_connection(lambda each=listener: each, "127.0.0.1", port)  # type: ignore[misc]
    while not all(listener.events or listener.lost for listener in listeners) and not ended.done():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    print("open", flush=True)
    await ended
    intervals.sort()
    return {
        "open": sum(not listener.lost and listener.events > 0 for listener in listeners),
        "comments": sum(listener.comments for listener in listeners),
        "least": min((listener.comments for listener in listeners), default=0),
        "first_ms": intervals[0] if intervals else 0.0,
        "median_ms": intervals[len(intervals) // 2] if intervals else 0.0,
        "last_ms": intervals[-1] if intervals else 0.0,
    }


def main() -> None:
    """Prints ``open``, then the figures."""
    port, streams, rate, body = sys.argv[1:5]
    print(json.dumps(asyncio.run(listen(int(port), int(streams), float(rate), Path(body).read_bytes()))), flush=True)


if __name__ == "__main__":
    main()
