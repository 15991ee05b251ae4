"""What the admin API takes: bodies and queries, as Structs that decode, refuse and describe themselves in the OpenAPI document."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from ..policy.caching import AS_THE_OTHER_KEYS, KeyCache
from ..policy.routes import PriceCeiling, Slo
from ..policy.terms import NO_LIMITS, Budget, Limits, Plan

NAME_PATTERN = r"^[^\s/\x00-\x1f\x7f-\x9f]([^/\x00-\x1f\x7f-\x9f]*[^\s/\x00-\x1f\x7f-\x9f])?$"
"""No slash and no control character, no space at either end: a name stands in paths, logs and tables."""

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NAME_PATTERN)]
Note = Annotated[str, Meta(max_length=500)]
Pattern = Annotated[str, Meta(min_length=1, max_length=200)]
Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=500)]
Controls = Annotated[tuple[Pattern, ...], Meta(max_length=100, description="Empty: no request control is heeded.")]
Range = Annotated[str, Meta(min_length=1, max_length=64, description="An address or CIDR range, such as 10.0.0.0/8.")]
Ranges = Annotated[tuple[Range, ...], Meta(max_length=500)]
Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=32)
]
Budgets = Annotated[tuple[Budget, ...], Meta(max_length=4)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Version = Annotated[int, Meta(ge=1, le=2**62)]

Usd: TypeAlias = (
    Annotated[str, Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,6})?$", examples=["10.50"])]
    | Annotated[float, Meta(gt=0, le=1_000_000_000)]
)
"""US dollars, text or number, at most six decimals."""

Moment = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=40,
        description="ISO 8601 time (UTC without an offset) or a date, 2000 to 2199.",
        examples=["2027-01-14T12:00:00Z"],
    ),
]
Overlap: TypeAlias = (
    Annotated[int, Meta(ge=0, le=31_536_000)] | Annotated[str, Meta(pattern=r"^[0-9]{1,8}(s|m|h|d)$", examples=["10m"])]
)
"""Seconds, or text such as ``10m``; at most a year."""


class AccountNew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new account. ``budget`` is short for one in ``budgets``."""

    name: Name
    limits: Limits = NO_LIMITS
    budget: Budget | None = None
    budgets: Budgets = ()
    plan: Plan | None = None
    metadata: Metadata = {}


class AccountPatch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to change; what is named is replaced whole. ``version``: only if it is still that."""

    name: Name | UnsetType = UNSET
    status: Literal["active", "suspended"] | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    budget: Budget | UnsetType | None = UNSET
    budgets: Budgets | UnsetType = UNSET
    plan: Plan | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class CreditNew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Money that an account paid in."""

    usd: Usd
    note: Note = ""


class RefundNew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Money given back; ``request``: the ledger id of what it was charged for, and then not more than that."""

    usd: Usd
    request: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    note: Note = ""


class VoucherUse(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A code to be redeemed."""

    code: Annotated[str, Meta(min_length=1, max_length=200)]


class KeyNew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new virtual key. ``account``: an id or name."""

    account: Text
    name: Name
    models: Patterns = ("*",)
    endpoints: Patterns = ("*",)
    providers: Patterns = ("*",)
    networks: Ranges = ()
    passthrough: bool | None = None
    stability: Literal["any", "stable"] = "any"
    controls: Controls = ("*",)
    regions: Patterns = ("*",)
    max_price: PriceCeiling | None = None
    slo: Slo | None = None
    cache: KeyCache = AS_THE_OTHER_KEYS
    limits: Limits = NO_LIMITS
    budget: Budget | None = None
    budgets: Budgets = ()
    max_output_tokens: Tokens | None = None
    expires: Moment | None = None
    metadata: Metadata = {}


class KeyPatch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to change; what is named is replaced whole. ``version``: only if it is still that."""

    name: Name | UnsetType = UNSET
    models: Patterns | UnsetType = UNSET
    endpoints: Patterns | UnsetType = UNSET
    providers: Patterns | UnsetType = UNSET
    networks: Ranges | UnsetType = UNSET
    passthrough: bool | UnsetType | None = UNSET
    stability: Literal["any", "stable"] | UnsetType = UNSET
    controls: Controls | UnsetType = UNSET
    regions: Patterns | UnsetType = UNSET
    max_price: PriceCeiling | UnsetType | None = UNSET
    slo: Slo | UnsetType | None = UNSET
    cache: KeyCache | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    budget: Budget | UnsetType | None = UNSET
    budgets: Budgets | UnsetType = UNSET
    max_output_tokens: Tokens | UnsetType | None = UNSET
    expires: Moment | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class KeyRotate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the old key works on; without it, it stops at once."""

    overlap: Overlap = 0


class VoucherNew(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A code worth ``usd`` to each of the first ``uses`` accounts that redeem it."""

    usd: Usd
    uses: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    expires: Moment | None = None
    note: Note = ""


class CachePurge(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the cache is to forget: answers that agree with all that is given. ``account``: an id or name; ``model``: as it was asked for."""

    key: Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$", description="As in x-tollway-cache-key.")] | None = None
    account: Text | None = None
    model: Text | None = None
    tag: Text | None = None
    all: Annotated[bool, Meta(description="Everything; then nothing else is given.")] = False


class Nothing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No body, or an empty object; no query."""
