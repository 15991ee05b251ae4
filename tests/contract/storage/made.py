"""Rows for the tests, with little to say."""

import itertools
from typing import Any

from proxy.protocols import Entry
from proxy.storage.records import (
    ALLOWANCE,
    FUNDING,
    REVENUE,
    AccountRecord,
    AuditRecord,
    KeyRecord,
    Posting,
    Transaction,
    account_book,
    held_book,
)

NOW = 1_795_435_200.0
"""2026-11-23 12:00 UTC, a Monday."""

_numbers = itertools.count(1)


def account(id: str = "acc_1", **changes: Any) -> AccountRecord:
    return AccountRecord(**{"id": id, "name": f"name of {id}", "created": NOW, **changes})


def key(id: str = "key_1", account: str = "acc_1", **changes: Any) -> KeyRecord:
    return KeyRecord(
        **{
            "id": id,
            "account": account,
            "name": "app",
            "digest": id.encode().ljust(32, b"."),
            "hint": "sk-tw-ab…yz",
            "created": NOW,
            **changes,
        }
    )


def audit(**changes: Any) -> AuditRecord:
    return AuditRecord(
        **{"id": f"aud_{next(_numbers)}", "at": NOW, "actor": "admin", "action": "test", "object": "acc_1", **changes}
    )


def moved(ref: str, kind: Any, legs: dict[str, int], **changes: Any) -> Transaction:
    return Transaction(
        **{
            "id": f"txn_{next(_numbers)}",
            "ref": ref,
            "kind": kind,
            "account": "acc_1",
            "at": NOW,
            "postings": tuple(Posting(book, amount) for book, amount in legs.items()),
            **changes,
        }
    )


def top_up(ref: str, amount: int, account: str = "acc_1", **changes: Any) -> Transaction:
    return moved(ref, "top_up", {FUNDING: -amount, account_book(account): amount}, account=account, **changes)


def refund(ref: str, amount: int, account: str = "acc_1") -> Transaction:
    return moved(ref, "refund", {REVENUE: -amount, account_book(account): amount}, account=account)


def hold(request: str, amount: int, account: str = "acc_1", **changes: Any) -> Transaction:
    legs = {account_book(account): -amount, held_book(account): amount}
    return moved(f"hold/{request}", "hold", legs, account=account, request=request, **changes)


def capture(request: str, amount: int, account: str = "acc_1", *, free: int = 0) -> Transaction:
    legs = {held_book(account): free - amount, ALLOWANCE: -free, REVENUE: amount}
    legs = {book: leg for book, leg in legs.items() if leg or book == REVENUE}
    return moved(f"capture/{request}", "capture", legs, account=account, request=request)


def release(request: str, amount: int, account: str = "acc_1") -> Transaction:
    legs = {held_book(account): -amount, account_book(account): amount}
    return moved(f"release/{request}", "release", legs, account=account, request=request)


def entry(ident: str, **changes: Any) -> Entry:
    return Entry(
        **{
            "ident": ident,
            "request_id": f"req-{ident}",
            "upstream_id": f"chatcmpl-{ident}",
            "account": "acc_1",
            "key": "key_1",
            "key_name": "app",
            "endpoint": "chat",
            "route": "fast",
            "provider": "mock",
            "model": "gpt-4o",
            "outcome": "ok",
            "ending": "complete",
            "count": "reported",
            "input_tokens": 100,
            "output_tokens": 20,
            "charge": 7,
            "cost": 5,
            "price_version": "book-1",
            "at": NOW,
            "ended": NOW + 1,
            **changes,
        }
    )
