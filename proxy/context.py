"""The one object that the links share: everything known about one request, each field with one writer.

=================== ======================= ====================== ==========================================
Field               Type                    Written by             Read by
=================== ======================= ====================== ==========================================
request_id          str                     edge                   all
endpoint            Endpoint                edge                   all
started             float                   edge                   all (monotonic seconds)
raw_headers         list                    edge, ownership        providers (pairs as received, names in lower case)
headers             dict[bytes, bytes]      edge                   auth, parse, streaming
method              str                     edge                   providers
path                str                     edge                   parse, providers (without the prefix, still encoded)
query               bytes                   edge                   streaming
client              str                     edge                   auth, telemetry
principal           Principal               auth                   parse, routing, streaming, telemetry
body                bytes                   parse                  token_count, streaming
plain               frozenset[str]          parse                  ownership, token_count, providers (members of a body of settings and texts alone)
words               frozenset[str]          parse                  ownership, token_count, providers (names and short texts of any other body)
decoded             Decoded | None          parse                  cache, which takes it (the body's document, where it has but one reading)
request             RequestView             parse                  token_count, routing, streaming
upload              Upload | None           parse, ownership       streaming (a body that is streamed through)
estimate            TokenEstimate           token_count            rate_limit, telemetry
quote               Quote                   rate_limit             rate_limit, settlement (what this request would cost)
reservation         Reservation | None      rate_limit             its settler, telemetry
meter               StreamMeter | None      rate_limit             streaming (what of a stream may still leave)
ledger_id           str                     rate_limit             settlement (the hold's own id, never the client's; "": no ledger)
on_dispatch         Callable | None         rate_limit             streaming (called right before a request leaves for a provider)
costing             Callable | None         rate_limit             streaming (micro-dollars of a usage, for the cost header)
retarget            Callable | None         rate_limit             rate_limit (awaited before a try: is enough held for this target?)
settled             Settled | None          settlement             telemetry (what it came to in money)
route               str                     routing                telemetry (a configured model name or ``other``)
target              Target | None           routing, streaming     streaming, telemetry (the one tried last)
uncontrolled        bool                    edge                   routing (no header's name is that of a control)
controls            Controls                routing                streaming (what the request's x-tollway- headers ask for)
plan                RoutePlan | None        routing                streaming, telemetry (candidates, the choice, why)
bound               str                     ownership              routing (``provider#key`` that made what the request names)
deadline            float                   routing                streaming (monotonic seconds; 0: the target's own limits)
attempts            list[Attempt]           streaming              telemetry
dropped             list[str]               streaming              streaming, telemetry (request fields that do not travel)
rewritten           list[str]               streaming              streaming, telemetry (request fields that travel changed)
response_started    bool                    streaming, edge        edge (status and headers have left)
committed           bool                    streaming              edge (first upstream content has left)
complete            bool                    streaming, edge        watcher (the last send is under way)
sending             float                   streaming              watchdog, cache (loop time since which a send is under way; 0: none is)
insertion           bytes | None            streaming              edge (what must precede an SSE event of ours; None: none may follow)
client_gone         bool                    watcher                edge
first_byte_at       float                   streaming              telemetry
first_token_at      float                   streaming              telemetry
last_token_at       float                   streaming              telemetry
token_events        int                     streaming              telemetry
output_text         list[str]               streaming              settlement (what the client was sent)
output_dropped      int                     streaming              settlement (characters sent but not kept)
usage               Usage                   streaming, settlement  telemetry
status              int                     streaming, edge        telemetry
outcome             Outcome                 edge                   settlers
error               TollwayError | None     edge                   settlers
task                Task | None             edge                   watcher, watchdog, drain
interruption        TollwayError | None     interrupt()            edge, streaming
response_headers    list                    any link               streaming (before commit)
timings             list                    any link               streaming (server-timing)
tags                dict[str, str]          any link               telemetry
uncapped            bytes                   rate_limit             cache (the body before a cap of ours was put in; b"": none was)
cached              Cached | None           cache                  settlement, telemetry, whoever starts the response
keep_usage          bool                    cache                  streaming (the usage chunk is wanted, whoever asked for it)
withheld            bytes                   streaming              cache (the usage chunk that the client did not get)
observers           list                    any link               streaming (sees every read's events)
answers             list[AnswerFilter]      any link               streaming (sees the answer before it leaves)
frames              FrameWatch | None       ownership              streaming (sees the frames of a WebSocket)
settlers            list                    any link               edge
=================== ======================= ====================== ==========================================
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct, field
from msgspec.structs import force_setattr

from .errors import TollwayError
from .policy.caching import AS_THE_OTHER_KEYS, KeyCache
from .policy.faults import Fault
from .policy.routes import PriceCeiling, Slo
from .policy.rules import Reservation, Rule
from .policy.scopes import EVERYTHING
from .policy.targets import Limits as Limits  # noqa: PLC0414 - named here too
from .policy.targets import Plan as RoutePlan
from .policy.targets import Target as Target  # noqa: PLC0414
from .policy.terms import AT_COST, Plan
from .wire.chat import EMPTY, RequestView
from .wire.document import Decoded
from .wire.endpoints import CHAT, Endpoint
from .wire.stream import StreamEvent
from .wire.usage import NO_USAGE, Usage
from .wire.words import NO_WORDS

if TYPE_CHECKING:
    from .protocols import Again, Exchange, UpstreamRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Outcome = Literal["ok", "rejected", "upstream_error", "client_closed", "timeout", "internal_error"]
Observer = Callable[[Sequence[StreamEvent]], None]
Settler = Callable[["RequestContext"], Awaitable[None]]

Network = IPv4Network | IPv6Network

SCOPE_KEY = "tollway"


class Principal(Struct, frozen=True, kw_only=True):
    """Who is asking. ``tenant`` isolates; ``models`` are globs over public names; ``forwarded`` is the client's own provider key."""

    name: str
    tenant: str
    models: tuple[str, ...] = ("*",)
    passthrough: bool = True
    exact_usage: bool = False
    """A limit, budget or price needs the provider's own figures."""
    forwarded: bytes | None = None
    stable_only: bool = False
    """Are models in preview, deprecated or retired refused?"""
    key: str = ""
    """The virtual key's id, "" for callers without one."""
    account: str = ""
    """The account that is charged and that owns what is made; ``tenant`` is the same name."""
    endpoints: tuple[str, ...] = ("*",)
    """Globs over endpoint names."""
    providers: tuple[str, ...] = ("*",)
    """Globs over configured providers."""
    networks: tuple[Network, ...] = ()
    """Where the key may be used from; empty: anywhere."""
    expires: float | None = None
    """Unix seconds."""
    rules: tuple[Rule, ...] = ()
    """Limits and budgets of the key and its account."""
    plan: Plan = AT_COST
    output_cap: int | None = None
    """Tokens that one answer may have."""
    controls: tuple[str, ...] = ("*",)
    """Globs over the names of ``x-tollway-`` request controls that are heeded."""
    regions: tuple[str, ...] = ("*",)
    """Globs over the regions of providers and targets."""
    max_price: PriceCeiling | None = None
    slo: Slo | None = None
    cache: KeyCache = AS_THE_OTHER_KEYS
    anywhere: bool = True
    """Has it no wishes of its own about where its requests go? Worked out of the others."""

    def __post_init__(self) -> None:
        wishes = self.slo is not None or self.max_price is not None or self.stable_only
        force_setattr(self, "anywhere", not wishes and self.providers == EVERYTHING == self.regions)


ANONYMOUS = Principal(name="anonymous", tenant="", models=(), passthrough=False)


Role = Literal["first", "retry", "failover", "fallback", "hedge", "continuation", "shadow"]
"""Why a try was made: ``retry`` the same target, ``failover`` another, ``fallback`` another model on purpose."""


class Attempt(Struct, kw_only=True):
    """One try at one target. Times in seconds on the request's clock; ``status`` 0 while there was no answer."""

    provider: str
    model: str
    started: float
    status: int = 0
    error: str = ""
    maybe_billed: bool = False
    """May the provider bill the prompt although the answer was not used?"""
    upstream_id: str = ""
    """The provider's own request id, for comparing with its bill."""
    key: int = 0
    """Which of the provider's keys, counted from 0."""
    role: Role = "first"
    public: str = ""
    """The public model name that it answers for: a fallback's own, and what ``auto`` stands for. Prices go by it."""
    fault: Fault | None = None
    ended: float = 0.0
    usage: Usage | None = None
    """What a hedge's loser, or the first part of a continued answer, had used when it was closed."""


class TokenEstimate(Struct, frozen=True):
    """Prompt size from bytes alone: ``likely`` and an upper ``bound``, in tokens; ``output`` is the client's cap, 0 = none."""

    likely: int = 0
    bound: int = 0
    output: int = 0


NO_ESTIMATE = TokenEstimate()


class Upload(Protocol):
    """A request body that is passed through as it arrives."""

    length: int | None
    """Bytes in all, when the client declared them (after edits)."""

    @property
    def finished(self) -> bool:
        """Has the last byte been handed on?"""

    def rename(self, model: str) -> None:
        """Replaces the value of the form's ``model`` field; ``length`` follows. Before ``chunks``."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body from its first byte, edits applied. Raises ``ClientGone`` when it breaks off. One reader, once."""

    def close(self) -> None:
        """Frees the spool. Idempotent."""


class Quote(Struct, frozen=True, gc=False):
    """Prices of a request before it is made: micro-dollars per million tokens to the customer, tiers and classes at their dearest.

    ``known`` is false where a price is not known; ``max_output`` tokens is the model's own limit, 0 where unknown.
    """

    input_price: int = 0
    output_price: int = 0
    known: bool = False
    max_output: int = 0


NO_QUOTE = Quote()


class Controls(Struct, frozen=True, kw_only=True):
    """What the ``x-tollway-`` headers of a request ask for. Times in seconds; ``None`` and empty: nothing."""

    dry_run: bool = False
    timeout: float | None = None
    first_byte: float | None = None
    deadline: float | None = None
    """Unix seconds."""
    retries: int | None = None
    policy: str | None = None
    providers: tuple[str, ...] = ()
    """Globs; with a ``!`` before it one that is not used."""
    regions: tuple[str, ...] = ()
    max_price: PriceCeiling | None = None
    slo: Slo | None = None
    stable_only: bool = False
    hedge: bool | None = None
    trace: bool = False


NO_CONTROLS = Controls()


CacheStatus = Literal["hit", "semantic-hit", "miss", "bypass", "refresh", "disabled"]


class Cached(Struct, frozen=True, kw_only=True):
    """What the cache had to say of a request. ``usage``: of the answer it gave, tokens that nobody had to generate again."""

    status: CacheStatus
    reason: str = ""
    """Why it was no hit, or why the answer was not looked for; ``shared``: it was still being made for another."""
    key: str = ""
    """64 hexadecimal digits, for ``purge``."""
    age: float | None = None
    """Seconds since the answer was stored."""
    similarity: float | None = None
    """Cosine to the nearest question; ``None``: none was compared."""
    guard: str = ""
    """Which guard refused the nearest."""
    usage: Usage = NO_USAGE
    provider: str = ""
    """Who made the answer, as the configuration names it."""
    model: str = ""
    """The model there."""

    @property
    def served(self) -> bool:
        """Did the answer come from here?"""
        return self.status == "hit" or self.status == "semantic-hit"


class Settled(Struct, frozen=True, kw_only=True):
    """What a request came to: ``charge`` to the customer and ``cost`` to the operator in micro-dollars; ``None``: price unknown."""

    charge: int | None
    cost: int | None
    ending: str
    """How it ended, as the settlement policy names it."""
    count: Literal["reported", "counted", "estimated"]
    saved: int = 0
    """Micro-dollars that the customer would have paid more without the cache."""
    saved_cost: int = 0
    """The operator the same."""


class StreamMeter(Protocol):
    """Decides what of a stream may still leave. Fed with the client's bytes in order; counts what it lets through."""

    error: TollwayError | None
    """The limit that ended the stream; what was returned last is the last to leave."""
    waiting: bool
    """Does what was fed wait for more to be granted?"""

    def feed(self, data: bytes) -> bytes:
        """Of ``data`` and what waited, what may leave now: whole SSE events, unless all of it may."""

    def finish(self) -> bytes:
        """Nothing more will be fed; of what waited for the end of its event, what may leave."""

    async def more(self) -> bytes:
        """Waits for the grant (bounded); what may leave then. Sets ``error`` when it was refused."""

    def close(self) -> None:
        """The stream has ended, however it did. Idempotent."""


class AnswerFilter(Protocol):
    """Sees an answer's head before anything of it leaves."""

    async def __call__(self, request: "UpstreamRequest", exchange: "Exchange", again: "Again") -> "Exchange":
        """What is relayed instead of ``exchange``; ``again`` sends one more request. May raise a ``TollwayError``."""


class FrameWatch(Protocol):
    """Looks at the frames of a WebSocket."""

    async def sent(self, message: str | bytes) -> None:
        """A client's frame before it travels. Raises ``ClientError``: the socket ends."""

    async def received(self, message: str | bytes) -> None:
        """A provider's frame before it reaches the client."""


class RequestContext(Struct, kw_only=True):
    """See the table in the module's docstring."""

    request_id: str
    endpoint: Endpoint = CHAT
    started: float = 0.0
    raw_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    query: bytes = b""
    client: str = ""
    principal: Principal = ANONYMOUS
    body: bytes = b""
    plain: frozenset[str] = NO_WORDS
    words: frozenset[str] = NO_WORDS
    decoded: Decoded | None = None
    request: RequestView = EMPTY
    upload: Upload | None = None
    estimate: TokenEstimate = NO_ESTIMATE
    quote: Quote = NO_QUOTE
    reservation: Reservation | None = None
    meter: StreamMeter | None = None
    ledger_id: str = ""
    on_dispatch: Callable[[], None] | None = None
    costing: Callable[[Usage], int | None] | None = None
    retarget: Callable[[Target, str], Awaitable[None]] | None = None
    settled: Settled | None = None
    route: str = ""
    target: Target | None = None
    uncontrolled: bool = False
    controls: Controls = NO_CONTROLS
    plan: RoutePlan | None = None
    bound: str = ""
    deadline: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    response_started: bool = False
    committed: bool = False
    complete: bool = False
    sending: float = 0.0
    insertion: bytes | None = None
    client_gone: bool = False
    first_byte_at: float = 0.0
    first_token_at: float = 0.0
    last_token_at: float = 0.0
    token_events: int = 0
    output_text: list[str] = field(default_factory=list)
    output_dropped: int = 0
    usage: Usage = NO_USAGE
    status: int = 0
    outcome: Outcome = "ok"
    error: TollwayError | None = None
    task: asyncio.Task[Any] | None = None
    interruption: TollwayError | None = None
    response_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    timings: list[tuple[str, float]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    uncapped: bytes = b""
    cached: Cached | None = None
    keep_usage: bool = False
    withheld: bytes = b""
    observers: list[Observer] = field(default_factory=list)
    answers: list[AnswerFilter] = field(default_factory=list)
    frames: FrameWatch | None = None
    settlers: list[Settler] = field(default_factory=list)

    @property
    def from_cache(self) -> bool:
        """Did what it was answered come from the cache, and no provider was asked?"""
        if self.attempts or self.cached is None:
            return False
        status = self.cached.status
        return status == "hit" or status == "semantic-hit"

    def interrupt(self, error: TollwayError) -> None:
        """Ends the request from outside its task: the first caller's ``error`` is what the edge will see."""
        if self.interruption is None and not self.complete and self.task is not None:
            self.interruption = error
            self.task.cancel()


def context_of(scope: Scope) -> RequestContext:
    """The request's context; the edge put it there."""
    ctx: RequestContext = scope[SCOPE_KEY]
    return ctx
