"""The whole configuration as one tree of frozen Structs; JSON Schema and docs come from here."""

from typing import Literal

from msgspec import Struct

from ..policy.caching import NO_CACHE, Cache
from ..policy.routes import Breaker, Canary, Retries, Routing
from .catalogue import Catalogue
from .server import Server, Telemetry
from .stores import Admin, State, Storage
from .traffic import Account, Auth, GatewayLimits, Key, Model, Passthrough, Provider, Streaming, Timeouts


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Root of ``tollway.yaml``."""

    server: Server = Server()
    auth: Auth = Auth()
    admin: Admin = Admin()
    keys: tuple[Key, ...] = ()
    accounts: dict[str, Account] = {}
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    catalogue: Catalogue = Catalogue()
    successors: dict[str, str] = {}
    passthrough: Passthrough = Passthrough()
    limits: GatewayLimits = GatewayLimits()
    retry: Retries = Retries()
    health: Breaker = Breaker()
    routing: Routing = Routing()
    canary: Canary | None = None
    cache: Cache = NO_CACHE
    timeouts: Timeouts = Timeouts(connect=5.0, idle=120.0, total=1800.0)
    streaming: Streaming = Streaming()
    storage: Storage = Storage()
    ledger: Literal["async", "sync"] = "async"
    state: State = State()
    telemetry: Telemetry = Telemetry()
