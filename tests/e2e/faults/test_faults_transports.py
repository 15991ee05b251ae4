"""Both transports behind the whole gateway: what a client sees of each fault is the same, to the byte."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.support.faults import OK
from tests.support.processes import Gateway, config_for, free_port, running
from tests.support.raw_upstream import Peer, raw_upstream
from tests.support.rawhttp import Answer, ask, chat

pytestmark = pytest.mark.e2e

EVENT = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Far"},"finish_reason":%b}]}\n\n'
EVENTS = EVENT % b"null" + EVENT % b'"stop"' + b"data: [DONE]\n\n"
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
SIZED = b"content-length: %d\r\n\r\n" % len(OK)
CHUNKS = b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(frozen=True)
class Fault:
    """What the upstream says, how it ends, and what the client must see: status, code of the error, ending on the wire."""

    pieces: tuple[bytes, ...]
    end: str = ""
    status: int = 200
    code: str | None = None
    ending: str = "whole"
    stream: bool = False
    also: str | None = None
    """The code where all of it comes in one segment: aiohttp then reports it before the head."""


FAULTS: dict[str, Fault] = {
    "sized": Fault((JSON + SIZED + OK,)),
    "chunked": Fault((JSON + CHUNKS, chunk(OK[:9]), chunk(OK[9:]), b"0\r\nx-sum: 1\r\n\r\n")),
    "until the end": Fault((JSON + b"\r\n", OK), "fin"),
    "an interim answer": Fault((b"HTTP/1.1 103 Early Hints\r\n\r\n" + JSON + SIZED, OK)),
    "a stream": Fault((SSE + CHUNKS, chunk(EVENTS[:100]), chunk(EVENTS[100:]), b"0\r\n\r\n"), stream=True),
    "an error of the provider": Fault((b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: 39\r\n\r\n" + b'{"error":{"message":"m","code":"odd"}}\n\n',), status=400, code="odd"),
    "a header of any byte": Fault((JSON + b"x-a: \xff\xe9\r\n" + SIZED + OK,)),
    "close without a word": Fault((), "fin", 502, "upstream_unavailable"),
    "reset without a word": Fault((), "reset", 502, "upstream_unavailable"),
    "reset inside the head": Fault((JSON,), "reset", 502, "upstream_unavailable"),
    "a status that is none": Fault((b"HTTP/1.1 042 X\r\n" + SIZED + OK,), "", 502, "upstream_invalid_response"),
    "words": Fault((b"hello\r\n\r\n",), "", 502, "upstream_invalid_response"),
    "another protocol": Fault((b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: a\r\n\r\n",), "fin", 502, "upstream_invalid_response"),
    "two framings": Fault((JSON + b"content-length: 3\r\n" + CHUNKS + b"0\r\n\r\n",), "", 502, "upstream_invalid_response"),
    "two lengths": Fault((JSON + b"content-length: 3\r\n" + SIZED + OK,), "", 502, "upstream_invalid_response"),
    "NUL in a header": Fault((JSON + b"x-a: \0\r\n" + SIZED + OK,), "", 502, "upstream_invalid_response"),
    "a control byte in a header": Fault((JSON + b"x-a: \x01\r\n" + SIZED + OK,), "", 502, "upstream_invalid_response"),
    "cut, sized": Fault((JSON + SIZED, OK[:20]), "fin", 502, "upstream_error"),
    "reset, sized": Fault((JSON + SIZED, OK[:20]), "reset", 502, "upstream_error"),
    "a bad chunk": Fault((JSON + CHUNKS, chunk(OK), b"zz\r\n"), "", 502, "upstream_error", also="upstream_invalid_response"),
    "a cut stream": Fault((SSE + CHUNKS, chunk(EVENT % b"null")), "fin", 200, "upstream_error", "cut", stream=True),
    "a reset stream": Fault((SSE + CHUNKS, chunk(EVENT % b"null")), "reset", 200, "upstream_error", "cut", stream=True),
    "a stream that only stops": Fault((SSE + b"\r\n", EVENT % b"null"), "fin", 200, "upstream_error", "cut", stream=True),
    "a second answer behind the first": Fault((JSON + SIZED + OK, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")),
}  # fmt: skip

_port = free_port()


@pytest.fixture(scope="module", params=["lean", "session"])
def either(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A gateway with that transport; its upstream listens while a test runs."""
    config = config_for(f"http://127.0.0.1:{_port}/v1", timeouts={"first_byte": 5, "idle": 5, "total": 10})
    config["providers"]["mock"]["transport"] = request.param
    with running(config) as gateway:
        yield gateway


@pytest.fixture
async def faults() -> AsyncIterator[None]:
    """An upstream that does as the request's ``x-fault`` says."""

    async def script(peer: Peer) -> None:
        while True:
            name = (await peer.request(60)).header("x-fault")
            fault = FAULTS[(name or b"").decode()]
            await peer.say(*fault.pieces)
            await peer.end(fault.end)
            if fault.end:
                return

    async with raw_upstream(script, port=_port):
        yield


async def asked(gateway: Gateway, name: str) -> Answer:
    """One chat request that meets that fault."""
    return await ask(gateway.port, chat(stream=FAULTS[name].stream, headers={"x-fault": name}))


@pytest.mark.usefixtures("faults")
async def test_a_client_sees_the_same_of_every_fault(either: Gateway) -> None:
    seen = {}
    for name, fault in FAULTS.items():
        answer = await asked(either, name)
        errors = answer.errors if fault.stream else [answer.json["error"]] if "error" in answer.json else []
        code = errors[0]["code"] if errors else None
        code = fault.code if code == fault.also else code
        seen[name] = (answer.status, code, "whole" if answer.ending == "whole" else "cut")
        if fault.code is None:
            assert answer.body == (EVENTS if fault.stream else OK), name
    assert seen == {name: (fault.status, fault.code, fault.ending) for name, fault in FAULTS.items()}


@pytest.mark.usefixtures("faults")
async def test_faults_side_by_side_are_not_mixed(either: Gateway) -> None:
    """A fault and good answers at once, many times: the good ones stay good."""
    names = [
        "a second answer behind the first",
        "a bad chunk",
        "cut, sized",
        "words",
        "reset, sized",
        "sized",
        "chunked",
    ]
    answers = await asyncio.gather(*(asked(either, name) for name in names * 6))
    for name, answer in zip(names * 6, answers, strict=True):
        assert answer.status == FAULTS[name].status, name
        if FAULTS[name].code is None:
            assert answer.body == OK
