"""Requests that were settled, as the ledger's writer puts them into the database."""

from typing import Any

from proxy.protocols import Entry
from proxy.storage.database import Database
from proxy.storage.records import ALLOWANCE, REVENUE, Posting, Transaction, account_book

from .api import NOW


def entry(
    ident: str, account: str, *, key: str = "key_1", charge: int = 1_000_000, at: float = NOW, **more: Any
) -> Entry:
    """One request."""
    return Entry(
        ident=ident,
        request_id=f"req-{ident}",
        upstream_id=f"up-{ident}",
        account=account,
        key=key,
        key_name="app",
        endpoint="chat",
        route="fast",
        provider="openai",
        model=more.pop("model", "gpt-4o"),
        outcome="ok",
        ending="complete",
        count="reported",
        input_tokens=10,
        output_tokens=20,
        charge=charge,
        cost=charge // 2,
        price_version="v1",
        at=at,
        ended=at + 1,
        **more,
    )


async def spend(database: Database, *entries: Entry, included: int = 0) -> None:
    """Their rows and captures; ``included`` of each is paid from the plan's allowance."""
    captures = [
        Transaction(
            id=f"txn_{each.ident}",
            ref=f"capture/{each.ident}",
            kind="capture",
            account=each.account,
            at=each.ended,
            postings=tuple(
                leg
                for leg in (
                    Posting(account_book(each.account), included - each.charge),
                    Posting(ALLOWANCE, -included),
                    Posting(REVENUE, each.charge),
                )
                if leg.amount
            ),
            request=each.ident,
        )
        for each in entries
        if each.charge
    ]
    await database.record(entries, captures)
