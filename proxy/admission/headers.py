"""Limits in response headers: OpenAI's six names, and ours for money and for a store that is down."""

from ..policy.rules import Grant, Reservation
from .refusal import dollars

Headers = list[tuple[bytes, bytes]]


def limit_headers(reservation: Reservation) -> Headers:
    """What a client may know of its limits after this request: of each kind the rule with the smallest share left."""
    headers: Headers = []
    tightest: dict[str, Grant] = {}
    money: Grant | None = None
    for grant in reservation.grants:
        rule = grant.rule
        if rule.shadow or rule.unit == "slots":
            continue
        if rule.unit == "micro_usd":
            if rule.name == "credit":
                headers.append((b"x-tollway-credit-remaining-usd", dollars(max(0, grant.left)).encode()))
            elif money is None or grant.left < money.left:
                money = grant
            continue
        kind = "requests" if rule.unit == "requests" else "tokens"
        known = tightest.get(kind)
        if known is None or grant.left * known.rule.limit < known.left * rule.limit:
            tightest[kind] = grant
    for kind, grant in tightest.items():
        name = kind.encode()
        headers += (
            (b"x-ratelimit-limit-" + name, b"%d" % grant.rule.limit),
            (b"x-ratelimit-remaining-" + name, b"%d" % max(0, grant.left)),
            (b"x-ratelimit-reset-" + name, duration(grant.reset)),
        )
    if money is not None:
        headers.append((b"x-tollway-budget-remaining-usd", dollars(max(0, money.left)).encode()))
    if reservation.degraded is not None:
        headers.append((b"x-tollway-limits", reservation.degraded.encode()))
    return headers


def duration(seconds: float) -> bytes:
    """As OpenAI writes a reset: ``20ms``, ``1.5s``, ``6m0s``, ``1h0m0s``."""
    if seconds < 1:
        return b"%dms" % max(0, round(seconds * 1000))
    if seconds < 60:
        return b"%gs" % round(seconds, 3)
    whole = -int(-seconds // 1)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return b"%dm%ds" % (minutes, rest)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest)
