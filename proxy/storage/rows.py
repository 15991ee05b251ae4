"""Records to rows and back. A column that holds its default is NULL, and the record shares one constant: most keys have no limits."""

from typing import TypeVar

import msgspec

from ..policy.terms import AT_COST, EVERYTHING, NO_LIMITS, Budget, Limits, Plan, Scopes
from . import checks
from .records import AccountRecord, KeyRecord
from .tables import AnyRow

T = TypeVar("T")
Values = dict[str, object]

_limits = msgspec.json.Decoder(Limits)
_budgets = msgspec.json.Decoder(tuple[Budget, ...])
_plan = msgspec.json.Decoder(Plan)
_scopes = msgspec.json.Decoder(Scopes)
_metadata = msgspec.json.Decoder(dict[str, str])


def _other(what: str, value: T, default: T) -> str | None:
    return None if value == default else checks.json(what, value)


def account_values(record: AccountRecord) -> Values:
    """All columns of an account. Raises ``ValueError`` for what cannot be stored."""
    checks.account(record)
    return {
        "id": record.id,
        "name": record.name,
        "created": record.created,
        "status": record.status,
        "limits": _other("limits", record.limits, NO_LIMITS),
        "budgets": _other("budgets", record.budgets, ()),
        "plan": _other("plan", record.plan, AT_COST),
        "granted": record.granted,
        "included_used": record.included_used,
        "metadata": _other("metadata", record.metadata, {}),
        "version": record.version,
    }


def account_of(row: AnyRow) -> AccountRecord:
    """An account from its columns in the table's order."""
    id, name, created, status, limits, budgets, plan, granted, included_used, metadata, version = row
    return AccountRecord(
        id=id,
        name=name,
        created=created,
        status=status,
        limits=NO_LIMITS if limits is None else _limits.decode(limits),
        budgets=() if budgets is None else _budgets.decode(budgets),
        plan=AT_COST if plan is None else _plan.decode(plan),
        granted=granted,
        included_used=included_used,
        metadata={} if metadata is None else _metadata.decode(metadata),
        version=version,
    )


def key_values(record: KeyRecord) -> Values:
    """All columns of a key. Raises ``ValueError`` for what cannot be stored."""
    checks.key(record)
    return {
        "id": record.id,
        "account": record.account,
        "name": record.name,
        "digest": record.digest,
        "hint": record.hint,
        "created": record.created,
        "scopes": _other("scopes", record.scopes, EVERYTHING),
        "limits": _other("limits", record.limits, NO_LIMITS),
        "budgets": _other("budgets", record.budgets, ()),
        "output_cap": record.output_cap,
        "expires": record.expires,
        "revoked": record.revoked,
        "replaced_by": record.replaced_by,
        "root": record.root,
        "metadata": _other("metadata", record.metadata, {}),
        "version": record.version,
    }


def key_of(row: AnyRow) -> KeyRecord:
    """A key from its columns in the table's order."""
    (
        id, account, name, digest, hint, created, scopes, limits, budgets, output_cap, expires, revoked, replaced_by, root, metadata, version
    ) = row  # fmt: skip
    return KeyRecord(
        id=id,
        account=account,
        name=name,
        digest=digest,
        hint=hint,
        created=created,
        scopes=EVERYTHING if scopes is None else _scopes.decode(scopes),
        limits=NO_LIMITS if limits is None else _limits.decode(limits),
        budgets=() if budgets is None else _budgets.decode(budgets),
        output_cap=output_cap,
        expires=expires,
        revoked=revoked,
        replaced_by=replaced_by,
        root=root,
        metadata={} if metadata is None else _metadata.decode(metadata),
        version=version,
    )
