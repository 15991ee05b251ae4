"""Error answers of providers, in every shape they have."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamAuthFailed
from proxy.translation.failures import Said, code_number, rejected, said, seconds_in, wait_in
from proxy.wire.values import Json


def read(document: Json) -> Said:
    return said(orjson.dumps(document), document)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}, Said("m", "t", "c", "p")),
        ({"error": {"message": "m", "code": 400}}, Said("m", "", "400")),
        ({"error": {"message": "m", "status": "INVALID_ARGUMENT", "code": None}}, Said("m", "INVALID_ARGUMENT", "")),
        ({"error": {"type": "t"}, "message": "outer"}, Said("outer", "t", "")),
        ({"error": {"message": {"detail": "x"}, "detail": "d"}}, Said("d")),
        ({"error": "a sentence of words"}, Said("a sentence of words")),
        ({"error": "word"}, Said("word", "", "word")),
        ({"error": "invalid_grant", "error_description": "The token is bad."}, Said("The token is bad.", "", "invalid_grant")),
        ({"error": "word", "message": "m", "code": "c"}, Said("m", "", "c")),
        ({"message": "m", "type": "t", "param": "p", "code": "queue_exceeded"}, Said("m", "t", "queue_exceeded", "p")),
        ({"Message": "m", "__type": "ThrottlingException"}, Said("m", "ThrottlingException")),
        ({"msg": "m"}, Said("m")),
        ({"error_code": "BAD_REQUEST", "message": "m"}, Said("m", "BAD_REQUEST", "BAD_REQUEST")),
        ({"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "m"}, Said("m", "", "400")),
        ({"message": {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, "type": "t"}, Said("body.n: bad", "t")),
        ({"detail": "d"}, Said("d")),
        ({"detail": [{"loc": ["body", 0], "msg": "bad"}, {"msg": "worse"}]}, Said("body.0: bad; worse")),
        ({"title": "T", "detail": "d"}, Said("T: d")),
        ({"title": "T"}, Said("T")),
        ({"errors": [{"message": "m", "code": 7003}]}, Said("m", "", "7003")),
        ({"base_resp": {"status_code": 1008, "status_msg": "no money"}}, Said("no money", "", "1008")),
        ([{"error": {"message": "m"}}], Said("m")),
        ("a bare string", Said("a bare string")),
        ({}, Said("{}")),
        ([], Said("[]")),
        (None, Said("null")),
        (7, Said("7")),
    ],
)  # fmt: skip
def test_the_sentence_in_an_error_body(document: Json, found: Said) -> None:
    assert read(document) == found


def test_a_body_that_is_no_json() -> None:
    assert said(b"upstream  connect\nerror", None).message == "upstream connect error"
    assert said(b"<html><title>502 Bad Gateway</title><body>x</body></html>", None).message == "502 Bad Gateway"
    assert said(b"<p>Oh</p><b>no</b>", None).message == "Oh no"
    assert said(b"", None).message == "The provider gave no reason."
    assert len(said(b"x" * 10_000, None).message) == 500
    assert said(b"\xff\xfe", None).message


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "errors", "loc", "msg", "code", "type", "base_resp", "title", "param"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(_json, st.sampled_from([400, 401, 402, 403, 404, 418, 429, 500, 529, 799]))
def test_no_body_raises_or_says_nothing(document: Any, status: int) -> None:
    found = said(b"{...}", document)
    assert isinstance(found.message, str)
    assert isinstance(found.type, str)
    assert isinstance(found.code, str)
    error = rejected(status, found, ())
    assert 400 <= error.status <= 599


@pytest.mark.parametrize(
    ("status", "message", "found"),
    [
        (400, "bad", (400, "invalid_request_error", None)),
        (402, "Payment Required", (402, "insufficient_quota", "insufficient_quota")),
        (404, "no such model", (404, "invalid_request_error", "model_not_found")),
        (418, "teapot", (418, "invalid_request_error", None)),
        (429, "slow down", (429, "rate_limit_error", "rate_limit_exceeded")),
        (429, "You have run out of credits.", (429, "insufficient_quota", "insufficient_quota")),
        (500, "oh", (500, "server_error", None)),
        (529, "busy", (503, "server_error", "overloaded")),
        (700, "odd", (502, "server_error", None)),
        (
            400,
            "This model's maximum context length is 8192 tokens.",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            "prompt is too long: 210000 tokens > 200000 maximum",
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (413, "Request too large: 9000 tokens", (400, "invalid_request_error", "context_length_exceeded")),
        (429, "Too many tokens, please wait before trying again.", (429, "rate_limit_error", "rate_limit_exceeded")),
    ],
)
def test_what_an_answer_means(status: int, message: str, found: tuple[int, str, str | None]) -> None:
    error = rejected(status, Said(message), ())
    assert (error.status, error.type, error.code) == found
    assert error.message == message


def test_a_dialects_own_translation_wins() -> None:
    error = rejected(400, Said("m", param="p"), (), type="conflict_error", code="conflict")
    assert (error.type, error.code, error.param) == ("conflict_error", "conflict", "p")


@pytest.mark.parametrize("status", [401, 403])
def test_our_credentials_refused_are_not_the_clients_fault(status: int) -> None:
    error = rejected(status, Said("Invalid key sk-123"), ())
    assert isinstance(error, UpstreamAuthFailed)
    assert error.status == 502
    assert "sk-123" not in error.message
    assert not isinstance(rejected(403, Said("flagged"), (), code="content_filter"), UpstreamAuthFailed)


def test_a_rate_limit_that_speaks_of_billing_and_says_when_is_one() -> None:
    message = "You exceeded your current quota, please check your plan and billing details. Please retry in 20.5s."
    error = rejected(429, Said(message), ())
    assert error.code == "rate_limit_exceeded"
    assert dict(error.headers)[b"retry-after-ms"] == b"20500"
    assert rejected(429, Said(message, code="insufficient_quota"), ()).code == "insufficient_quota"


def test_when_to_come_back() -> None:
    assert dict(rejected(429, Said("m"), ((b"retry-after", b"3"),)).headers) == {
        b"retry-after": b"3",
        b"retry-after-ms": b"3000",
    }
    assert dict(rejected(429, Said("m"), (), wait=0.25).headers)[b"retry-after-ms"] == b"250"
    assert rejected(400, Said("m"), ((b"retry-after", b"3"),)).headers == ()


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        (((b"retry-after-ms", b"1500"), (b"retry-after", b"9")), "", 1.5),
        (((b"retry-after", b"2.5"),), "", 2.5),
        (((b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT"),), "try again in 2m3.5s", 123.5),
        (((b"retry-after", b"-1"),), "", None),
        (((b"retry-after", b"nan"),), "", None),
        (((b"retry-after", b"99999999"),), "", None),
        ((), "Please try again in 120ms.", 0.12),
        ((), "Please try again in 7.66s. Visit", 7.66),
        ((), "Please retry after 30 seconds.", 30),
        ((), "try again later", None),
    ],
)
def test_seconds_until_a_retry(headers: Any, message: str, seconds: float | None) -> None:
    assert wait_in(headers, message) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("2m3.5s", 123.5), ("120ms", 0.12), ("23", 23.0), ("1h", 3600.0), ("soon", None), ("48h", None)],
)
def test_durations(duration: str, seconds: float | None) -> None:
    assert seconds_in(duration) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("value", "found"),
    [(429, 429), ("429", 429), (429.0, 429), ("1302", None), (200, None), (True, None), (None, None), ("abc", None)],
)
def test_a_status_in_a_body(value: Json, found: int | None) -> None:
    assert code_number(value) == found
