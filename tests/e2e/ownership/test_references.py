"""Ids in bodies, queries, models and forms: another account's is 404 wherever it stands, and does not travel."""

from typing import Any

import orjson
import pytest

from .stand import A, B, Stand

THEIRS = "file-theirs12"
MINE = "file-mine1234"
BOUNDARY = "x-boundary-x"


async def stand() -> Stand:
    gate = Stand()
    await gate.owners.claim(A, [MINE])
    await gate.owners.claim(B, [THEIRS])
    return gate


def chat(part: dict[str, Any]) -> dict[str, Any]:
    return {"model": "small", "messages": [{"role": "user", "content": [part]}]}


def response(**members: Any) -> dict[str, Any]:
    return {"model": "small", "input": "hello", **members}


ID = "@"
"""Where the id goes."""

REFERENCES: list[tuple[str, dict[str, Any]]] = [
    ("/chat/completions", chat({"type": "file", "file": {"file_id": ID}})),
    ("/chat/completions", {"model": "small", "messages": [{"role": "assistant", "audio": {"id": ID}}]}),
    ("/chat/completions", {"model": "small", "messages": [], "container": ID}),
    ("/messages", {"model": "small", "messages": [{"role": "user", "content": [{"source": {"file_id": ID}}]}]}),
    ("/messages", {"model": "small", "messages": [], "container": {"id": ID, "skills": []}}),
    ("/messages/count_tokens", {"model": "small", "messages": [{"content": [{"source": {"file_id": ID}}]}]}),
    ("/messages/batches", {"requests": [{"custom_id": "1", "params": {"messages": [{"file_id": ID}]}}]}),
    ("/responses", response(previous_response_id=ID)),
    ("/responses", response(conversation=ID)),
    ("/responses", response(conversation={"id": ID})),
    ("/responses", response(prompt={"id": ID, "version": "1"})),
    ("/responses", response(input=[{"type": "item_reference", "id": ID}])),
    ("/responses", response(input=[{"id": ID}])),
    ("/responses", response(input=[{"id": ID, "type": None}])),
    ("/responses", response(input=[{"type": "reasoning", "id": ID, "summary": []}])),
    ("/responses", response(input=[{"type": "message", "id": ID, "role": "assistant", "content": []}])),
    ("/responses", response(input=[{"role": "user", "content": [{"type": "input_file", "file_id": ID}]}])),
    ("/responses", response(input=[{"role": "user", "content": [{"type": "input_image", "file_id": ID}]}])),
    ("/responses", response(tools=[{"type": "file_search", "vector_store_ids": ["vs_mine", ID]}])),
    ("/responses", response(tools=[{"type": "code_interpreter", "container": ID}])),
    ("/responses", response(tools=[{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [ID]}}])),
    ("/responses", response(tools=[{"type": "image_generation", "input_image_mask": {"file_id": ID}}])),
    ("/responses", response(tools=[{"type": "shell", "environment": {"container_id": ID}}])),
    ("/responses", response(tools=[{"type": "shell", "environment": {"skills": [{"skill_id": ID}]}}])),
    ("/responses/input_tokens", response(previous_response_id=ID)),
    ("/responses/compact", response(previous_response_id=ID)),
    ("/conversations", {"items": [{"type": "item_reference", "id": ID}]}),
    ("/batches", {"input_file_id": ID, "endpoint": "/v1/responses"}),
    ("/batch/jobs", {"input_files": [ID], "model": "small"}),
    ("/fine_tuning/jobs", {"training_file": ID, "model": "small"}),
    ("/fine_tuning/jobs", {"training_files": [{"file_id": ID, "weight": 1}], "model": "small"}),
    ("/fine_tuning/jobs", {"training_file": MINE, "validation_file": ID, "model": "small"}),
    ("/vector_stores", {"file_ids": [MINE, ID]}),
    ("/containers", {"file_ids": [ID]}),
    ("/assistants", {"tool_resources": {"code_interpreter": {"file_ids": [ID]}}}),
    ("/assistants", {"tool_resources": {"file_search": {"vector_store_ids": [ID]}}}),
    ("/assistants", {"tool_resources": {"file_search": {"vector_stores": [{"file_ids": [ID]}]}}}),
    ("/threads", {"messages": [{"role": "user", "attachments": [{"file_id": ID}]}]}),
    ("/threads/runs", {"assistant_id": ID}),
    ("/evals", {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": ID}}}),
    ("/videos", {"prompt": "x", "input_reference": {"file_id": ID}}),
    ("/videos/edits", {"prompt": "x", "video": {"id": ID}}),
    ("/videos/extensions", {"prompt": "x", "video": ID}),
    ("/audio/speech", {"model": "small", "input": "x", "voice": ID}),
    ("/images/edits", {"model": "small", "images": [{"file_id": ID}]}),
    ("/brand_new", {"deep": [[{"file_id": ID}]]}),
    ("/brand_new", {"whatever": {"id": ID}}),
    ("/realtime/client_secrets", {"session": {"prompt": {"id": ID}}}),
]


def with_id(document: Any, ident: str) -> bytes:
    return orjson.dumps(document).replace(b'"@"', orjson.dumps(ident))


@pytest.mark.parametrize(
    ("path", "document"), REFERENCES, ids=[f"{p} {orjson.dumps(d).decode()}" for p, d in REFERENCES]
)
async def test_a_reference_must_be_the_callers(path: str, document: dict[str, Any]) -> None:
    gate = await stand()
    await gate.owners.claim(A, ["vs_mine"])
    theirs = await gate.ask(A, "POST", "/v1" + path, with_id(document, THEIRS))
    assert theirs.status == 404, theirs.body
    assert path.startswith("/messages") or theirs.error["param"]
    assert "theirs" in theirs.error["message"]
    assert gate.upstream.asked == []
    mine = await gate.ask(A, "POST", "/v1" + path, with_id(document, MINE))
    if path in ("/messages", "/messages/count_tokens"):
        return  # Translated for this provider, which has no such thing.
    assert mine.status == 200, mine.body
    assert gate.upstream.bodies[-1] == with_id(document, MINE), "what is the caller's travels byte for byte"


TELLS = ('"reasoning"', '"message"', '"whatever"')
"""What says itself what it is: only an id that is known as somebody else's is refused there."""


@pytest.mark.parametrize(
    ("path", "document"), REFERENCES, ids=[f"{p} {orjson.dumps(d).decode()}" for p, d in REFERENCES]
)
async def test_an_id_that_nobody_has_is_refused_in_the_same_words(path: str, document: dict[str, Any]) -> None:
    gate = await stand()
    await gate.owners.claim(A, ["vs_mine"])
    nobodys = await gate.ask(A, "POST", "/v1" + path, with_id(document, "file-nobodys1"))
    if any(word.encode() in with_id(document, ID) for word in TELLS):
        assert nobodys.status == 200
        return
    assert nobodys.status == 404
    theirs = await gate.ask(A, "POST", "/v1" + path, with_id(document, THEIRS))
    words = [answer.error["message"].partition("(request id")[0] for answer in (nobodys, theirs)]
    assert words[0].replace("file-nobodys1", "@") == words[1].replace(THEIRS, "@")


@pytest.mark.parametrize(
    ("path", "document"), REFERENCES, ids=[f"{p} {orjson.dumps(d).decode()}" for p, d in REFERENCES]
)
async def test_two_parsers_do_not_find_two_ids(path: str, document: dict[str, Any]) -> None:
    """Whatever copy of a member an upstream takes, and however its name or value is spelt."""
    gate = await stand()
    await gate.owners.claim(A, ["vs_mine"])
    plain = with_id(document, THEIRS)
    clean = with_id(document, MINE)
    tricks = [
        plain.replace(b"file-theirs12", b"file\\u002dtheirs12"),
        plain.replace(b"_id", b"_\\u0069d").replace(b'"id"', b'"\\u0069d"').replace(b"container", b"cont\\u0061iner"),
        b"{" + plain[1:-1] + b"," + clean[1:],
        b"{" + clean[1:-1] + b"," + plain[1:],
        plain.replace(b":", b" : \n\t"),
    ]
    for body in tricks:
        client = await gate.ask(A, "POST", "/v1" + path, body)
        assert client.status in (400, 404), body
    assert gate.upstream.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {"model": "small", "messages": [{"role": "user", "content": "what is a file_id, and where is file-theirs12?"}]},
        {"model": "small", "messages": [{"role": "assistant", "tool_calls": [{"id": "call_file_id", "type": "function"}]}]},
        {"model": "small", "messages": [{"role": "tool", "tool_call_id": "call_1", "content": '{"file_id":"file-theirs12"}'}]},
        {"model": "small", "messages": [], "audio": {"voice": "alloy", "format": "mp3"}},
    ],
)  # fmt: skip
async def test_what_only_mentions_an_id_is_no_reference(body: dict[str, Any]) -> None:
    gate = await stand()
    client = await gate.ask(A, "POST", "/v1/chat/completions", body)
    assert client.status == 200, client.body


async def test_items_that_say_what_they_are_need_no_owner() -> None:
    """An agent sends its history back: items of a provider that keeps nothing have ids that nobody claimed."""
    gate = await stand()
    history = [
        {"type": "reasoning", "id": "rs_fresh12345", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "id": "fc_fresh12345", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"role": "assistant", "id": "__fake_id__", "content": "hello"},
    ]
    assert (await gate.ask(A, "POST", "/v1/responses", response(input=history, store=False))).status == 200
    refers = response(input=[{"type": "item_reference", "id": "rs_fresh12345"}])
    assert (await gate.ask(A, "POST", "/v1/responses", refers)).status == 404


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/responses", "/embeddings", "/completions", "/messages", "/brand_new"]
)
async def test_a_fine_tuned_model_is_its_makers(path: str) -> None:
    gate = await stand()
    await gate.owners.claim(A, ["ft:small:org::mine"])
    await gate.owners.claim(B, ["ft:small:org::theirs"])
    for name in ("ft:small:org::theirs", "ft:small:org::nobodys", "up/ft:small:org::theirs", "FT:small:org::theirs"):
        client = await gate.ask(A, "POST", "/v1" + path, {"model": name, "messages": [], "max_tokens": 1, "input": "x"})
        assert client.status == 404, client.body
        assert gate.upstream.asked == []
    if path != "/messages":
        body = {"model": "ft:small:org::mine", "messages": [], "input": "x"}
        assert (await gate.ask(A, "POST", "/v1" + path, body)).status == 200


async def test_a_model_that_the_configuration_names_is_everybodys() -> None:
    from msgspec import structs

    from proxy.config.traffic import Model, Target

    from .stand import CONFIG

    named = {
        **CONFIG.models,
        "ft:small:org::shared": Model(targets=(Target(provider="up", model="ft:small:org::shared"),)),
    }
    gate = Stand(config=structs.replace(CONFIG, models=named))
    body = {"model": "ft:small:org::shared", "messages": []}
    assert (await gate.ask(A, "POST", "/v1/chat/completions", body)).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "after=file-theirs12", "before=file-theirs12", "limit=3&after=file%2Dtheirs12", "after=file%252Dtheirs12",
        "after=file-mine1234&after=file-theirs12", "%61fter=file-theirs12", "x=1;after=file-theirs12", "anything=file-theirs12",
        "call_id=file-theirs12", "call_id=nobody", "x=1;call_id=nobody", "THREAD_ID=nobody",
    ],
)  # fmt: skip
async def test_ids_in_the_query(query: str) -> None:
    gate = await stand()
    assert (await gate.ask(A, "GET", "/v1/files", query=query)).status == 404
    assert gate.upstream.asked == []
    gate.upstream.routes["GET", "/files"] = {"object": "list", "data": []}
    assert (await gate.ask(A, "GET", "/v1/files", query="after=file-mine1234&limit=2")).status == 200
    assert (await gate.ask(A, "GET", "/v1/files", query="after=file-deleted1")).status == 200, "a cursor may be gone"


async def test_google_names_in_bodies() -> None:
    gate = await stand()
    await gate.owners.claim(A, ["files/mine12", "cachedContents/mine12"])
    await gate.owners.claim(B, ["files/theirs12", "cachedContents/theirs12"])
    host = "https://generativelanguage.googleapis.com/v1beta/"
    generate = "/native/google/v1beta/models/gemini-x:generateContent"
    for who, status in (("theirs12", 404), ("mine12", 200), ("mine12/../theirs12", 404)):
        for part in (
            {"cachedContent": f"cachedContents/{who}"},
            {"contents": [{"parts": [{"fileData": {"fileUri": f"{host}files/{who}"}}]}]},
            {"contents": [{"parts": [{"file_data": {"file_uri": f"{host}files/{who}?alt=media"}}]}]},
        ):
            assert (await gate.ask(A, "POST", generate, part)).status == status, part
    for url in (
        f"{host}files/theirs12",
        "https://GenerativeLanguage.googleapis.com/v1beta/files/theirs12",
        f"{host}%66iles/theirs12",
    ):
        part = {"type": "image_url", "image_url": {"url": url}}
        assert (await gate.ask(A, "POST", "/v1/chat/completions", chat(part))).status == 404
    ordinary = {"type": "image_url", "image_url": {"url": "https://example.com/files/picture.png"}}
    assert (await gate.ask(A, "POST", "/v1/chat/completions", chat(ordinary))).status == 200
    by_file = {"batch": {"input_config": {"file_name": "files/mine12"}}}
    client = await gate.ask(A, "POST", "/native/google/v1beta/models/gemini-x:batchGenerateContent", by_file)
    assert client.status == 403


@pytest.mark.parametrize("kind", ["stored_completions", "logs", "responses"])
async def test_an_eval_over_everybodys_answers_is_refused(kind: str) -> None:
    gate = await stand()
    body = {"data_source_config": {"type": kind, "metadata": {}}}
    client = await gate.ask(A, "POST", "/v1/evals", body)
    assert (client.status, client.error["code"]) == (403, "not_isolated")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "text/json"]
)
@pytest.mark.parametrize(
    "path", ["/v1/batches", "/v1/brand_new", "/native/up/v1/batches", "/native/claude/v1/messages/batches"]
)
async def test_a_body_that_is_not_looked_into_is_not_carried(path: str, content_type: str) -> None:
    gate = await stand()
    client = await gate.ask(A, "POST", path, b'{"input_file_id":"file-theirs12"}', content_type=content_type)
    assert client.status == 415
    assert gate.upstream.asked == []


@pytest.mark.parametrize(
    "body", [b'{"file_id":"file-theirs12",}', b'\xef\xbb\xbf{"file_id":"file-theirs12"}', b'{"file_id":NaN']
)
async def test_json_that_only_a_lenient_upstream_reads(body: bytes) -> None:
    gate = await stand()
    client = await gate.ask(A, "POST", "/native/up/v1/batches", body)
    assert client.status in (400, 404)
    assert gate.upstream.asked == []


async def test_too_many_ids() -> None:
    gate = await stand()
    client = await gate.ask(A, "POST", "/v1/vector_stores", {"file_ids": [f"file-{number}" for number in range(5000)]})
    assert (client.status, client.error["code"]) == (400, "too_many_ids")


# ---- forms ----------------------------------------------------------------------------------------------------------


def form(*fields: tuple[str, str | bytes, str | None]) -> bytes:
    """(name, value, file name)."""
    out = b""
    for name, value, filename in fields:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"\r\nContent-Type: application/octet-stream' if filename else ""
        out += head.encode() + b"\r\n\r\n" + (value.encode() if isinstance(value, str) else value) + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


async def send(gate: Stand, path: str, body: bytes) -> int:
    client = await gate.ask(A, "POST", "/v1" + path, body, content_type=f"multipart/form-data; boundary={BOUNDARY}")
    if client.status == 200:
        assert gate.upstream.bodies[-1] == body, "the form travels byte for byte"
    return client.status


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/containers/cntr_mine1/files", "file_id", "@"),
        ("/videos/edits", "video[id]", "@"),
        ("/videos/extensions", "video", "@"),
        ("/realtime/calls", "session", '{"prompt":{"id":"@"}}'),
        ("/brand_new", "reference[file_id]", "@"),
        ("/brand_new", "anything", "@"),
    ],
)
async def test_ids_in_a_form(path: str, name: str, value: str) -> None:
    gate = await stand()
    await gate.owners.claim(A, ["cntr_mine1"])
    assert await send(gate, path, form((name, value.replace("@", THEIRS), None))) == 404
    assert gate.upstream.opened == 0, "a small form is refused before anybody hears of it"
    assert await send(gate, path, form((name, value.replace("@", MINE), None))) == 200


async def test_an_id_behind_a_large_file_never_leaves() -> None:
    gate = await stand()
    await gate.owners.claim(A, ["cntr_mine1"])
    body = form(("file", b"x" * 300_000, "big.bin"), ("file_id", THEIRS, None))
    assert await send(gate, "/containers/cntr_mine1/files", body) == 404
    assert gate.upstream.bodies == []


@pytest.mark.parametrize("path", ["/videos", "/images/edits"])
async def test_ids_in_a_form_whose_provider_is_still_to_be_chosen(path: str) -> None:
    gate = await stand()
    fields = (("model", "small", None), ("prompt", "x", None))
    assert await send(gate, path, form(*fields, ("input_reference[file_id]", THEIRS, None))) == 404
    assert gate.upstream.bodies == []
    assert await send(gate, path, form(*fields, ("input_reference[file_id]", MINE, None))) == 200


LINE = '{"custom_id":"1","url":"/v1/responses","body":{"previous_response_id":"@"}}'


@pytest.mark.parametrize("first", [True, False], ids=["purpose first", "file first"])
async def test_the_lines_of_a_batch_are_looked_into(first: bool) -> None:
    gate = await stand()
    for ident, status in ((THEIRS, 404), ("resp_nobodys", 404), (MINE, 200)):
        lines = "\n".join([LINE.replace("@", MINE), LINE.replace("@", ident), LINE.replace("@", MINE)])
        fields = [("purpose", "batch", None), ("file", lines, "in.jsonl")]
        assert await send(gate, "/files", form(*(fields if first else fields[::-1]))) == status
    assert len(gate.upstream.requests) == 1


async def test_a_file_that_is_no_batch_may_say_anything() -> None:
    gate = await stand()
    data = LINE.replace("@", THEIRS).encode() + b"\n" + bytes(range(256)) * 100 + b'\n{"file_id":'
    for fields in (
        [("purpose", "user_data", None), ("file", data, "a.bin")],
        [("file", data, "a.bin"), ("purpose", "vision", None)],
    ):
        assert await send(gate, "/files", form(*fields)) == 200


async def test_a_batch_in_parts_is_refused() -> None:
    gate = await stand()
    client = await gate.ask(
        A, "POST", "/v1/uploads", {"purpose": "batch", "filename": "in.jsonl", "bytes": 9, "mime_type": "x"}
    )
    assert (client.status, client.error["code"]) == (403, "not_isolated")
    body = {"purpose": "assistants", "filename": "in.jsonl", "bytes": 9, "mime_type": "x"}
    assert (await gate.ask(A, "POST", "/v1/uploads", body)).status == 200
