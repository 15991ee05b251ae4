"""Pure readings: paths to rows and ids, answers to new ids, lists to their owners' share."""

import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidJson, NotFound, PermissionDenied
from proxy.ownership.answers import made_in, streamed_in, without_echo
from proxy.ownership.bodies import PLAIN, concerns_nobody, escapes, may_name, names_in
from proxy.ownership.google import name_in
from proxy.ownership.listing import idents_of, kept, read_page, shown
from proxy.ownership.naming import looks_handed_out, tuned
from proxy.ownership.paths import read_native, read_path
from proxy.ownership.table import TABLE, Row

LIST = Row(method="GET", template="/files", listed="data")

# ---- paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["files", "fine_tuning", "text-to-speech", "v1", "v1beta", "v1beta1", "v2alpha", "Content", "chat", "a"]
)
def test_words_of_a_path_are_no_ids(word: str) -> None:
    assert not looks_handed_out(word)


@pytest.mark.parametrize(
    "ident",
    [
        "file-abcdefgh",
        "resp_abc",
        "123",
        "550e8400-e29b-41d4-a716-446655440000",
        "a1",
        "x.y",
        "msgbatch_ab",
        "v1x2",
        "ä",
    ],
)
def test_these_are(ident: str) -> None:
    assert looks_handed_out(ident)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("ft:gpt:org::1", "ft:gpt:org::1"), ("openai/ft:gpt:org::1", "ft:gpt:org::1"), ("FT:x", "FT:x"), ("a:ft:x", "ft:x"),
        ("gpt-4o", None), ("soft:ware", None), ("", None), ("left:x", None),
    ],
)  # fmt: skip
def test_fine_tuned_names(model: str, found: str | None) -> None:
    assert tuned(model) == found


@pytest.mark.parametrize(
    "path",
    [
        "/files/%2566ile-x", "/files/a%2f%2e%2e%2fb", "/files/..", "/models/../files/x", "/models/%2e%2e/files/x", "/files//x",
        "/files/x;y=1", "/files/%00", "/files/%c3%28", "/files/x%0a",
    ],
)  # fmt: skip
def test_a_path_that_two_parsers_read_differently_is_refused(path: str) -> None:
    with pytest.raises(NotFound):
        read_path("GET", path)


def test_a_more_literal_template_wins() -> None:
    row = read_path("GET", "/videos/characters").row
    assert row is not None
    assert row.template == "/videos/characters"


@pytest.mark.parametrize(
    ("method", "path", "idents"),
    [
        ("POST", "/native/g/v1beta/models/gemini-2.0-flash:generateContent", []),
        ("POST", "/native/g/v1/projects/my-1/locations/us-east1/publishers/google/models/gemini-1.5:predict", []),
        ("GET", "/native/g/v1/projects/my-1/locations/us-east1/batchPredictionJobs/77", ["batchPredictionJobs/77"]),
        ("GET", "/native/g/v1beta/corpora/c1/documents/d1/chunks/k1", ["corpora/c1", "documents/d1", "chunks/k1"]),
        ("POST", "/native/g/v1beta/tunedModels/t1:generateContent", ["tunedModels/t1"]),
        ("GET", "/native/g/v1beta/FILES/x1", ["files/x1"]),
        ("GET", "/native/g/v1beta/agents/file-a1:file-b2", ["file-a1", "file-b2"]),
        ("POST", "/native/g/v1beta/files:register", []),
        ("POST", "/native/b/model/us.anthropic.claude-x-v1%3A0/converse", []),
        ("POST", "/native/b/guardrail/ab12cd/version/1/apply", ["b/guardrail/ab12cd/version/1"]),
        ("POST", "/native/c/v2/chat", []),
        ("POST", "/native/az/openai/deployments/gpt-4o-1/chat/completions", []),
        ("GET", "/native/az/openai/files/assistant-Ab12", ["assistant-Ab12"]),
        ("POST", "/native/cf/client/v4/accounts/12ab/ai/run/@cf/meta/llama-3.1", []),
        ("GET", "/native/b/async-invoke/arn%3Aaws%3Abedrock%3Ax%2Fabc", ["arn:aws:bedrock:x/abc"]),
    ],
)
def test_native_paths(method: str, path: str, idents: list[str]) -> None:
    assert [named.ident for named in read_native(method, path).named] == idents


def test_templates_are_well_formed() -> None:
    keys = [(row.method, re.sub(r"\{[^}]*\}", "{}", row.template)) for row in TABLE]
    assert len(keys) == len(set(keys)), "each path has one row"
    for row in TABLE:
        assert re.fullmatch(r"(?:/(?:[a-z_\-0-9]+|\{[~=]?[a-z_]+(?:\.\.\.)?\}))+", row.template), row.template


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("files/abc", "files/abc"),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc?alt=media", "files/abc"),
        ("projects/p/locations/l/cachedContents/12", "cachedContents/12"),
        ("models/gemini", None),
        ("files", None),
        ("files/own/../files/b", "files/own/../files/b"),
        ("files/b?x=files/own", "files/b"),
        ("files/b#/files/own", "files/b"),
        ("files/b%2f/files/own", "files/b%2f/files/own"),
    ],
)
def test_googles_names(text: str, name: str | None) -> None:
    assert name_in(text) == name


# ---- bodies ---------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    noise=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=10,
    ),
    deep=st.integers(0, 40),
    ascii_only=st.booleans(),
)
def test_a_reference_is_found_wherever_it_stands(noise: object, deep: int, ascii_only: bool) -> None:
    import json

    document: object = {"file_id": "file-x", "noise": noise}
    for level in range(deep):
        document = [noise, document] if level % 2 else {"input": document, "z": noise}
    body = json.dumps({"payload": document}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for profile in ("chat", "full", "socket"):
        assert may_name(body, profile)
        assert "file-x" in [named.ident for named in names_in(body, profile)]


@pytest.mark.parametrize("body", [b'{"file_id":', b'{"file_id":"a"}}', b'{"file_id":"\xff"}', b'{"file_id":' * 5000])
def test_a_body_that_may_name_ids_must_be_readable(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        names_in(body, "full")


pieces = st.lists(
    st.sampled_from(
        """_ " file_ id file_id" "file_id" cached_ content "cached_content" "cachedContent" "fileUri" "file_uri" "image_url" "url" _url"
        "file_data" data "store" "store": "container" "audio" code "code_execution "code_execution_2025" ode_execution call_id" , : { }
        \\ \\" \\u0066 \\u00 \\n""".split()
    ),
    max_size=6,
)


@settings(max_examples=500, deadline=None)
@given(pieces=pieces)
def test_the_quick_look_sees_what_the_close_one_sees(pieces: list[str]) -> None:
    body = "".join(pieces).encode()
    assert concerns_nobody(body) is (PLAIN.search(body) is None)
    assert escapes(body) is (
        re.search(rb"\\u00(?:5[fF]|4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA])", body) is not None
    )


@pytest.mark.parametrize(
    "name",
    ["file_id", "container", "audio", "cached_content", "cachedContent", "fileUri", "file_uri", "url", "image_url", "file_data", "store"],
)  # fmt: skip
def test_every_name_concerns_somebody(name: str) -> None:
    assert concerns_nobody(b'{"messages":[{"content":"%s"}]}' % name.upper().encode())
    assert not concerns_nobody(b'{"messages":[{"content":[{"%s":1}]}]}' % name.encode())


def test_long_numbers_cost_nothing() -> None:
    assert [n.ident for n in names_in(b'{"file_id":"file-x","n":' + b"9" * 100_000 + b"}", "full")] == ["file-x"]


# ---- answers --------------------------------------------------------------------------------------------------------


def test_ids_are_read_where_the_table_says_and_nowhere_else() -> None:
    document = {
        "id": "a", "list": [{"id": "b"}, {"id": 3}, "x"], "names": ["c", "c", None, ""], "metadata": {"id": "stolen"}, "long": "x" * 600
    }  # fmt: skip
    assert made_in(document, ("id", "list[].id", "names[]", "none.id", "names", "long")) == ["a", "b", "c"]
    assert made_in([document], ("id",)) == []
    assert made_in({"name": "projects/p/cachedContents/7", "id": "9"}, ("name", "id"), "batches") == [
        "cachedContents/7",
        "batches/9",
    ]


def test_deltas_are_not_decoded() -> None:
    assert streamed_in(b'{"type":"response.output_text.delta","delta":"x","item_id":"msg_1"}', ("id",)) == []
    assert streamed_in(b'{"type":"response.created","response":{"id":"resp_1"}', ("id",)) == [], "not JSON"


def test_an_echo_is_no_claim() -> None:
    said = b'{"metadata":{"id":"file-a"},"x":"file\\u002db"}'
    assert without_echo(["file-a", "file-b", "file-c"], said) == ["file-c"]


# ---- lists ----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    owned=st.lists(st.booleans(), max_size=8),
    extra=st.dictionaries(
        st.sampled_from(["object", "url", "x", "has_more", "last_id", "first_id"]),
        st.none() | st.booleans(),
        max_size=4,
    ),
    pretty=st.booleans(),
    first=st.booleans(),
)
def test_a_filtered_list_is_the_same_list_without_some_items(
    owned: list[bool], extra: dict[str, object], pretty: bool, first: bool
) -> None:
    items = [{"id": f"file-{n}", "mine": mine, "weird": 'é"]}[{'} for n, mine in enumerate(owned)]
    parts = [("data", items), *extra.items()] if first else [*extra.items(), ("data", items)]
    document = dict(parts)
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 if pretty else None)
    page = read_page(body, LIST)
    assert idents_of(page.items) == [item["id"] for item in items]
    mine = {item["id"] for item in items if item["mine"]}
    found = orjson.loads(shown(page, [kept(page.items, mine)], more=True))
    left = [item for item in items if item["mine"]]
    expected = {**document, "data": left}
    for name, value in (
        ("has_more", True),
        ("first_id", left[0]["id"] if left else None),
        ("last_id", left[-1]["id"] if left else None),
    ):
        if name in expected:
            expected[name] = value
    assert found == expected
    assert list(found) == list(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"data":null}',
        b'{"data":{}}',
        b'{"data":[{"id":null}]}',
        b'{"data":[{"id":7}]}',
        b'{"data":[],"data":[]}',
    ],
)
def test_no_list_no_answer(body: bytes) -> None:
    with pytest.raises(PermissionDenied):
        read_page(body, LIST)
