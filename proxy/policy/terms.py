"""Limits, budgets and plans as an operator writes them: the same Structs in the configuration file, the database and the admin API."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .caching import AS_THE_OTHER_KEYS, KeyCache
from .routes import PriceCeiling, Slo

Amount = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Slots = Annotated[int, Meta(ge=1, le=1_000_000)]
Dollars = Annotated[float, Meta(gt=0, le=1_000_000_000)]
Fraction = Annotated[float, Meta(gt=0, le=1)]
Wait = Annotated[float, Meta(ge=0, le=600, extra={"unit": "seconds"})]
Markup = Annotated[float, Meta(ge=-100, le=10_000)]
Price = Annotated[float, Meta(ge=0, le=1_000_000)]

LimitName = Literal[
    "rpm", "rph", "rpd", "tpm", "tph", "tpd", "input_tpm", "input_tph", "input_tpd", "output_tpm", "output_tph",
    "output_tpd", "concurrency",
]  # fmt: skip
Per = Literal["day", "week", "month", "total"]
OnFailure = Literal["closed", "open", "share"]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Requests, tokens (in all, input, output) per minute, hour and day, and requests at once. Unset: no such limit.

    Lists of limits' names say how some of them behave: ``steady`` ones refill evenly (GCRA) instead of holding for every window,
    ``shadow`` ones are only counted and reported, ``soft`` ones do not end a stream that has begun, and while the shared store
    is down ``closed`` ones refuse, ``open`` ones let pass; the others are divided among the expected replicas.
    """

    rpm: Amount | None = None
    rph: Amount | None = None
    rpd: Amount | None = None
    tpm: Amount | None = None
    tph: Amount | None = None
    tpd: Amount | None = None
    input_tpm: Amount | None = None
    input_tph: Amount | None = None
    input_tpd: Amount | None = None
    output_tpm: Amount | None = None
    output_tph: Amount | None = None
    output_tpd: Amount | None = None
    concurrency: Slots | None = None
    steady: tuple[LimitName, ...] = ()
    shadow: tuple[LimitName, ...] = ()
    soft: tuple[LimitName, ...] = ()
    closed: tuple[LimitName, ...] = ()
    open: tuple[LimitName, ...] = ()


class Budget(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """US dollars per calendar day, week (from Monday), month (UTC) or in total. A soft one (``hard: false``) only warns.

    ``alerts``: fractions of it that are reported when they are reached. ``on_failure``: while the shared store is down.
    """

    usd: Dollars
    per: Per = "month"
    hard: bool = True
    alerts: tuple[Fraction, ...] = (0.8, 1.0)
    on_failure: OnFailure = "closed"


class ListPrice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """US dollars per million tokens that an account pays for a model; unset parts follow ``input`` and ``output``."""

    input: Price
    output: Price
    cached_input: Price | None = None
    cache_write: Price | None = None


class Plan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What an account pays: the provider's price plus ``markup`` percent, or ``prices`` by globs over public model names (first match).

    ``included_usd`` is free each calendar month (UTC); ``prepaid`` accounts spend credits and stop without them. ``cached``: percent
    of the usual price that an answer from the cache costs.
    """

    markup: Markup = 0.0
    prices: dict[str, ListPrice] = {}
    included_usd: Annotated[float, Meta(ge=0, le=1_000_000_000)] = 0.0
    prepaid: bool = False
    cached: Annotated[float, Meta(ge=0, le=100)] = 0.0


class Scopes(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a key may reach. Globs; ``networks`` are CIDR ranges of client addresses; ``passthrough`` unset: follows from ``models: ["*"]``.

    ``controls`` are globs over the names of ``x-tollway-`` request headers that are heeded, ``regions`` over those of targets;
    ``max_price`` is a ceiling, ``slo`` what its requests aim at; ``cache`` what its requests may be answered from.
    """

    models: tuple[str, ...] = ("*",)
    endpoints: tuple[str, ...] = ("*",)
    providers: tuple[str, ...] = ("*",)
    networks: tuple[str, ...] = ()
    passthrough: bool | None = None
    stability: Literal["any", "stable"] = "any"
    controls: tuple[str, ...] = ("*",)
    regions: tuple[str, ...] = ("*",)
    max_price: PriceCeiling | None = None
    slo: Slo | None = None
    cache: KeyCache = AS_THE_OTHER_KEYS


NO_LIMITS = Limits()
AT_COST = Plan()
EVERYTHING = Scopes()
