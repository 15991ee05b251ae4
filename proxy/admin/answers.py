"""What the admin API answers: Structs that describe themselves in the OpenAPI document. Ledger money is decimal text, times are ISO 8601 UTC."""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct, field

from ..policy.caching import KeyCache
from ..policy.routes import PriceCeiling, Slo
from ..policy.terms import Limits, ListPrice, OnFailure, Per

R = TypeVar("R")

Money = Annotated[str, Meta(pattern=r"^-?[0-9]+\.[0-9]{2,6}$", examples=["10.50"], description="US dollars.")]
Time = Annotated[str, Meta(examples=["2026-11-23T10:00:00Z"])]
Free = dict[str, object]


class Page(Struct, Generic[R], frozen=True, kw_only=True):
    """One page of a list; ``next`` is the ``cursor`` of the following one."""

    data: list[R]
    has_more: bool = False
    next: str | None = None
    object: Literal["list"] = "list"


class BudgetShown(Struct, frozen=True, kw_only=True):
    """A budget as it was set; dollars are a number, as in the configuration."""

    usd: float
    per: Per
    hard: bool
    alerts: tuple[float, ...]
    on_failure: OnFailure


class PlanShown(Struct, frozen=True, kw_only=True):
    """What an account pays; dollars are numbers, as in the configuration."""

    markup: float
    prices: dict[str, ListPrice]
    included_usd: float
    prepaid: bool
    cached: float


class Account(Struct, frozen=True, kw_only=True):
    """Who pays."""

    id: str
    name: str
    status: Literal["active", "suspended", "closed"]
    created: Time
    limits: Limits
    budgets: tuple[BudgetShown, ...]
    plan: PlanShown
    metadata: dict[str, str]
    version: int
    object: Literal["account"] = "account"


class BudgetLevel(Struct, frozen=True, kw_only=True):
    """A budget in its present period: ``used`` by settled requests, ``held`` by those under way."""

    per: str
    hard: bool
    limit: Money
    used: Money
    held: Money
    left: Money
    resets_at: Time | None
    scope: Literal["account", "key"] = "account"


class Balance(Struct, frozen=True, kw_only=True):
    """An account's money. ``available`` = ``balance`` + what is left of this month's allowance; ``balance`` is without what is held."""

    account: str
    prepaid: bool
    granted: Money
    balance: Money
    held: Money
    available: Money
    included: Money
    included_left: Money
    budgets: list[BudgetLevel]
    live: bool
    """Are budgets' figures from the counters (else from the ledger, because those cannot be reached)?"""
    object: Literal["balance"] = "balance"


class Leg(Struct, frozen=True, kw_only=True):
    """``usd`` added to ``book``."""

    book: str
    usd: Money


class Movement(Struct, frozen=True, kw_only=True):
    """A transaction of the ledger; those of ``postings`` add up to zero."""

    id: str
    kind: str
    account: str
    at: Time
    usd: Money
    """What the account's own book gained."""
    postings: list[Leg]
    request: str | None
    ref: str
    note: str
    actor: str
    object: Literal["transaction"] = "transaction"


class Key(Struct, frozen=True, kw_only=True):
    """A virtual key without its text: ``hint`` shows both ends."""

    id: str
    account: str
    name: str
    hint: str
    status: Literal["active", "retiring", "expired", "revoked"]
    created: Time
    models: tuple[str, ...]
    endpoints: tuple[str, ...]
    providers: tuple[str, ...]
    networks: tuple[str, ...]
    passthrough: bool | None
    stability: str
    controls: tuple[str, ...]
    regions: tuple[str, ...]
    max_price: PriceCeiling | None
    slo: Slo | None
    cache: KeyCache
    limits: Limits
    budgets: tuple[BudgetShown, ...]
    max_output_tokens: int | None
    expires: Time | None
    revoked: Time | None
    """When it stopped, or will stop, working."""
    replaced_by: str | None
    metadata: dict[str, str]
    version: int
    object: Literal["key"] = "key"


class KeyMade(Key, frozen=True, kw_only=True):
    """A new key. ``key`` is shown this once; it is null when a request is repeated under its Idempotency-Key."""

    key: str | None = None


class Voucher(Struct, frozen=True, kw_only=True):
    """A code, without the code."""

    id: str
    usd: Money
    uses: int
    used: int
    created: Time
    expires: Time | None
    revoked: Time | None
    note: str
    object: Literal["voucher"] = "voucher"


class VoucherMade(Voucher, frozen=True, kw_only=True):
    """A new voucher. ``code`` is shown this once; it is null when a request is repeated under its Idempotency-Key."""

    code: str | None = None


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sums of one group; the fields it was grouped by are set."""

    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    charge: Money
    included: Money
    """Of ``charge``, what plans' allowances paid."""
    cost: Money
    unpriced: int
    """Requests whose price was not known."""
    cache_hits: int
    """Of ``requests``, those that the cache answered; their tokens are only in the two sums of saved ones."""
    saved_input_tokens: int
    saved_output_tokens: int
    saved: Money
    """What customers would have been charged more without the cache."""
    saved_cost: Money
    """What it would have cost more."""
    day: str | None = None
    account: str | None = None
    key: str | None = None
    route: str | None = None
    model: str | None = None
    provider: str | None = None


class Request(Struct, frozen=True, kw_only=True):
    """One request in the ledger: who, what, how it ended, what it cost and from which count."""

    id: str
    request_id: str
    upstream_id: str
    account: str
    key: str
    key_name: str
    endpoint: str
    route: str
    provider: str
    model: str
    outcome: str
    ending: str
    count: str
    flags: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    attempts: int
    held: Money
    charge: Money
    cost: Money
    unpriced: bool
    price_version: str
    at: Time
    ended: Time
    cache: Literal["", "hit", "semantic-hit", "shared"]
    """Empty: a provider was asked. ``shared``: the answer was still being made for another request."""
    saved: Money
    saved_cost: Money
    saved_input_tokens: int
    saved_output_tokens: int
    object: Literal["request"] = "request"


class Audit(Struct, frozen=True, kw_only=True):
    """Who changed what; secrets are in neither ``before`` nor ``after``."""

    id: str
    at: Time
    actor: str
    action: str
    target: str = field(name="object_id")
    before: Free | None
    after: Free | None
    client: str
    request_id: str
    object: Literal["audit"] = "audit"


class Status(Struct, frozen=True, kw_only=True):
    """How the gateway's stores are; ``details`` come from whoever runs them."""

    status: Literal["ok", "degraded"]
    version: str
    storage: Free
    details: Free
    object: Literal["status"] = "status"


class Trace(Struct, frozen=True, kw_only=True):
    """How a request was routed; ``route`` is what a dry run answers, with the attempts and the outcome (docs/routing.md)."""

    request_id: str
    route: Free
    object: Literal["trace"] = "trace"


class KeyHealth(Struct, frozen=True, kw_only=True):
    """One of a provider's keys for one model: its number, from 0, and never its text."""

    key: int
    state: Literal["ready", "resting"]
    reason: str
    back_in_seconds: float
    left: float
    """The share of its limits that is left, as far as the provider has said."""


class TargetHealth(Struct, frozen=True, kw_only=True):
    """One target as the worker that answers sees it; figures that are not known are null (docs/health.md)."""

    provider: str
    model: str
    state: Literal["ready", "full", "probing", "cooling", "no_key", "open"]
    reason: str
    back_in_seconds: float
    ttft_seconds: float | None
    """The peak EWMA: it rises at once and halves in ten seconds."""
    ttft_p95_seconds: float | None
    inflight: int
    waiting: int
    """Requests in its queue."""
    openings: int
    """How often in a row it was given up."""
    keys: list[KeyHealth]


class Health(Struct, frozen=True, kw_only=True):
    """Targets that were asked lately, by name."""

    targets: list[TargetHealth]
    object: Literal["health"] = "health"


class Cache(Struct, frozen=True, kw_only=True):
    """The cache as the worker that answers sees it. ``entries`` and ``bytes`` are null where the answers are in a shared store."""

    store: Literal["none", "memory", "state"]
    entries: int | None = None
    bytes: int | None = None
    """What the answers take, keeping them included."""
    max_bytes: int | None = None
    up: bool = True
    """Does the shared store answer?"""
    lookups: dict[str, dict[str, int]] = {}
    """Since this worker began, by kind (``exact``, ``semantic``, ``input``) and result."""
    object: Literal["cache"] = "cache"


class CachePurged(Struct, frozen=True, kw_only=True):
    """What was forgotten. ``forgotten`` is null where it is not known how many: they are dropped when they are met."""

    forgotten: int | None
    everywhere: bool
    """False: the shared store is down, and other processes forget as soon as it is back; or workers share no state, and keep theirs."""
    object: Literal["cache.purge"] = "cache.purge"


class ErrorBody(Struct, frozen=True, kw_only=True):
    """What went wrong, the rule, and the fix; ``param`` is the path of the field at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(Struct, frozen=True, kw_only=True):
    """The envelope of every error."""

    error: ErrorBody
