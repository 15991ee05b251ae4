"""Rows of the database as the API shows them, and what the audit log keeps of them. Digests, keys and codes are in neither."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct, structs

from ..errors import InvalidRequest
from ..money.amounts import dollars
from ..policy.terms import Budget
from ..protocols import Entry
from ..storage import queries, records
from ..storage.records import account_book
from . import answers
from .times import iso, iso_or_none

LARGEST = 48 * 1024
"""Bytes of one account or key as JSON."""


def account(record: records.AccountRecord) -> answers.Account:
    """An account."""
    return answers.Account(
        id=record.id,
        name=record.name,
        status=record.status,
        created=iso(record.created),
        limits=record.limits,
        budgets=budgets(record.budgets),
        plan=answers.PlanShown(
            markup=record.plan.markup,
            prices=record.plan.prices,
            included_usd=record.plan.included_usd,
            prepaid=record.plan.prepaid,
            cached=record.plan.cached,
        ),
        metadata=record.metadata,
        version=record.version,
    )


def budgets(listed: Iterable[Budget]) -> tuple[answers.BudgetShown, ...]:
    """Budgets with every field."""
    return tuple(msgspec.convert(structs.asdict(budget), answers.BudgetShown) for budget in listed)


def key(record: records.KeyRecord, now: float) -> answers.Key:
    """A key, at ``now``."""
    scopes = record.scopes
    return answers.Key(
        id=record.id,
        account=record.account,
        name=record.name,
        hint=record.hint,
        status=status_of(record, now),
        created=iso(record.created),
        models=scopes.models,
        endpoints=scopes.endpoints,
        providers=scopes.providers,
        networks=scopes.networks,
        passthrough=scopes.passthrough,
        stability=scopes.stability,
        controls=scopes.controls,
        regions=scopes.regions,
        max_price=scopes.max_price,
        slo=scopes.slo,
        cache=scopes.cache,
        limits=record.limits,
        budgets=budgets(record.budgets),
        max_output_tokens=record.output_cap,
        expires=iso_or_none(record.expires),
        revoked=iso_or_none(record.revoked),
        replaced_by=record.replaced_by,
        metadata=record.metadata,
        version=record.version,
    )


def key_made(shown: answers.Key, text: str) -> answers.KeyMade:
    """The same with its text, for whoever made it."""
    return answers.KeyMade(**structs.asdict(shown), key=text)


def status_of(record: records.KeyRecord, now: float) -> Literal["active", "retiring", "expired", "revoked"]:
    """``retiring``: works until its overlap ends."""
    if record.revoked is not None:
        return "revoked" if record.revoked <= now else "retiring"
    return "expired" if record.expires is not None and record.expires <= now else "active"


def movement(transaction: records.Transaction) -> answers.Movement:
    """A transaction."""
    book = account_book(transaction.account)
    return answers.Movement(
        id=transaction.id,
        kind=transaction.kind,
        account=transaction.account,
        at=iso(transaction.at),
        usd=dollars(sum(posting.amount for posting in transaction.postings if posting.book == book)),
        postings=[answers.Leg(book=posting.book, usd=dollars(posting.amount)) for posting in transaction.postings],
        request=transaction.request,
        ref=transaction.ref,
        note=transaction.note,
        actor=transaction.actor,
    )


def voucher(row: queries.Voucher) -> answers.Voucher:
    """A voucher without its code."""
    return answers.Voucher(
        id=row.id,
        usd=dollars(row.micro_usd),
        uses=row.uses,
        used=row.used,
        created=iso(row.created),
        expires=iso_or_none(row.expires),
        revoked=iso_or_none(row.revoked),
        note=row.note,
    )


def request(entry: Entry) -> answers.Request:
    """A request of the ledger."""
    fields = structs.asdict(entry)
    fields["id"] = fields.pop("ident")
    for name in ("saved_input", "saved_output"):
        fields[f"{name}_tokens"] = fields.pop(name)
    for name in ("held", "charge", "cost", "saved", "saved_cost"):
        fields[name] = dollars(fields[name])
    for name in ("at", "ended"):
        fields[name] = iso(fields[name])
    return msgspec.convert(fields, answers.Request)


def usage(row: queries.UsageRow, grouped: tuple[str, ...]) -> answers.Usage:
    """Sums of one group; only what was grouped by is named."""
    names = {name: getattr(row, name) for name in grouped}
    return answers.Usage(
        requests=row.requests,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        charge=dollars(row.charge),
        included=dollars(row.included),
        cost=dollars(row.cost),
        unpriced=row.unpriced,
        cache_hits=row.cache_hits,
        saved_input_tokens=row.saved_input,
        saved_output_tokens=row.saved_output,
        saved=dollars(row.saved),
        saved_cost=dollars(row.saved_cost),
        **names,
    )


def audit(record: records.AuditRecord) -> answers.Audit:
    """A row of the audit log."""
    return answers.Audit(
        id=record.id,
        at=iso(record.at),
        actor=record.actor,
        action=record.action,
        target=record.object,
        before=record.before,
        after=record.after,
        client=record.client,
        request_id=record.request_id,
    )


def plain(shown: Struct) -> dict[str, object]:
    """A view as JSON values, for the audit log and for replays. Raises ``InvalidRequest`` where it is absurdly large."""
    raw = msgspec.json.encode(shown)
    if len(raw) > LARGEST:
        raise InvalidRequest(f"This is more than {LARGEST} bytes in all; name fewer things.", code="invalid_value")
    found: dict[str, object] = msgspec.json.decode(raw)
    return found
