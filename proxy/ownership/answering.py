"""What happens to an answer before the client gets it: new ids are claimed, lists filtered, deleted objects forgotten."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, urlencode

from msgspec import structs

from ..errors import Conflict, ObjectNotFound, PermissionDenied
from ..protocols import Again, Exchange, Owned, Owners, UpstreamRequest
from ..wire.headers import value_of
from ..wire.values import object_in
from .answers import made_in, streamed_in, without_echo
from .held import LARGEST, LARGEST_LIST, Inflate, Replayed, Watched, plain, whole
from .listing import ANY, Item, Page, idents_of, kept, read_page, shown, stray_ident, unfiltered
from .naming import looks_handed_out, scoped
from .paths import Reading
from .table import PROVIDER_PAGE, Row

PAGES = 20
"""Pages of a list that are looked through for one answer."""

UNKNOWN = Row(method="POST", template="", made=("id", "name", "job_id", "request_id"))
"""What a path without a row may hand out."""

UNKNOWN_LIST = Row(method="GET", template="", listed=ANY, cursor="")


class AnswerWatch:
    """The filter of one request's answer. ``said``: its path, query and body, whose ids nobody comes to own.

    ``place()``: where the answer was made. ``lists``: will the answer be filtered?
    """

    def __init__(
        self,
        reading: Reading,
        *,
        owners: Owners,
        account: str,
        place: Callable[[], str],
        said: bytes,
        method: str,
        inflate: Inflate,
    ) -> None:
        self._reading = reading
        self._owners = owners
        self._account = account
        self._place = place
        self._said = said
        self._inflate = inflate
        self._seen: set[str] = set()
        row = reading.row
        if row is None and reading.unknown:
            row = UNKNOWN_LIST if method == "GET" and not reading.named else UNKNOWN if method == "POST" else None
        self._row = row
        self.lists: bool = row is not None and bool(row.listed) and owners.enforced and method == "GET"

    @property
    def idle(self) -> bool:
        """Is there nothing to look for?"""
        row = self._row
        return row is None or not (self.lists or row.made or row.deletes)

    async def __call__(self, request: UpstreamRequest, exchange: Exchange, again: Again) -> Exchange:
        """``exchange``, or what the client gets in its place. Raises ``PermissionDenied`` for a list that cannot be filtered."""
        row = self._row
        if row is None or not 200 <= exchange.status < 300:
            return exchange
        if row.deletes:
            await self._owners.forget([named.ident for named in self._reading.named[-1:]])
            return exchange
        if self.lists:
            return await self._filtered(row, request, exchange, again)
        kind = (value_of(exchange.headers, b"content-type") or b"").lower()
        if "location" in row.made:
            place = (value_of(exchange.headers, b"location") or b"").partition(b"?")[0].rpartition(b"/")[2]
            await self.claim([place.decode("latin-1")] if place else [])
        if kind.startswith(b"text/event-stream"):
            return Watched(exchange, self.saw, self._inflate)
        return await self._claimed(row, exchange) if kind.startswith(b"application/json") else exchange

    # ---- what is new ------------------------------------------------------------------------------------------------

    async def claim(self, idents: Sequence[str]) -> None:
        """They are the caller's from now on, but for what the request itself had named."""
        new = [ident for ident in idents if ident not in self._seen]
        if not self._reading.collection:
            new = without_echo(new, self._said)
        if new:
            self._seen.update(new)
            await self._owners.claim(self._account, new, self._place())

    async def saw(self, payload: bytes) -> None:
        """One event of a stream, before it leaves."""
        if self._row is not None:
            await self.claim(streamed_in(payload, self._row.made))

    async def _claimed(self, row: Row, exchange: Exchange) -> Exchange:
        parts = await whole(exchange, LARGEST)
        if not exchange.ended:
            return Replayed(exchange, parts)
        body = b"".join(parts)
        text = plain(exchange, body, self._inflate)
        document = object_in(text) if text is not None else None
        if document is not None and (not row.says or document.get("object") == row.says):
            found = made_in(document, row.made, self._reading.collection)
            if row is UNKNOWN:
                found = without_echo([ident for ident in found if looks_handed_out(ident)], self._said)
                found = [scoped(ident, self._reading.scope) for ident in found]
            await self.claim(found)
            if self._reading.collection and found and self._owners.enforced:
                await self._without_conflict(found)
        return Replayed(exchange, [body])

    async def _without_conflict(self, found: Sequence[str]) -> None:
        """Google lets clients choose names, and two accounts of the operator's may each have one of the same."""
        if any(owned is not None and owned.account != self._account for owned in await self._owners.owners(found)):
            raise Conflict("An object of this name belongs to another account; choose another name.", param="name")

    # ---- lists ------------------------------------------------------------------------------------------------------

    async def _filtered(self, row: Row, request: UpstreamRequest, exchange: Exchange, again: Again) -> Exchange:
        page = await self._page(row, exchange)
        if row is UNKNOWN_LIST:
            await self._without_stray(page)
        lists = [await self._own(items) for _, items in page.lists]
        more = page.more
        if row.cursor and len(lists) == 1:
            lists[0], more = await self._filled(row, request, page, lists[0], again)
        if row.made:
            await self.claim([ident for item in lists[0] for ident in made_in(object_in(item.raw), row.made)])
        body = shown(page, lists, more=more)
        dropped = (b"content-length", b"content-encoding", b"etag", b"content-md5", b"digest")
        headers = tuple(pair for pair in exchange.headers if pair[0] not in dropped)
        return Replayed(exchange, [body], headers=(*headers, (b"content-length", b"%d" % len(body))))

    async def _filled(
        self, row: Row, request: UpstreamRequest, page: Page, items: list[Item], again: Again
    ) -> tuple[list[Item], bool]:
        """As many items as were asked for, from the pages that follow, and whether there may be more."""
        asked = dict(parse_qsl(request.url.partition("?")[2], keep_blank_values=True))
        if any(name.startswith("before") for name in asked):
            return items, page.more
        limit = asked.get("limit", "")
        want = int(limit) if limit.isdigit() and len(limit) < 6 else max(len(page.items), 1)
        for _ in range(PAGES):
            if len(items) >= want or not page.more or not page.last:
                return items[:want], page.more or len(items) > want
            after = {**asked, "limit": str(PROVIDER_PAGE), row.cursor: page.last}
            url = f"{request.url.partition('?')[0]}?{urlencode(after)}"
            exchange = await again(structs.replace(request, url=url))
            try:
                if not 200 <= exchange.status < 300:
                    return items, bool(items)
                following = await self._page(row, exchange)
            except BaseException:
                exchange.abort()
                raise
            exchange.release()
            if following.last == page.last:
                return items, False
            page = following
            items = items + await self._own(page.items)
        if not items:
            raise PermissionDenied(
                f"More than {PAGES * PROVIDER_PAGE} objects of other accounts stand before yours in this list; "
                "ask for your objects by their ids.",
                code="list_not_filtered",
            )
        return items[:want], page.more or len(items) > want

    async def _page(self, row: Row, exchange: Exchange) -> Page:
        parts = await whole(exchange, LARGEST_LIST)
        text = plain(exchange, b"".join(parts), self._inflate) if exchange.ended else None
        if text is None:
            raise unfiltered()
        return read_page(text, row, self._reading.scope)

    async def _own(self, items: Sequence[Item]) -> list[Item]:
        idents = idents_of(items)
        found = await self._owners.owners(idents) if idents else ()
        own = {ident for ident, owned in zip(idents, found, strict=True) if self._is_own(owned)}
        return kept(items, own)

    def _is_own(self, owned: Owned | None) -> bool:
        return owned is not None and owned.account == self._account

    async def _without_stray(self, page: Page) -> None:
        ident = stray_ident(page.whole, self._reading.scope)
        if ident is not None and not self._is_own((await self._owners.owners([ident]))[0]):
            raise ObjectNotFound("This path leads to an object that is not yours.")
