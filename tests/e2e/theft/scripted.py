"""An upstream that writes to its socket what the client's ``x-do`` header says, byte for byte: an enemy on the other side."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Head = dict[str, str]


@dataclass
class Scripted:
    """Where it listens (``url`` ends with ``/v1``), what it was asked, and its open connections."""

    url: str = ""
    asked: list[tuple[str, Head, bytes]] = field(default_factory=list)
    """(first line, headers, body)"""
    open: int = 0


def do(*pieces: str | bytes, gap: float = 0.0, times: int = 1, end: str = "keep") -> dict[str, str]:
    """The header. ``pieces`` are written ``times`` over with ``gap`` seconds between; ``end``: ``keep``, ``close`` or ``hang``."""
    coded = [base64.b64encode(piece.encode() if isinstance(piece, str) else piece).decode() for piece in pieces]
    return {"x-do": json.dumps({"pieces": coded, "gap": gap, "times": times, "end": end})}


def answer(status: int, body: object = "", **headers: str) -> str:
    """A whole answer; ``_`` in a header's name stands for ``-``."""
    text = body if isinstance(body, str) else json.dumps(body)
    named = {"content-type": "application/json", "content-length": str(len(text.encode()))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n" + text


STREAM = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
"""The head of a stream that ends with its connection."""


def said(text: str = "hi") -> dict[str, Any]:
    """A chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


@contextmanager
def scripted() -> Iterator[Scripted]:
    """One that runs in a thread of its own."""
    found = Scripted()
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.open += 1
        try:
            while await _one(found, reader, writer):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            found.open -= 1
            writer.close()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)

    async def leave(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(5)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(leave(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _one(found: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One exchange. False: the connection is over."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    body = await reader.readexactly(int(head.get("content-length", 0)))
    found.asked.append((first, head, body))
    told = json.loads(head.get("x-do") or "{}")
    pieces = [base64.b64decode(piece) for piece in told.get("pieces", [])] or [answer(200, said()).encode()]
    for _ in range(told.get("times", 1)):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(told.get("gap", 0))
    if told.get("end") == "hang":
        await reader.read()
    return told.get("end", "keep") == "keep"
