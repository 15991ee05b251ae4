"""What administrative commands print: tables, sheets, JSON or YAML; secrets once, and only where they are meant to be read."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence

import click
import yaml

from ..wire.values import Json, JsonObject
from . import Failure

Cell = Callable[[JsonObject], Json]
Columns = Mapping[str, Cell | str]
"""Heading to a field's name, or to what makes the cell."""

NUMBERS = frozenset(
    (
        "USD", "CHARGE", "COST", "USED", "USES", "REQUESTS", "INPUT", "OUTPUT", "CACHED", "LEDGER", "PROVIDER USD", "DIFFERENCE", "HITS",
        "SAVED TOKENS", "SAVED", "SAVED COST",
    )
)  # fmt: skip
"""Headings whose cells are aligned to the right."""

OUTPUT = click.option(
    "--output", "-o", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True, help="Format."
)


_FRACTION = re.compile(r"(?<=T[0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]+Z$")


class Printer:
    """Prints values in the format that was asked for."""

    def __init__(self, output: str) -> None:
        self.output = output

    def rows(self, rows: Sequence[JsonObject], columns: Columns, *, more: bool, limit: int) -> None:
        """A list, and on stderr that there is more."""
        if self.output == "table":
            lines = [list(columns), *[[text_of(_cell(row, cell)) for cell in columns.values()] for row in rows]]
            right = frozenset(index for index, heading in enumerate(columns) if heading in NUMBERS)
            click.echo(aligned(lines, right=right))
        else:
            self.value({"data": list(rows), "has_more": more})
        if more:
            click.echo(f"There is more than these {len(rows)}: --limit {limit * 10} shows more of it.", err=True)

    def sheet(self, value: JsonObject, *, first: Sequence[str] = ()) -> None:
        """One object: a line a field; ``first`` names those that come first."""
        if self.output != "table":
            self.value(value)
            return
        names = [*[name for name in first if name in value], *[name for name in value if name not in first]]
        lines = [[name, text_of(value[name])] for name in names if name != "object"]
        click.echo(aligned(lines))

    def value(self, value: Json) -> None:
        """As JSON or YAML."""
        if self.output == "yaml":
            click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
        else:
            click.echo(json.dumps(value, indent=2, ensure_ascii=False))

    def check_secret(self, what: str) -> None:
        """Before a secret is made: can it be shown? Raises ``Failure`` where it would only land in a file or a log."""
        if self.output != "json" and not on_terminal():
            raise Failure(
                f"The {what} is shown this once, and this is no terminal: nothing was made.",
                fix="add --output json to take it from the output, or run this in a terminal",
            )


def on_terminal() -> bool:
    """Does a person read what is printed?"""
    return sys.stdout.isatty()


def asks() -> bool:
    """Is there a person who can answer a question?"""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal; scripts are taken at their word. Raises ``Failure`` at a no."""
    if not yes and asks() and not click.confirm(question, err=True):
        raise Failure("Nothing was changed.", fix="answer y, or add --yes")


def aligned(lines: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [
        "  ".join(
            f"{cell:>{width}}" if at in right else f"{cell:<{width}}"
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in padded)


def text_of(value: Json) -> str:
    """A cell: nothing is ``-``, lists are joined, control characters of a foreign text do not reach the terminal."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text_of(item) for item in value)
    text = _text_of_object(value) if isinstance(value, dict) else _FRACTION.sub("Z", str(value))
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "-"


def _text_of_object(value: JsonObject) -> str:
    """Budgets as ``--budget`` takes them, postings with their book, anything else field by field."""
    if "usd" in value and "per" in value:
        usd = value["usd"]
        return f"{f'{usd:.2f}' if isinstance(usd, float) and usd * 100 % 1 == 0 else usd}/{value['per']}" + (
            "" if value.get("hard", True) else "/soft"
        )
    if "book" in value:
        return f"{value['book']} {value.get('usd')}"
    return " ".join(f"{name}={_inner(item)}" for name, item in value.items() if item not in (None, [], {})) or "-"


def _inner(value: Json) -> str:
    return "+".join(map(text_of, value)) if isinstance(value, list) else text_of(value)


def _cell(row: JsonObject, cell: Cell | str) -> Json:
    return row.get(cell) if isinstance(cell, str) else cell(row)
