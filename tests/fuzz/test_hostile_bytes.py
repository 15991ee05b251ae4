"""Hostile bytes at every door that reads them: an error of ours or a result, never another exception."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from middleware.auth import presented_in
from middleware.parse import decode, decode_loosely, model_in_query
from middleware.realtime import offered_subprotocols
from proxy.errors import InvalidRequest, TollwayError
from proxy.relay.form import FormScanner
from proxy.wire.headers import upstream_headers
from proxy.wire.splice import with_model, with_usage
from proxy.wire.stream import StreamDecoder, Withholder

SEEDS = [
    b'{"model":"a","stream":true,"messages":[{"role":"user","content":"hi"}]}',
    b'{"mod\\u0065l":"a","stream_options":{"include_usage":false},"n":2}',
    b'{"x":{"model":[1,2,{"y":"\\"}"}]},"model":"\\ud83d\\ude00"}',
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid body with a few bytes changed, removed or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut"])):
            case "change":
                data[at : at + 1] = draw(
                    st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\xff", b"0"])
                )
            case "remove":
                del data[at : at + 1]
            case "insert":
                data[at:at] = draw(
                    st.sampled_from(
                        [b"\\u0000", b"\\ud800", b'"model":1,', b"\xc3\xa9", b"\xed\xa0\x80", b"1e999", b" "]
                    )
                )
            case "cut":
                del data[at:]
    return bytes(data)


@settings(max_examples=1500, deadline=None)
@given(mutated())
@example(b'{"\\ud800":1,"\\u0061":2,"model":"m"}')
@example(b'{"model":"\\ud800"}')
@example(b'{"model":"a\\u0000"}')
def test_a_body_that_is_accepted_is_json_to_everybody(body: bytes) -> None:
    for read in (decode, decode_loosely):
        try:
            view = read(body)
        except InvalidRequest:
            continue
        if not body.lstrip().startswith(b"{"):
            continue
        theirs = json.loads(body)
        if view.model is not None:
            assert theirs["model"] == view.model
            assert json.loads(with_model(body, "new"))["model"] == "new"
        assert json.loads(with_usage(body))["stream_options"]["include_usage"] is True


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=50), max_size=8),
    st.sampled_from(["chat", "responses", "events", "opaque"]),
    st.booleans(),
)
def test_streams(pieces: list[bytes], dialect: str, defer: bool) -> None:
    decoder, withholder = StreamDecoder(dialect, usage_due=defer), Withholder()  # type: ignore[arg-type]
    for piece in pieces:
        decoder.feed(b"data: " + piece)
        withholder.feed(piece)
        assert isinstance(decoder.at_boundary, bool)
    decoder.close()
    withholder.close()
    decoder.text()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_forms(pieces: list[bytes]) -> None:
    scanner = FormScanner(b"b")
    try:
        scanner.feed(b'--b\r\ncontent-disposition: form-data; name="model"\r\n')
        for piece in pieces:
            scanner.feed(piece)
    except TollwayError:
        pass


@given(
    st.dictionaries(
        st.sampled_from([b"authorization", b"x-api-key", b"sec-websocket-protocol"]), st.binary(max_size=40)
    )
)
def test_credentials(headers: dict[bytes, bytes]) -> None:
    assert all(
        isinstance(key, bytes) and key
        for key in presented_in(headers)
        if headers.get(b"sec-websocket-protocol") is None
    )
    assert all(offer.isascii() for offer in offered_subprotocols(headers.get(b"sec-websocket-protocol", b"")))


@given(st.binary(max_size=60))
def test_queries(query: bytes) -> None:
    try:
        model_in_query(query)
    except InvalidRequest:
        pass


@given(st.lists(st.tuples(st.sampled_from([b"x-a", b"connection", b"accept"]), st.binary(max_size=20)), max_size=5))
def test_headers(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        upstream_headers(headers, forwards=False)
    except InvalidRequest:
        pass
