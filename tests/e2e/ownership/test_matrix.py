"""Every path that names an object, asked with another account's id: 404 in the words of an id that does not exist, nobody upstream asked.

The rows come from the table; what the mock upstream and the surface serve must have one.
"""

import re

import pytest

from proxy.mock.objects import ROUTES as OBJECTS
from proxy.mock.routes import TABLES
from proxy.ownership.paths import read_path
from proxy.ownership.table import TABLE, Row
from proxy.wire.endpoints import SURFACE
from tests.support.asgi import Client

from .stand import A, B, Stand

SLOT = re.compile(r"\{([^}]*)\}")
THEIRS = "id-0f3c9aTheirs7"
MINE = "id-0f3c9aMine4711"
NOBODYS = "id-0f3c9aNobody42"
NAMING = [row for row in TABLE if any(not slot.startswith("=") for slot in SLOT.findall(row.template))]
IDS = [f"{row.method} {row.template}" for row in NAMING]


def slots(row: Row) -> list[str]:
    return [slot for slot in SLOT.findall(row.template) if not slot.startswith("=")]


def filled(row: Row, *idents: str) -> str:
    """The template with ``idents`` in its slots; free text is a word."""
    waiting = list(idents)
    return "/v1" + SLOT.sub(lambda slot: "word" if slot[1].startswith("=") else waiting.pop(0), row.template)


def owned(slot: str, ident: str) -> str:
    """Fine-tuned models are the only names among models that belong to somebody."""
    return f"ft:small:org::{ident}" if slot == "model..." else ident


async def stand() -> Stand:
    made = Stand()
    await made.owners.claim(A, [MINE, owned("model...", MINE)])
    await made.owners.claim(B, [THEIRS, owned("model...", THEIRS)])
    return made


async def asked(gate: Stand, row: Row, path: str) -> Client:
    body = {} if row.method in ("POST", "PUT", "PATCH") else None
    return await gate.ask(A, row.method, path, body)


def told(client: Client, ident: str) -> str:
    """The error's text, without the id and the request's own."""
    return re.sub(r"\(request id: [^)]*\)", "", client.error["message"]).replace(ident, "<id>")


@pytest.mark.parametrize("row", NAMING, ids=IDS)
async def test_another_accounts_id_reads_like_one_that_does_not_exist(row: Row) -> None:
    names = slots(row)
    for index, slot in enumerate(names):
        gate = await stand()
        words = []
        for ident in (THEIRS, NOBODYS):
            idents = [owned(name, MINE) for name in names]
            idents[index] = owned(slot, ident)
            client = await asked(gate, row, filled(row, *idents))
            if slot.startswith("~") and ident is NOBODYS:
                # What lives under the caller's own object is its provider's to find.
                assert client.status == 200, client.body
                gate.upstream.requests.clear()
                continue
            assert client.status == 404, client.body
            assert client.error["type"] == "invalid_request_error"
            words.append(told(client, owned(slot, ident)))
            assert gate.upstream.asked == []
        assert len(set(words)) == 1, words


@pytest.mark.parametrize("row", NAMING, ids=IDS)
async def test_the_callers_own_id_is_carried(row: Row) -> None:
    gate = await stand()
    client = await asked(gate, row, filled(row, *[owned(slot, MINE) for slot in slots(row)]))
    assert client.status == 200, client.body
    assert len(gate.upstream.requests) == 1


@pytest.mark.parametrize("row", NAMING, ids=IDS)
async def test_the_native_form_of_the_path_is_no_way_round(row: Row) -> None:
    gate = await stand()
    for provider in ("up", "google", "claude"):
        for prefix in ("", "/v1", "/openai/v1"):
            path = filled(row, *[owned(slot, THEIRS) for slot in slots(row)]).removeprefix("/v1")
            client = await asked(gate, row, f"/native/{provider}{prefix}{path}")
            assert client.status == 404, (path, client.body)
    assert gate.upstream.asked == []


def test_every_path_of_the_surface_and_the_mock_has_a_row() -> None:
    known = {(row.method, re.sub(r"\{[^}]*\}", "{}", row.template)) for row in TABLE}
    wanted = {(method, path) for method, path, _ in SURFACE}
    wanted |= {(route.method, route.template) for route in TABLES["openai"]}
    missing = {(method, path) for method, path in wanted if (method, re.sub(r"\{[^}]*\}", "{}", path)) not in known}
    assert missing == set()
    assert OBJECTS, "the mock's stateful paths are among them"


@pytest.mark.parametrize("row", TABLE, ids=[f"{row.method} {row.template}" for row in TABLE])
def test_every_template_is_found_under_its_own_path(row: Row) -> None:
    path = SLOT.sub(lambda slot: "ft:m::x" if slot[1] == "model..." else "id-0f3c9a1234", row.template)
    reading = read_path(row.method, path)
    assert reading.row is row
    assert len(reading.named) == len(slots(row))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/{}/some/new/verb",
        "/v1/brand_new/{}",
        "/v1/brand_new/things/{}/parts/{}",
        "/v1/vector_stores/{}/unheard",
        "/openai/v1/files/{}",
        "/openai/files/{}/content",
        "/files/{}",
        "/native/up/v1/brand_new/{}",
        "/native/google/v1beta/files/{}",
        "/native/google/v1beta/cachedContents/{}",
        "/native/google/v1beta/tunedModels/{}:generateContent",
        "/native/google/v1/projects/p-1/locations/us-east1/cachedContents/{}",
        "/native/google/v1beta/brandNew/{}",
        "/native/google/upload/v1beta/files/{}",
        "/native/claude/v1/messages/batches/{}/results",
        "/native/claude/v1/skills/{}/versions/1/content",
        "/native/claude/v1/brand_new/{}",
    ],
)
async def test_paths_without_a_row_are_read_with_suspicion(method: str, path: str) -> None:
    gate = await stand()
    body = {} if method in ("POST", "PUT", "PATCH") else None
    for ident in (THEIRS, NOBODYS, "123456", "550e8400-e29b-41d4-a716-446655440000"):
        client = await gate.ask(A, method, path.replace("{}", ident), body)
        assert client.status == 404, (ident, client.body)
    assert gate.upstream.asked == []


@pytest.mark.parametrize("path", ["/v1/realtime?call_id={}", "/v1/live/sessions/{}", "/v1/realtime/calls/{}"])
async def test_sockets_name_objects_too(path: str) -> None:
    gate = await stand()
    where, _, query = path.replace("{}", THEIRS).partition("?")
    client = await gate.socket(A, where, query=query)
    assert client.sent[0]["status"] == 404
    assert gate.upstream.asked == []
