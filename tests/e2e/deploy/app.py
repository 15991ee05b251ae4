"""An application with a gateway beside it: calls it all the time, and says goodbye to it when it is told to end.

``python -m tests.e2e.deploy.app REPORT MODE``: what it saw goes into the file REPORT. MODE: ``serve`` calls until SIGTERM and a little
longer, ``job`` calls a few times and is done, ``ignore`` does not end by itself.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai

ENDING: list[float] = []
"""When SIGTERM came."""


def client() -> openai.OpenAI:
    """The official SDK, set up by the environment alone but for the socket, which no variable of its can say. It tries once."""
    socket = os.environ.get("TOLLWAY_SOCKET")
    transport = httpx.HTTPTransport(uds=socket) if socket else None
    return openai.OpenAI(max_retries=0, http_client=httpx.Client(transport=transport), timeout=10)


def ask(sdk: openai.OpenAI, ident: str, *, stream: bool, mock: dict[str, str]) -> str:
    """The answer's text."""
    headers = {"x-request-id": ident, "x-test-id": ident, **{f"x-mock-{name}": value for name, value in mock.items()}}
    messages: Any = [{"role": "user", "content": "How long is the road?"}]
    if not stream:
        whole = sdk.chat.completions.create(model="gpt-4o", messages=messages, extra_headers=headers)
        return whole.choices[0].message.content or ""
    parts = sdk.chat.completions.create(model="gpt-4o", messages=messages, stream=True, extra_headers=headers)
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


FEW = 15
"""Calls of a job."""


def main(report: Path, mode: str) -> None:
    """Calls until it is to end; then ten calls more and a stream of a second, and the report."""
    signal.signal(signal.SIGTERM, lambda *_: ENDING.append(time.monotonic()))
    sdk = client()
    seen: dict[str, Any] = {"before": 0, "after": 0, "errors": []}

    def call(number: int, *, stream: bool = False, mock: dict[str, str] | None = None) -> None:
        ident = f"app-{os.getpid()}-{number}"
        try:
            assert ask(sdk, ident, stream=stream, mock=mock or {})
        except (openai.OpenAIError, httpx.HTTPError, AssertionError) as error:
            seen["errors"].append(f"{ident}: {error!r}")
        else:
            seen["after" if ENDING else "before"] += 1

    number = 0
    while mode == "ignore" or (number < FEW if mode == "job" else not ENDING):
        number += 1
        call(number)
        report.write_text(json.dumps(seen))
        time.sleep(0.02)
    for _ in range(10):
        number += 1
        call(number)
    call(number + 1, stream=True, mock={"pace": "50", "tokens": "50"})
    report.write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
