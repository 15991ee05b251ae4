"""A gateway that exports, its providers and routes, and how it is asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from msgspec import Struct

from tests.support.collector import Collector
from tests.support.processes import KEY, Gateway, Mock, config_for, free_port, running

CANARY = "canary-4711"
"""In every key, prompt, header and argument: no export may hold it."""

UPSTREAM_KEY = f"sk-upstream-{CANARY}"

QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "200"}

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Answer(Struct):
    """``trace``: the id that finds its spans."""

    status: int
    headers: Any
    body: bytes

    @property
    def trace(self) -> str:
        return str(self.headers["x-tollway-request-id"] or self.headers["x-request-id"])


def ask(
    gateway: Gateway,
    model: str,
    *,
    path: str = "/chat/completions",
    headers: Mapping[str, str] = {},
    key: str = KEY,
    **body: Any,
) -> Answer:
    """One request, on a connection of its own."""
    asked = {"model": model, "messages": [{"role": "user", "content": f"How long is the road? {CANARY}"}], **body}
    given = {"authorization": f"Bearer {key}", "content-type": "application/json", "x-secret": CANARY, **headers}
    request = Request(gateway.url + path, json.dumps(asked).encode(), given)
    try:
        with urlopen(request, timeout=20) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    """The access log."""
    return [json.loads(line) for line in gateway.log().splitlines() if line.startswith('{"time"')]


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The access log's line of one request."""
    gateway.wait_for(request_id)
    return next(line for line in lines(gateway) if line["request_id"] == request_id)


def config(mock: Mock, collector: Collector, **changes: Any) -> dict[str, Any]:
    """Routes that answer, fail over, hedge, and have nobody left."""

    def account(**more: Any) -> dict[str, Any]:
        return {"use": "openai", "base_url": mock.url, "api_key": UPSTREAM_KEY, **more}

    good = {"provider": "good", "model": "gpt-4o"}
    return config_for(
        mock.url,
        providers={
            "good": account(),
            "broken": account(headers={"x-mock-fault": "status:500"}),
            "late": account(headers={"x-mock-first-token": "5000"}),
            "claude": {"use": "anthropic", "base_url": mock.origin, "api_key": UPSTREAM_KEY},
            "gone": account(base_url=f"http://127.0.0.1:{free_port()}/v1"),
            "grok": account(use="xai"),
        },
        models={
            "fast": {"targets": [good]},
            "over": {"targets": [{"provider": "broken", "model": "gpt-4o-mini"}, good], "retry": {"attempts": 2}},
            "hedged": {
                "targets": [{"provider": "late", "model": "gpt-4o-mini"}, good],
                "retry": {"attempts": 2},
                "hedge": {"after": 0.1, "extra_spend": 1.0, "error_rate": 1.0},
            },
            "haiku": {"targets": [{"provider": "claude", "model": "claude-haiku-4-5"}]},
            "nobody": {"targets": [{"provider": "gone", "model": "gpt-4o"}]},
            "grok": {"targets": [{"provider": "grok", "model": "grok-4.5"}]},
            "*": {"targets": [{"provider": "good", "model": "*"}]},
            "vectors": {"targets": [{"provider": "good", "model": "text-embedding-3-small"}]},
        },
        **{"telemetry": {"otlp": collector.url}, **changes},
    )


@contextmanager
def exporting(
    mock: Mock, collector: Collector, *, environ: Mapping[str, str] = {}, **changes: Any
) -> Iterator[Gateway]:
    """A gateway that sends to ``collector``."""
    with running(config(mock, collector, **changes), environ={**QUICK, **environ}) as gateway:
        yield gateway
