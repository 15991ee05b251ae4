"""``tollway accounts``: who pays and owns: made, listed, shown, changed, closed."""

import click

from ..wire.values import JsonObject, obj
from .admin_client import DRY_RUN, LIMIT, ONCE, YES, AdminClient, administers, new_once, part
from .printed import Columns, confirm
from .terms import BUDGETS, LIMITS, METADATA, budgets_of, given, limits_of, metadata_of, plan_of, plan_options

FIRST = ("id", "name", "status")
COLUMNS: Columns = {
    "ID": "id",
    "NAME": "name",
    "STATUS": "status",
    "PAYS": lambda row: "in advance" if obj(row.get("plan")).get("prepaid") else "afterwards",
    "BUDGETS": "budgets",
    "LIMITS": "limits",
    "CREATED": "created",
}


@click.group(short_help="Make, list, show, change and close accounts.")
def accounts() -> None:
    """Accounts own keys, limits, budgets, a plan and a balance. ACCOUNT is an id or a name."""


@accounts.command()
@click.argument("name")
@LIMITS
@BUDGETS
@plan_options
@METADATA
@ONCE
@DRY_RUN
@administers
def create(
    admin: AdminClient,
    name: str,
    limits: tuple[str, ...],
    budgets: tuple[str, ...],
    markup: float | None,
    prices: tuple[str, ...],
    included: str | None,
    cached: float | None,
    prepaid: bool | None,
    metadata: tuple[str, ...],
    once: str | None,
    dry_run: bool,
) -> None:
    """Make the account NAME."""
    body = given(
        name=name,
        limits=limits_of(limits),
        budgets=budgets_of(budgets),
        plan=plan_of({}, markup, prices, included, cached, prepaid),
        metadata=metadata_of(metadata),
    )
    if dry_run:
        from ..admin.asked import AccountNew

        admin.rehearse("POST", "/accounts", body, AccountNew)
        return
    admin.sheet(admin.change("POST", "/accounts", body, once=new_once(once)), first=FIRST)


@accounts.command("list")
@LIMIT
@administers
def list_accounts(admin: AdminClient, limit: int) -> None:
    """List accounts, the latest first."""
    rows, more = admin.pages("/accounts", limit=limit)
    admin.rows(rows, COLUMNS, more=more, limit=limit)


@accounts.command()
@click.argument("account")
@administers
def show(admin: AdminClient, account: str) -> None:
    """Show ACCOUNT."""
    admin.sheet(admin.get(_path(account)), first=FIRST)


@accounts.command()
@click.argument("account")
@click.option("--name", help="A new name.")
@click.option("--status", type=click.Choice(["active", "suspended"]), help="Suspended accounts' keys are refused.")
@LIMITS
@BUDGETS
@plan_options
@METADATA
@DRY_RUN
@administers
def update(
    admin: AdminClient,
    account: str,
    name: str | None,
    status: str | None,
    limits: tuple[str, ...],
    budgets: tuple[str, ...],
    markup: float | None,
    prices: tuple[str, ...],
    included: str | None,
    cached: float | None,
    prepaid: bool | None,
    metadata: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Change ACCOUNT. Limits, budgets and metadata are replaced whole; a plan's parts one by one."""
    before = admin.get(_path(account))
    body = given(
        name=name,
        status=status,
        limits=limits_of(limits),
        budgets=budgets_of(budgets),
        plan=plan_of(obj(before.get("plan")), markup, prices, included, cached, prepaid),
        metadata=metadata_of(metadata),
    )
    if not body:
        raise click.UsageError("Nothing to change was given; see tollway accounts update --help.")
    if dry_run:
        from ..admin.asked import AccountPatch

        admin.rehearse("PATCH", _path(account), body, AccountPatch)
        return
    admin.sheet(admin.change("PATCH", _path(account), body, version=before.get("version")), first=FIRST)


@accounts.command()
@click.argument("account")
@YES
@DRY_RUN
@administers
def close(admin: AdminClient, account: str, yes: bool, dry_run: bool) -> None:
    """Close ACCOUNT for good: its keys stop working, its ledger stays."""
    before: JsonObject = admin.get(_path(account))
    if dry_run:
        admin.rehearse("DELETE", _path(account))
        return
    confirm(f"Close the account {before.get('name')} ({before.get('id')}) for good?", yes=yes)
    admin.sheet(admin.change("DELETE", _path(account)), first=FIRST)


def _path(account: str) -> str:
    return f"/accounts/{part(account)}"
