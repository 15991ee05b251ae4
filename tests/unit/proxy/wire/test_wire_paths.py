"""Paths: carried only when every parser reads them alike."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import NotFound
from proxy.wire.endpoints import FAMILIES, PREFIXES, SURFACE
from proxy.wire.paths import LIMIT, carried


@pytest.mark.parametrize("prefix", [b"", b"/v1", b"/openai/v1", b"/openai"])
@pytest.mark.parametrize(
    "path", [b"/files", b"/files/file-1/content", b"/batches", b"/threads/a%2Db/runs", b"/evals/x%2dy"]
)
def test_carried(prefix: bytes, path: bytes) -> None:
    carried("GET", prefix + path)


def test_anything_is_carried_below_a_prefix() -> None:
    carried("POST", b"/v1/brand_new_thing")
    with pytest.raises(NotFound):
        carried("POST", b"/brand_new_thing")


@pytest.mark.parametrize(
    "path",
    [
        b"/", b"/v1", b"/v1/", b"/v1/files/", b"/v1//files", b"/v1/files//x", b"/v1/./x", b"/v1/../x", b"/v1/x/..",
        b"/v1/%2e%2e/x", b"/v1/%2E./x", b"/v1/x%2f..%2fy", b"/v1/x%2f%2fy", b"/v1/a%00b", b"/v1/a%0d%0ab", b"/v1/a b",
        b"/v1/a\x01", b"/v1/a%5cb", b"/v1/a\\..\\b", b"/v1/a%23b", b"/v1/a%3fb", b"/v1/v1/files", b"/openai/v1/v1/files",
        b"/admin", b"/native/x", b"/.env", b"/v1/" + b"x" * LIMIT, b"/%76%31/files",
    ],
)  # fmt: skip
def test_not_carried(path: bytes) -> None:
    with pytest.raises(NotFound) as caught:
        carried("GET", path)
    assert len(caught.value.message) < 400


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b"/", b"..", b".", b"%2e", b"%2F", b"%", b"\\", b"v1", b"openai", b"files", b"\x00", b"?", b"#"]
            ),
            st.binary(max_size=4),
        ),
        max_size=10,
    )
)
def test_what_is_carried_is_plain(parts: list[bytes]) -> None:
    raw = b"/" + b"".join(parts)
    try:
        carried("GET", raw)
    except NotFound:
        return
    plain = unquote_to_bytes(raw)
    segments = plain.split(b"/")[1:]
    assert all(segment not in (b"", b".", b"..") for segment in segments)
    assert not any(byte <= 0x20 or byte in b"\x7f\\#?" for byte in plain)
    assert segments[0] in (b"v1", b"openai") or segments[0].decode() in FAMILIES


def test_the_surface_is_consistent() -> None:
    for method, path, endpoint in SURFACE:
        assert method in ("GET", "POST")
        assert path.split("/")[1] in FAMILIES
        if method == "GET":
            assert endpoint.body == "none"
    assert len({(method, path) for method, path, _ in SURFACE}) == len(SURFACE)
    assert sorted(PREFIXES, key=len, reverse=True)[-1] == ""
    names: dict[str, object] = {}
    for _, _, endpoint in SURFACE:
        assert names.setdefault(endpoint.name, endpoint) is endpoint, "two endpoints under one metric label"
