"""What answers hand out belongs to the caller before they leave; lists come without the objects of others; deleting frees."""

import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from proxy.context import Message
from proxy.protocols import Exchange, UpstreamRequest
from tests.support.asgi import HOST, Client, http_scope
from tests.support.fakes import SSE, FakeExchange, FakeSocket

from .stand import A, B, Stand, json_answer, owning

JOB = {"id": "ftjob-1a2b3c4d", "fine_tuned_model": "ft:small:org::Xy12", "result_files": ["file-res1234567"]}


async def owner(gate: Stand, ident: str) -> str | None:
    (found,) = await owning(gate.owners, [ident])
    return found


@pytest.mark.parametrize(
    ("path", "answer", "handed"),
    [
        ("/files", {"id": "file-1a2b3c4d"}, ["file-1a2b3c4d"]),
        ("/fine_tuning/jobs", JOB, ["ftjob-1a2b3c4d", "ft:small:org::Xy12", "file-res1234567"]),
        ("/batches", {"id": "batch_1a2b", "output_file_id": "file-out12345"}, ["batch_1a2b", "file-out12345"]),
        ("/uploads/upload_mine/complete", {"id": "upload_mine", "file": {"id": "file-whole123"}}, ["file-whole123"]),
        (
            "/responses",
            {
                "id": "resp_1a2b",
                "object": "response",
                "conversation": {"id": "conv_1a2b"},
                "output": [{"id": "msg_1a2b"}, {"id": "ci_1a2b", "container_id": "cntr_1a2b"}],
            },
            ["resp_1a2b", "conv_1a2b", "msg_1a2b", "ci_1a2b", "cntr_1a2b"],
        ),
        ("/threads/runs", {"id": "run_1a2b", "thread_id": "thread_1a2b"}, ["run_1a2b", "thread_1a2b"]),
        ("/messages/batches", {"id": "msgbatch_1a2b"}, ["msgbatch_1a2b"]),
        ("/brand_new/things", {"id": "thing_1a2b3c4d5e"}, ["thing_1a2b3c4d5e"]),
    ],
)
async def test_what_is_handed_out_is_the_callers(path: str, answer: dict[str, Any], handed: list[str]) -> None:
    gate = Stand()
    await gate.owners.claim(A, ["upload_mine"])
    gate.upstream.routes["POST", path] = answer
    client = await gate.ask(A, "POST", "/v1" + path, {"model": "small"})
    assert orjson.loads(client.body) == answer, "the bytes pass as they are"
    for ident in handed:
        assert await owner(gate, ident) == A
        assert (await gate.ask(B, "GET", f"/v1/files/{ident}")).status == 404


async def test_the_claim_stands_before_the_answer_leaves() -> None:
    gate = Stand()
    gate.upstream.routes["POST", "/files"] = {"id": "file-1a2b3c4d"}
    seen: list[str | None] = []
    data = b"{}"
    headers = [HOST, (b"authorization", b"Bearer sk-acme"), (b"content-type", b"application/json")]
    headers.append((b"content-length", b"2"))
    client = Client(data)

    async def send(message: Message) -> None:
        seen.append(await owner(gate, "file-1a2b3c4d"))

    await gate.app(http_scope("POST", "/v1/files", headers=headers), client.receive, send)
    assert seen
    assert set(seen) == {A}


async def test_a_compressed_answer_hands_out_too_and_passes_as_it_is() -> None:
    gate = Stand()
    packed = gzip.compress(orjson.dumps({"id": "file-1a2b3c4d"}))
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    gate.upstream.routes["POST", "/files"] = lambda request: FakeExchange(packed, headers=headers)
    client = await gate.ask(A, "POST", "/v1/files", {})
    assert client.body == packed
    assert client.headers[b"content-encoding"] == b"gzip"
    assert await owner(gate, "file-1a2b3c4d") == A


async def test_a_call_is_named_in_a_header() -> None:
    gate = Stand()
    head = ((b"content-type", b"application/sdp"), (b"location", b"/v1/realtime/calls/rtc_1a2b3c"))
    gate.upstream.routes["POST", "/realtime/calls"] = lambda request: FakeExchange(b"v=0", status=201, headers=head)
    assert (await gate.ask(A, "POST", "/v1/realtime/calls", b"v=0", content_type="application/sdp")).status == 201
    assert await owner(gate, "rtc_1a2b3c") == A


async def test_an_error_hands_out_nothing() -> None:
    gate = Stand()
    gate.upstream.routes["POST", "/files"] = lambda request: json_answer({"id": "file-1a2b3c4d"}, status=400)
    await gate.ask(A, "POST", "/v1/files", {})
    assert await owner(gate, "file-1a2b3c4d") is None


async def test_nobody_comes_to_own_what_they_mention() -> None:
    gate = Stand()
    gate.upstream.routes["POST", "/responses"] = {
        "id": "resp_1a2b",
        "object": "response",
        "output": [{"id": "msg_mentioned1"}],
    }
    for said in ('"msg_mentioned1"', '"msg\\u005fmentioned1"'):
        body = b'{"model":"small","input":[{"role":"user","content":"x","id":%s}]}' % said.encode()
        assert (await gate.ask(A, "POST", "/v1/responses", body)).status == 200
        assert await owner(gate, "msg_mentioned1") is None
    assert await owner(gate, "resp_1a2b") == A


async def test_an_object_keeps_its_first_owner() -> None:
    gate = Stand()
    await gate.owners.claim(B, ["file-1a2b3c4d"])
    gate.upstream.routes["POST", "/files"] = {"id": "file-1a2b3c4d"}
    await gate.ask(A, "POST", "/v1/files", {})
    assert await owner(gate, "file-1a2b3c4d") == B


@pytest.mark.parametrize(
    ("path", "body", "kept"),
    [
        ("/responses", {}, True),
        ("/responses", {"store": True}, True),
        ("/responses", {"store": None}, True),
        ("/responses", {"store": False}, False),
        ("/chat/completions", {}, False),
        ("/chat/completions", {"store": False}, False),
        ("/chat/completions", {"store": True}, True),
    ],
)
async def test_only_what_the_provider_keeps_is_remembered(path: str, body: dict[str, Any], kept: bool) -> None:
    gate = Stand()
    gate.upstream.routes["POST", path] = {"id": "resp_1a2b3c", "object": "response"}
    await gate.ask(A, "POST", "/v1" + path, {"model": "small", "messages": [], **body})
    assert await owner(gate, "resp_1a2b3c") == (A if kept else None)


async def test_a_translated_answer_hands_out_nothing_that_its_provider_keeps() -> None:
    gate = Stand()
    gate.upstream.routes["POST", "/responses"] = {"id": "chatcmpl-1a2b3c", "object": "chat.completion", "choices": []}
    await gate.ask(A, "POST", "/v1/responses", {"model": "small", "input": "x"})
    assert await owner(gate, "chatcmpl-1a2b3c") is None


# ---- streams --------------------------------------------------------------------------------------------------------


def events(*documents: dict[str, Any]) -> list[bytes]:
    return [b"event: " + d["type"].encode() + b"\ndata: " + orjson.dumps(d) + b"\n\n" for d in documents]


STREAM = events(
    {"type": "response.created", "response": {"id": "resp_1a2b", "object": "response", "output": []}},
    {"type": "response.output_item.added", "item": {"id": "msg_1a2b", "type": "message"}},
    {"type": "response.output_text.delta", "delta": "hello", "item_id": "msg_1a2b"},
    {"type": "response.output_item.done", "item": {"id": "ci_1a2b", "container_id": "cntr_1a2b"}},
    {"type": "response.completed", "response": {"id": "resp_1a2b", "conversation": {"id": "conv_1a2b"}, "output": []}},
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_a_streams_ids_are_claimed_before_they_leave(size: int) -> None:
    gate = Stand()
    whole = b"".join(STREAM)
    cut = [whole[at : at + size] for at in range(0, len(whole), size)]
    gate.upstream.routes["POST", "/responses"] = lambda request: FakeExchange(*cut, headers=SSE)
    client = await gate.ask(A, "POST", "/v1/responses", {"model": "small", "input": "hi", "stream": True})
    assert client.body == whole
    for ident in ("resp_1a2b", "msg_1a2b", "ci_1a2b", "cntr_1a2b", "conv_1a2b"):
        assert await owner(gate, ident) == A


async def test_a_stored_chat_is_claimed_from_its_first_chunk() -> None:
    gate = Stand()
    chunks = [
        b'data: {"id":"chatcmpl-1a2b","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},'
        b'"finish_reason":%s}]}\n\n' % reason
        for reason in (b"null", b'"stop"')
    ]
    gate.upstream.routes["POST", "/chat/completions"] = lambda request: FakeExchange(
        *chunks, b"data: [DONE]\n\n", headers=SSE
    )
    body = {"model": "small", "messages": [], "stream": True, "store": True}
    assert (await gate.ask(A, "POST", "/v1/chat/completions", body)).status == 200
    assert await owner(gate, "chatcmpl-1a2b") == A
    assert (await gate.ask(B, "GET", "/v1/chat/completions/chatcmpl-1a2b")).status == 404


async def test_a_sockets_frames_hand_out_and_name_objects() -> None:
    gate = Stand()
    created = orjson.dumps({"type": "response.created", "response": {"id": "resp_1a2b"}}).decode()
    gate.upstream.socket = FakeSocket(0.02, created)
    ask = orjson.dumps({"type": "response.create", "model": "small", "input": "hi"}).decode()
    await gate.socket(A, "/v1/responses", ask)
    assert await owner(gate, "resp_1a2b") == A
    gate.upstream.socket = FakeSocket(5.0)
    theirs = orjson.dumps({"type": "response.create", "model": "small", "previous_response_id": "resp_1a2b"}).decode()
    client = await gate.socket(B, "/v1/responses", theirs)
    assert client.sent[-1]["type"] == "websocket.close"
    assert "No such response" in client.sent[-1]["reason"]
    assert gate.upstream.socket.sent == [], "the frame did not travel"


# ---- lists ----------------------------------------------------------------------------------------------------------


def a_list(idents: Sequence[str], *, more: bool = False) -> dict[str, Any]:
    data = [{"id": ident, "object": "file", "bytes": 1234567890} for ident in idents]
    first, last = (idents[0], idents[-1]) if idents else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


def raw_list(idents: Sequence[str], *, more: bool = False) -> bytes:
    """With numbers that no encoder keeps, to be found again unchanged."""
    items = b",".join(b'{ "id": "%s", "n": 1.10, "big": 123456789012345678901 }' % i.encode() for i in idents)
    return b'{"object":"list","data":[%s],"first_id":"%s","last_id":"%s","has_more":%s}' % (
        items, idents[0].encode(), idents[-1].encode(), b"true" if more else b"false",
    )  # fmt: skip


async def test_a_list_shows_the_callers_objects_alone() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["file-mine1", "file-mine2"])
    await gate.owners.claim(B, ["file-theirs1", "file-theirs2"])
    body = raw_list(["file-theirs1", "file-mine1", "file-nobodys1", "file-mine2", "file-theirs2"])
    gate.upstream.routes["GET", "/files"] = lambda request: FakeExchange(body)
    client = await gate.ask(A, "GET", "/v1/files", headers={"accept-encoding": "zstd"})
    assert client.body == raw_list(["file-mine1", "file-mine2"]), "items and everything else keep their bytes"
    assert client.headers[b"content-length"] == b"%d" % len(client.body)
    assert "accept-encoding" not in dict(gate.upstream.requests[0].headers)


async def test_a_list_of_nothing_is_an_empty_list() -> None:
    gate = Stand()
    gate.upstream.routes["GET", "/files"] = a_list(["file-theirs1"])
    client = await gate.ask(A, "GET", "/v1/files")
    assert orjson.loads(client.body) == {**a_list([]), "first_id": None, "last_id": None}


def paged(idents: Sequence[str], default: int) -> Any:
    def answer(request: UpstreamRequest) -> Exchange:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        start = idents.index(query["after"]) + 1 if "after" in query else 0
        size = int(query.get("limit", default))
        return json_answer(a_list(idents[start : start + size], more=start + size < len(idents)))

    return answer


async def listed(gate: Stand, limit: int | None = None) -> list[str]:
    """Every page, as the official SDKs turn them: after the last item, until there is none or no more."""
    found: list[str] = []
    query = f"limit={limit}" if limit else ""
    after = ""
    while True:
        client = await gate.ask(A, "GET", "/v1/files", query="&".join(filter(None, (query, after))))
        assert client.status == 200, client.body
        page = orjson.loads(client.body)
        found += [item["id"] for item in page["data"]]
        assert page["last_id"] == (page["data"][-1]["id"] if page["data"] else None)
        assert limit is None or len(page["data"]) <= limit
        if not page["data"] or not page["has_more"]:
            return found
        after = "after=" + page["data"][-1]["id"]


@pytest.mark.parametrize("limit", [None, 1, 3, 20, 100])
@pytest.mark.parametrize("spread", [1, 7, 90])
async def test_paging_finds_everything_behind_the_objects_of_others(spread: int, limit: int | None) -> None:
    gate = Stand()
    idents = [f"file-{number:04}x" for number in range(400)]
    mine = idents[spread::spread][:25]
    await gate.owners.claim(A, mine)
    gate.upstream.routes["GET", "/files"] = paged(idents, 20)
    assert await listed(gate, limit) == mine


async def test_a_provider_that_ignores_the_cursor_is_not_asked_for_ever() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["file-mine1"])
    gate.upstream.routes["GET", "/files"] = lambda request: json_answer(a_list(["file-mine1", "file-x"], more=True))
    page = orjson.loads((await gate.ask(A, "GET", "/v1/files")).body)
    assert ([item["id"] for item in page["data"]], page["has_more"]) == (["file-mine1"], False)
    assert len(gate.upstream.requests) == 2


async def test_a_list_too_deep_is_refused_and_says_so() -> None:
    gate = Stand()
    gate.upstream.routes["GET", "/files"] = paged([f"file-{number:05}x" for number in range(5000)], 20)
    client = await gate.ask(A, "GET", "/v1/files")
    assert client.status == 403
    assert client.error["code"] == "list_not_filtered"
    assert len(gate.upstream.requests) <= 22


@pytest.mark.parametrize(
    "answer",
    [
        FakeExchange(b"not json at all"),
        FakeExchange(b'{"object":"list"}'),
        FakeExchange(b'{"data":[{"no":"id"}]}'),
        FakeExchange(b'{"data":[1],"data":[{"id":"file-theirs1"}]}'),
        FakeExchange(b'{"data":[{"id":"file-theirs1"}]}x'),
        FakeExchange(b"\x28\xb5\x2f\xfd", headers=((b"content-type", b"application/json"), (b"content-encoding", b"zstd"))),
        FakeExchange(b'data: {"id":"file-theirs1"}\n\n', headers=SSE),
    ],
    ids=["text", "no data", "no ids", "twice", "trailing", "zstd", "events"],
)  # fmt: skip
async def test_what_cannot_be_filtered_is_withheld(answer: FakeExchange) -> None:
    gate = Stand()
    gate.upstream.routes["GET", "/files"] = lambda request: answer
    client = await gate.ask(A, "GET", "/v1/files")
    assert b"theirs" not in client.body
    if answer.status == 200 and b"1" not in client.body:
        assert client.status == 403
    assert answer.closed_once


async def test_a_list_without_ids_in_it_has_nothing_to_hide() -> None:
    gate = Stand()
    gate.upstream.routes["GET", "/files"] = lambda request: FakeExchange(b'{"data":[1,2],"has_more":false}')
    assert (await gate.ask(A, "GET", "/v1/files")).status == 200


async def test_a_providers_error_on_a_list_passes() -> None:
    gate = Stand()
    gate.upstream.routes["GET", "/files"] = lambda request: json_answer({"error": {"message": "no"}}, status=400)
    assert (await gate.ask(A, "GET", "/v1/files")).status == 400


async def test_models_are_everybodys_but_for_fine_tuned_ones() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["ft:small:org::mine"])
    await gate.owners.claim(B, ["ft:small:org::theirs"])
    names = ["small", "ft:small:org::mine", "ft:small:org::theirs", "FT:small:org::odd"]
    gate.upstream.routes["GET", "/models"] = {"object": "list", "data": [{"id": name} for name in names]}
    client = await gate.ask(A, "GET", "/v1/models")
    assert [row["id"] for row in orjson.loads(client.body)["data"]] == ["small", "ft:small:org::mine"]


async def test_an_unknown_collection_is_filtered_by_what_looks_like_an_id() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["thing_mine123456"])
    items = [{"id": "thing_mine123456"}, {"id": "thing_theirs1234"}, {"id": "alloy"}, {"colour": "red"}]
    gate.upstream.routes["GET", "/brand_new"] = {"results": items, "more": [{"id": "other_99"}], "total": 5}
    client = await gate.ask(A, "GET", "/v1/brand_new")
    kept = [items[0], items[2], items[3]]
    assert orjson.loads(client.body) == {"results": kept, "more": [], "total": None}
    gate.upstream.routes["GET", "/brand_new"] = {"id": "thing_theirs1234"}
    assert (await gate.ask(A, "GET", "/v1/brand_new")).status == 404


async def test_short_ids_of_unknown_paths_are_told_apart_by_where_they_are() -> None:
    gate = Stand()
    gate.upstream.routes["POST", "/one"] = {"id": "7"}
    gate.upstream.routes["POST", "/two"] = {"id": "7"}
    await gate.ask(A, "POST", "/v1/one", {})
    await gate.ask(B, "POST", "/v1/two", {})
    for who, path, status in ((A, "one", 200), (A, "two", 404), (B, "one", 404), (B, "two", 200)):
        assert (await gate.ask(who, "GET", f"/v1/{path}/7")).status == status
        gate.upstream.routes["GET", f"/{path}"] = {"data": [{"id": "7"}, {"id": "8"}]}
        listed = orjson.loads((await gate.ask(who, "GET", f"/v1/{path}")).body)["data"]
        assert listed == ([{"id": "7"}] if status == 200 else [])


async def test_google_lists_by_name() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["files/mine12"])
    await gate.owners.claim(B, ["files/theirs12"])
    names = ["files/mine12", "files/theirs12"]
    gate.upstream.routes["GET", "beta/files"] = {"files": [{"name": name} for name in names], "nextPageToken": "t"}
    client = await gate.ask(A, "GET", "/native/google/v1beta/files")
    assert orjson.loads(client.body) == {"files": [{"name": "files/mine12"}], "nextPageToken": "t"}
    gate.upstream.routes["POST", "beta/files"] = {
        "file": {"name": "files/new12", "uri": "https://x/v1beta/files/new12"}
    }
    await gate.ask(A, "POST", "/native/google/upload/v1beta/files", {"file": {"name": "files/new12"}})
    assert await owner(gate, "files/new12") == A


async def test_a_name_that_another_account_chose_before_is_a_conflict() -> None:
    gate = Stand()
    await gate.owners.claim(B, ["files/chosen"])
    gate.upstream.routes["POST", "beta/files"] = {"file": {"name": "files/chosen"}}
    path = "/native/google/upload/v1beta/files"
    client = await gate.ask(A, "POST", path, {"file": {"name": "files/another"}})
    assert client.status == 409
    assert (await gate.ask(B, "POST", path, {"file": {"name": "files/another"}})).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/brand_new"),
        ("PUT", "/brand_new/things"),
        ("PATCH", "/native/claude/v1/brand_new"),
        ("POST", "/brand_new/delete_all"),
        ("POST", "/native/up/v1/brand_new/search"),
        ("DELETE", "/native/google/v1beta/files"),
        ("POST", "/native/google/v1beta/brandNew"),
        ("HEAD", "/files"),
        ("HEAD", "/brand_new"),
        ("POST", "/webhooks"),
        ("GET", "/webhooks"),
    ],
)
async def test_what_touches_everybodys_objects_is_refused(method: str, path: str) -> None:
    gate = Stand()
    where = path if path.startswith("/native") else "/v1" + path
    client = await gate.ask(A, method, where, {} if method in ("POST", "PUT", "PATCH") else None)
    assert client.status == 403
    assert method == "HEAD" or client.error["code"] == "not_isolated"
    assert gate.upstream.asked == []


async def test_what_a_batch_made_is_claimed_from_a_list_too() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["batch_mine"])
    items = [
        {"id": "batch_mine", "output_file_id": "file-mineout1"},
        {"id": "batch_theirs", "output_file_id": "file-other99"},
    ]
    gate.upstream.routes["GET", "/batches"] = {"object": "list", "data": items}
    assert orjson.loads((await gate.ask(A, "GET", "/v1/batches")).body)["data"] == items[:1]
    assert await owning(gate.owners, ["file-mineout1", "file-other99"]) == [A, None]


# ---- deleting -------------------------------------------------------------------------------------------------------


async def test_deleting_frees() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["file-mine1", "vs_mine1"])
    gate.upstream.routes["DELETE", "/files/file-mine1"] = lambda request: json_answer({"error": {}}, status=409)
    await gate.ask(A, "DELETE", "/v1/files/file-mine1")
    assert await owner(gate, "file-mine1") == A, "it is still there"
    gate.upstream.routes["DELETE", "/files/file-mine1"] = {"id": "file-mine1", "deleted": True}
    assert (await gate.ask(A, "DELETE", "/v1/vector_stores/vs_mine1/files/file-mine1")).status == 200
    assert await owner(gate, "file-mine1") == A, "only its place in the store is gone"
    assert (await gate.ask(A, "DELETE", "/v1/files/file-mine1")).status == 200
    assert await owner(gate, "file-mine1") is None
    assert (await gate.ask(A, "GET", "/v1/files/file-mine1")).status == 404


async def test_contents_pass_untouched() -> None:
    gate = Stand()
    await gate.owners.claim(A, ["file-mine1", "batch_mine1"])
    data = b'{"id":"file-theirs"}\n' * 1000
    headers = ((b"content-type", b"application/octet-stream"),)
    gate.upstream.routes["GET", "/files/file-mine1/content"] = lambda request: FakeExchange(data, headers=headers)
    assert (await gate.ask(A, "GET", "/v1/files/file-mine1/content")).body == data


async def test_alone_nothing_is_asked_and_everything_remembered() -> None:
    from proxy.ownership.memory import MemoryOwners

    gate = Stand(MemoryOwners(enforced=lambda: False, wall=lambda: 1e9))
    gate.upstream.routes["POST", "/files"] = {"id": "file-1a2b3c4d"}
    gate.upstream.routes["GET", "/files"] = a_list(["file-from-before"])
    await gate.ask(A, "POST", "/v1/files", {})
    assert await owner(gate, "file-1a2b3c4d") == A
    assert (await gate.ask(A, "GET", "/v1/files/file-from-before")).status == 200
    assert orjson.loads((await gate.ask(A, "GET", "/v1/files")).body) == a_list(["file-from-before"])
