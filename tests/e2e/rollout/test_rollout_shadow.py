"""Shadows over real processes: the client gets what it would get without them, the operator gets figures and the bill."""

import asyncio
import json
import signal
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.support.gateways import Books, costed, sqlite_in
from tests.support.observed import metric
from tests.support.processes import Gateway, Mock, free_port, running
from tests.support.rawhttp import ask, chat, eventually

pytestmark = pytest.mark.e2e

SHADOW_PRICES = {"input": 1, "output": 2}
"""US dollars per million tokens: the same number of micro-dollars a token."""


@pytest.fixture(scope="module")
def candidate() -> Iterator[Mock]:
    """The upstream that shadows ask."""
    found = Mock("--seed", "9")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def silent() -> Iterator[int]:
    """The port of an upstream that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def shadowed(mock: Mock, candidate: Mock, silent: int, folder: Path) -> dict[str, Any]:
    """Model names: ``plain`` without a shadow, and others whose shadows work, hang and fail."""

    def model(shadow: str | None, concurrency: int = 4) -> dict[str, Any]:
        found: dict[str, Any] = {"targets": [{"provider": "mock", "model": "gpt-4o"}]}
        return found if shadow is None else {
            **found, "shadow": {"model": shadow, "share": 1.0, "concurrency": concurrency}
        }  # fmt: skip

    def behind(provider: str) -> dict[str, Any]:
        return {"targets": [{"provider": provider, "model": "gpt-4o-mini"}]}

    config = costed(mock.url, sqlite_in(folder), health={})
    config["catalogue"]["models"]["openai/gpt-4o-mini"] = {"prices": SHADOW_PRICES}
    config["providers"] |= {
        "candidate": {"use": "openai", "base_url": candidate.url, "api_key": "sk-of-the-candidate"},
        "silent": {"use": "openai", "base_url": f"http://127.0.0.1:{silent}/v1", "api_key": "none"},
        "absent": {"use": "openai", "base_url": f"http://127.0.0.1:{free_port()}/v1", "api_key": "none"},
    }
    config["models"] = {
        "plain": model(None),
        "copied": model("good"),
        "hangs": model("mute"),
        "fails": model("gone"),
        "good": behind("candidate"),
        "mute": behind("silent"),
        "gone": behind("absent"),
    }
    # Only ``copied`` and the like may be named by the key: a shadow is the operator's.
    config["keys"][0]["models"] = ["plain", "copied", "hangs", "fails"]
    return config


@pytest.fixture(scope="module")
def stand(
    mock: Mock, candidate: Mock, silent: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Books]]:
    """One gateway for all of these tests, and its books."""
    folder = tmp_path_factory.mktemp("shadow")
    with running(shadowed(mock, candidate, silent, folder)) as gateway:
        yield gateway, Books(folder / "tollway.db")


def comparisons(gateway: Gateway, route: str) -> list[dict[str, Any]]:
    """Lines of the process log about copies of a route's requests."""
    lines = [json.loads(line) for line in gateway.log().splitlines() if '"tollway.shadow"' in line]
    return [line for line in lines if line["route"] == route]


def copies(candidate: Mock, ident: str) -> list[dict[str, Any]]:
    """What the candidate got of the requests that carried ``x-test: ident``."""
    return [one for one in candidate.requests() if ["x-test", ident] in one["headers"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_answer_is_the_one_without_a_shadow_and_the_copy_is_compared(
    stand: tuple[Gateway, Books], candidate: Mock, stream: bool
) -> None:
    gateway, books = stand
    ident = f"shadow-{stream}"
    headers = {"x-mock-seed": "5", "x-test": ident, "x-request-id": ident, "idempotency-key": "once"}
    plain = await ask(gateway.port, chat(model="plain", stream=stream, headers={"x-mock-seed": "5"}))
    answer = await ask(gateway.port, chat(model="copied", stream=stream, headers=headers))
    assert (answer.status, answer.ending) == (plain.status, plain.ending) == (200, "whole")
    assert _content(answer.body, stream) == _content(plain.body, stream)
    assert {name for name, _ in answer.headers} == {name for name, _ in plain.headers}

    (line,) = await eventually(lambda: [each for each in comparisons(gateway, "copied") if each["request_id"] == ident])
    (copy,) = copies(candidate, ident)
    assert json.loads(b64decode(copy["body_base64"]))["model"] == "gpt-4o-mini"
    sent = {name.lower(): value for name, value in copy["headers"]}
    assert sent["authorization"] == "Bearer sk-of-the-candidate"
    assert "idempotency-key" not in sent
    assert (line["answer"]["outcome"], line["shadow"]["outcome"]) == ("ok", "ok")
    assert (line["shadow"]["provider"], line["shadow"]["model"]) == ("candidate", "gpt-4o-mini")
    assert line["shadow"]["output_tokens"] > 0
    assert (line["shadow"]["ttft_ms"] is not None) == stream
    assert not {word for word in ("road", "content", "messages") if word in json.dumps(line)}

    await books.settled(await _known(books, ident, 2))
    mine, shadow = sorted((await books.entries())[ident], key=lambda row: "shadow" in row["flags"])
    assert (mine["account"], mine["flags"]) == ("app", [])
    assert mine["charge"] == mine["cost"] > 0
    assert (shadow["account"], shadow["key"], shadow["charge"], shadow["flags"]) == ("", "", 0, ["shadow"])
    assert shadow["cost"] == shadow["input_tokens"] + 2 * shadow["output_tokens"] > 0
    assert shadow["cost"] == round(line["shadow"]["cost_usd"] * 1_000_000)
    await books.check()


async def _known(books: Books, ident: str, number: int) -> int:
    """Waits for ``number`` entries of a request; how many there are in all."""
    deadline = time.monotonic() + 5
    while len((entries := await books.entries()).get(ident, [])) != number:
        assert time.monotonic() < deadline, entries.get(ident)
        await asyncio.sleep(0.05)
    return sum(map(len, entries.values()))


def _content(body: bytes, stream: bool) -> list[str]:
    """What was generated; ids and times differ from answer to answer."""
    if not stream:
        return [choice["message"]["content"] for choice in json.loads(body)["choices"]]
    events = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
    return [choice["delta"].get("content") or "" for event in events for choice in json.loads(event)["choices"]]


async def test_the_metrics_have_both_sides(stand: tuple[Gateway, Books]) -> None:
    gateway, _ = stand
    before = metric(gateway, "tollway_shadow_requests_total", route="copied", outcome="ok")
    await ask(gateway.port, chat(model="copied", stream=True))
    await eventually(
        lambda: metric(gateway, "tollway_shadow_requests_total", route="copied", outcome="ok") == before + 1
    )
    for side in ("answer", "shadow"):
        labels = {"route": "copied", "model": "good", "side": side}
        assert metric(gateway, "tollway_shadow_compared_duration_seconds_count", **labels) == before + 1
        assert metric(gateway, "tollway_shadow_compared_first_token_seconds_count", **labels) > 0
        assert metric(gateway, "tollway_shadow_compared_output_tokens_total", **labels) > 0
        assert metric(gateway, "tollway_shadow_compared_cost_usd_total", **labels) > 0
    cost = metric(gateway, "tollway_shadow_cost_usd_total", route="copied", model="good")
    assert cost == pytest.approx(metric(gateway, "tollway_cost_usd_total", provider="candidate"))


async def test_a_shadow_that_hangs_or_fails_harms_nobody(stand: tuple[Gateway, Books]) -> None:
    gateway, _ = stand

    async def timed(model: str) -> float:
        begun = time.perf_counter()
        answer = await ask(gateway.port, chat(model=model))
        assert answer.status == 200
        return time.perf_counter() - begun

    times: dict[str, list[float]] = {"plain": [], "hangs": [], "fails": []}
    for _ in range(20):
        for model, found in times.items():
            found.append(await timed(model))
    for model in ("hangs", "fails"):
        assert median(times[model]) < 2 * median(times["plain"]) + 0.01
    # Four hang, the others found no place; one that cannot be reached is left alone after a few tries.
    assert metric(gateway, "tollway_shadow_requests_total", route="hangs", outcome="busy") == 16
    await eventually(lambda: metric(gateway, "tollway_shadow_requests_total", route="fails") == 20)
    assert 1 <= metric(gateway, "tollway_shadow_requests_total", route="fails", outcome="connect") <= 8
    assert metric(gateway, "tollway_shadow_requests_total", route="fails", outcome="unready") >= 10
    assert metric(gateway, "tollway_requests_total", outcome="upstream_error") == 0


async def test_a_shutdown_breaks_copies_off_and_books_them(
    mock: Mock, candidate: Mock, silent: int, tmp_path: Path
) -> None:
    with running(shadowed(mock, candidate, silent, tmp_path)) as gateway:
        assert (await ask(gateway.port, chat(model="hangs", headers={"x-request-id": "broken"}))).status == 200
        # The copy is under way once its connection stands; the answer does not wait for that.
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        gateway.child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.child.wait, 20) == 0
        assert time.monotonic() - begun < 4.0
        log = gateway.log()
    (line,) = [json.loads(each) for each in log.splitlines() if '"tollway.shadow"' in each]
    assert (line["request_id"], line["shadow"]["outcome"]) == ("broken", "cancelled")
    assert "never retrieved" not in log
    assert "pending" not in log
    rows = (await Books(tmp_path / "tollway.db").entries())["broken"]
    assert [(row["ending"], row["charge"] > 0) for row in rows if "shadow" in row["flags"]] == [
        ("drained_early", False)
    ]
    assert len(rows) == 2
