"""What is sent: one well-formed request, byte for byte what was asked for, and nothing that could be read as two."""

import asyncio

import pytest

from proxy.protocols import Transport
from tests.support.raw_upstream import RawUpstream, breath
from tests.support.strict_request import Request

from .exchanges import Answered, Failed, asked, outcome

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"


async def seen(transport: Transport, upstream: RawUpstream, path: str = "/v1/chat", **options: object) -> Request:
    """The request as it arrived, and that it was one only."""
    task = asyncio.create_task(outcome(transport, asked(upstream, path, **options)))  # type: ignore[arg-type]
    peer = await upstream.peer(len(upstream.peers) + 1)
    request = await peer.request()
    await breath()
    assert not peer.more
    await peer.say(NOTHING)
    assert isinstance(await task, Answered)
    return request


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "M-SEARCH"])
async def test_the_method_is_sent_as_it_is(transport: Transport, upstream: RawUpstream, method: str) -> None:
    request = await seen(transport, upstream, method=method, body=None, headers=())
    assert request.method == method
    assert request.body == b""


async def test_headers_are_those_given_with_host_and_length_and_hardly_more(
    transport: Transport, upstream: RawUpstream
) -> None:
    given = [
        ("content-type", "application/json"),
        ("authorization", "Bearer a b"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("X-Case", "v"),
    ]
    request = await seen(transport, upstream, headers=given, body=b'{"a":1}')
    assert request.body == b'{"a":1}'
    assert request.header("host") == b"127.0.0.1:%d" % upstream.port
    assert request.header("content-length") == b"7"
    assert request.all("x-a") == [b"1", b"2"]
    assert request.header("authorization") == b"Bearer a b"
    others = {name for name, _ in request.headers} - {name.lower() for name, _ in given}
    assert others <= {"host", "content-length", "connection"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [None, b""], ids=["none", "empty"])
async def test_an_empty_body_is_said_to_be_empty(
    transport: Transport, upstream: RawUpstream, method: str, body: bytes | None
) -> None:
    request = await seen(transport, upstream, method=method, body=body)
    assert request.framing == "0"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_asks_without_a_body_says_nothing_of_one(
    transport: Transport, upstream: RawUpstream, method: str
) -> None:
    assert (await seen(transport, upstream, method=method, body=None)).framing == ""


TARGETS = [
    "/", "/v1/models?limit=2&after=a%20b", "/a/%2e%2e/b", "/a/../b", "/a//b", "/v1/x%2Fy?q=%C3%A9&e=", "/?", "/a?b?c=/d",
    "/files/a+b%2Bc;v=1/~x!$&'()*,=:@", "/a?x=%0d%0ay:1", "/a?" + "q" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:20])
async def test_path_and_query_travel_unchanged(transport: Transport, upstream: RawUpstream, target: str) -> None:
    request = await seen(transport, upstream, target, method="GET", body=None)
    assert request.target == target.removesuffix("?") if target == "/?" else request.target == target


async def test_a_url_without_a_path_asks_for_the_root(transport: Transport, upstream: RawUpstream) -> None:
    assert (await seen(transport, upstream, "", method="GET", body=None)).target == "/"


async def test_a_fragment_stays_here(transport: Transport, upstream: RawUpstream) -> None:
    assert (await seen(transport, upstream, "/a?b#c", method="GET", body=None)).target == "/a?b"


async def test_values_beyond_ascii_travel_as_bytes(transport: Transport, upstream: RawUpstream) -> None:
    """The gateway decodes what a client sent as UTF-8, so that is how it must leave."""
    request = await seen(transport, upstream, headers=[("x-name", "caf\xe9 \xff")])
    assert request.header("x-name") == "caf\xe9 \xff".encode()


BREAKING = {
    "CR LF in a value": ("x-a", "a\r\nx-evil: 1"),
    "CR in a value": ("x-a", "a\rb"),
    "LF in a value": ("x-a", "a\nx-evil: 1"),
    "NUL in a value": ("x-a", "a\0b"),
    "a whole request in a value": ("x-a", "a\r\n\r\nGET /evil HTTP/1.1\r\nhost: b\r\n\r\n"),
    "CR LF in a name": ("x-a: b\r\nx-evil", "1"),
    "NUL in a name": ("x\0", "1"),
    "LF at the end of a value": ("x-a", "a\n"),
    "LF at the end of a name": ("x-a\n", "1"),
}


@pytest.mark.parametrize("header", BREAKING.values(), ids=BREAKING)
async def test_a_header_that_would_be_more_than_one_is_never_sent(
    transport: Transport, upstream: RawUpstream, header: tuple[str, str]
) -> None:
    assert await outcome(transport, asked(upstream, headers=[header])) == Failed("UpstreamInvalid")
    await breath()
    assert not any(peer.heard for peer in upstream.peers)


LINES = {
    "a header in the path": ("GET", "/a\r\nx-evil: 1"),
    "a request in the path": ("GET", "/a HTTP/1.1\r\nhost: b\r\n\r\nGET /b"),
    "a space in the path": ("GET", "/a b"),
    "a tab in the path": ("GET", "/a\tb"),
    "NUL in the path": ("GET", "/a\0b"),
    "a request in the method": ("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET", "/"),
    "a space in the method": ("G ET", "/"),
    "no method": ("", "/"),
    "a method beyond ASCII": ("G\xc9T", "/"),
}


@pytest.mark.parametrize(("method", "target"), LINES.values(), ids=LINES)
async def test_a_first_line_that_would_be_more_than_one_is_never_sent(
    transport: Transport, kind: str, upstream: RawUpstream, method: str, target: str
) -> None:
    """Refused, or sent as one line (URLs lose their line ends and tabs where they are parsed)."""
    task = asyncio.create_task(outcome(transport, asked(upstream, target, method=method, body=None)))
    await breath(20)
    heard = b"".join(bytes(peer.heard) for peer in upstream.peers)
    if heard:
        assert heard.count(b"\r\n\r\n") == 1
        assert not any(line.startswith((b"x-evil", b"GET /b", b"host: b")) for line in heard.split(b"\r\n"))
        assert kind == "session" or "\t" in target
        task.cancel()
        await asyncio.wait([task])
    else:
        assert await task == Failed("UpstreamInvalid")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1/chat",
        "http://",
        "http:///v1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "ftp://127.0.0.1/",
        "http://[::1/",
    ],
)
async def test_a_url_that_is_none(transport: Transport, upstream: RawUpstream, url: str) -> None:
    request = asked(upstream)
    found = await outcome(transport, type(request)(method="GET", url=url, headers=[], body=None))
    assert isinstance(found, Failed)


async def test_what_was_refused_spoils_nothing(transport: Transport, upstream: RawUpstream) -> None:
    assert isinstance(await outcome(transport, asked(upstream, headers=[("x-a", "a\r\nb")])), Failed)
    assert (await seen(transport, upstream)).body == b"{}"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("size", [1, 16_384, 32_767, 32_768, 32_769, 65_536, 300_000, 3_000_000])
async def test_a_body_of_bytes_arrives_whole(transport: Transport, upstream: RawUpstream, size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    request = await seen(transport, upstream, body=body[:size])
    assert request.framing == str(size)
    assert request.body == body[:size]
