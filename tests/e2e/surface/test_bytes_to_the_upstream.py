"""What the client sends reaches the upstream unchanged, but for hop-by-hop headers, credentials and configured edits."""

import gzip
import hashlib
import json

import pytest

from tests.support.processes import Gateway, Mock

from .wire import CHAT, JSON, ask, body_of, chat, connect, form, mark, one, receive, received, values_of

pytestmark = pytest.mark.e2e

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'
BODIES = {
    "odd whitespace": b'\r\n\t {  "model" :\t"gpt-4o" ,\n' + MESSAGES + b" , \"n\"\n:\n1 }  \n",
    "unicode": '{"model":"gpt-4o","messages":[{"role":"user","content":"röad — 道路 🛣 \u2028 \u200b"}]}'.encode(),
    "escapes": rb'{"model":"gpt-4o","messages":[{"role":"user","content":"\u0072\u00f6ad \ud83d\ude80 \/ \b\f\u0000"}]}',
    "escaped keys": rb'{"mod\u0065l":"gpt-4o",' + MESSAGES + b"}",
    "unknown fields": b'{"model":"gpt-4o",' + MESSAGES + b',"x":{"y":[1,{"z":null}]},"":0,"api":"x"}',
    "duplicated unknown keys": b'{"x":1,"x":2,"model":"gpt-4o",' + MESSAGES + b',"x":{"x":1,"x":2}}',
    "big numbers": b'{"model":"gpt-4o",' + MESSAGES + b',"a":9007199254740993,"b":123456789012345678901234567890,"c":1e300,"d":-0.0,"e":1.10}',
    "model last": b"{" + MESSAGES + b',"stream":false,"model":"gpt-4o"}',
    "nested decoys": b'{"x":{"model":"decoy","stream":true},"messages":[{"role":"user","content":"\\"model\\":\\"decoy\\""}],"model":"gpt-4o"}',
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_json_bodies(gateway: Gateway, mock: Mock, name: str) -> None:
    body, marked = BODIES[name], mark()
    assert chat(gateway.origin, body, headers=[marked]).status == 200
    entry = one(mock, marked)
    assert body_of(entry) == body
    assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert values_of(entry, "content-length") == [str(len(body))]


@pytest.mark.parametrize("name", BODIES)
def test_renaming_changes_only_the_models_value(gateway: Gateway, mock: Mock, name: str) -> None:
    body, marked = BODIES[name].replace(b'"gpt-4o"', b'"fast"'), mark()
    assert chat(gateway.origin, body, headers=[marked]).status == 200
    assert body_of(one(mock, marked)) == BODIES[name]


def test_a_large_body(gateway: Gateway, mock: Mock) -> None:
    text = json.dumps("röad " * 400_000).encode()
    body, marked = b'{"model":"gpt-4o","messages":[{"role":"user","content":' + text + b"}]}", mark()
    assert chat(gateway.origin, body, headers=[marked]).status == 200
    assert one(mock, marked)["body_sha256"] == hashlib.sha256(body).hexdigest()


def test_a_chunked_body_is_read_like_any_other(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    with connect(gateway.origin) as link:
        start = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer sk-tw-test-key\r\ncontent-type: application/json\r\n{marked[0]}: {marked[1]}\r\ntransfer-encoding: chunked\r\n\r\n"
        link.sendall(start.encode())
        for at in range(0, len(CHAT), 7):
            piece = CHAT[at : at + 7]
            link.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        link.sendall(b"0\r\n\r\n")
        assert receive(link).status == 200
    assert body_of(one(mock, marked)) == CHAT


QUERIES = [
    "a=1&b=2&a=3",
    "b=2&a=1",
    "after=file%2D1&x=%7e%41",
    "q=a+b%20c&empty=&flag",
    "include[]=x&include[]=y&arr%5B%5D=z",
    "u=%C3%BC%F0%9F%9B%A3&slash=a/b?c",
    "&&=&a==b&",
    "percent=%25%2541",
    "t=2026-11-22T10:00:00Z;x",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ["/v1/files", "/v1/chat/completions"])
def test_queries_as_sent(gateway: Gateway, mock: Mock, path: str, query: str) -> None:
    marked = mark()
    if path == "/v1/files":
        ask(gateway.origin, "GET", f"{path}?{query}", headers=[marked])
    else:
        ask(gateway.origin, "POST", f"{path}?{query}", headers=[marked, JSON], body=CHAT)
    assert one(mock, marked)["path"] == f"{path}?{query}"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/file-1%2Fcontent",
        "/v1/models/acme%2Froadrunner-7b",
        "/v1/files/a%20b+c",
        "/v1/files/%C3%BC",
        "/v1/some_day/x:y,z=v@~!$'()*",
        "/v1/vector_stores/vs_1/files/f%2e1",
        "/v1/some_day/new%2Dpath/x",
    ],
)
def test_paths_as_sent(mock: Mock, everything: Gateway, path: str) -> None:
    marked = mark()
    ask(everything.origin, "GET", path, headers=[marked])
    assert one(mock, marked)["path"] == path


def test_headers(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    kept = [
        ("User-Agent", "road/1.0 (odd; Thing)"),
        ("X-Client-Request-Id", "r-1"),
        ("Idempotency-Key", "k-1"),
        ("OpenAI-Beta", "assistants=v2"),
        ("X-Stainless-Retry-Count", "0"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("Accept", "*/*;q=0.1"),
        ("Accept-Encoding", "gzip;q=0, identity"),
        ("X-Custom", 'a, "b" ; c=  d'),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X-Utf8", "r\xc3\xb6ad"),
    ]
    dropped = [
        ("Cookie", "session=1"),
        ("TE", "trailers"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("X-Api-Key", "sk-other"),
        ("Api-Key", "sk-other"),
        ("X-Goog-Api-Key", "sk-other"),
        ("OpenAI-Organization", "org-1"),
        ("OpenAI-Project", "proj-1"),
        ("X-Tollway-Tags", "a"),
    ]
    assert chat(gateway.origin, headers=[marked, *kept, *dropped]).status == 200
    entry = one(mock, marked)
    for name in {name.lower() for name, _ in kept}:
        assert values_of(entry, name) == [value for key, value in kept if key.lower() == name], name
    ours = {"host", "content-length", "content-type", "authorization", marked[0]}
    assert {name.lower() for name, _ in entry["headers"]} == ours | {name.lower() for name, _ in kept}
    assert values_of(entry, "authorization") == ["Bearer sk-upstream-credential"]
    assert values_of(entry, "host") == [mock.origin.removeprefix("http://")]
    assert "sk-tw-test-key" not in json.dumps(entry)


def test_nothing_is_added(gateway: Gateway, mock: Mock) -> None:
    """A client that names no encoding or agent gets none invented."""
    marked = mark()
    assert ask(gateway.origin, "GET", "/v1/files", headers=[marked]).status == 200
    names = {name.lower() for name, _ in one(mock, marked)["headers"]}
    assert names == {"host", "authorization", marked[0]}


def test_multipart(gateway: Gateway, mock: Mock) -> None:
    kind, body = form(
        ("purpose", None, b"user_data"), ("file", 'odd "name" \xfc.bin', bytes(range(256)) * 8 + b"\r\n--frontier")
    )
    marked = mark()
    assert ask(gateway.origin, "POST", "/v1/files", headers=[kind, marked], body=body).status == 200
    entry = one(mock, marked)
    assert body_of(entry) == body
    assert values_of(entry, "content-type") == [kind[1]]
    assert values_of(entry, "content-length") == [str(len(body))]


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/sdp", "application/jsonl", ""])
def test_binary_on_a_path_without_a_model(gateway: Gateway, mock: Mock, kind: str) -> None:
    body, marked = bytes(range(256)) * 64, mark()
    headers = [marked, ("content-type", kind)] if kind else [marked]
    ask(gateway.origin, "POST", "/v1/some/new/path", headers=headers, body=body)
    entry = one(mock, marked)
    assert body_of(entry) == body
    assert values_of(entry, "content-type") == ([kind] if kind else [])


def test_compressed_bytes_on_a_path_without_a_model(gateway: Gateway, mock: Mock) -> None:
    body, marked = gzip.compress(b"{}" * 100, mtime=0), mark()
    headers = [marked, ("content-encoding", "gzip"), ("content-type", "application/octet-stream")]
    ask(gateway.origin, "PUT", "/v1/some/new/path", headers=headers, body=body)
    assert body_of(one(mock, marked)) == body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_methods_of_unknown_paths(gateway: Gateway, mock: Mock, method: str) -> None:
    marked = mark()
    ask(gateway.origin, method, "/v1/new_family/x?y=1", headers=[marked])
    entry = one(mock, marked)
    assert (entry["method"], entry["path"]) == (method, "/v1/new_family/x?y=1")


REFUSED = {
    "duplicate model": b'{"model":"a","model":"b",' + MESSAGES + b"}",
    "duplicate model, one escaped": rb'{"model":"a","mod\u0065l":"b",' + MESSAGES + b"}",
    "duplicate stream": b'{"model":"a","stream":true,"stream":false,' + MESSAGES + b"}",
    "api_base": b'{"model":"a","api_base":"http://127.0.0.1:1",' + MESSAGES + b"}",
    "base_url": b'{"model":"a","base_url":"http://127.0.0.1:1",' + MESSAGES + b"}",
    "byte order mark": b"\xef\xbb\xbf" + CHAT,
    "utf-16": CHAT.decode().encode("utf-16"),
    "nan": b'{"model":"a","temperature":NaN,' + MESSAGES + b"}",
    "not utf-8": b'{"model":"a","user":"\xff",' + MESSAGES + b"}",
    "truncated": CHAT[:-1],
    "trailing": CHAT + b"}",
    "too deep": b'{"model":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "array": b"[]",
    "empty": b"",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_bodies_never_travel(gateway: Gateway, mock: Mock, name: str) -> None:
    marked = mark()
    answer = chat(gateway.origin, REFUSED[name], headers=[marked])
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert received(mock, marked) == []
