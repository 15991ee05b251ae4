"""One request through the gateway of a configuration, in this process: no listener, no store, no database, no provider.

Only for dry runs: what is not opened cannot serve.
"""

import asyncio

from msgspec import structs

from .app import Gateway
from .config import Loaded
from .config.server import Telemetry
from .config.stores import State, Storage
from .config.traffic import Auth
from .context import Message


def rehearse(
    loaded: Loaded, path: str, headers: dict[str, str], body: bytes, *, key: str | None = None
) -> tuple[int, bytes]:
    """(status, body) of the answer. ``key``: the text of one of the configuration's keys; without it every caller may do all."""
    auth = Auth(mode="open") if key is None else structs.replace(loaded.config.auth, mode="keys", jwt=None)
    config = structs.replace(
        loaded.config,
        auth=auth,
        storage=Storage(type="none"),
        state=State(),
        telemetry=Telemetry(prometheus=False, access_log="off"),
    )
    kept = structs.replace(loaded, config=config)
    return asyncio.run(_ask(kept, path, {**headers, **({"authorization": f"Bearer {key}"} if key else {})}, body))


async def _ask(loaded: Loaded, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    gateway = Gateway(loaded, reload=lambda: loaded)
    pairs = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in pairs.items()],
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 80),
    }
    given = [{"type": "http.request", "body": body, "more_body": False}]
    status, parts = 0, []

    async def receive() -> Message:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await gateway(scope, receive, send)
    return status, b"".join(parts)
