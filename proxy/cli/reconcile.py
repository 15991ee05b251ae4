"""``tollway reconcile``: a provider's usage export against the ledger, request by request."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import get_args

import click
from msgspec import convert

from ..money.amounts import InvalidAmount, dollars, micro_dollars
from ..money.exports import Field, Format, UnknownColumns, format_of, rows_of
from ..money.reconcile import Difference, Finding, Measure, Totals, compare
from ..protocols import Entry
from ..wire.values import Json, JsonObject, objects
from . import Failure
from .admin_client import AdminClient, administers
from .printed import Columns
from .usage import FROM, TO

FIELDS: tuple[str, ...] = get_args(Field)
TEXTS = (
    "request_id", "upstream_id", "account", "key", "key_name", "endpoint", "route", "provider", "model", "outcome", "ending", "cache",
)  # fmt: skip
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
BEGINNING = 4096
"""Bytes that tell a file's format."""


@click.command(epilog="Exit codes: 0 everything agrees, 1 something differs (or it failed), 2 wrong usage.")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--provider", "-p", help="Only the ledger's requests to this provider. Best given: an export is one provider's."
)
@FROM
@TO
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME", help=f"FIELD ({', '.join(FIELDS)}) is the column NAME."
)
@click.option(
    "--limit", type=click.IntRange(0, 1_000_000), default=100, show_default=True, help="Differences shown at most."
)
@administers
def reconcile(
    admin: AdminClient,
    file: str,
    provider: str | None,
    since: str | None,
    until: str | None,
    columns: tuple[str, ...],
    limit: int,
) -> None:
    """Compare FILE, a provider's usage export (CSV, JSON, JSON lines; - is standard input), with the ledger.

    Requests are matched by the provider's own request id. Give the period that the export covers: without it what the ledger has
    of other days counts as missing from FILE.
    """
    chosen = _columns(columns)
    entries = _entries(admin, provider, since, until)
    totals = Totals.empty()
    shown: list[Finding] = []
    found = 0
    try:
        with _opened(file) as (lines, form):
            for finding in compare(rows_of(lines, form, chosen), entries, totals):
                found += 1
                if len(shown) < limit:
                    shown.append(finding)
    except UnknownColumns as error:
        raise Failure(str(error), fix="say which column is which: --column id=NAME") from None
    except UnicodeDecodeError:
        raise Failure(f"{file} is not text in UTF-8.", fix="export it as CSV or JSON in UTF-8") from None
    _print(admin, shown, totals, more=found > len(shown))
    if found:
        raise SystemExit(1)


# ---- what is compared -----------------------------------------------------------------------------------------------


def _columns(given: tuple[str, ...]) -> dict[Field, str]:
    chosen: dict[Field, str] = {}
    for item in given:
        name, equals, column = item.partition("=")
        field = next((each for each in get_args(Field) if each == name), None)
        if field is None or not equals or not column:
            raise click.BadParameter(
                f"{item!r} is not FIELD=NAME with a field of {', '.join(FIELDS)}.", param_hint="--column"
            )
        chosen[field] = column
    return chosen


@contextmanager
def _opened(file: str) -> Iterator[tuple[Iterable[str], Format]]:
    """The file's lines, with the ends that a quoted cell may hold, and its format."""
    if file == "-":
        first = sys.stdin.readline()
        yield chain((first,), sys.stdin), format_of(file, first.encode())
        return
    path = Path(file)
    with path.open("rb") as raw:
        beginning = raw.read(BEGINNING)
    with path.open(encoding="utf-8", newline="") as lines:
        yield lines, format_of(file, beginning)


def _entries(admin: AdminClient, provider: str | None, since: str | None, until: str | None) -> Iterator[Entry]:
    """The ledger's entries, page by page."""
    for row in admin.each("/requests", provider=provider, from_=since, to=until):
        yield _entry(row)


def _entry(row: JsonObject) -> Entry:
    """What is compared of an entry, from the API's answer."""
    values: dict[str, object] = {name: str(row.get(name, "")) for name in TEXTS}
    values |= {name: value if isinstance(value := row.get(name), int) else 0 for name in TOKENS}
    return convert(
        {**values, "count": "estimated", "ident": str(row.get("id", "")), "cost": _micro(row.get("cost"))}, Entry
    )


def _micro(amount: Json) -> int:
    try:
        return micro_dollars(amount, negative=True, zero=True)
    except InvalidAmount:
        raise Failure(
            "The ledger's answer has a cost that is no amount.", fix="is the gateway of this version?"
        ) from None


# ---- what is told ---------------------------------------------------------------------------------------------------


def _print(admin: AdminClient, shown: list[Finding], totals: Totals, *, more: bool) -> None:
    sums: dict[str, Json] = {
        "matched": totals.matched,
        "differing": totals.differing,
        "only_theirs": totals.only_theirs,
        "only_ours": totals.only_ours,
        "bad_rows": totals.bad_rows,
        "uncompared": totals.uncompared,
        "ours": _figures(totals.ours),
        "theirs": _figures(totals.theirs),
    }
    findings = [_finding(finding) for finding in shown]
    if admin.output != "table":
        admin.value({"totals": sums, "findings": [*findings], "has_more": more})
        return
    if findings:
        admin.rows(findings, COLUMNS, more=more, limit=len(findings))
        click.echo()
    admin.sheet(sums)


def _figures(found: dict[Measure, int]) -> dict[str, Json]:
    return {measure: _figure(measure, value) for measure, value in found.items()}


def _figure(measure: Measure, value: int) -> str | int:
    return dollars(value) if measure == "cost" else value


def _finding(finding: Finding) -> JsonObject:
    return {
        "kind": finding.kind,
        "upstream_id": finding.id,
        "line": finding.line,
        "model": finding.model,
        "differences": [_difference(each) for each in finding.differences],
        "problem": finding.problem,
    }


def _difference(each: Difference) -> JsonObject:
    percent = each.percent
    return {
        "measure": each.measure,
        "ours": _figure(each.measure, each.ours),
        "theirs": _figure(each.measure, each.theirs),
        "difference": _figure(each.measure, each.absolute),
        "percent": None if percent is None else round(percent, 2),
    }


def _said(row: JsonObject) -> str:
    """The differences of one request in a cell."""
    found = [f"{each['measure']} {each['ours']} -> {each['theirs']}" for each in objects(row.get("differences"))]
    return ", ".join(found) or str(row.get("problem") or "-")


COLUMNS: Columns = {
    "KIND": "kind",
    "PROVIDER'S ID": "upstream_id",
    "LINE": "line",
    "MODEL": "model",
    "OURS -> THEIRS": _said,
}
