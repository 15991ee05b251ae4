"""However another account's id is spelt in a path or query, its object is not reached: the upstream here reads leniently, on purpose."""

import re
from typing import Any
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ownership.table import TABLE

from .stand import A, B, Stand

THEIRS = "file-0f3c9aTheirs7"
MINE = "file-0f3c9aMine4711"
SLOT = re.compile(r"\{([^}]*)\}")

TEMPLATES = sorted({row.template for row in TABLE if "{" in row.template and "model..." not in row.template})
PREFIXES = [
    "/v1",
    "/openai/v1",
    "/openai",
    "",
    "/native/up/v1",
    "/native/up",
    "/native/google/v1beta",
    "/native/claude/v1",
    "/v1/v1",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def percent(text: str, chosen: list[bool]) -> str:
    """Some characters of ``text`` percent-encoded."""
    return "".join(f"%{ord(c):02x}" if pick else c for c, pick in zip(text, chosen, strict=False)) + text[len(chosen) :]


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """The id as a client might disguise it."""
    text = percent(THEIRS, draw(st.lists(st.booleans(), max_size=len(THEIRS))))
    if draw(st.booleans()):
        text = text.replace("%", "%25")
    return draw(
        st.sampled_from(
            [
                text, text.swapcase(), text + "/", text + "%2f", "./" + text, "%2e/" + text, f"{MINE}/../{text}",
                f"{MINE}%2f..%2f{text}", f"{MINE}/%2e%2e/{text}", text + ";x=1", ";" + text, text + "%00", text + "%20", "%20" + text,
                text + "?x", text + "%3fx", text + "#x", "//" + text, "\\" + text, f"{MINE},{text}", f"{MINE}%2C{text}", text + ".",
                f"{MINE}:{text}", text + ":cancel", text + "%0a", "%ef%bb%bf" + text, f"{MINE}|{text}", f"{MINE}&{text}",
            ]
        )
    )  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A path of the table, or one like it, in which the id stands somewhere."""
    template = draw(st.sampled_from(TEMPLATES))
    count = len(SLOT.findall(template))
    at = draw(st.integers(0, count - 1))
    idents = [draw(spellings()) if index == at else MINE for index in range(count)]
    path = SLOT.sub(lambda _: idents.pop(0), template)
    if draw(st.booleans()):
        path = path.replace(
            "/files/",
            draw(st.sampled_from(["/FILES/", "/Files/", "/%66iles/", "/files%2f", "/%2566iles/", "/files//"])),
        )
    return (
        draw(st.sampled_from(PREFIXES))
        + path
        + draw(st.sampled_from(["", "/", "/content", "%2fcontent", "/brand_new"]))
    )


def reached(url: str) -> bool:
    """Could an upstream that decodes as often as it likes find the other account's object here? Ids are case-sensitive everywhere."""
    for _ in range(4):
        url = unquote(url)
    return THEIRS in url


async def send(path: str, method: str, query: str = "", body: Any = None) -> None:
    gate = Stand()
    await gate.owners.claim(A, [MINE])
    await gate.owners.claim(B, [THEIRS])
    where, _, rest = path.partition("?")
    client = await gate.ask(A, method, where.partition("#")[0], body, query="&".join(filter(None, (rest, query))))
    assert client.status in (200, 400, 403, 404, 415)
    for request in gate.upstream.requests:
        assert not reached(request.url), request.url


@settings(max_examples=400, deadline=None)
@given(path=paths(), method=st.sampled_from(METHODS))
async def test_no_spelling_of_a_path_reaches_it(path: str, method: str) -> None:
    await send(path, method, body={} if method in ("POST", "PUT", "PATCH") else None)


@settings(max_examples=150, deadline=None)
@given(
    spelt=spellings(),
    name=st.sampled_from(["after", "before", "%61fter", "AFTER", "call_id", "anything", "file", "ids[]", "filter"]),
    glue=st.sampled_from(["&", ";", "&&", "&x=1&"]),
    path=st.sampled_from(
        ["/v1/files", "/v1/batches", "/v1/brand_new", "/v1/realtime/calls", f"/v1/files/{MINE}", "/native/up/v1/files"]
    ),
)
async def test_no_spelling_of_a_query_reaches_it(spelt: str, name: str, glue: str, path: str) -> None:
    await send(path, "GET", query=f"limit=2{glue}{name}={spelt}")


@settings(max_examples=150, deadline=None)
@given(
    text=st.recursive(
        st.sampled_from([THEIRS, MINE, None, True, 3, 1.5]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["file_id", "file_ids", "id", "x", "input", "files", "type"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    ),
    path=st.sampled_from(
        ["/v1/responses", "/v1/brand_new", "/v1/vector_stores", "/native/up/v1/batches", "/v1/threads"]
    ),
)
async def test_no_body_reaches_it_under_a_members_name(text: Any, path: str) -> None:
    gate = Stand()
    await gate.owners.claim(A, [MINE])
    await gate.owners.claim(B, [THEIRS])
    await gate.ask(A, "POST", path, {"model": "small", "payload": text})
    for body in gate.upstream.bodies:
        assert b'"file_id":"' + THEIRS.encode() not in body
        assert b'"file_ids":["' + THEIRS.encode() not in body
        assert b'"id":"' + THEIRS.encode() not in body
