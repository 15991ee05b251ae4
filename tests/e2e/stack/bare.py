"""Granian alone, with the settings that the gateway uses, around an application that misbehaves on demand.

Run as a module: ``python -m tests.e2e.stack.bare PORT [lifespan-raises]``.
"""

import asyncio
import sys
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, TaskImpl
from granian.server.mp import MPServer

from proxy.context import Receive, Scope, Send

LEFT: list[str] = []
"""What applications noticed about clients that left."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """One path a misdeed."""
    if scope["type"] == "lifespan":
        if "lifespan-raises" in sys.argv:
            raise RuntimeError("no pools today")
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    name, _, value = scope["path"].strip("/").partition("/")

    async def start(status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def body(data: bytes, *, more: bool = False) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": more})

    match name:
        case "status":
            await start(int(value))
            await body(b"x")
        case "length":
            await start(200, (b"content-length", value.encode()))
            await body(b"0123456789")
        case "raises":
            await start(200, (b"content-type", b"text/event-stream"))
            await body(b"data: 1\n\n", more=True)
            raise RuntimeError("half-way")
        case "returns":
            await start(200, (b"content-type", b"text/event-stream"))
            await body(b"data: 1\n\n", more=True)
        case "waits":
            await start(200, (b"content-type", b"text/event-stream"))
            await body(b": hello\n\n", more=True)
            message = await receive()
            message = await receive() if message["type"] == "http.request" else message
            LEFT.append(message["type"])
            await body(b"nobody hears this", more=True)
            await asyncio.sleep(0)
            LEFT.append("still running")
        case "left":
            await start(200)
            await body(",".join(LEFT).encode())
        case "types":
            await start(200)
            await body(repr([type(scope["client"][1]).__name__, scope["raw_path"]]).encode())
        case _:
            await start(200)
            await body(b"ok")


def load(*_: Any) -> Any:
    """What the worker calls."""
    return app


if __name__ == "__main__":
    MPServer(
        "bare",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        workers=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
    ).serve(target_loader=load, wrap_loader=False)
