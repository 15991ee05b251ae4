"""Double entry: what a hold, a settled request and a released hold move between books. Each transaction adds up to zero."""

from collections.abc import Iterator
from random import getrandbits

from ..protocols import Entry, Hold
from ..storage.records import ALLOWANCE, REVENUE, Posting, Transaction, account_book, held_book


def hold_of(hold: Hold) -> Transaction:
    """Sets the money aside."""
    return Transaction(
        id=_ident(),
        ref=f"hold/{hold.ident}",
        kind="hold",
        account=hold.account,
        at=hold.at,
        postings=(Posting(account_book(hold.account), -hold.held), Posting(held_book(hold.account), hold.held)),
        request=hold.ident,
    )


def settling(entry: Entry, *, held: int, included: int) -> Iterator[Transaction]:
    """Captures the charge and gives back the rest. ``held``: what the books hold for it; ``included``: the allowance's part."""
    due = entry.charge - included
    from_held = min(held, due)
    if entry.charge:
        legs = (
            (held_book(entry.account), -from_held),
            (account_book(entry.account), from_held - due),
            (ALLOWANCE, -included),
            (REVENUE, entry.charge),
        )
        yield Transaction(
            id=_ident(),
            ref=f"capture/{entry.ident}",
            kind="capture",
            account=entry.account,
            at=entry.ended,
            postings=tuple(Posting(book, amount) for book, amount in legs if amount),
            request=entry.ident,
        )
    if held > from_held:
        yield release_of(entry.ident, entry.account, held - from_held, entry.ended)


def release_of(ident: str, account: str, amount: int, at: float) -> Transaction:
    """Gives back what is held for a request."""
    return Transaction(
        id=_ident(),
        ref=f"release/{ident}",
        kind="release",
        account=account,
        at=at,
        postings=(Posting(held_book(account), -amount), Posting(account_book(account), amount)),
        request=ident,
    )


def _ident() -> str:
    return f"txn_{getrandbits(128):032x}"
