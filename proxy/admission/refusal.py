"""A denial in words: which rule, what it needed and had, when it frees, what to do. OpenAI's status, type and code."""

from collections.abc import Mapping

from ..errors import BudgetExceeded, LimitsUnavailable, RateLimited, TollwayError, retry_after
from ..policy.rules import MICRO, Denial, Rule
from .headers import duration

UNSEEDED_WAIT = 0.5
"""Seconds after which a store that is being told the ledger's figures is asked again."""

STORE_WAIT = 1.0
"""Seconds between looks at a store that is down."""

_WHOSE: Mapping[str, str] = {
    "key": "this key's",
    "account": "this account's",
    "model": "this model's",
    "provider": "this provider's",
    "gateway": "the gateway's",
}
_PERIODS = {60: "minute", 3_600: "hour", 86_400: "day"}


def refusal(denial: Denial) -> TollwayError:
    """The error that a client is answered with."""
    rule = denial.rule
    if denial.reason == "store":
        return LimitsUnavailable(
            f"The store that counts {_WHOSE[rule.scope]} {rule.name} cannot be reached, and this limit is closed meanwhile; try again shortly.",
            headers=retry_after(STORE_WAIT),
        )
    if denial.reason == "unseeded":
        return LimitsUnavailable(
            f"{_WHOSE[rule.scope].capitalize()} {rule.name} is being read from the ledger; try again in a moment.",
            headers=retry_after(UNSEEDED_WAIT),
        )
    if rule.method == "money":
        return _out_of_money(denial)
    error = _too_much(denial)
    if rule.unit != "slots":
        kind = b"requests" if rule.unit == "requests" else b"tokens"
        error.headers += (
            (b"x-ratelimit-limit-" + kind, b"%d" % rule.limit),
            (b"x-ratelimit-remaining-" + kind, b"%d" % max(0, denial.left)),
            (b"x-ratelimit-reset-" + kind, duration(denial.retry_after or 0.0)),
        )
    return error


def _out_of_money(denial: Denial) -> BudgetExceeded:
    rule = denial.rule
    need, left, limit = dollars(denial.need), dollars(max(0, denial.left)), dollars(rule.limit)
    if rule.name == "credit":
        text = (
            f"You exceeded your current quota: this request may cost {need} USD and the account's credit has {left} USD left. "
            "Its owner can add credit (tollway credits add), or send a smaller max_tokens."
        )
    else:
        until = "" if rule.per == "total" else f" It starts anew with the next {rule.per} (UTC)."
        text = (
            f"You exceeded your current quota: this request may cost {need} USD and {_WHOSE[rule.scope]} budget of {limit} USD "
            f"{_per(rule)} has {left} USD left.{until} Its owner can raise it, or send a smaller max_tokens."
        )
    return BudgetExceeded(text)


def _per(rule: Rule) -> str:
    return "in total" if rule.per == "total" else f"per {rule.per}"


def _too_much(denial: Denial) -> RateLimited:
    rule = denial.rule
    whose, left = _WHOSE[rule.scope], max(0, denial.left)
    if rule.unit == "slots":
        text = f"Rate limit reached: {whose} limit is {rule.limit} requests at once (concurrency); wait for one to end."
        return RateLimited(text, headers=retry_after(denial.retry_after or STORE_WAIT))
    what = rule.unit.replace("_", " ")
    every = _PERIODS.get(rule.period, f"{rule.period} s")
    if denial.need > rule.limit:
        error = RateLimited(
            f"Request too large: it needs {denial.need} {what} and {whose} limit is {rule.limit} per {every} ({rule.name}). "
            "Send a shorter prompt or a smaller max_tokens, or have the limit raised.",
        )
        error.headers += ((b"x-should-retry", b"false"),)
    else:
        wait = denial.retry_after if denial.retry_after is not None else STORE_WAIT
        need = "" if rule.unit == "requests" else f"it needs {denial.need} {what} and "
        error = RateLimited(
            f"Rate limit reached: {need}{whose} limit of {rule.limit} {what} per {every} ({rule.name}) has {left} left; "
            f"try again in {wait:.3g} s.",
            headers=retry_after(wait),
        )
    error.type = "requests" if rule.unit == "requests" else "tokens"
    return error


def dollars(micro_usd: int) -> str:
    """An amount as people read it: at least two decimals, at most six."""
    whole, rest = divmod(abs(micro_usd), MICRO)
    text = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro_usd < 0 else ''}{whole}.{text}"
