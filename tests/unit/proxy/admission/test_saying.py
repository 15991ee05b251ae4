"""Denials in words, limits in headers, caps in bytes."""

import json

import pytest

from proxy.admission.capping import with_output_cap
from proxy.admission.headers import duration, limit_headers
from proxy.admission.refusal import dollars, refusal
from proxy.errors import BudgetExceeded, LimitsUnavailable, RateLimited, answer_headers
from proxy.policy.rules import Denial, Grant, Reservation, Rule, budget_rule, credit_rule, rules_of
from proxy.policy.terms import Budget, Limits
from proxy.wire.endpoints import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Endpoint


def rule(name: str, limit: int = 600, scope: str = "key") -> Rule:
    return rules_of(Limits(**{name: limit}), scope, "k")[0]  # type: ignore[arg-type]


def test_a_rate_that_frees_says_when() -> None:
    error = refusal(Denial(rule("rpm"), 1, 0, 1.25))
    assert isinstance(error, RateLimited)
    assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
    assert "this key's limit of 600 requests per minute (rpm) has 0 left; try again in 1.25 s" in error.message
    assert dict(answer_headers(error, "r"))[b"retry-after"] == b"2"
    headers = dict(answer_headers(error, "r"))
    assert headers[b"retry-after-ms"] == b"1250"
    assert headers[b"x-ratelimit-limit-requests"] == b"600"
    assert (headers[b"x-ratelimit-remaining-requests"], headers[b"x-ratelimit-reset-requests"]) == (b"0", b"1.25s")


def test_a_request_larger_than_the_limit_says_need_and_have_and_not_to_retry() -> None:
    error = refusal(Denial(rule("tpm", 1000, "account"), 5000, 1000, None))
    assert error.type == "tokens"
    assert "needs 5000 tokens and this account's limit is 1000 per minute (tpm)" in error.message
    headers = dict(answer_headers(error, "r"))
    assert headers[b"x-should-retry"] == b"false"
    assert b"retry-after" not in headers


def test_concurrency_says_how_many() -> None:
    error = refusal(Denial(rule("concurrency", 3), 1, 0, None))
    assert "3 requests at once" in error.message
    assert dict(error.headers)[b"retry-after"] == b"1"


@pytest.mark.parametrize("scope", ["model", "provider", "gateway"])
def test_whose_limit_it_is(scope: str) -> None:
    assert scope in refusal(Denial(rule("rpd", 9, scope), 1, 0, 3.0)).message


def test_a_spent_budget_is_a_quota_and_not_to_be_retried() -> None:
    spent = budget_rule(Budget(usd=20, per="month"), "key", "k", ledgered=True)
    error = refusal(Denial(spent, 1_500_000, 250_000, None))
    assert isinstance(error, BudgetExceeded)
    assert (error.status, error.type, error.code) == (429, "insufficient_quota", "insufficient_quota")
    assert "may cost 1.50 USD" in error.message
    assert "budget of 20.00 USD per month has 0.25 USD left" in error.message
    assert dict(answer_headers(error, "r"))[b"x-should-retry"] == b"false"


def test_an_empty_balance_says_how_to_fill_it() -> None:
    error = refusal(Denial(credit_rule("acc", 0), 10, -5, None))
    assert "has 0.00 USD left" in error.message
    assert "tollway credits add" in error.message


def test_a_store_that_is_down_is_503_and_worth_a_retry() -> None:
    for reason in ("store", "unseeded"):
        error = refusal(Denial(rule("rpm"), 1, 0, None, reason))  # type: ignore[arg-type]
        assert isinstance(error, LimitsUnavailable)
        assert (error.status, error.code) == (503, "limits_unavailable")
        assert b"retry-after-ms" in dict(error.headers)


@pytest.mark.parametrize(
    ("micro", "text"), [(0, "0.00"), (1, "0.000001"), (1_500_000, "1.50"), (-250_000, "-0.25"), (10**12, "1000000.00")]
)
def test_dollars(micro: int, text: str) -> None:
    assert dollars(micro) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, b"0ms"), (0.0204, b"20ms"), (1, b"1s"), (1.5, b"1.5s"), (59.9994, b"59.999s"), (60, b"1m0s"), (360, b"6m0s"), (3601, b"1h0m1s")],
)  # fmt: skip
def test_durations_read_like_openais(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text


def grants(*pairs: tuple[Rule, int]) -> Reservation:
    return Reservation(ident="i", grants=[Grant(rule, 1, left, 2.0) for rule, left in pairs])


def test_headers_speak_of_the_tightest_rule_of_each_kind() -> None:
    account = rule("rpm", 60, "account")
    shadow = rules_of(Limits(rpm=1, shadow=("rpm",)), "gateway", "")[0]
    reservation = grants((rule("rpm", 600), 500), (account, 10), (rule("tpm", 100), 99), (shadow, -5))
    assert limit_headers(reservation) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"10"),
        (b"x-ratelimit-reset-requests", b"2s"),
        (b"x-ratelimit-limit-tokens", b"100"),
        (b"x-ratelimit-remaining-tokens", b"99"),
        (b"x-ratelimit-reset-tokens", b"2s"),
    ]


def test_money_and_a_store_that_is_down_have_headers_of_ours() -> None:
    month = budget_rule(Budget(usd=20), "key", "k", ledgered=False)
    day = budget_rule(Budget(usd=2, per="day"), "key", "k", ledgered=False)
    reservation = grants((month, 5_000_000), (day, 750_000), (credit_rule("a", 9), -1))
    reservation.degraded = "share"
    assert limit_headers(reservation) == [
        (b"x-tollway-credit-remaining-usd", b"0.000000"),
        (b"x-tollway-budget-remaining-usd", b"0.750000"),
        (b"x-tollway-limits", b"share"),
    ]


@pytest.mark.parametrize(
    ("endpoint", "body", "capped", "name"),
    [
        (CHAT, b'{"model": "m"}', b'{"max_completion_tokens":7,"model": "m"}', "max_completion_tokens"),
        (CHAT, b"{}", b'{"max_completion_tokens":7}', "max_completion_tokens"),
        (CHAT, b' { "max_tokens": 50 }', b' { "max_tokens": 7 }', "max_tokens"),
        (CHAT, b'{"max_tokens":1,"max_completion_tokens":90}', b'{"max_tokens":1,"max_completion_tokens":7}', "max_tokens"),
        (CHAT, b'{"max_tokens":null,"n":1}', b'{"max_tokens":7,"n":1}', "max_tokens"),
        (CHAT, b'{"messages":[{"max_tokens":99}],"max_tokens":8}', b'{"messages":[{"max_tokens":99}],"max_tokens":7}', "max_tokens"),
        (RESPONSES, b'{"input":"x"}', b'{"max_output_tokens":7,"input":"x"}', "max_output_tokens"),
        (MESSAGES, b'{"max_tokens":4096}', b'{"max_tokens":7}', "max_tokens"),
        (COMPLETIONS, b'{"prompt":"x"}', b'{"max_tokens":7,"prompt":"x"}', "max_tokens"),
    ],
)  # fmt: skip
def test_a_cap_is_spliced_and_every_other_byte_stays(endpoint: Endpoint, body: bytes, capped: bytes, name: str) -> None:
    assert with_output_cap(body, endpoint, 7) == (capped, name)
    json.loads(capped)
