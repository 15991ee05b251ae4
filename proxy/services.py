"""What one process owns, as the links see it: Protocols, filled in by ``proxy/app.py``."""

from msgspec import Struct

from .config import Config
from .protocols import (
    Admission,
    Authenticator,
    Authorise,
    Clock,
    Counter,
    Directory,
    Owners,
    Providers,
    Settlement,
    Tasks,
    Telemetry,
)
from .relay.relay import RelaySettings
from .relay.upload import BodyLimits


class Services(Struct, frozen=True, kw_only=True):
    """One generation: a reload makes a new one, requests under way keep theirs."""

    config: Config
    authenticator: Authenticator
    authorise: Authorise
    directory: Directory
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
