"""The half of the configuration that is applied live: auth, keys, accounts, providers, models, limits, timeouts, streaming."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from ..policy.caching import AS_THE_OTHER_KEYS, AS_THE_OTHERS, KeyCache, ModelCache
from ..policy.routes import (
    FallbacksFor,
    Hedge,
    PolicyName,
    PriceCeiling,
    Retry,
    Shadow,
    Slo,
    SlowStream,
)
from ..policy.terms import AT_COST, NO_LIMITS, Amount, Budget, Limits, Plan, Slots
from .secrets import Secret

Seconds = Annotated[float, Meta(gt=0, le=86_400, extra={"unit": "seconds"})]
Name = Annotated[str, Meta(min_length=1, max_length=200)]

if TYPE_CHECKING:
    Free: TypeAlias = bool | int | float | str | "list[Free]" | "dict[str, Free]" | None
    Options: TypeAlias = dict[str, Free]
else:
    # The decoder reads ``object`` as JSON of any shape; msgspec describes no recursive alias.
    Options = dict[str, object]


class Jwt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Callers with signed tokens (extra ``oidc``). ``issuer`` and ``audience`` must match; signing keys come from ``jwks_url``
    (by default from the issuer's discovery document) or ``jwks_file``, never from the token.

    ``account_claim`` and ``models_claim`` name claims (dots reach inside); ``account`` is used where a token names none.
    ``leeway`` in seconds; ``refresh``: seconds between looks at the signing keys.
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    jwks_file: str | None = None
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"], ...] = (
        "RS256",
        "ES256",
        "EdDSA",
    )
    account_claim: str = "sub"
    models_claim: str | None = None
    account: str | None = None
    leeway: Annotated[float, Meta(ge=0, le=600, extra={"unit": "seconds"})] = 30.0
    refresh: Seconds = 300.0


class Auth(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may call. ``failures_per_minute`` bounds wrong keys per client address, ``failures_total_per_minute`` over all.

    ``jwt``: signed tokens are accepted beside keys.
    """

    mode: Literal["keys", "forward", "open"] = "keys"
    failures_per_minute: Annotated[int, Meta(ge=1)] = 60
    failures_total_per_minute: Annotated[int, Meta(ge=1)] = 6000
    jwt: Jwt | None = None


class Key(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file-owned key. ``models`` are globs over public model names; ``passthrough`` (paths without a model) follows from ``"*"``.

    ``stability``: ``stable`` keeps it from models that are in preview, deprecated or retired. ``endpoints`` and ``providers`` are
    globs, ``networks`` CIDR ranges of client addresses, ``expires`` a date or an ISO time. ``account``: who pays and owns what
    is made, by default the key itself. ``max_output_tokens`` caps every answer. ``controls`` are globs over the ``x-tollway-``
    request headers that are heeded, ``regions`` over those of providers and targets; ``max_price`` and ``slo`` bind its routing.
    """

    name: Name
    key: Secret
    models: tuple[str, ...] = ("*",)
    passthrough: bool | None = None
    stability: Literal["any", "stable"] = "any"
    account: Name | None = None
    endpoints: tuple[str, ...] = ("*",)
    providers: tuple[str, ...] = ("*",)
    networks: tuple[str, ...] = ()
    expires: str | None = None
    max_output_tokens: Amount | None = None
    controls: tuple[str, ...] = ("*",)
    regions: tuple[str, ...] = ("*",)
    max_price: PriceCeiling | None = None
    slo: Slo | None = None
    cache: KeyCache = AS_THE_OTHER_KEYS
    limits: Limits = NO_LIMITS
    budget: Budget | None = None
    budgets: tuple[Budget, ...] = ()


class Account(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file-owned account: what its keys share. Prepaid accounts need ``storage``."""

    limits: Limits = NO_LIMITS
    budget: Budget | None = None
    budgets: tuple[Budget, ...] = ()
    plan: Plan = AT_COST


class Queue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Waiting instead of 429: at most ``wait`` seconds each and ``size`` requests at once, keys in turn. ``wait: 0`` turns it off."""

    wait: Annotated[float, Meta(ge=0, le=600, extra={"unit": "seconds"})] = 0.0
    size: Annotated[int, Meta(ge=1, le=100_000)] = 100


class GatewayLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``default``: limits of each key, where the key sets none of its own; ``gateway``: of everybody together."""

    default: Limits = NO_LIMITS
    gateway: Limits = NO_LIMITS
    queue: Queue = Queue()


class Provider(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account at one upstream. ``headers`` are added to each of its requests; ``proxy`` is an HTTP proxy URL.

    ``api_keys``: several keys instead of one, used in turn; one that is refused, spent or limited rests. ``region``: where it is.
    ``options`` are the provider's own settings: JSON of any shape, references resolved, checked by the provider itself.
    ``transport``: what carries its requests; through a ``proxy``, and for WebSockets, that is always ``session``.
    """

    use: str
    base_url: str | None = None
    api_key: Secret | None = None
    api_keys: tuple[Secret, ...] = ()
    region: str | None = None
    headers: dict[str, Secret] = {}
    proxy: Secret | None = None
    ca_file: str | None = None
    options: Options = {}
    limits: Limits = NO_LIMITS
    transport: Literal["lean", "session"] = "lean"


class Timeouts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Upstream limits in seconds. ``first_byte`` unset: 60 for streams, 600 for plain answers."""

    connect: Seconds | None = None
    first_byte: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class TargetQueue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Waiting for a place at a target: at most ``wait`` seconds, ``size`` requests at once, keys in turn."""

    wait: Annotated[float, Meta(ge=0, le=600, extra={"unit": "seconds"})] = 0.0
    size: Annotated[int, Meta(ge=1, le=100_000)] = 100


class Target(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A provider and the model name there; ``"*"`` sends the client's name on unchanged.

    ``weight``: its share under ``policy: weighted``; 0 takes no requests but those that others failed. ``concurrency``: requests at
    once (of one process). ``region`` overrides the provider's. ``continues``: can it go on from a half-written answer?
    """

    provider: str
    model: Name = "*"
    timeouts: Timeouts = Timeouts()
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    concurrency: Slots | None = None
    queue: TargetQueue = TargetQueue()
    region: str | None = None
    continues: bool = False


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A public model name and the targets that answer for it. ``limits`` bind all its callers together.

    ``policy`` chooses among them (docs/routing.md); ``sticky_by``: what requests share that belong to one target. ``fallbacks`` are
    other public names, tried when every target has failed; ``fallbacks_for`` those for one kind of fault. ``continue_streams``: an
    answer that breaks off goes on at another target that ``continues``. ``cache``: what it does otherwise than the others.
    """

    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=100)]
    policy: PolicyName = "priority"
    sticky_by: str = "user"
    fallbacks: tuple[str, ...] = ()
    fallbacks_for: FallbacksFor = FallbacksFor()
    retry: Retry | None = None
    hedge: Hedge | None = None
    slow_stream: SlowStream | None = None
    slo: Slo | None = None
    shadow: Shadow | None = None
    continue_streams: bool = False
    cache: ModelCache = AS_THE_OTHERS
    limits: Limits = NO_LIMITS


class Passthrough(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who gets paths that carry no model; ``admin`` opens ``/organization`` and ``/projects``."""

    provider: str | None = None
    admin: bool = False


class Streaming(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SSE behaviour. ``keepalive`` in seconds of silence, 0 turns comments (and the early start) off."""

    keepalive: Annotated[float, Meta(ge=0, le=86_400, extra={"unit": "seconds"})] = 15.0
    include_usage: Literal["auto", "always", "never"] = "auto"
