"""An answer whose sealed texts are remembered, with the place that made them, before the bytes that complete them leave."""

from ..context import RequestContext
from ..protocols import Again, Exchange, Owners, UpstreamRequest
from ..wire.headers import value_of
from .held import Inflate
from .places import place_of, provider_of
from .sealed import Finder, Sealed

MOST_AN_ANSWER = 1000
"""Sealed texts of one answer that are remembered."""

_TEXTUAL = (b"text/event-stream", b"application/json", b"application/vnd.amazon.eventstream")


class SealWatch:
    """The filter of one request's answer."""

    __slots__ = ("_account", "_ctx", "_inflate", "_owners", "_seen")

    def __init__(self, ctx: RequestContext, *, owners: Owners, account: str, inflate: Inflate) -> None:
        self._ctx = ctx
        self._owners = owners
        self._account = account
        self._inflate = inflate
        self._seen: set[str] | None = None

    async def __call__(self, request: UpstreamRequest, exchange: Exchange, again: Again) -> Exchange:
        """``exchange``, looked at as it is read."""
        kind = (value_of(exchange.headers, b"content-type") or b"").lower()
        if not 200 <= exchange.status < 300 or not kind.startswith(_TEXTUAL):
            return exchange
        return Sealing(exchange, self, self._inflate)

    async def saw(self, found: list[Sealed]) -> None:
        """They were made where the request is now."""
        place = place_of(self._ctx)
        seen = self._seen = self._seen or set()
        new = [each for each in found if each.ident not in seen][: MOST_AN_ANSWER - len(seen)]
        seen.update(each.ident for each in new)
        for portable, where in ((False, place), (True, provider_of(place))):
            idents = [each.ident for each in new if each.portable is portable]
            if idents and place:
                await self._owners.claim(self._account, idents, where)


class Sealing:
    """``inner``, read through."""

    def __init__(self, inner: Exchange, watch: SealWatch, inflate: Inflate) -> None:
        self.status: int = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._watch = watch
        self._finder = Finder()
        self._inflater = inflate(value_of(inner.headers, b"content-encoding"))

    @property
    def ended(self) -> bool:
        """Has the last byte been handed out?"""
        return self._inner.ended

    async def read(self) -> bytes:
        """Whatever one socket read brought."""
        data = await self._inner.read()
        found = self._finder.feed(data if self._inflater is None else self._inflater.feed(data))
        if found:
            await self._watch.saw(found)
        return data

    def release(self) -> None:
        """As the inner one."""
        self._inner.release()

    def abort(self) -> None:
        """As the inner one."""
        self._inner.abort()
