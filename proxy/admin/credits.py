"""Money that people move: top-ups and refunds. Each is one transaction of the ledger, done once."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from ..errors import Conflict, ObjectNotFound
from ..money.amounts import dollars
from ..storage.queries import Answer, Idempotency, TransactionFilter
from ..storage.records import FUNDING, REVENUE, AccountRecord, Kind, Posting, Transaction, account_book, held_book
from . import views
from .asked import CreditNew, Nothing, RefundNew
from .calls import Call
from .desk import Desk, new_id
from .pages import MOST
from .replay import Repeat, Replayed, id_for, made_once
from .terms import MOST_GRANTED, amount, invalid
from .times import iso


async def top_up(desk: Desk, call: Call[CreditNew, Nothing]) -> Struct:
    """Adds what an account paid in."""
    account = await open_account(desk, call.path["account"])
    micro = amount(call.body.usd, "usd")
    _check_granted(account, micro)
    transaction = _moving(call, "top_up", account, micro, source=FUNDING)
    audit = call.audit("credit.top_up", account.id, None, views.plain(views.movement(transaction)))

    async def post(once: Idempotency | None) -> Transaction | None:
        new = await desk.db.post([transaction], audit=audit, idempotency=once)
        return transaction if all(new) else None

    return await moved_once(desk, call.repeat, post)


async def refund(desk: Desk, call: Call[RefundNew, Nothing]) -> Struct:
    """Gives back what was charged; of one request never more than its account paid for it."""
    account = await desk.account(call.path["account"])
    micro = amount(call.body.usd, "usd")
    _check_granted(account, micro)
    request = call.body.request
    ident = id_for("txn", desk, call.repeat)
    before = await _of_request(desk, account, request) if request is not None else []
    if not any(each.id == ident for each in before):
        _check_refund(account, before, micro, request)
    count = sum(each.kind == "refund" for each in before)
    transaction = _moving(call, "refund", account, micro, source=REVENUE, ident=ident, request=request, count=count)
    shown = views.plain(views.movement(transaction))
    audit = call.audit("credit.refund", account.id, None, shown)

    async def make() -> None:
        (new,) = await desk.db.post([transaction], audit=audit)
        if not new:
            raise Conflict("Another refund for this request was made at the same moment; look at it and try again.")

    async def there() -> dict[str, object] | None:
        found = await _of_request(desk, account, request) if request is not None else []
        made = next((each for each in found if each.id == ident), None)
        return None if made is None else {"at": iso(made.at), "ref": made.ref}

    if request is not None:
        replayed = await made_once(desk, call.repeat, shown=shown, make=make, there=there)
        if replayed is None:
            await desk.tell()
        return replayed or views.movement(transaction)

    async def post(once: Idempotency | None) -> Transaction | None:
        new = await desk.db.post([transaction], audit=audit, idempotency=once)
        return transaction if all(new) else None

    return await moved_once(desk, call.repeat, post)


async def moved_once(
    desk: Desk, repeat: Repeat | None, post: Callable[[Idempotency | None], Awaitable[Transaction | None]]
) -> Struct:
    """Posts, and keeps under the key what is answered, in one SQL transaction; ``post`` gives ``None`` where it was done before."""
    once = None if repeat is None else repeat.once(_shown)
    if once is not None:
        before = await desk.db.answered(once)
        if before is not None:
            return Replayed(before.body)
    posted = await post(once)
    if posted is not None:
        await desk.tell()
        return views.movement(posted)
    stored = None if once is None else await desk.db.answered(once)
    if stored is None:
        raise Conflict("This movement of money was made before.")
    return Replayed(stored.body)


async def open_account(desk: Desk, named: str) -> AccountRecord:
    """An account that may be given money. Raises ``ObjectNotFound`` or ``Conflict``."""
    account = await desk.account(named)
    if account.status == "closed":
        raise Conflict("The account is closed, which is for good; make another.", param="account")
    return account


def _shown(posted: object, _: object) -> Answer:
    assert isinstance(posted, list | tuple)
    return Answer(200, views.plain(views.movement(posted[0])))


def _moving(
    call: Call[CreditNew, Nothing] | Call[RefundNew, Nothing],
    kind: Kind,
    account: AccountRecord,
    micro: int,
    *,
    source: str,
    ident: str | None = None,
    request: str | None = None,
    count: int = 0,
) -> Transaction:
    ident = ident or new_id("txn")
    return Transaction(
        id=ident,
        # Two refunds of one request at one moment have one ref, so that only the first is written.
        ref=f"refund/{request}/{count}" if request is not None else f"{kind}/{ident}",
        kind=kind,
        account=account.id,
        at=call.at,
        postings=(Posting(source, -micro), Posting(account_book(account.id), micro)),
        request=request,
        note=call.body.note,
        actor=call.actor,
    )


def _check_granted(account: AccountRecord, micro: int) -> None:
    if account.granted + micro > MOST_GRANTED:
        raise invalid("usd", f"would take the account beyond {dollars(MOST_GRANTED)} dollars ever given.")


async def _of_request(desk: Desk, account: AccountRecord, request: str) -> list[Transaction]:
    entry = await desk.db.entry(request)
    if entry is None or entry.account != account.id:
        raise ObjectNotFound("This account has no request with this id in the ledger.", param="request")
    return await desk.db.transactions(TransactionFilter(account=account.id, request=request), limit=MOST)


def _check_refund(account: AccountRecord, before: list[Transaction], micro: int, request: str | None) -> None:
    """Raises ``InvalidRequest`` where more would come back than went: what the plan's allowance paid is nobody's money."""
    if request is None:
        return
    own = {account_book(account.id), held_book(account.id)}
    paid = -sum(leg.amount for each in before for leg in each.postings if leg.book in own)
    if micro > paid:
        raise invalid(
            "usd", f"is more than the {dollars(max(paid, 0))} dollars that are left of what this request cost."
        )
