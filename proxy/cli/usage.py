"""``tollway usage``: requests, tokens and money, summed up by what is asked for."""

import click

from ..wire.values import JsonObject, objects
from .admin_client import AdminClient, administers
from .printed import Columns

BY = ("day", "account", "key", "route", "model", "provider")
COLUMNS: Columns = {
    "REQUESTS": "requests",
    "INPUT": "input_tokens",
    "CACHED": "cached_tokens",
    "OUTPUT": "output_tokens",
    "CHARGE": "charge",
    "COST": "cost",
}


def _saved_tokens(row: JsonObject) -> int:
    """In and out."""
    found = (row.get("saved_input_tokens"), row.get("saved_output_tokens"))
    return sum(tokens for tokens in found if isinstance(tokens, int))


SAVED: Columns = {
    "HITS": "cache_hits",
    "SAVED TOKENS": _saved_tokens,
    "SAVED": "saved",
    "SAVED COST": "saved_cost",
}
"""Columns of what the cache answered, where it answered anything."""
FROM = click.option("--from", "since", metavar="WHEN", help="The first day, such as 2026-11-01.")
TO = click.option("--to", "until", metavar="WHEN", help="The last day.")


class _By(click.ParamType[str]):
    """Dimensions, separated by commas."""

    name = "BY"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In the order of ``BY``."""
        wanted = [item.strip() for item in str(value).split(",")]
        wrong = next((item for item in wanted if item not in BY), None)
        if wrong is not None:
            self.fail(f"{wrong!r} is none of {', '.join(BY)}.", param, ctx)
        return ",".join(item for item in BY if item in wanted)


@click.command()
@click.option("--by", type=_By(), default="day,model", show_default=True, help=f"Any of {', '.join(BY)}.")
@FROM
@TO
@click.option("--account", "-a", help="Only this account's: an id or name.")
@click.option("--key", help="Only this key's: its id; a key of the configuration file has its name for an id.")
@click.option("--model", help="Only this model's, as the provider names it.")
@click.option("--provider", help="Only this provider's.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="Rows at most.")
@administers
def usage(
    admin: AdminClient,
    by: str,
    since: str | None,
    until: str | None,
    account: str | None,
    key: str | None,
    model: str | None,
    provider: str | None,
    limit: int,
) -> None:
    """Sum up the ledger: requests, tokens, what customers are charged and what providers cost, in US dollars."""
    page = admin.get(
        "/usage",
        group_by=by,
        from_=since,
        to=until,
        account=account,
        key=key,
        model=model,
        provider=provider,
        limit=limit,
    )
    rows = objects(page.get("data"))
    columns: Columns = {**{name.upper(): name for name in by.split(",")}, **COLUMNS}
    if any(row.get("cache_hits") or row.get("saved_input_tokens") for row in rows):
        columns = {**columns, **SAVED}
    admin.rows(rows, columns, more=page.get("has_more") is True, limit=limit)
