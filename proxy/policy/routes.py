"""How a model's requests find a target and what happens when one fails: the Structs that the configuration is written in."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Attempts = Annotated[int, Meta(ge=1, le=10)]
Share = Annotated[float, Meta(gt=0, le=1)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Span = Annotated[float, Meta(gt=0, le=3600, extra={"unit": "seconds"})]
Pause = Annotated[float, Meta(ge=0, le=300, extra={"unit": "seconds"})]
Dollars = Annotated[float, Meta(gt=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]

PolicyName = Literal[
    "priority", "weighted", "least_busy", "lowest_latency", "lowest_cost", "best", "sticky", "balanced"
]


class Retry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """``attempts``: tries in all, over all targets. Before a target is tried again there is a pause of a random length up to
    ``base`` seconds, doubled each time, at most ``longest``."""

    attempts: Attempts = 3
    base: Pause = 0.25
    longest: Pause = 8.0


class Retries(Retry, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The same for all models, and the retry budget of each upstream: over ten seconds, at most ``ratio`` of its requests, and at
    least ``per_second``, may be tried again."""

    ratio: Ratio = 0.2
    per_second: Annotated[float, Meta(ge=0, le=10_000)] = 3.0


class Breaker(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """When a target gets no requests for a while: after ``consecutive`` faults in a row, or a share of ``error_rate`` among at
    least ``minimum`` requests within ``window`` seconds; for ``cooldown`` seconds, doubled each time, at most ``longest``.

    ``enabled: false``: nothing rests, whatever providers answer; failures still go to other targets.
    """

    enabled: bool = True
    consecutive: Count = 5
    error_rate: Share = 0.5
    minimum: Count = 20
    window: Span = 10.0
    cooldown: Span = 30.0
    longest: Span = 300.0


class Hedge(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A second target starts when the first has given nothing ``after`` seconds; unset: its live 95th percentile of TTFT.

    ``extra_spend``: most of it all that may be spent on losers; ``error_rate``: above it (of the route's recent attempts) hedging stops.
    """

    after: Span | None = None
    extra_spend: Share = 0.05
    error_rate: Share = 0.1


class SlowStream(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A stream that begins with fewer than ``tokens_per_second`` over ``window`` seconds is left for another target.

    Until that is known, nothing of it reaches the client.
    """

    tokens_per_second: Annotated[float, Meta(gt=0, le=100_000)]
    window: Span = 2.0


class Slo(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Targets: ``ttft`` seconds to the first token, ``cost_usd`` US dollars for one request. The cheapest that meets them is used."""

    ttft: Span | None = None
    cost_usd: Dollars | None = None


class Shadow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A ``share`` of requests is copied to ``model``; its answers are compared and thrown away. At most ``concurrency`` at once."""

    model: str
    share: Share
    concurrency: Count = 10


class FallbacksFor(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Models for two faults that trying again does not cure: a prompt that is too long, and one that the provider will not answer."""

    context_length: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()


class PriceCeiling(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """US dollars per million tokens beyond which a target is not used."""

    input: Dollars | None = None
    output: Dollars | None = None


class Auto(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the name ``auto`` does. ``balanced``: the cheapest of those whose quality is at least ``quality`` of the best one's."""

    policy: PolicyName = "balanced"
    quality: Share = 0.9


class Routing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """``scores``: a file of quality scores (docs/routing.md). ``traces``: how many decisions are kept to be asked for."""

    scores: str | None = None
    auto: Auto = Auto()
    traces: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000


class Canary(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A changed configuration first gets ``share`` of the requests, for ``seconds``. It is taken back when, after ``minimum``
    requests, its share of errors is ``errors`` above the old one's or its 95th percentile of TTFT ``latency`` times as long."""

    share: Share
    seconds: Annotated[float, Meta(gt=0, le=604_800, extra={"unit": "seconds"})] = 300.0
    minimum: Count = 50
    errors: Share = 0.02
    latency: Annotated[float, Meta(gt=1, le=100)] = 2.0


NO_RETRY = Retry(attempts=1)
