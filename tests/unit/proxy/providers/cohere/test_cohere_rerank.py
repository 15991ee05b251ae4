"""Rerank through Cohere's ``/v2/rerank``."""

import json
from typing import Any

import pytest
from cohere_shapes import ask

from proxy.errors import InvalidRequest, TollwayError, UpstreamInvalid
from proxy.providers.cohere.rerank import Rerank
from proxy.wire.values import JsonObject

ASKED: JsonObject = {"model": "fast", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}
REPLY: JsonObject = {
    "id": "r",
    "results": [{"index": 1, "relevance_score": 0.9}],
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
}


def test_the_request() -> None:
    asked = ask("rerank-v4.0-pro")
    encoded = Rerank().encode(ASKED, asked)
    assert encoded.path == "/v2/rerank"
    assert json.loads(encoded.body) == {"model": "rerank-v4.0-pro", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert asked.notes.dropped == asked.notes.rewritten == []


def test_records_travel_as_json() -> None:
    asked = ask()
    encoded = Rerank().encode(
        {"query": "q", "documents": [{"title": "t", "text": "b"}], "rank_fields": ["title"]}, asked
    )
    assert json.loads(encoded.body)["documents"] == ['{"title":"t","text":"b"}']
    assert (asked.notes.dropped, asked.notes.rewritten) == (["rank_fields"], ["documents"])


def test_the_answer_keeps_its_shape() -> None:
    found = Rerank().decode(json.dumps(REPLY).encode(), ask("rerank-v4.0-pro"))
    assert found == {**REPLY, "model": "rerank-v4.0-pro"}


def test_documents_are_put_back_when_asked_for() -> None:
    operation, asked = Rerank(), ask()
    assert b"return_documents" not in operation.encode({**ASKED, "return_documents": True}, asked).body
    found: Any = operation.decode(json.dumps(REPLY).encode(), asked)
    assert found["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": "a"}, "documents"),
        ({"documents": [5]}, "documents"),
    ],
)
def test_what_cannot_be_ranked(change: JsonObject, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Rerank().encode({**ASKED, **change}, ask())
    assert refused.value.param == param


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"results":[{"index":0}]}', b'{"results":[{"index":-1,"relevance_score":1}]}']
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        Rerank().decode(body, ask())


def test_an_error_inside_a_success() -> None:
    with pytest.raises(TollwayError, match="no such model"):
        Rerank().decode(b'{"message":"no such model"}', ask())
