"""``tollway keys``: virtual keys, made and shown once, listed, rotated with an overlap, revoked."""

import click

from ..wire.values import Json, JsonObject, objects
from . import Failure
from .admin_client import DRY_RUN, LIMIT, ONCE, YES, AdminClient, administers, new_once, part
from .printed import Columns, confirm
from .terms import BUDGETS, LIMITS, METADATA, budgets_of, given, key_cache_of, key_cache_options, limits_of, metadata_of
from .usage import COLUMNS as USED
from .usage import FROM, TO

SECRET = "sk-tw-"  # noqa: S105 - how one begins, not one
FIRST = ("key", "id", "name", "account", "status", "hint")
COLUMNS: Columns = {
    "ID": "id",
    "NAME": "name",
    "ACCOUNT": "account",
    "KEY": "hint",
    "STATUS": "status",
    "MODELS": "models",
    "LIMITS": "limits",
    "BUDGETS": "budgets",
    "EXPIRES": "expires",
    "REVOKED": "revoked",
}


@click.group(short_help="Make, list, show, rotate and revoke virtual keys.")
def keys() -> None:
    """Virtual keys belong to accounts. KEY is an id, or a name that only one key has; never the key's own text."""


@keys.command()
@click.argument("name")
@click.option("--account", "-a", required=True, help="Whose key: an account's id or name.")
@click.option(
    "--models", multiple=True, metavar="GLOB", help="Models it may use. Several may be given; without it all."
)
@click.option("--endpoints", multiple=True, metavar="GLOB", help="Operations it may call: chat, embeddings, files …")
@click.option("--providers", multiple=True, metavar="GLOB", help="Providers it may be served by.")
@click.option("--networks", multiple=True, metavar="CIDR", help="Addresses it may be used from.")
@click.option(
    "--passthrough/--no-passthrough", default=None, help="Paths that name no model. Default: only with all models."
)
@click.option("--stable", is_flag=True, help="No models in preview, deprecated or retired.")
@key_cache_options
@LIMITS
@BUDGETS
@click.option("--max-output-tokens", type=click.IntRange(1, 1_000_000_000), help="Tokens of one answer at most.")
@click.option("--expires", metavar="WHEN", help="A date (through its end) or time, such as 2027-01-14.")
@METADATA
@ONCE
@DRY_RUN
@administers
def create(
    admin: AdminClient,
    name: str,
    account: str,
    models: tuple[str, ...],
    endpoints: tuple[str, ...],
    providers: tuple[str, ...],
    networks: tuple[str, ...],
    passthrough: bool | None,
    stable: bool,
    exact: bool | None,
    semantic: bool | None,
    limits: tuple[str, ...],
    budgets: tuple[str, ...],
    max_output_tokens: int | None,
    expires: str | None,
    metadata: tuple[str, ...],
    once: str | None,
    dry_run: bool,
) -> None:
    """Make a key named NAME; its text is shown this once."""
    body = given(
        name=name,
        account=account,
        models=_listed(models),
        endpoints=_listed(endpoints),
        providers=_listed(providers),
        networks=_listed(networks),
        passthrough=passthrough,
        stability="stable" if stable else None,
        cache=key_cache_of(exact=exact, semantic=semantic),
        limits=limits_of(limits),
        budgets=budgets_of(budgets),
        max_output_tokens=max_output_tokens,
        expires=expires,
        metadata=metadata_of(metadata),
    )
    if dry_run:
        from ..admin.asked import KeyNew

        admin.get(f"/accounts/{part(account)}")
        admin.rehearse("POST", "/keys", body, KeyNew)
        return
    admin.check_secret("key")
    _show_made(admin, admin.change("POST", "/keys", body, once=new_once(once)))


@keys.command("list")
@click.option("--account", "-a", help="Only this account's.")
@LIMIT
@administers
def list_keys(admin: AdminClient, account: str | None, limit: int) -> None:
    """List keys, the latest first."""
    rows, more = admin.pages("/keys", limit=limit, account=account)
    admin.rows(rows, COLUMNS, more=more, limit=limit)


@keys.command()
@click.argument("key")
@administers
def show(admin: AdminClient, key: str) -> None:
    """Show KEY, without its text."""
    admin.sheet(admin.get(_path(admin, key)), first=FIRST)


@keys.command()
@click.argument("key")
@click.option(
    "--overlap", default="0s", show_default=True, metavar="TIME", help="How long the old one works on: 10m, 24h."
)
@ONCE
@YES
@DRY_RUN
@administers
def rotate(admin: AdminClient, key: str, overlap: str, once: str | None, yes: bool, dry_run: bool) -> None:
    """Replace KEY by a new one with the same terms; the new text is shown this once."""
    path = f"{_path(admin, key)}/rotate"
    body: JsonObject = {"overlap": overlap}
    if dry_run:
        from ..admin.asked import KeyRotate

        admin.rehearse("POST", path, body, KeyRotate)
        return
    admin.check_secret("new key")
    if overlap.rstrip("smhd").strip("0") == "":
        confirm("The old key stops at once. Rotate it?", yes=yes)
    _show_made(admin, admin.change("POST", path, body, once=new_once(once)))


@keys.command()
@click.argument("key")
@YES
@DRY_RUN
@administers
def revoke(admin: AdminClient, key: str, yes: bool, dry_run: bool) -> None:
    """Revoke KEY for good; every worker refuses it within a second."""
    path = _path(admin, key)
    before = admin.get(path)
    if dry_run:
        admin.rehearse("POST", f"{path}/revoke")
        return
    confirm(f"Revoke the key {before.get('name')} ({before.get('hint')}) for good?", yes=yes)
    admin.sheet(admin.change("POST", f"{path}/revoke"), first=FIRST)
    _tell_of_others(admin, before)


@keys.command()
@click.argument("key")
@FROM
@TO
@LIMIT
@administers
def usage(admin: AdminClient, key: str, since: str | None, until: str | None, limit: int) -> None:
    """Sum up what KEY used, by day. A key of the configuration file has its name for an id."""
    ident = _found(admin, key) or key
    page = admin.get("/usage", key=ident, group_by="day", from_=since, to=until, limit=min(limit, 1_000))
    admin.rows(objects(page.get("data")), {"DAY": "day", **USED}, more=page.get("has_more") is True, limit=limit)


def _tell_of_others(admin: AdminClient, revoked: JsonObject) -> None:
    """A rotated key has its successor's name: whoever revokes by name should hear of the one that works on."""
    rows, _ = admin.pages("/keys", limit=1_000_000, account=str(revoked.get("account")))
    for row in rows:
        if row.get("name") == revoked.get("name") and row.get("status") in ("active", "retiring"):
            until = f" until {row['revoked']}" if row.get("revoked") else ""
            click.echo(f"Another key of this name works on{until}: {row['id']} ({row['hint']}).", err=True)


def _show_made(admin: AdminClient, made: JsonObject) -> None:
    admin.sheet(made, first=FIRST)
    if made.get("key") is None:
        click.echo("It was made before, under this idempotency key; its text is not shown again.", err=True)
    elif admin.output == "table":
        click.echo("Keep the key now: it is not shown again.", err=True)


def _path(admin: AdminClient, key: str) -> str:
    return f"/keys/{part(_found(admin, key) or key)}"


def _found(admin: AdminClient, key: str) -> str | None:
    """The id of the key that ``key`` names; ``None`` where no stored key has this name. Raises ``Failure``."""
    if key.startswith(SECRET):
        raise Failure(
            "This is a key's own text, which should not be in a shell's history.",
            fix="name the key by its id or name: tollway keys list shows them",
        )
    if key.startswith("key_"):
        return key
    rows, _ = admin.pages("/keys", limit=1_000_000)
    named = [row for row in rows if row.get("name") == key]
    active = [row for row in named if row.get("status") == "active"] or named
    if len(active) > 1:
        idents = ", ".join(str(row["id"]) for row in active[:5])
        raise Failure(f"{len(active)} keys are named {key!r}.", fix=f"name one by its id: {idents}")
    return str(active[0]["id"]) if active else None


def _listed(values: tuple[str, ...]) -> Json:
    """Repeated, or with commas."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()] or None
