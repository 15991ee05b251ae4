"""Every seam of the gateway as a Protocol: links depend on these, concrete classes meet only in ``proxy/app.py``."""

from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import date
from typing import Any, Literal, Protocol

from msgspec import Struct

from .context import Limits, Principal, Quote, RequestContext, Role, Settled, Target, TokenEstimate
from .errors import ModelNotFound, RawHeaders, TollwayError
from .policy.faults import Fault
from .policy.routes import Hedge, SlowStream
from .policy.rules import Charge, Denial, Level, Reservation, Rule
from .policy.targets import Candidate, Figures, Plan, Route
from .wire.endpoints import Endpoint
from .wire.usage import NO_USAGE, Usage
from .wire.values import Json
from .wire.words import NO_WORDS

Clock = Callable[[], float]
"""Monotonic seconds."""

Vector = Any
"""A numpy array of float32; numpy is an optional package."""


# ---- upstream I/O ---------------------------------------------------------------------------------------------------
class UpstreamRequest(Struct, frozen=True, kw_only=True):
    """One request as it will travel. ``url`` is complete and already encoded; ``headers`` lack host, framing and hop-by-hop."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | AsyncIterable[bytes] | None
    length: int | None = None
    """Declared size of a streamed body; ``None`` sends it chunked."""


class Exchange(Protocol):
    """An answer whose head has arrived. Exactly one of ``release`` and ``abort`` ends it."""

    status: int
    headers: RawHeaders
    """As received, in order, names in lower case."""

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""

    async def read(self) -> bytes:
        """Whatever one socket read brought; ``b""`` is the end. Raises ``UpstreamCut`` or ``UpstreamInvalid``."""

    def release(self) -> None:
        """Gives the connection back once the body has been read to its end, else closes it."""

    def abort(self) -> None:
        """Closes the connection at once, so that the provider stops generating."""


Again = Callable[[UpstreamRequest], Awaitable[Exchange]]
"""Sends one more request to the same target, for an answer that needs another page. Raises ``UpstreamError``."""


class UpstreamSocket(Protocol):
    """A WebSocket to a provider."""

    subprotocol: str | None
    close_code: int | None
    close_reason: str

    async def receive(self) -> str | bytes | None:
        """Next message; ``None`` when the provider closed."""

    async def send(self, message: str | bytes) -> None:
        """Sends one message as it is."""

    async def close(self, code: int, reason: str) -> None:
        """Closes with the client's own code."""


class Transport(Protocol):
    """All I/O to one provider: pool, TLS, proxy."""

    async def send(self, request: UpstreamRequest, limits: Limits, *, fresh: bool = False) -> Exchange:
        """Sends and returns at the response head. ``fresh`` avoids pooled connections. Raises ``UpstreamError``."""

    async def connect(self, request: UpstreamRequest, limits: Limits, subprotocols: Sequence[str]) -> UpstreamSocket:
        """Opens a WebSocket. Raises ``UpstreamError``."""

    async def close(self) -> None:
        """Closes the pool."""


class Authorizer(Protocol):
    """Credentials that must be fetched or computed: a signature, a token with a lifetime. In ``proxy/upstream/auth``."""

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """``request`` with its credentials. Raises ``UpstreamAuthFailed``, which names the fix."""


# ---- providers: pure, no await --------------------------------------------------------------------------------------
class Translation(Protocol):
    """One answer on its way back, in the client's dialect. What the relay sees."""

    usage: Usage | None
    """As the provider reported it, once known."""

    def reply(self, status: int, body: bytes) -> bytes:
        """The body of a whole 2xx answer. Raises ``UpstreamError``."""

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError | None:
        """A non-2xx answer; ``None`` when it may reach the client as it came."""

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers for the client, without content headers."""

    def stream(self) -> "StreamTranslation":
        """For an answer that comes as a stream."""

    def unfold(self, body: bytes) -> bytes:
        """A whole answer, where a stream was asked for, as all of its events. Raises ``UpstreamError``."""


class StreamTranslation(Protocol):
    """A provider's stream as the client's."""

    error: TollwayError | None
    """As in ``ChunkDecoder``."""

    def feed(self, data: bytes) -> bytes:
        """Whole events that may leave now; may be empty."""

    done: bool
    """Is the answer complete before the provider's stream is (a stop sequence enforced here)? The upstream is then closed."""

    def close(self) -> bytes:
        """The end of the body: the last events of a whole answer; else ``error`` is set."""

    def fail(self, error: TollwayError, request_id: str) -> bytes:
        """The events that end a stream which has begun and cannot go on."""


class Meter(Protocol):
    """Looks at an answer that passes untouched in a dialect of the provider's own, for its usage. Never raises."""

    @property
    def usage(self) -> Usage | None:
        """As the provider reported it, once known."""

    @property
    def text(self) -> str:
        """What was generated, bounded, for a count where nothing is reported."""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""

    def close(self) -> None:
        """The body has ended."""


class Prepared(Struct, frozen=True):
    """A request ready to be sent, and how its answer reaches the client; ``translation`` is ``None`` where bytes pass."""

    request: UpstreamRequest
    translation: Translation | None = None
    meter: Callable[[RawHeaders], Meter | None] | None = None
    """For a native answer: its meter, by the answer's headers."""


class Provider(Protocol):
    """Turns a client's request into bytes for one upstream account, and its answers back. No I/O, no clock."""

    name: str
    forwards: bool
    """Does the client's own credential travel upstream (``auth: forward``)?"""

    def passes(self, endpoint: Endpoint, model: str, path: str) -> bool:
        """Does this operation travel as the client wrote it?"""

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        """The request for ``target``; ``now`` in unix seconds. Raises ``ClientError``, ``EndpointUnsupported`` among them."""


# ---- routing --------------------------------------------------------------------------------------------------------
class ModelEntry(Struct, frozen=True):
    """One row of ``GET /v1/models``."""

    id: str
    owned_by: str
    created: int = 0
    about: Mapping[str, Json] = {}
    """What the catalogue says of it, shown under ``tollway``."""


class Standing(Struct, frozen=True):
    """A model that is not simply stable. ``since``: unix seconds of the day its end was announced."""

    tier: Literal["preview", "deprecated", "retired"]
    since: int | None = None
    shutdown: date | None = None
    successor: str | None = None


class Directory(Protocol):
    """Public model names: what they lead to and who may use them."""

    @property
    def transparent(self) -> bool:
        """Is everything sent to one provider under its own names, so that its model list is ours?"""

    def resolve(self, model: str) -> tuple[str, Target] | None:
        """(route label, first target) for a public name, or ``None``."""

    def route(self, model: str) -> Route | None:
        """What a public name leads to, or ``None``. A name behind a wildcard has a route of its own with the wildcard's label."""

    def candidate(self, target: Target) -> Candidate:
        """A target that no route names (a pass-through, a native path), with what is known of it."""

    def provider(self, name: str) -> Target | None:
        """A configured provider by its own name; the target's model is ``"*"``."""

    def passthrough(self) -> Target | None:
        """Who gets paths that carry no model."""

    def allows(self, principal: Principal, model: str) -> bool:
        """May ``principal`` name ``model``?"""

    def entries(self, principal: Principal) -> Sequence[ModelEntry]:
        """The models that ``principal`` may use."""

    def not_found(self, principal: Principal, model: str) -> ModelNotFound:
        """The error for a name that is unknown or not allowed, in the same words."""

    def standing(self, target: Target) -> Standing | None:
        """What is to be said of the target's model today; ``None`` for a stable or unknown one."""

    def successor(self, model: str, target: Target) -> tuple[str, str, Target] | None:
        """(public name, route label, target) that the configuration puts in a retired model's place, if it does."""

    def retired(self, model: str, standing: Standing) -> ModelNotFound:
        """The error for a model that is no longer there, with its date and what to use instead."""


class Router(Protocol):
    """Decides where a request goes. Pure but for the live figures it looks at."""

    def plan(self, ctx: RequestContext) -> Plan:
        """The route of ``ctx.request.model`` (or the pass-through provider), filtered, with its first choice.

        Raises ``ModelNotFound``, ``PermissionDenied``, ``EndpointUnsupported``, ``InvalidRequest`` or ``NoHealthyTarget``.
        """

    def another(self, ctx: RequestContext, plan: Plan, tried: Sequence[Candidate], fault: Fault) -> Candidate | None:
        """What to try after ``fault``, among what was not tried: the plan's others by its policy, then the fallbacks that the fault allows."""


class Lease(Protocol):
    """One try at one target, as its health sees it: a place in its count, one of its keys, perhaps its single probe."""

    key: int
    """Which of the provider's keys, counted from 0."""

    def answered(self, status: int, headers: RawHeaders) -> None:
        """An answer's head came: what the provider says of its own limits is learnt."""

    def first_output(self, seconds: float) -> None:
        """The first real output came, ``seconds`` after the try began. It counts as a success."""

    def failed(self, fault: Fault) -> None:
        """The try failed; whose fault that is, ``Fault.action`` says."""

    def close(self) -> None:
        """The try is over. Without a word before, it proves nothing (the client left, a race was lost). Idempotent."""


class Board(Protocol):
    """Live figures and health of every target and key, in this process and, by hearsay, in the others.

    States: ``ready``, ``probing`` (one try is under way), ``open`` (faults), ``cooling`` (it asked to be left alone), ``no_key``
    (all of its keys are spent or refused), ``full``.
    """

    def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those that take a request now. Of targets with faults alone one is always left."""

    def enter(self, candidate: Candidate, *, key: int = -1, hint: str = "") -> Lease | None:
        """A place at the target; ``None``: it takes none now. ``key``: that one or none; ``hint``: equal hints get equal keys."""

    async def wait(self, candidate: Candidate, tenant: str) -> bool:
        """Waits in the target's queue until it may have a place, tenants in turn. False: the queue is full, or the wait over."""

    def state(self, candidate: Candidate) -> str:
        """One of the states."""

    def back_in(self, candidates: Sequence[Candidate], *, key: int = -1) -> float:
        """Seconds until the first of them may take requests again; ``key``: with that key."""

    def inflight(self, candidate: Candidate) -> int:
        """Tries under way."""

    def ttft(self, candidate: Candidate) -> float:
        """Peak EWMA of seconds to the first output; 0: unknown."""

    def percentile(self, candidate: Candidate, share: float) -> float | None:
        """Of recent seconds to the first output; ``None``: too few."""

    def percentiles(self, candidates: Sequence[Candidate], share: float) -> list[float | None]:
        """The same of each, in one go."""

    def figures(self, candidates: Sequence[Candidate]) -> tuple[Figures, ...]:
        """A snapshot, for explanations."""


class Step(Struct, frozen=True, kw_only=True):
    """One try that is due: after ``wait`` seconds, at ``candidate``, with ``lease``."""

    candidate: Candidate
    lease: Lease
    role: Role
    wait: float = 0.0


class Course(Protocol):
    """One request's way through its targets."""

    hedge: Hedge | None
    slow_stream: SlowStream | None

    def at_once(self) -> Step | None:
        """The plan's choice, where it takes the request now; ``None``: ``first`` has to find out."""

    async def first(self) -> Step:
        """The plan's choice, or what stands in for it by now. Raises ``NoHealthyTarget``."""

    async def after(self, step: Step, fault: Fault) -> Step | None:
        """``step`` failed before any output. What next? ``None``: nothing more; the answer, or the error, is the client's."""

    def failed(self, step: Step, fault: Fault) -> None:
        """``step`` failed while the other of its race is under way: nothing is asked yet."""

    def notices(self, target: Target) -> RawHeaders:
        """Headers that say how far the target's model can be relied on, where it is not simply stable."""

    def anew(self) -> bool:
        """A connection died unanswered, perhaps of old age: may the same be sent once more on a new one? Once, besides the tries."""

    def hedge_after(self, step: Step) -> float | None:
        """Seconds to wait for a first output before a second target starts; ``None``: no hedging now."""

    async def second(self, step: Step) -> Step | None:
        """The second target of a race."""

    def raced(self, winner: Step, loser: Step | None, spent: int | None) -> None:
        """A hedge ended; ``spent``: the loser's micro-dollars, ``None``: unknown."""

    def continuation(self, step: Step) -> "Step | None":
        """After the commit point: a target that can go on with what was written, where the route allows it."""


class Courses(Protocol):
    """Makes the way of each request."""

    def course(self, ctx: RequestContext) -> Course:
        """For a planned request."""


# ---- identity -------------------------------------------------------------------------------------------------------
class Authenticator(Protocol):
    """Tells who presents a credential."""

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        """The principal of the first known credential. Raises ``AuthenticationFailed`` or ``RateLimited``."""


Authorise = Callable[[Principal, str, str], None]
"""(principal, endpoint name, client address). Raises ``PermissionDenied`` where the key may not be used so."""


# ---- limits ---------------------------------------------------------------------------------------------------------
class LimitStore(Protocol):
    """Counters of every rule. One call decides all charges of a request; nothing is held unless everything is granted.

    Methods never raise for a store that is down: the failure mode of each rule decides, and ``Reservation.degraded`` says so.
    """

    async def reserve(self, ident: str, charges: Sequence[Charge], lease: float) -> Reservation | Denial:
        """Holds every charge under the reservation ``ident``; after ``lease`` seconds without ``renew`` it is given back."""

    async def extend(self, reservation: Reservation, amounts: Sequence[int]) -> Denial | None:
        """Holds ``amounts`` more, one for each grant, all or nothing. On success the grants show it."""

    async def spend(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """Turns part of what is held into what was used, now: a stream under way. The grants' ``held`` shrinks."""

    async def settle(self, reservation: Reservation, used: Sequence[int]) -> None:
        """Ends it: ``used`` in all for each grant, what ``spend`` said included; the rest is given back. Once; later calls do nothing."""

    async def renew(self, reservations: Sequence[Reservation], lease: float) -> None:
        """They are still under way."""

    async def levels(self, rules: Sequence[tuple[Rule, str]]) -> Sequence[Level]:
        """The state of rules, each with the calendar window it is asked for ("" for rates)."""

    async def seed(self, used: Sequence[tuple[str, str, int]]) -> None:
        """(rule ident, window, micro-dollars) as the ledger knows them. Counters that exist keep what they have; then ``seeded``."""

    async def close(self) -> None:
        """Lets go of connections."""


class Admission(Protocol):
    """Decides whether a request may run, by every limit and budget that binds it."""

    async def admit(self, ctx: RequestContext) -> None:
        """Before routing: all limits in one step, and the hold. Raises ``RateLimited`` and its kin."""

    async def attempt(self, ctx: RequestContext, target: Target, model: str = "") -> None:
        """Before one try at one provider: that provider's limits, those of a fallback ``model``, and as much more of the caller's
        budgets as a dearer target may cost. Raises a ``TollwayError``: this target is not to be tried."""


# ---- money ----------------------------------------------------------------------------------------------------------
class Hold(Struct, frozen=True, kw_only=True):
    """What is written down before a request is sent: enough to settle it should this process die. Amounts in micro-dollars."""

    ident: str
    """Unique: 32 hexadecimal digits, made by the gateway."""
    request_id: str
    account: str
    key: str
    key_name: str
    endpoint: str
    route: str
    provider: str
    model: str
    held: int
    input_tokens: int
    """Likely tokens of the prompt, from its bytes."""
    input_price: int
    output_price: int
    """To the customer, micro-dollars per million tokens."""
    price_version: str
    at: float
    """Unix seconds."""


class Entry(Struct, frozen=True, kw_only=True):
    """One request that reached a provider or was answered from the cache, settled. The row that ``tollway usage`` and a customer's bill
    are made of.

    ``charge``: micro-dollars to the customer, of which ``included`` came from the plan's free allowance; ``cost``: to the operator,
    failed attempts too. ``unpriced``: a price was not known, and counted as 0. Tokens of an answer from the cache are those that
    the client got: no provider was asked for them.
    """

    ident: str
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
    count: Literal["reported", "counted", "estimated"]
    flags: tuple[str, ...] = ()
    """``usage_missing``, ``usage_absurd``, ``unpriced``, ``recovered`` …"""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    attempts: int = 1
    held: int = 0
    charge: int = 0
    cost: int = 0
    unpriced: bool = False
    price_version: str = ""
    at: float = 0.0
    """Unix seconds of the request's begin."""
    ended: float = 0.0
    cache: Literal["", "hit", "semantic-hit", "shared"] = ""
    """Which kind of answer from the cache it was; ``shared``: one that was still being made for another request."""
    saved: int = 0
    """Micro-dollars that the customer would have paid more without the cache."""
    saved_cost: int = 0
    """The operator the same."""
    saved_input: int = 0
    """Tokens that no provider was asked for; ``saved_output`` too."""
    saved_output: int = 0


class Ledger(Protocol):
    """Holds and entries, durable in a file before a request is sent, in the database soon after. Nothing here waits for SQL."""

    @property
    def sync(self) -> bool:
        """Does a request wait for the database (``ledger: sync``)?"""

    def hold(self, hold: Hold) -> None:
        """Writes it down so that a killed process leaves a trace. Raises ``LedgerUnavailable``."""

    def dispatched(self, ident: str) -> None:
        """The request is about to leave for a provider: from now on it has an entry, whatever happens."""

    def retarget(self, hold: Hold) -> None:
        """The request is tried at another target: ``hold`` says whose prices settle it should this process die. ``held`` stays."""

    def checkpoint(self, ident: str, output_tokens: int) -> None:
        """Output delivered so far; what a killed process is charged for."""

    def settle(self, entry: Entry) -> None:
        """Closes the hold with its entry. The second for one ``ident`` does nothing."""

    def release(self, ident: str) -> None:
        """Closes a hold of a request that never reached a provider: no entry."""

    async def committed(self, ident: str) -> None:
        """Waits until the database has what was written for ``ident`` so far. Raises ``LedgerUnavailable``."""


class Pricing(Protocol):
    """What requests cost, by the catalogue and the account's plan."""

    def quote(self, principal: Principal, model: str, target: Target | None) -> Quote:
        """Before it is made. ``model`` is the public name."""

    def hold(self, ctx: RequestContext, *, quote: Quote, target: Target, route: str, held: int, at: float) -> Hold:
        """What is written down before the request is sent; ``held`` micro-dollars, ``at`` unix seconds."""

    def charge(self, principal: Principal, model: str, target: Target, usage: Usage) -> int | None:
        """Micro-dollars to the customer for a complete answer with ``usage``; ``None``: price unknown."""

    def charge_at(self, quote: Quote, usage: Usage) -> int | None:
        """The same at the prices of a quote."""

    def cached(self, ctx: RequestContext) -> int | None:
        """Micro-dollars to the customer for the answer that the cache gives; ``None``: the plan has a price for it, and it is unknown."""

    def version(self, principal: Principal) -> str:
        """Which prices those are: stored with every entry."""

    def settled(self, ctx: RequestContext) -> Settled:
        """After it has ended, by the settlement policy (docs/settlement.md)."""

    def entry(self, ctx: RequestContext, settled: Settled, at: float, ended: float) -> Entry:
        """The ledger's row of a request that reached a provider, or the cache answered; times in unix seconds."""


# ---- ownership ------------------------------------------------------------------------------------------------------
class Owned(Struct, frozen=True):
    """Whose an object is, and which place made it: ``provider#key``, or ``provider`` where any key of it will do; "": not known."""

    account: str
    place: str = ""


class Owners(Protocol):
    """Which account made an object that a provider keeps (a file, a batch, a response …), and where."""

    @property
    def enforced(self) -> bool:
        """Is there more than one tenant, so that it matters?"""

    async def owners(self, idents: Sequence[str]) -> Sequence[Owned | None]:
        """Account and place of each id; ``None`` where nobody is known to have made it. One store call."""

    async def claim(self, account: str, idents: Sequence[str], place: str = "") -> None:
        """They belong to ``account`` now, made at ``place``; ids that have an owner keep it, and their place."""

    async def forget(self, idents: Sequence[str]) -> None:
        """They were deleted."""


# ---- cache ----------------------------------------------------------------------------------------------------------
CACHE_VERSION = 1
"""Of ``CacheEntry``'s shape; entries of another are misses."""


class CacheEntry(Struct, frozen=True, array_like=True, kw_only=True):
    """One stored answer, complete and successful, in the client's dialect. ``body``: as it left, without comments: JSON, or every event of a stream in order.

    ``usage_event``: the usage chunk of a chat or completions stream that the client had not asked for and did not get, b"" where there
    is none or ``body`` has it. ``usage``: as the provider reported it. Times in unix seconds.
    """

    endpoint: str
    """Name of the endpoint, which is its dialect."""
    form: Literal["json", "events", "vector"]
    """``vector``: one input of an embeddings request; ``body`` is the JSON value of its ``embedding``."""
    body: bytes
    stored_at: float
    expires: float
    content_type: str = "application/json"
    usage_event: bytes = b""
    usage: Usage = NO_USAGE
    provider: str = ""
    """Who answered, as the configuration names it."""
    model: str = ""
    """The model there."""
    public: str = ""
    """The public name that was asked for: what ``purge`` by model goes by."""
    tenant: str = ""
    """The account that asked: what ``purge`` by account goes by."""
    tags: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the answer, without what keeps it."""
        return len(self.body) + len(self.usage_event)


class Purge(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be forgotten: everything that agrees with all that is given; with nothing given, all. ``key``: 64 hexadecimal digits."""

    key: str = ""
    account: str = ""
    model: str = ""
    tag: str = ""


class CacheStore(Protocol):
    """Stored answers by key (32 bytes). Methods never raise: a store that is down is a miss, and is counted."""

    async def get(self, key: bytes) -> CacheEntry | None:
        """The answer, if there is one that is whole, of this version, and neither expired nor purged. One round trip."""

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[CacheEntry | None]:
        """The same of each, in one round trip."""

    async def put(self, key: bytes, entry: CacheEntry) -> None:
        """Keeps it until ``entry.expires``; what it replaces is gone."""

    async def purge(self, what: Purge) -> int | None:
        """Forgets, here and everywhere, before it returns. How many; ``None``: not known (they are forgotten when they are met)."""

    def figures(self) -> tuple[int, int]:
        """(entries, bytes) in this process; (0, 0) where they are elsewhere."""

    async def close(self) -> None:
        """Lets go of connections and tasks."""


class Question(Struct, frozen=True, kw_only=True):
    """What may be like another. ``partition`` (32 bytes): an HMAC of whose it is and of everything that shapes the answer but ``text``,
    which is the last user turn. Only within one partition anything is ever compared."""

    partition: bytes
    text: str
    route: str
    """Label, for metrics and the record of pairs."""
    threshold: float
    """Cosine below which nothing is the same, for this request."""
    tenant: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What was found for a question. ``hit``: serve the entry ``key``; ``explore`` and ``shadow``: ask the provider, and tell ``learn``
    what it said beside the entry ``key``; ``none``: nothing, and ``reason`` says why."""

    kind: Literal["hit", "explore", "shadow", "none"]
    key: bytes = b""
    similarity: float | None = None
    """Cosine to the nearest that was compared; ``None``: nothing was."""
    reason: str = ""
    """``empty``, ``no_neighbour``, ``guard``, ``below_threshold``, ``prompt_too_long``, ``embedder_timeout``, ``embedder_failed`` …"""
    guard: str = ""
    """Which guard refused the nearest."""


class Similar(Protocol):
    """The semantic layer. Nothing here raises or outlasts ``semantic.timeout``."""

    async def find(self, question: Question) -> Verdict:
        """The nearest that passes every guard and its own threshold."""

    def remember(self, question: Question, key: bytes, expires: float) -> None:
        """A fresh answer to ``question`` was stored under ``key``. What that costs happens later, and only if it is needed."""

    def learn(self, question: Question, verdict: Verdict, cached: str, fresh: str) -> None:
        """The texts of the entry that was near and of the fresh answer, after ``explore`` or ``shadow``."""

    def forget(self, question: Question, key: bytes) -> None:
        """The store no longer has ``key``."""

    async def purge(self, what: Purge) -> None:
        """Forgets what it knows of those entries."""


class Embedder(Protocol):
    """Texts to vectors. ``name`` and version are stored with each vector: those of another are never compared."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Vector:
        """A matrix with one unit row each. Raises ``EmbedderFailed``."""

    async def close(self) -> None:
        """Ends its threads."""


class EmbedderFailed(Exception):
    """No vectors. ``kind``: ``timeout``, ``error``, ``dimensions``, ``not_finite``, ``busy``."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind


class CacheRecords(Protocol):
    """Is told what the cache does, for metrics. Never blocks, never raises."""

    def looked_up(self, kind: Literal["exact", "semantic", "input"], result: str) -> None:
        """One lookup: ``hit``, ``shared``, ``miss``, ``refresh``, ``bypass``, ``disabled``; for ``semantic`` also ``explore`` and ``shadow``."""

    def bypassed(self, reason: str) -> None:
        """Why a request was not looked up."""

    def kept(self, result: str) -> None:
        """An answer was ``stored``, or why it was not."""

    def guarded(self, guard: str) -> None:
        """A guard refused what an embedding would have served, or was not even asked about."""

    def embedded(self, result: str, seconds: float) -> None:
        """A call of the embedder: ``ok`` or the kind of failure."""

    def observed(self, route: str, result: Literal["same", "different"]) -> None:
        """A fresh answer was compared with what would have been served."""

    def failed(self, kind: str) -> None:
        """A store could not be used, or gave what could not be read: ``down``, ``corrupt``, ``version`` …"""

    def evicted(self, count: int) -> None:
        """Answers made room for others."""


# ---- tokens ---------------------------------------------------------------------------------------------------------
class Counter(Protocol):
    """Token figures, cheap or exact."""

    def estimate(
        self, body: bytes, output: int, *, plain: bool = False, words: frozenset[str] = NO_WORDS
    ) -> TokenEstimate:
        """Prompt size from bytes alone, without a tokeniser; ``output`` is the client's cap, 0 = none. ``plain``: it has no attachments;
        ``words``: those of the body, where they are known, which tell the same (``wire.words``)."""

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        """Exact counts of a prompt and of the text that was generated; ``dropped``: characters of it not kept."""

    async def ready(self, model: str) -> None:
        """Waits until a stream of ``model`` can be counted exactly as it runs."""

    async def breakdown(self, model: str, body: bytes) -> dict[str, int | str]:
        """Counts of a chat body by part, with ``total``, ``source`` and ``encoding``."""


# ---- telemetry ------------------------------------------------------------------------------------------------------
class Telemetry(Protocol):
    """Where a settled request is recorded. Never blocks, never raises."""

    def record(self, ctx: RequestContext, ended: float) -> None:
        """Metrics and the access log line of one request."""

    def settler_failed(self, name: str, error: BaseException) -> None:
        """A settler broke; the others still ran."""

    def unexpected(self, ctx: RequestContext, error: BaseException) -> None:
        """Our bug, logged by type and request id."""


class Tasks(Protocol):
    """Requests under way and the tasks they leave behind."""

    draining: bool

    def enter(self, ctx: RequestContext) -> None:
        """Registers a request."""

    def leave(self, ctx: RequestContext) -> None:
        """It ended."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Runs ``work`` in a task of its own that shutdown waits for."""


class Settlement(Protocol):
    """What is due once a request has ended."""

    def needs_count(self, ctx: RequestContext) -> bool:
        """Did tokens flow that the provider has not reported?"""

    def immediate(self, ctx: RequestContext) -> bool:
        """Would ``settle`` run to its end without waiting for anything?"""

    async def settle(self, ctx: RequestContext, ended: float, *, at_once: bool = False) -> None:
        """Counts, the price, settlers in reverse order, the ledger, the record. ``at_once``: ``immediate`` has said yes."""


Providers = Mapping[str, tuple[Provider, Transport]]
