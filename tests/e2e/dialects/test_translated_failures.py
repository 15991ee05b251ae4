"""Translated streams when things go wrong: clients that leave, upstreams that break, silence, crowds, and the drain."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.support.observed import metric, settled
from tests.support.processes import Gateway, Mock, running
from tests.support.rawhttp import Answer, Client, ask, eventually, request

from .accounts import DIALECTS, MODELS, accounts, config

pytestmark = pytest.mark.e2e

LIMIT = 0.25
TARGETS = ["claude", "gemini", "bedrock", "cohere"]
FRONTS = ["chat", "messages", "responses"]
PAIRS = [(front, target) for front in FRONTS for target in TARGETS if (front, target) != ("messages", "claude")]
"""Where two dialects meet."""

WAYS: dict[str, dict[str, str]] = {
    "paced": {"x-mock-pace": "30", "x-mock-tokens": "500"},
    "slow-head": {"x-mock-head-delay": "20000"},
    "slow-token": {"x-mock-first-token": "20000"},
    "late": {"x-mock-head-delay": "700"},
    "late-error": {"x-mock-head-delay": "700", "x-mock-fault": "context-length"},
    "late-reset": {"x-mock-head-delay": "700", "x-mock-fault": "reset"},
    "reset": {"x-mock-fault": "reset"},
    "close": {"x-mock-fault": "close"},
    "cut-0": {"x-mock-fault": "cut:0"},
    "cut-6": {"x-mock-fault": "cut:6", "x-mock-pace": "5"},
    "reset-6": {"x-mock-fault": "reset-after:6", "x-mock-pace": "5"},
    "half-6": {"x-mock-fault": "cut-mid-event:6", "x-mock-pace": "5"},
    "error-0": {"x-mock-fault": "sse-error:0"},
    "error-6": {"x-mock-fault": "sse-error:6"},
    "unfinished": {"x-mock-done": "off", "x-mock-fault": "cut:12"},
    "html-502": {"x-mock-fault": "html-502"},
    "html": {"x-mock-fault": "html:200"},
    "error-200": {"x-mock-fault": "json-200-error"},
    "not-json": {"x-mock-fault": "not-json"},
    "null": {"x-mock-fault": "null-body"},
    "empty": {"x-mock-fault": "empty"},
    "bomb": {"x-mock-fault": "gzip-bomb"},
    "broken-json": {"x-mock-fault": "malformed-sse:6"},
    "odd-1": {"x-mock-fault": "odd-error:1"},
    "odd-3": {"x-mock-fault": "odd-error:3"},
    "unknown": {"x-mock-fault": "unknown-event:3"},
    "twice": {"x-mock-fault": "empty-delta:4"},
    "novel": {"x-mock-novelty": "on"},
    "split": {"x-mock-split": "7"},
    "gzip": {"x-mock-encoding": "gzip"},
    "unusual": {"x-mock-finish": "never_heard_of"},
    "uncounted": {"x-mock-usage": "off"},
}


def providers(mock: Mock) -> dict[str, dict[str, Any]]:
    """Every dialect, well and in every way."""
    plain = accounts(mock, DIALECTS)
    found = dict(plain)
    for name in TARGETS:
        for way, headers in WAYS.items():
            found[f"{name}.{way}"] = {**plain[name], "headers": headers}
    return found


@pytest.fixture(scope="module")
def broken(mock: Mock) -> Iterator[Gateway]:
    """Without comments, but for those of a second of silence."""
    with running(config(providers(mock), streaming={"keepalive": 15.0})) as found:
        yield found


@pytest.fixture(scope="module")
def lively(mock: Mock) -> Iterator[Gateway]:
    """With comments in silence."""
    with running(config(providers(mock), streaming={"keepalive": 0.2})) as found:
        yield found


def asked(
    front: str, target: str, way: str = "", *, stream: bool = True, tag: str = "", text: str = "How long?"
) -> bytes:
    """The bytes of a request."""
    model = f"{target}.{way}/{MODELS[target]}" if way else f"{target}/{MODELS[target]}"
    body: dict[str, Any] = {"model": model, "stream": stream}
    headers = {"x-request-id": tag, "baggage": f"tag={tag}"} if tag else {}
    if front == "responses":
        body["input"] = text
    else:
        body["messages"] = [{"role": "user", "content": text}]
    if front == "messages":
        body["max_tokens"] = 2000
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}[front]
    return request("POST", path, json.dumps(body).encode(), headers=headers)


def entry(mock: Mock, tag: str) -> dict[str, Any]:
    """The journal's entry of the request with that tag."""
    found = [one for one in mock.requests(3) if ["baggage", f"tag={tag}"] in one["headers"]]
    assert len(found) <= 1, found
    return found[0] if found else {}


def events(answer: Answer) -> list[Any]:
    """The JSON of a stream's events."""
    return [json.loads(text) for text in answer.data if text != "[DONE]"]


def error_in(front: str, document: Any) -> dict[str, Any]:
    """The error of a body or an event, after a check of its shape."""
    if front == "messages":
        assert document["type"] == "error"
        error: dict[str, Any] = document["error"]
        assert error.keys() >= {"type", "message"}
        return error
    if front == "responses" and document.get("type") in ("error", "response.failed"):
        if document["type"] == "error":
            assert document.keys() >= {"message", "code", "sequence_number"}
            return dict(document)
        failed: dict[str, Any] = document["response"]["error"]
        return failed
    assert list(document) == ["error"]
    found: dict[str, Any] = document["error"]
    assert found.keys() == {"message", "type", "param", "code"}
    return found


def text_of(front: str, found: list[Any]) -> str:
    """What the events say."""
    if front == "chat":
        return "".join(choice["delta"].get("content") or "" for event in found for choice in event.get("choices", []))
    if front == "messages":
        return "".join(event["delta"].get("text", "") for event in found if event["type"] == "content_block_delta")
    return "".join(event["delta"] for event in found if event["type"] == "response.output_text.delta")


def ended(front: str, answer: Answer) -> bool:
    """Does the stream say that it is whole?"""
    last = {"chat": "[DONE]", "messages": '"message_stop"', "responses": '"response.completed"'}[front]
    return any(last in text for text in answer.data)


Check = Callable[[str, str], Awaitable[None]]


async def everywhere(check: Check) -> None:
    """Runs ``check`` for every pair at once; a failure says which one it was."""

    async def one(front: str, target: str) -> None:
        try:
            await check(front, target)
        except BaseException as error:
            error.add_note(f"at {front} to {target}")
            raise

    async with asyncio.TaskGroup() as group:
        for pair in PAIRS:
            group.create_task(one(*pair))


@pytest.mark.parametrize("way", ["paced", "slow-head", "slow-token"])
@pytest.mark.parametrize(("front", "target"), PAIRS)
async def test_a_client_that_leaves(broken: Gateway, mock: Mock, front: str, target: str, way: str) -> None:
    tag = uuid.uuid4().hex
    async with await Client.open(broken.port) as client:
        await client.send(asked(front, target, way, tag=tag))
        if way == "paced":
            await client.until(b"data: ")
            while (await client.until(b"data: ")).count(b"data: ") < 8:
                assert await client.fill()
        else:
            await eventually(lambda: entry(mock, tag) and (way == "slow-head" or entry(mock, tag)["status"] == 200))
        left = time.monotonic()
    found = await eventually(lambda: entry(mock, tag)["outcome"] != "open" and entry(mock, tag), every=0.01)
    assert found["outcome"] == "client_closed"
    assert time.monotonic() - left < LIMIT + 0.1
    line = await settled(broken, tag)
    assert line["outcome"] == "client_closed"
    if way == "paced":
        assert line["output_tokens"] >= 1


PLAIN = {"cut-0": "close", "error-0": "error-200"}
"""What a plain answer meets in place of a stream's fault."""


@pytest.mark.parametrize("way", ["reset", "close", "cut-0", "error-0", "html-502", "html", "error-200", "empty", "null", "not-json", "odd-1", "odd-3"])  # fmt: skip
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_a_failure_before_the_first_event(broken: Gateway, way: str, stream: bool) -> None:
    async def check(front: str, target: str) -> None:
        tag = uuid.uuid4().hex
        met = way if stream else PLAIN.get(way, way)
        answer = await ask(broken.port, asked(front, target, met, stream=stream, tag=tag))
        assert answer.status >= 400, answer.body[:300]
        assert (answer.header("content-type") or "").startswith("application/json")
        assert answer.ending == "whole"
        error = error_in(front, answer.json)
        assert len(error["message"]) >= 10
        assert b"<html" not in answer.body
        line = await settled(broken, tag)
        assert line["outcome"] in ("upstream_error", "rejected", "timeout")

    await everywhere(check)


@pytest.mark.parametrize("way", ["cut-6", "reset-6", "half-6", "error-6", "unfinished"])
async def test_a_failure_after_the_first_event(broken: Gateway, way: str) -> None:
    async def check(front: str, target: str) -> None:
        tag = uuid.uuid4().hex
        answer = await ask(broken.port, asked(front, target, way, tag=tag))
        assert answer.status == 200
        assert not ended(front, answer)
        found = events(answer)
        assert len(error_in(front, found[-1])["message"]) >= 10
        assert len(found) > 1
        line = await settled(broken, tag)
        assert line["outcome"] == "upstream_error"

    await everywhere(check)


@pytest.mark.parametrize("way", ["unknown", "twice", "novel", "split", "gzip", "unusual", "uncounted"])
async def test_what_nobody_knows_changes_nothing(broken: Gateway, way: str) -> None:
    async def check(front: str, target: str) -> None:
        tag = uuid.uuid4().hex
        answer = await ask(broken.port, asked(front, target, way, tag=tag))
        plain = await ask(broken.port, asked(front, target))
        assert answer.status == plain.status == 200, answer.body[:400]
        assert answer.ending == "whole"
        assert ended(front, answer)
        assert text_of(front, events(answer)) == text_of(front, events(plain)) != ""
        whole = await ask(broken.port, asked(front, target, way, stream=False))
        assert whole.status == 200, whole.body[:400]
        line = await settled(broken, tag)
        assert line["outcome"] == "ok"

        assert line["output_tokens"] > 10

    await everywhere(check)


@pytest.mark.parametrize("way", ["late", "late-error", "late-reset"])
async def test_silence_with_comments(lively: Gateway, way: str) -> None:
    async def check(front: str, target: str) -> None:
        tag = uuid.uuid4().hex
        answer = await ask(lively.port, asked(front, target, way, tag=tag))
        assert answer.status == 200
        assert answer.header("content-type") == "text/event-stream; charset=utf-8"
        assert answer.body.startswith(b":")
        if way == "late":
            assert ended(front, answer)
            assert text_of(front, events(answer))
            return
        found = events(answer)
        assert len(found) == 1
        assert error_in(front, found[0])["message"]
        assert not ended(front, answer)
        assert (await settled(lively, tag))["outcome"] == "upstream_error"

    await everywhere(check)


async def test_many_at_once_do_not_mix(broken: Gateway) -> None:
    """Forty streams of every pair, each about another thing: each is answered as if it were alone."""
    wanted = [(*PAIRS[number % len(PAIRS)], f"How long is road {number}?") for number in range(40)]

    async def one(front: str, target: str, text: str) -> str:
        answer = await ask(broken.port, asked(front, target, "split", text=text))
        assert ended(front, answer)
        return text_of(front, events(answer))

    alone = [await one(*row) for row in wanted]
    assert await asyncio.gather(*(one(*row) for row in wanted)) == alone
    assert len(set(alone)) > 20


async def test_requests_are_settled_once(broken: Gateway) -> None:
    before = metric(broken, "tollway_requests_total")
    tags = [uuid.uuid4().hex for _ in PAIRS]
    for tag, (front, target) in zip(tags, PAIRS, strict=True):
        await ask(broken.port, asked(front, target, "error-6", tag=tag))
    await asyncio.gather(*(settled(broken, tag) for tag in tags))
    assert metric(broken, "tollway_requests_total") - before == len(PAIRS)
    await eventually(lambda: metric(broken, "tollway_inflight_requests") == 0)


async def test_the_drain_with_translated_streams_open(mock: Mock) -> None:
    with running(config(providers(mock), server={"drain": 1.5})) as gateway:
        clients = []
        for number, (front, target) in enumerate(PAIRS):
            client = await Client.open(gateway.port)
            await client.send(asked(front, target, "paced", tag=f"drain-{number}"))
            clients.append(client)
        short = await Client.open(gateway.port)
        heads = [await client.head() for client in clients]
        await short.send(asked("chat", "gemini", "late", tag="drain-short"))
        await asyncio.sleep(0.2)
        gateway.child.send_signal(signal.SIGTERM)
        for (front, _), client, answer in zip(PAIRS, clients, heads, strict=True):
            await client.body_of(answer, timeout=8)
            assert not ended(front, answer)
            assert error_in(front, events(answer)[-1])["message"]
        finished = await short.answer()
        assert (finished.status, ended("chat", finished)) == (200, True)
        assert await asyncio.to_thread(gateway.child.wait, 10) == 0
        for number in range(len(PAIRS)):
            line = await settled(gateway, f"drain-{number}")
            assert line["error"] == "gateway_draining"
        for client in (*clients, short):
            client.close()
