"""One gateway with a route for each fault: the first target commits it, the second answers."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import Gateway, Mock, config_for, free_port, running

PATIENCE = 0.5
"""Seconds of the first target's ``first_byte`` and ``idle``; of its ``connect`` half of them."""

KINDS = {
    "refused": "connect",
    "black-hole": "connect_timeout",
    "tls": "tls",
    "dns": "connect",
    "reset": "dropped",
    "close": "dropped",
    "reset-head": "dropped",
    "hang": "timeout",
    "status:408": "conflict",
    "status:409": "conflict",
    "status:425": "conflict",
    "rate-limit:seconds=2": "rate_limited",
    "rate-limit:garbage": "rate_limited",
    "quota": "quota",
    "bad-key": "credentials",
    "status:500": "server_error",
    "status:502": "server_error",
    "overloaded": "overloaded",
    "html-502": "server_error",
    "model-missing": "model_missing",
    "both-framings": "invalid",
    "bad-header:control": "invalid",
    "huge-header:200000": "invalid",
    "status:042": "invalid",
    "null-body": "invalid",
    "empty": "invalid",
    "html:200": "invalid",
    "not-json": "invalid",
    "redirect": "invalid",
    "gzip-bomb": "invalid",
    "eof:8": "invalid",
    "json-200-error": "error_event",
}
"""Faults before any answer, or of a whole one, and what each is called."""

STREAMED = {
    "sse-error:quiet": "error_event",
    "sse-error:0": "error_event",
    "silent": "cut",
    "cut:quiet": "cut",
    "reset-after:quiet": "cut",
    "cut-mid-event:quiet": "cut",
    "hang-after:quiet": "timeout",
}
"""Faults of a stream after its head, before its first real output."""

NOT_STREAMED = ("null-body", "empty", "json-200-error", "eof:8")
"""What only a whole answer can be."""


ROUTES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("late", {"x-mock-first-token": "5000"}, {"hedge": {"after": 0.2, "extra_spend": 1.0, "error_rate": 1.0}}),
    ("slow", {"x-mock-pace": "700"}, {"slow_stream": {"tokens_per_second": 20.0, "window": 0.5}}),
    ("broken", {"x-mock-fault": "cut-mid-event:6"}, {"continue_streams": True}),
]
"""Routes whose first target is odd in another way: (name, the mock's orders, settings)."""


def route_of(fault: str, *, stream: bool) -> str:
    """The model name whose first target commits ``fault``; each has accounts of its own, because some of them rest afterwards."""
    return f"{'stream' if stream else 'plain'}-{fault.replace(':', '-').replace('=', '-')}"


def cases() -> list[tuple[str, bool, str]]:
    """(fault, streamed, kind)."""
    whole = [(fault, stream, kind) for fault, kind in KINDS.items() for stream in (False, True)]
    usual = [row for row in whole if not (row[1] and row[0] in NOT_STREAMED)]
    return usual + [(fault, True, kind) for fault, kind in STREAMED.items()]


@pytest.fixture(scope="session")
def hole() -> Iterator[int]:
    """A port whose accept queue is full: connecting to it never ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    yield listener.getsockname()[1]
    for each in (*fillers, listener):
        each.close()


@pytest.fixture(scope="package")
def failing(mock: Mock, hole: int) -> Iterator[Gateway]:
    """``good`` answers; the first target of every other route does not, or not well."""
    port = mock.origin.rsplit(":", 1)[1]
    elsewhere = {
        "refused": f"http://127.0.0.1:{free_port()}/v1",
        "black-hole": f"http://127.0.0.1:{hole}/v1",
        "tls": f"https://127.0.0.1:{port}/v1",
        "dns": "http://nowhere.invalid/v1",
    }
    good = {"provider": "good", "model": "gpt-4o"}
    providers: dict[str, Any] = {"good": {"use": "openai", "base_url": mock.url, "api_key": "sk-good"}}
    models: dict[str, Any] = {"good": {"targets": [good]}}
    for fault, stream, _ in cases():
        name = route_of(fault, stream=stream)
        provider: dict[str, Any] = {"use": "openai", "base_url": elsewhere.get(fault, mock.url), "api_key": "sk-bad"}
        if fault not in elsewhere:
            provider["headers"] = {"x-mock-fault": fault}
        providers[name] = provider
        first = {
            "provider": name,
            "model": "gpt-4o-mini",
            "timeouts": {"connect": PATIENCE / 2, "first_byte": PATIENCE, "idle": PATIENCE},
        }
        models[name] = {"targets": [first, good]}
    for name, headers, settings in ROUTES:
        providers[name] = {"use": "openai", "base_url": mock.url, "api_key": "sk-odd", "headers": headers}
        first = {"provider": name, "model": "gpt-4o-mini"}
        models[name] = {"targets": [first, {**good, "continues": True}], **settings}
    with running(
        config_for(
            mock.url,
            providers=providers,
            models=models,
            health={"consecutive": 1_000_000, "error_rate": 1.0, "minimum": 1_000_000},
            retry={"per_second": 1000.0},
        )
    ) as found:
        yield found
