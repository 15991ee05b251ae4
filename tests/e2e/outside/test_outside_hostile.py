"""Bad answers of five providers through the real gateway, for three clients, whole and streamed: a good answer or one clear error.

Never a 500, never a hang, nothing invented, settled once, memory bounded.
"""

import asyncio
import gzip
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.corpus.exchange import dump, frame
from tests.support.faults import Connection, scripted
from tests.support.observed import access_lines, rss, settled, workers
from tests.support.processes import Gateway, config_for
from tests.support.rawhttp import Answer, ask, eventually, request

from .dialects import (
    MODELS,
    PROVIDERS,
    TEXT,
    ends,
    error_object,
    event,
    events,
    indented,
    kind,
    of_path,
    streamed,
    whole,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

CLIENTS = ("chat", "messages", "responses")
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
Reply = tuple[str, bytes, bytes]
"""(content type, further header lines, body); the body ends with the connection."""
Fault = Callable[[str, bool], Reply]


def body_for(client: str, provider: str, stream: bool) -> bytes:
    """The question in the client's words."""
    body: dict[str, Any] = {"model": provider}
    match client:
        case "chat":
            body |= {"messages": [{"role": "user", "content": "How far?"}]}
        case "messages":
            body |= {"messages": [{"role": "user", "content": "How far?"}], "max_tokens": 64}
        case "responses":
            body |= {"input": "How far?"}
    if stream:
        body["stream"] = True
        if client == "chat":
            body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


# ---- the faults ---------------------------------------------------------------------------------------------------------
def good(provider: str, stream: bool) -> bytes:
    return streamed(provider) if stream else dump(whole(provider))


def plain(body: Callable[[str, bool], bytes]) -> Fault:
    """An answer of the right content type."""
    return lambda provider, stream: (kind(provider, stream=stream), b"", body(provider, stream))


def inserted(payload: Callable[[str], bytes], at: int = 3) -> Fault:
    """Raw bytes in the middle of a stream; a whole answer stays good."""

    def body(provider: str, stream: bool) -> bytes:
        if not stream:
            return good(provider, stream)
        pieces = [event(provider, one) for one in events(provider)]
        return b"".join([*pieces[:at], payload(provider), *pieces[at:]]) + ends(provider)

    return plain(body)


def changed(**changes: Any) -> Fault:
    return plain(lambda provider, stream: streamed(provider, **changes) if stream else dump(whole(provider, **changes)))


def cut_character(provider: str, stream: bool) -> bytes:
    body = good(provider, stream)
    return body[: body.index("—".encode()) + 1]


def without_indices(provider: str, stream: bool) -> bytes:
    if not stream:
        return dump(_stripped(whole(provider)))
    return b"".join([event(provider, _stripped(one)) for one in events(provider)]) + ends(provider)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(item) for name, item in value.items() if name not in ("index", "contentBlockIndex")}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def unknown_event(provider: str) -> bytes:
    if provider == "bedrock":
        return frame("contentBlockGlow", {"contentBlockIndex": 0, "glow": 3})
    return event(provider, {"type": "shimmer", "value": [1, {"a": None}]})


def array(provider: str, stream: bool) -> Reply:
    return "application/json", b"", dump([error_object(provider)])


def page(provider: str, stream: bool) -> Reply:
    return "text/html", b"", b"<!doctype html><html><head><title>Login</title></head><body>Welcome</body></html>"


def wrong_type(provider: str, stream: bool) -> Reply:
    return "text/plain", b"", good(provider, stream)


def zipped(provider: str, stream: bool) -> Reply:
    return kind(provider, stream=stream), b"content-encoding: gzip\r\n", gzip.compress(good(provider, stream))


def nameless(provider: str, stream: bool) -> bytes:
    if not stream:
        return good(provider, stream)
    return b"".join([event(provider, one, named=False) for one in events(provider)]) + ends(provider)


def error_inside(provider: str, stream: bool) -> Reply:
    return "application/json", b"", indented(error_object(provider))


def pings(provider: str, stream: bool) -> bytes:
    if not stream:
        return b"  \n \n"
    ping = {"anthropic": b'event: ping\ndata: {"type": "ping"}\n\n', "bedrock": frame("ping", {})}
    return ping.get(provider, b": ping\n\n") * 50


def invalid_utf8(provider: str, stream: bool) -> bytes:
    return (
        good(provider, stream).replace("über".encode(), b"\xff\xfeber")
        if provider != "bedrock"
        else good(provider, stream)
    )


def doubled(provider: str) -> bytes:
    """The same delta once more: nobody can tell that from a model that stutters."""
    return event(provider, events(provider)[3])


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "good": (plain(good), "answer", "answer"),
    "page": (page, "error", "error"),
    "error-in-200": (error_inside, "error", "error"),
    "array": (array, "error", "error"),
    "unknown-finish": (changed(finish="WHATEVER"), "answer", "answer"),
    "empty-200": (plain(lambda provider, stream: b""), "error", "error"),
    "only-pings": (plain(pings), "error", "error"),
    "huge-usage": (changed(usage=(10**30, 10**19)), "answer", "answer"),
    "negative-usage": (changed(usage=(-4, -1)), "answer", "answer"),
    "odd-usage": (changed(usage=("nine", [4])), "answer", "answer"),
    "unknown-event": (inserted(unknown_event), "answer", "answer"),
    "null-event": (inserted(lambda p: frame("contentBlockDelta", b"null") if p == "bedrock" else b"data: null\n\n"), "answer", "either"),
    "broken-json": (inserted(lambda p: frame("contentBlockDelta", b'{"a":') if p == "bedrock" else b'data: {"a":\n\n'), "answer", "error"),
    "doubled-delta": (inserted(doubled), "answer", "stutter"),
    "no-indices": (plain(without_indices), "answer", "answer"),
    "invalid-utf8": (plain(invalid_utf8), "either", "either"),
    "cut-character": (plain(cut_character), "error", "error"),
    "gzip": (zipped, "answer", "answer"),
    "wrong-type": (wrong_type, "answer", "answer"),
    "nameless": (plain(nameless), "answer", "answer"),
    "number": (plain(lambda provider, stream: b"12"), "error", "error"),
    "zeros": (plain(lambda provider, stream: bytes(4096)), "error", "error"),
    "deep": (plain(lambda provider, stream: b"[" * 100_000), "error", "error"),
}  # fmt: skip
"""Fault to what must come of it: whole, streamed. ``answer``: the text, complete; ``stutter``: with a piece twice."""


# ---- reading what the client got ----------------------------------------------------------------------------------------
def judge(answer: Answer, client: str, stream: bool) -> tuple[str, str]:
    """``("answer", text)`` or ``("error", message)``. Fails for what is neither."""
    content = answer.header("content-type") or ""
    if answer.status != 200:
        assert answer.ending == "whole"
        assert content.startswith("application/json"), content
        return "error", _message(answer.json, client)
    if not stream:
        assert content.startswith("application/json"), content
        assert answer.ending == "whole"
        return "answer", _whole_text(answer.json, client)
    assert content.startswith("text/event-stream"), content
    return _stream(answer, client)


def _message(document: Any, client: str) -> str:
    if client == "messages":
        assert document["type"] == "error"
    error = document["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    return str(error["message"])


def _whole_text(found: Any, client: str) -> str:
    match client:
        case "chat":
            (choice,) = found["choices"]
            assert choice["finish_reason"] == "stop"
            _sane(found.get("usage"))
            return str(choice["message"]["content"])
        case "messages":
            assert found["stop_reason"] == "end_turn"
            _sane(found["usage"])
            return "".join(block["text"] for block in found["content"])
    assert found["status"] == "completed"
    _sane(found.get("usage"))
    return "".join(part["text"] for item in found["output"] for part in item["content"])


def _sane(usage: Any) -> None:
    """Figures that a client can add up."""
    for value in (usage or {}).values():
        assert not isinstance(value, int) or 0 <= value < 2**53, usage


def _stream(answer: Answer, client: str) -> tuple[str, str]:
    told = []
    for block in answer.body.decode("utf-8").replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            names = [line[7:] for line in lines if line.startswith("event: ")]
            data = [line[6:] for line in lines if line.startswith("data: ")]
            assert len(data) == 1, block
            told.append((names[0] if names else "", data[0]))
    assert told
    last_name, last = told[-1]
    text = ""
    for _, payload in told[:-1]:
        found = json.loads(payload)
        assert "error" not in found or not found["error"], "something follows an error"
        _sane(found.get("usage"))
        match client:
            case "chat":
                text += "".join(choice["delta"].get("content") or "" for choice in found["choices"])
            case "messages":
                text += found.get("delta", {}).get("text", "")
            case "responses":
                text += found["delta"] if found["type"] == "response.output_text.delta" else ""
    if client == "chat":
        if last == "[DONE]":
            return "answer", text
        return "error", _message(json.loads(last), client)
    document = json.loads(last)
    assert last_name == document["type"]
    if last_name in ("message_stop", "response.completed"):
        return "answer", text
    if last_name == "response.failed":
        return "error", str(document["response"]["error"]["message"])
    assert last_name == "error", last_name
    return "error", str(document["error"]["message"] if client == "messages" else document["message"])


# ---- the gateway --------------------------------------------------------------------------------------------------------
def config(origin: str) -> dict[str, Any]:
    key = {"api_key": "sk-upstream"}
    bases = {"gemini": f"{origin}/v1beta", "together": f"{origin}/v1"}
    providers: dict[str, Any] = {name: {"use": name, "base_url": bases.get(name, origin), **key} for name in PROVIDERS}
    providers["bedrock"]["options"] = {"region": "us-east-1"}
    models = {name: {"targets": [{"provider": name, "model": MODELS[name]}]} for name in PROVIDERS}
    return config_for(origin, providers=providers, models=models)


class Stage:
    """The upstream of every test; ``reply`` is what it does now."""

    def __init__(self) -> None:
        self.reply: Fault = plain(good)

    async def __call__(self, connection: Connection) -> None:
        head = (await connection.request()).partition(b"\r\n\r\n")
        path = head[0].split(b" ")[1].decode().partition("?")[0]
        stream = json.loads(head[2]).get("stream") is True or path.endswith(
            ("converse-stream", ":streamGenerateContent")
        )
        content, headers, body = self.reply(of_path(path), stream)
        connection.writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {content}\r\nconnection: close\r\n".encode() + headers + b"\r\n"
        )
        for at in range(0, len(body), 65_536):
            connection.writer.write(body[at : at + 65_536])
            await connection.writer.drain()


async def question(gateway: Gateway, provider: str, client: str, stream: bool) -> tuple[Answer, str]:
    tag = uuid.uuid4().hex
    headers = {"x-request-id": tag, "anthropic-version": "2023-06-01"}
    asked = request("POST", PATHS[client], body_for(client, provider, stream), headers=headers)
    return await ask(gateway.port, asked, timeout=20), tag


PASSED = (("anthropic", "messages"), ("together", "chat"))
"""Provider and client speak the same dialect: the provider's bytes pass, good or bad, and only their end is judged here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand() -> AsyncIterator[tuple[Gateway, Stage]]:
    """A gateway in front of a stage, for all of the module: what one bad answer breaks, the next one meets."""
    stage = Stage()
    async with scripted(stage) as upstream:
        origin = upstream.url.removesuffix("/v1")
        gateway = await asyncio.to_thread(Gateway, config(origin))
        try:
            yield gateway, stage
        finally:
            gateway.close()


async def unsettled(gateway: Gateway, tags: dict[str, str]) -> list[str]:
    """Requests without exactly one line in the access log, or with a line that blames the gateway."""

    def lines() -> list[dict[str, Any]]:
        return [line for line in access_lines(gateway) if line["request_id"] in tags]

    with suppress(AssertionError):
        await eventually(lambda: len(lines()) >= len(tags), 3.0, every=0.1)
    counts = Counter(line["request_id"] for line in lines())
    found = [f"{label}: settled {counts[tag]} times" for tag, label in tags.items() if counts[tag] != 1]
    blamed = [line for line in lines() if line["outcome"] not in ("ok", "upstream_error")]
    return found + [f"{tags[line['request_id']]}: {line['outcome']}: {line['detail']}" for line in blamed]


def problem(answer: Answer, client: str, stream: bool, wanted: str) -> str | None:
    try:
        came, said = judge(answer, client, stream)
    except (AssertionError, KeyError, ValueError, TypeError) as error:
        return f"ill-formed: {type(error).__name__}: {error}; {answer.status} {answer.body[:300]!r}"
    if answer.status == 500 and answer.header("x-tollway-error-source") != "upstream":
        return f"500: {said}"
    texts = {"answer": TEXT, "stutter": TEXT.replace("über", "überüber")}
    if wanted == "error" and came != "error":
        return f"answered: {said!r}"
    if wanted in texts and (came, said) != ("answer", texts[wanted]):
        return f"{came}: {said!r}"
    return None


@pytest.mark.parametrize("fault", FAULTS)
async def test_bad_answers(stand: tuple[Gateway, Stage], fault: str) -> None:
    gateway, stage = stand
    stage.reply, of_whole, of_stream = FAULTS[fault]
    found: list[str] = []
    tags: dict[str, str] = {}
    for provider in PROVIDERS:
        for client in CLIENTS:
            for stream in (False, True):
                label = f"{provider}-{client}-{'stream' if stream else 'whole'}"
                try:
                    answer, tag = await question(gateway, provider, client, stream)
                except TimeoutError:
                    found.append(f"{label}: hangs")
                    continue
                tags[tag] = label
                passed = (provider, client) in PASSED and answer.status == 200
                wrong = None if passed else problem(answer, client, stream, of_stream if stream else of_whole)
                if passed and b"The gateway failed" in answer.body:
                    wrong = f"a failure of the gateway: {answer.body[-300:]!r}"
                if wrong is not None:
                    found.append(f"{label}: {wrong}")
    found.extend(await unsettled(gateway, tags))
    assert "Traceback" not in gateway.log()
    assert found == []


HUGE = 100 * 1024 * 1024


@pytest.mark.parametrize("stream", [pytest.param(False, id="whole"), pytest.param(True, id="stream")])
async def test_one_event_of_a_hundred_megabytes(stand: tuple[Gateway, Stage], stream: bool) -> None:
    """It is an error or passes in pieces; the gateway keeps no more of it than its limits say."""
    gateway, stage = stand
    letters = b"a" * HUGE

    def huge(provider: str, stream: bool) -> Reply:
        if not stream:
            return kind(provider, stream=stream), b"", dump(whole(provider)).replace(b"Far", letters)
        first = b"".join([event(provider, one) for one in events(provider)[:2]])
        if provider == "bedrock":
            return kind(provider, stream=True), b"", first + b"\x06\x40\x00\x00\x00\x00\x00\x57" + letters
        return kind(provider, stream=True), b"", first + b'data: {"x":"' + letters + b'"}\n\n'

    stage.reply = huge
    (pid,) = workers(gateway) or [gateway.pid]
    for provider in PROVIDERS:
        for client in CLIENTS:
            answer, tag = await question(gateway, provider, client, stream)
            assert answer.status != 500
            if answer.status != 200:
                _message(answer.json, client)
            await settled(gateway, tag)
            assert rss(pid) < 400 * 1024 * 1024, (provider, client, rss(pid))
