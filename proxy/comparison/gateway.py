"""What a gateway says of a model before it is asked anything: is it there, who would answer, at which price? By dry runs, which cost nothing."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from msgspec import Struct

from ..wire.values import JsonObject, number, obj, objects, text
from .asking import Endpoint
from .reading import EXPLAINED, Reply
from .spending import MICRO, Price, Tariff

_SHORT, _LONG = 1, 400
"""Output tokens of the two dry runs from whose difference a price follows; the gateway reckons with 500 at most."""

_ID = re.compile(r" ?\(request id: [^)]*\)$")
_TRIES = 5
_PATIENCE = 60.0
"""Seconds that a limit of requests may make us wait for one look."""


class Known(Struct, frozen=True, kw_only=True):
    """A model that the gateway serves. ``tariff`` is ``None`` where the price of one of its targets is not known."""

    model: str
    places: tuple[str, ...] = ()
    tariff: Tariff | None = None
    tier: str = ""


class Unknown(Struct, frozen=True, kw_only=True):
    """A model that it does not serve, in its own words, and names that are like it."""

    model: str
    why: str
    near: tuple[str, ...] = ()


class Unusable(Exception):
    """Nothing can be asked there: the message says why, ``fix`` what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def look(
    endpoint: Endpoint, models: Iterable[str], *, sleep: Callable[[float], None] = time.sleep
) -> tuple[list[Known], list[Unknown]]:
    """All of them, so that every wrong name is told at once. Raises ``Unusable``."""
    known, unknown = [], []
    for model in models:
        reply = _dry(endpoint, model, _SHORT, sleep)
        if reply.error:
            _check_usable(endpoint, reply)
            unknown.append(Unknown(model=model, why=_ID.sub("", reply.detail)))
            continue
        body = reply.body or {}
        if body.get("object") != EXPLAINED:
            # Dry runs are not for this key, or this is another gateway: one token was made, and no more is tried.
            known.append(Known(model=model))
            continue
        known.append(_known(model, body, _dry(endpoint, model, _LONG, sleep).body or {}))
    if unknown:
        listed = endpoint.listed() or []
        unknown = [Unknown(model=each.model, why=each.why, near=_near(each, listed)) for each in unknown]
    return known, unknown


def _near(unknown: Unknown, listed: Sequence[str]) -> tuple[str, ...]:
    """Names that are like it, unless the gateway has said one itself."""
    near = tuple(get_close_matches(unknown.model, listed, n=3, cutoff=0.6))
    return () if any(name in unknown.why for name in near) else near


def _dry(endpoint: Endpoint, model: str, output: int, sleep: Callable[[float], None]) -> Reply:
    body: JsonObject = {"model": model, "messages": [{"role": "user", "content": "."}], "max_tokens": output}
    for _ in range(_TRIES):
        reply = endpoint.ask(body, {"x-tollway-dry-run": "true"})
        if reply.status != 429 or not reply.passing or reply.wait is None or reply.wait > _PATIENCE:
            break
        sleep(reply.wait)
    return reply


def _check_usable(endpoint: Endpoint, reply: Reply) -> None:
    if reply.status == 401:
        raise Unusable(f"The gateway refuses the key: {reply.detail}", "give another with --key or TOLLWAY_KEY")
    if reply.status == 0:
        raise Unusable(
            f"Nothing answers at {endpoint.url} ({reply.detail}).",
            "is the gateway running? tollway serve starts it, --url names another",
        )
    if reply.status == 429:
        raise Unusable(f"The gateway lets nothing through now: {reply.detail}", "wait, or use another key")
    if reply.error == "status_404" or reply.status in (301, 302, 307, 308, 405) or reply.begun:
        raise Unusable(
            f"What answers at {endpoint.url} is no gateway ({reply.detail}).", "check that the URL ends with /v1"
        )


def _known(model: str, short: JsonObject, long: JsonObject) -> Known:
    candidates = objects(short.get("candidates"))
    later = {text(each.get("target")): each for each in objects(long.get("candidates"))}
    prompt = number(obj(short.get("asked")).get("prompt_tokens")) or 0
    prices: dict[str, Price | None] = {}
    for each in candidates:
        place = text(each.get("target"))
        prices[place] = _price(each, later.get(place, {}), prompt)
    chosen = text(short.get("chosen"))
    tier = next((text(each.get("tier")) for each in candidates if each.get("target") == chosen), "")
    places = {place: price for place, price in prices.items() if price is not None}
    whole = bool(places) and len(places) == len(prices)
    return Known(model=model, places=tuple(prices), tariff=Tariff(places) if whole else None, tier=tier)


def _price(short: JsonObject, long: JsonObject, prompt: float) -> Price | None:
    """From what the same prompt is expected to cost with a short and with a long answer."""
    first, second = number(short.get("expected_cost_usd")), number(long.get("expected_cost_usd"))
    if first is None or second is None or not prompt:
        return None
    output = (second - first) * MICRO / (_LONG - _SHORT)
    prompted = (first * MICRO - output * _SHORT) / prompt
    return Price(max(round(prompted, 6), 0.0), max(round(output, 6), 0.0))
