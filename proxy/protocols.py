"""Every seam of the gateway as a Protocol: links depend on these, concrete classes meet only in ``proxy/app.py``."""

from collections.abc import AsyncIterable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from .context import Limits, Principal, RequestContext, Target, TokenEstimate
from .errors import ModelNotFound, RawHeaders
from .wire.endpoints import Endpoint
from .wire.usage import Usage

Clock = Callable[[], float]
"""Monotonic seconds."""


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


# ---- providers: pure, no await --------------------------------------------------------------------------------------
class Provider(Protocol):
    """Turns a client's request into bytes for one upstream account. No I/O, no clock."""

    name: str
    forwards: bool
    """Does the client's own credential travel upstream (``auth: forward``)?"""

    def encode(self, ctx: RequestContext, target: Target, *, include_usage: bool) -> UpstreamRequest:
        """The request for ``target``; the client's bytes with the configured edits spliced in. Raises ``ClientError``."""


# ---- routing --------------------------------------------------------------------------------------------------------
class ModelEntry(Struct, frozen=True):
    """One row of ``GET /v1/models``."""

    id: str
    owned_by: str
    created: int = 0


class Directory(Protocol):
    """Public model names: what they lead to and who may use them."""

    @property
    def transparent(self) -> bool:
        """Is everything sent to one provider under its own names, so that its model list is ours?"""

    def resolve(self, model: str) -> tuple[str, Target] | None:
        """(route label, target) for a public name, or ``None``."""

    def passthrough(self) -> Target | None:
        """Who gets paths that carry no model."""

    def allows(self, principal: Principal, model: str) -> bool:
        """May ``principal`` name ``model``?"""

    def entries(self, principal: Principal) -> Sequence[ModelEntry]:
        """The models that ``principal`` may use."""

    def not_found(self, principal: Principal, model: str) -> ModelNotFound:
        """The error for a name that is unknown or not allowed, in the same words."""


# ---- identity -------------------------------------------------------------------------------------------------------
class Authenticator(Protocol):
    """Tells who presents a credential."""

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        """The principal of the first known credential. Raises ``AuthenticationFailed`` or ``RateLimited``."""


# ---- tokens ---------------------------------------------------------------------------------------------------------
class Counter(Protocol):
    """Token figures, cheap or exact."""

    def estimate(self, body: bytes, output: int) -> TokenEstimate:
        """Prompt size from bytes alone, without a tokeniser; ``output`` is the client's cap, 0 = none."""

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        """Exact counts of a prompt and of the text that was generated; ``dropped``: characters of it not kept."""

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

    async def settle(self, ctx: RequestContext, ended: float) -> None:
        """Settlers in reverse order, then the record."""


Providers = Mapping[str, tuple[Provider, Transport]]
