"""Every route of the admin API: who may, what goes in, what comes out. What is not here does not exist."""

from typing import Any, Literal

from . import (
    accounts,
    answers,
    asked,
    balances,
    cache,
    credits,
    figures,
    health,
    keys,
    overview,
    queries,
    traces,
    vouchers,
)
from .access import Role
from .asked import Nothing
from .calls import AnyRoute, B, Handle, Q, Route

_ACCOUNT = "/accounts/{account}"
_KEY = "/keys/{key}"
_VOUCHER = "/vouchers/{voucher}"


def _read(path: str, handle: Handle[Nothing, Q], query: type[Q], answer: Any, summary: str) -> AnyRoute:
    """Changes nothing."""
    return Route(
        method="GET", path=path, role="read", summary=summary, handle=handle, body=Nothing, query=query, answer=answer
    )


def _make(
    path: str,
    role: Role,
    handle: Handle[B, Nothing],
    body: type[B],
    answer: Any,
    summary: str,
    *,
    versioned: bool = False,
) -> AnyRoute:
    """Makes something or moves money: once for an Idempotency-Key."""
    return Route(
        method="POST",
        path=path,
        role=role,
        summary=summary,
        handle=handle,
        body=body,
        query=Nothing,
        answer=answer,
        status=201,
        once=True,
        versioned=versioned,
    )


def _change(
    method: Literal["POST", "PATCH", "DELETE"],
    path: str,
    handle: Handle[B, Nothing],
    body: type[B],
    answer: Any,
    summary: str,
    *,
    role: Role = "write",
    versioned: bool = True,
) -> AnyRoute:
    """Changes what is there; twice is as once."""
    return Route(
        method=method,
        path=path,
        role=role,
        summary=summary,
        handle=handle,
        body=body,
        query=Nothing,
        answer=answer,
        versioned=versioned,
    )


TABLE: tuple[AnyRoute, ...] = (
    _make("/accounts", "write", accounts.create, asked.AccountNew, answers.Account, "Make an account"),
    _read("/accounts", accounts.listed, queries.Paging, answers.Page[answers.Account], "List accounts"),
    _read(_ACCOUNT, accounts.show, Nothing, answers.Account, "Show an account, by id or name"),
    _change("PATCH", _ACCOUNT, accounts.change, asked.AccountPatch, answers.Account, "Change an account"),
    _change("DELETE", _ACCOUNT, accounts.close, Nothing, answers.Account, "Close an account for good"),
    _read(_ACCOUNT + "/balance", balances.balance, Nothing, answers.Balance, "Show an account's money and budgets"),
    _make(_ACCOUNT + "/credits", "money", credits.top_up, asked.CreditNew, answers.Movement, "Top an account up"),
    _make(_ACCOUNT + "/refunds", "money", credits.refund, asked.RefundNew, answers.Movement, "Give money back"),
    _make(_ACCOUNT + "/vouchers", "money", vouchers.redeem, asked.VoucherUse, answers.Movement, "Redeem a voucher"),
    _make("/keys", "write", keys.create, asked.KeyNew, answers.KeyMade, "Make a key; its text is shown this once"),
    _read("/keys", keys.listed, queries.KeysQuery, answers.Page[answers.Key], "List keys"),
    _read(_KEY, keys.show, Nothing, answers.Key, "Show a key"),
    _change("PATCH", _KEY, keys.change, asked.KeyPatch, answers.Key, "Change a key"),
    _make(
        _KEY + "/rotate",
        "write",
        keys.rotate,
        asked.KeyRotate,
        answers.KeyMade,
        "Replace a key; the old one may work on for a while",
        versioned=True,
    ),
    _change("POST", _KEY + "/revoke", keys.revoke, Nothing, answers.Key, "Revoke a key for good"),
    _change("DELETE", _KEY, keys.revoke, Nothing, answers.Key, "Revoke a key for good, too"),
    _make(
        "/vouchers",
        "money",
        vouchers.create,
        asked.VoucherNew,
        answers.VoucherMade,
        "Make a voucher; its code is shown this once",
    ),
    _read("/vouchers", vouchers.listed, queries.Paging, answers.Page[answers.Voucher], "List vouchers"),
    _read(_VOUCHER, vouchers.show, Nothing, answers.Voucher, "Show a voucher"),
    _change(
        "DELETE", _VOUCHER, vouchers.revoke, Nothing, answers.Voucher, "Revoke a voucher", role="money", versioned=False
    ),
    _read(
        "/usage", figures.usage, queries.UsageQuery, answers.Page[answers.Usage], "Sum up requests, tokens and money"
    ),
    _read(
        "/requests",
        figures.requests,
        queries.RequestsQuery,
        answers.Page[answers.Request],
        "List requests in the ledger",
    ),
    _read(
        "/requests/{request}", figures.request, Nothing, answers.Request, "Show a request, by ledger id or request id"
    ),
    _read(
        "/traces/{request}", traces.trace, Nothing, answers.Trace, "Show how a request was routed, by its request id"
    ),
    _read(
        "/transactions",
        figures.transactions,
        queries.TransactionsQuery,
        answers.Page[answers.Movement],
        "List movements of money",
    ),
    _read("/audit", overview.audit, queries.AuditQuery, answers.Page[answers.Audit], "List changes and who made them"),
    _read("/cache", cache.cache, Nothing, answers.Cache, "Show what the cache holds and how often it was asked"),
    _change(
        "POST",
        "/cache/purge",
        cache.purge,
        asked.CachePurge,
        answers.CachePurged,
        "Forget stored answers, on every worker",
        versioned=False,
    ),
    _read("/health", health.health, Nothing, answers.Health, "Show how targets and their keys do"),
    _read("/status", overview.status, Nothing, answers.Status, "Show how the stores are"),
)
"""In the order of the documentation."""
