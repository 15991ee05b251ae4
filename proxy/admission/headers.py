"""Limits in response headers: OpenAI's six names, and ours for money and for a store that is down."""

from ..policy.rules import MICRO, Grant, Reservation

Headers = list[tuple[bytes, bytes]]


def limit_headers(reservation: Reservation) -> Headers:
    """What a client may know of its limits after this request: of each kind the rule with the smallest share left."""
    headers: Headers = []
    requests: Grant | None = None
    tokens: Grant | None = None
    money: Grant | None = None
    for grant in reservation.grants:
        rule = grant.rule
        unit = rule.unit
        if unit == "slots" or rule.shadow:
            continue
        if unit == "requests":
            if requests is None or _tighter(grant, requests):
                requests = grant
        elif unit != "micro_usd":
            if tokens is None or _tighter(grant, tokens):
                tokens = grant
        elif rule.name == "credit":
            headers.append((b"x-tollway-credit-remaining-usd", _left(grant)))
        elif money is None or grant.left < money.left:
            money = grant
    reset = b""
    if requests is not None:
        reset = duration(requests.reset)
        left = requests.left
        headers += (
            (b"x-ratelimit-limit-requests", requests.rule.shown),
            (b"x-ratelimit-remaining-requests", b"%d" % left if left > 0 else b"0"),
            (b"x-ratelimit-reset-requests", reset),
        )
    if tokens is not None:
        if requests is None or requests.reset != tokens.reset:
            reset = duration(tokens.reset)
        left = tokens.left
        headers += (
            (b"x-ratelimit-limit-tokens", tokens.rule.shown),
            (b"x-ratelimit-remaining-tokens", b"%d" % left if left > 0 else b"0"),
            (b"x-ratelimit-reset-tokens", reset),
        )
    if money is not None:
        headers.append((b"x-tollway-budget-remaining-usd", _left(money)))
    if reservation.degraded is not None:
        headers.append((b"x-tollway-limits", reservation.degraded.encode()))
    return headers


def _tighter(grant: Grant, other: Grant) -> bool:
    return grant.left * other.rule.limit < other.left * grant.rule.limit


def _left(grant: Grant) -> bytes:
    left = grant.left
    return b"%d.%06d" % divmod(left, MICRO) if left > 0 else b"0.000000"


def duration(seconds: float) -> bytes:
    """As OpenAI writes a reset: ``20ms``, ``1.5s``, ``6m0s``, ``1h0m0s``."""
    if 60.0 < seconds <= 61.0:
        # What a minute's window that was just used is told.
        return b"1m1s"
    if seconds < 60:
        if seconds < 1:
            return b"%dms" % max(0, round(seconds * 1000))
        return b"%gs" % (int(seconds * 1000 + 0.5) / 1000)
    whole = -int(-seconds // 1)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return b"%dm%ds" % (minutes, rest)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest)
