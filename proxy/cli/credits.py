"""``tollway credits``: money in and back, what is left, and vouchers."""

import click

from ..wire.values import JsonObject
from .admin_client import DRY_RUN, LIMIT, ONCE, YES, AdminClient, administers, new_once, part
from .printed import Columns, confirm
from .terms import USD, given
from .usage import FROM, TO

NUMBERS = {"ignore_unknown_options": True}
"""``-5`` is an amount, and is refused as one."""

NOTE = click.option("--note", metavar="TEXT", help="Kept with the movement.")
KINDS = ("top_up", "voucher", "hold", "capture", "release", "refund", "adjustment", "included")
MOVED = ("id", "kind", "account", "usd", "at")
MOVEMENTS: Columns = {
    "AT": "at",
    "KIND": "kind",
    "USD": "usd",
    "ACCOUNT": "account",
    "REQUEST": "request",
    "NOTE": "note",
    "BY": "actor",
    "ID": "id",
}
VOUCHERS: Columns = {
    "ID": "id",
    "USD": "usd",
    "USED": lambda row: f"{row.get('used')}/{row.get('uses')}",
    "EXPIRES": "expires",
    "REVOKED": "revoked",
    "CREATED": "created",
    "NOTE": "note",
}


@click.group(short_help="Top up, refund, look at balances; vouchers.")
def credits() -> None:
    """Money of accounts, in US dollars. ACCOUNT is an id or a name."""


@credits.command(context_settings=NUMBERS)
@click.argument("account")
@click.argument("usd", type=USD)
@NOTE
@ONCE
@DRY_RUN
@administers
def add(admin: AdminClient, account: str, usd: str, note: str | None, once: str | None, dry_run: bool) -> None:
    """Add USD (10.50) that ACCOUNT paid in."""
    _move(admin, account, "credits", given(usd=usd, note=note), once, dry_run)


@credits.command(context_settings=NUMBERS)
@click.argument("account")
@click.argument("usd", type=USD)
@click.option("--request", metavar="ID", help="For this request of the ledger: then never more than it cost.")
@NOTE
@ONCE
@DRY_RUN
@administers
def refund(
    admin: AdminClient,
    account: str,
    usd: str,
    request: str | None,
    note: str | None,
    once: str | None,
    dry_run: bool,
) -> None:
    """Give USD back to ACCOUNT."""
    _move(admin, account, "refunds", given(usd=usd, request=request, note=note), once, dry_run)


@credits.command()
@click.argument("account")
@administers
def balance(admin: AdminClient, account: str) -> None:
    """Show what ACCOUNT was given, has, holds for requests under way, and how far its budgets are used."""
    found = admin.get(f"{_path(account)}/balance")
    if admin.output != "table":
        admin.value(found)
        return
    budgets = found.pop("budgets", None)
    admin.sheet(found, first=("account", "available", "balance", "held", "granted"))
    if isinstance(budgets, list) and budgets:
        click.echo()
        columns: Columns = {
            "BUDGET": "per",
            "HARD": "hard",
            "USD": "limit",
            "USED": "used",
            "HELD": "held",
            "LEFT": "left",
            "RESETS AT": "resets_at",
        }
        rows = [item for item in budgets if isinstance(item, dict)]
        admin.rows(rows, columns, more=False, limit=len(rows))


@credits.command()
@click.argument("account")
@click.option("--kind", type=click.Choice(KINDS), help="Only movements of this kind.")
@FROM
@TO
@LIMIT
@administers
def history(
    admin: AdminClient, account: str, kind: str | None, since: str | None, until: str | None, limit: int
) -> None:
    """List the movements of ACCOUNT's money, the latest first."""
    rows, more = admin.pages("/transactions", limit=limit, account=account, kind=kind, from_=since, to=until)
    admin.rows(rows, MOVEMENTS, more=more, limit=limit)


@credits.group()
def voucher() -> None:
    """Codes worth money: made, listed, redeemed, revoked."""


@voucher.command("create", context_settings=NUMBERS)
@click.argument("usd", type=USD)
@click.option(
    "--uses", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Accounts that may redeem it."
)
@click.option("--expires", metavar="WHEN", help="A date (through its end) or time.")
@NOTE
@ONCE
@DRY_RUN
@administers
def create(
    admin: AdminClient, usd: str, uses: int, expires: str | None, note: str | None, once: str | None, dry_run: bool
) -> None:
    """Make a voucher worth USD to each account that redeems it; its code is shown this once."""
    body = given(usd=usd, uses=uses, expires=expires, note=note)
    if dry_run:
        from ..admin.asked import VoucherNew

        admin.rehearse("POST", "/vouchers", body, VoucherNew)
        return
    admin.check_secret("voucher's code")
    made = admin.change("POST", "/vouchers", body, once=new_once(once))
    admin.sheet(made, first=("code", "id", "usd"))
    if made.get("code") is None:
        click.echo("It was made before, under this idempotency key; its code is not shown again.", err=True)
    elif admin.output == "table":
        click.echo("Keep the code now: it is not shown again.", err=True)


@voucher.command("list")
@LIMIT
@administers
def list_vouchers(admin: AdminClient, limit: int) -> None:
    """List vouchers, the latest first, without their codes."""
    rows, more = admin.pages("/vouchers", limit=limit)
    admin.rows(rows, VOUCHERS, more=more, limit=limit)


@voucher.command()
@click.argument("account")
@click.argument("code")
@ONCE
@DRY_RUN
@administers
def redeem(admin: AdminClient, account: str, code: str, once: str | None, dry_run: bool) -> None:
    """Add the worth of CODE to ACCOUNT; each account can do so once."""
    path = f"{_path(account)}/vouchers"
    if dry_run:
        admin.get(_path(account))
        admin.rehearse("POST", path, {"code": "…"})
        return
    admin.sheet(admin.change("POST", path, {"code": code}, once=new_once(once)), first=MOVED)


@voucher.command()
@click.argument("voucher")
@YES
@DRY_RUN
@administers
def revoke(admin: AdminClient, voucher: str, yes: bool, dry_run: bool) -> None:
    """Revoke VOUCHER (its id): nobody can redeem it any more."""
    path = f"/vouchers/{part(voucher)}"
    before = admin.get(path)
    if dry_run:
        admin.rehearse("DELETE", path)
        return
    confirm(f"Revoke the voucher {before.get('id')} of {before.get('usd')} dollars?", yes=yes)
    admin.sheet(admin.change("DELETE", path), first=("id", "usd", "revoked"))


def _move(admin: AdminClient, account: str, what: str, body: JsonObject, once: str | None, dry_run: bool) -> None:
    path = f"{_path(account)}/{what}"
    if dry_run:
        from ..admin.asked import CreditNew, RefundNew

        admin.get(_path(account))
        admin.rehearse("POST", path, body, CreditNew if what == "credits" else RefundNew)
        return
    admin.sheet(admin.change("POST", path, body, once=new_once(once)), first=MOVED)


def _path(account: str) -> str:
    return f"/accounts/{part(account)}"
