"""Embeddings through Cohere's ``/v2/embed``."""

import base64
import json
import struct
from typing import Any

import pytest
from cohere_shapes import ask
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InvalidRequest, TollwayError, UpstreamInvalid
from proxy.providers.cohere.embeddings import Embeddings
from proxy.wire.values import JsonObject


def sent(body: JsonObject) -> Any:
    encoded = Embeddings().encode(body, ask("embed-v4.0"))
    assert encoded.path == "/v2/embed"
    return json.loads(encoded.body)


def reply(vectors: Any, **meta: Any) -> bytes:
    return json.dumps({"id": "e", "embeddings": {"float": vectors}, "texts": ["a"], "meta": meta}).encode()


def test_the_request() -> None:
    assert sent({"model": "x", "input": "a"}) == {
        "model": "embed-v4.0",
        "input_type": "search_document",
        "embedding_types": ["float"],
        "texts": ["a"],
    }
    found = sent({"input": ["a", "b"], "input_type": "search_query", "dimensions": 256, "truncate": "END"})
    assert (found["input_type"], found["texts"]) == ("search_query", ["a", "b"])
    assert (found["output_dimension"], found["truncate"]) == (256, "END")


def test_pictures_need_no_text() -> None:
    assert "texts" not in sent({"images": ["data:image/png;base64,AA=="], "input_type": "image"})


@pytest.mark.parametrize("given_input", [[1, 2], [[1, 2]], ["a", 1], [], 5, {"a": 1}, ["x"] * 97])
def test_what_cannot_be_embedded(given_input: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sent({"input": given_input})
    assert refused.value.param == "input"


def test_token_arrays_are_refused_with_the_fix() -> None:
    with pytest.raises(InvalidRequest, match="not token ids: send input as a string"):
        sent({"input": [[1, 2]]})


def test_what_is_dropped_is_named() -> None:
    asked = ask()
    Embeddings().encode({"model": "m", "input": "a", "user": "u", "encoding_format": "float"}, asked)
    assert asked.notes.dropped == ["user"]


def test_the_answer() -> None:
    body = reply([[0.5, -1.0], [1, 2]], billed_units={"input_tokens": 3.0})
    assert Embeddings().decode(body, ask("embed-v4.0")) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [1, 2]},
        ],
        "model": "embed-v4.0",
        "usage": {"prompt_tokens": 3, "total_tokens": 3, "billed_units": {"input_tokens": 3}},
    }
    assert "usage" not in Embeddings().decode(reply([[1.0]]), ask())


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_base64_is_made_here(vector: list[float]) -> None:
    operation = Embeddings()
    asked = ask()
    assert b"base64" not in operation.encode({"input": "a", "encoding_format": "base64"}, asked).body
    found: Any = operation.decode(reply([vector]), asked)
    packed = base64.b64decode(found["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(vector)}f", packed)) == vector


@pytest.mark.parametrize("vectors", [None, "x", [1.0], [[1.0], None]])
def test_answers_without_vectors(vectors: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        Embeddings().decode(reply(vectors), ask())


@pytest.mark.parametrize("vector", [["a"], [None], [10**60]])
def test_vectors_that_cannot_be_packed(vector: Any) -> None:
    operation = Embeddings()
    operation.encode({"input": "a", "encoding_format": "base64"}, ask())
    with pytest.raises(UpstreamInvalid):
        operation.decode(reply([vector]), ask())


def test_an_error_inside_a_success() -> None:
    with pytest.raises(TollwayError, match="no such model"):
        Embeddings().decode(b'{"message":"no such model"}', ask())
    with pytest.raises(UpstreamInvalid):
        Embeddings().decode(b"<html>", ask())
