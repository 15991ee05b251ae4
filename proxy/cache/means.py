"""What the cache link is made of. One per generation of the configuration; store, flights and the semantic layer outlive it."""

from typing import TYPE_CHECKING

from msgspec import Struct

from ..policy.caching import Cache, ExactCache
from ..protocols import CacheRecords, CacheStore, Clock, Similar
from .asking import CacheRules
from .flight import Flights

if TYPE_CHECKING:
    from .keys import Keys


class Caching(Struct, frozen=True, kw_only=True, eq=False):
    """``remote``: is the store elsewhere, so that storing takes a while? ``wall`` in unix seconds."""

    settings: Cache
    rules: CacheRules
    keys: "Keys"
    store: CacheStore
    records: CacheRecords
    flights: Flights
    wall: Clock
    similar: Similar | None = None
    remote: bool = False

    @property
    def exact(self) -> ExactCache:
        """As configured; the usual figures where only a model or a key turns it on."""
        return self.settings.exact or ExactCache()
