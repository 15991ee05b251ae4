"""What was used and what it cost: sums, requests one by one, movements of money."""

from datetime import UTC, datetime

from ..errors import ObjectNotFound
from ..protocols import Entry
from ..storage.queries import Dimension, EntryFilter, TransactionFilter
from ..storage.queries import UsageQuery as Sums
from ..storage.records import Transaction
from . import answers, queries, views
from .asked import Nothing
from .calls import Call
from .desk import Desk
from .pages import MOST, page
from .terms import invalid
from .times import moment

DIMENSIONS: tuple[Dimension, ...] = ("day", "account", "key", "route", "model", "provider")


async def usage(desk: Desk, call: Call[Nothing, queries.UsageQuery]) -> answers.Page[answers.Usage]:
    """Sums by whole days (UTC): by day the latest first, then by charge."""
    asked = call.query
    since, until = _period(asked)
    wanted = asked.group_by.split(",")
    if len(set(wanted)) != len(wanted):
        raise invalid("group_by", "names something twice.")
    grouped = tuple(name for name in DIMENSIONS if name in wanted)
    query = Sums(
        group_by=grouped,
        first=None if since is None else _day(since),
        last=None if until is None else _day(until - 1e-6),
        account=await _account(desk, asked.account),
        key=await _key(desk, asked.key),
        route=asked.route,
        model=asked.model,
        provider=asked.provider,
        limit=min(asked.limit + 1, MOST),
    )
    rows = await desk.db.usage(query)
    return answers.Page(
        data=[views.usage(row, grouped) for row in rows[: asked.limit]], has_more=len(rows) > asked.limit
    )


async def requests(desk: Desk, call: Call[Nothing, queries.RequestsQuery]) -> answers.Page[answers.Request]:
    """The ledger's entries, the latest first."""
    asked = call.query
    since, until = _period(asked)
    filters = EntryFilter(
        account=await _account(desk, asked.account),
        key=await _key(desk, asked.key),
        route=asked.route,
        model=asked.model,
        provider=asked.provider,
        outcome=asked.outcome,
        request_id=asked.request_id,
        upstream_id=asked.upstream_id,
        since=since,
        until=until,
    )

    async def fetch(*, limit: int, after: str | None) -> list[Entry]:
        return await desk.db.entries(filters, limit=limit, after=after)

    return await page(fetch, views.request, lambda entry: entry.ident, limit=asked.limit, cursor=asked.cursor)


async def request(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Request:
    """One entry, by its own id or the latest with this request id."""
    named = call.path["request"]
    found = await desk.db.entry(named)
    if found is None:
        others = await desk.db.entries(EntryFilter(request_id=named), limit=1)
        if not others:
            raise ObjectNotFound("The ledger has no request with this id.", param="request")
        found = others[0]
    return views.request(found)


async def transactions(desk: Desk, call: Call[Nothing, queries.TransactionsQuery]) -> answers.Page[answers.Movement]:
    """Movements of money, the latest first."""
    asked = call.query
    since, until = _period(asked)
    filters = TransactionFilter(
        account=await _account(desk, asked.account),
        kinds=() if asked.kind is None else (asked.kind,),
        request=asked.request,
        since=since,
        until=until,
    )

    async def fetch(*, limit: int, after: str | None) -> list[Transaction]:
        return await desk.db.transactions(filters, limit=limit, after=after)

    return await page(fetch, views.movement, lambda each: each.id, limit=asked.limit, cursor=asked.cursor)


def _period(asked: queries.Period) -> tuple[float | None, float | None]:
    """Unix seconds of ``from`` and ``to``. Raises ``InvalidRequest`` where they are the wrong way round."""
    since = None if asked.since is None else moment(asked.since, "from", end=False)
    until = None if asked.until is None else moment(asked.until, "to", end=True)
    if since is not None and until is not None and since >= until:
        raise invalid("to", "is not after from.")
    return since, until


async def _key(desk: Desk, named: str | None) -> str | None:
    """What its entries stand under: a rotated key's under the first of its line. A key of the file has no record."""
    record = await desk.db.key(named) if named is not None else None
    return named if record is None else record.counted_as


async def _account(desk: Desk, named: str | None) -> str | None:
    return None if named is None else (await desk.account(named)).id


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
