"""What one process owns, as the links see it: Protocols, filled in by ``proxy/app.py``."""

from collections.abc import Callable

from msgspec import Struct

from .cache.means import Caching
from .config import Config
from .context import RequestContext, Settler
from .protocols import (
    Admission,
    Authenticator,
    Authorise,
    Clock,
    Counter,
    Courses,
    Directory,
    Owners,
    Providers,
    Router,
    Settlement,
    Tasks,
    Telemetry,
)
from .relay.relay import RelaySettings
from .relay.upload import BodyLimits
from .wire.values import JsonObject


class Services(Struct, frozen=True, kw_only=True):
    """One generation: a reload makes a new one, requests under way keep theirs."""

    config: Config
    authenticator: Authenticator
    authorise: Authorise
    directory: Directory
    router: Router
    courses: Courses
    explain: Callable[[RequestContext], JsonObject]
    """Of a planned request: how it would be routed."""
    providers: Providers
    counter: Counter
    telemetry: Telemetry
    settlement: Settlement
    admission: Admission
    owners: Owners | None
    """``None``: callers are isolated otherwise, or there is only one."""
    tasks: Tasks
    relay: RelaySettings
    body_limits: BodyLimits
    clock: Clock
    wall: Clock
    """Unix seconds."""
    cache: Caching | None = None
    """``None``: nothing in the configuration turns it on."""
    shadow: Settler | None = None
    """What follows a request whose route has a shadow; ``None`` where no route has."""
    arm: str = ""
    """Which of two generations it is while a changed configuration is on trial: ``base`` or ``trial``."""
