"""A provider's list of what it billed, row by row: CSV, JSON or JSON lines, columns found by their common names.

A row that cannot be read is reported with its line, and the others are still read. CSV and JSON lines are never held whole.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Literal

import msgspec
from msgspec import Struct

from .tariff import MILLION

Format = Literal["csv", "json", "jsonl"]
Field = Literal["id", "model", "input_tokens", "output_tokens", "cached_tokens", "cost"]

NAMES: Mapping[Field, tuple[str, ...]] = {
    "id": ("request_id", "x_request_id", "response_id", "generation_id", "completion_id", "id"),
    "model": ("model", "model_id", "model_name", "model_version"),
    "input_tokens": ("input_tokens", "prompt_tokens", "tokens_prompt", "n_context_tokens_total", "input_token_count"),
    "output_tokens": (
        "output_tokens", "completion_tokens", "tokens_completion", "n_generated_tokens_total", "output_token_count",
    ),
    "cached_tokens": (
        "cached_tokens", "input_cached_tokens", "cache_read_input_tokens", "cached_input_tokens", "cached_prompt_tokens",
        "prompt_tokens_details_cached_tokens", "input_tokens_details_cached_tokens",
    ),
    "cost": ("cost", "cost_usd", "amount", "amount_usd", "total_cost", "usd", "cost_in_usd", "amount_value", "price"),
}  # fmt: skip
"""Names in the order in which they are looked for: lower case, everything but letters and digits an underscore. What is nested
is joined (``usage.prompt_tokens``), and ``usage_`` in front does not matter."""

_LONGEST = 256
_MOST_TOKENS = 10**12
_MOST_DOLLARS = 10**6
_EXACT = MILLION * MILLION
"""Parts of a dollar in ``Row.cost``."""


class Row(Struct, frozen=True, gc=False):
    """One billed request; ``None`` where the export does not say. ``cost``: millionths of a micro-dollar."""

    line: int
    id: str
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None


class BadRow(Struct, frozen=True, gc=False):
    """A row that says nothing; ``line`` counts from 1."""

    line: int
    problem: str


class UnknownColumns(ValueError):
    """No row can be matched: the text names the columns that are there, and how to say which one is meant."""


def format_of(name: str, beginning: bytes) -> Format:
    """By the file's name, else by how it begins."""
    ending = name.lower().rpartition(".")[2]
    if ending in ("jsonl", "ndjson"):
        return "jsonl"
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        # An object a line, or one object over many.
        return "json" if ending == "json" or text.split(b"\n", 1)[0].rstrip() == b"{" else "jsonl"
    return "csv"


def rows_of(lines: Iterable[str], form: Format, columns: Mapping[Field, str] | None = None) -> Iterator[Row | BadRow]:
    """The rows of a file's lines. ``columns``: names of the file's own for fields. Raises ``UnknownColumns``."""
    if form == "csv":
        return _csv(lines, columns or {})
    return _json(lines, columns or {}) if form == "json" else _json_lines(lines, columns or {})


# ---- forms ----------------------------------------------------------------------------------------------------------


def _csv(lines: Iterable[str], columns: Mapping[Field, str]) -> Iterator[Row | BadRow]:
    rest = iter(lines)
    first = next(rest, "").removeprefix("\ufeff")
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.reader(chain((first,), rest), delimiter=delimiter)
    header = _next(reader)
    if not isinstance(header, list):
        raise UnknownColumns("The file has no header line that names its columns.")
    where = _columns([plain(name) for name in header], columns)
    while (cells := _next(reader)) is not None:
        line = reader.line_num
        if isinstance(cells, str):
            yield BadRow(line, cells)
        elif cells:
            found = {field: cells[index] for field, index in where.items() if index < len(cells)}
            yield _row(line, found)


def _next(reader: "Iterator[list[str]]") -> list[str] | str | None:
    """The next row, what is wrong with it, or ``None`` at the end."""
    try:
        return next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        return str(error)


def _columns(names: Sequence[str], chosen: Mapping[Field, str]) -> dict[Field, int]:
    where: dict[Field, int] = {}
    for field in NAMES:
        known = (plain(chosen[field]),) if field in chosen else NAMES[field]
        for name in known:
            if name in names:
                where[field] = names.index(name)
                break
        else:
            if field in chosen:
                raise UnknownColumns(f"The file has no column {chosen[field]!r}; it has {_listed(names)}.")
    _check(where, names)
    return where


def _check(found: Mapping[Field, object], names: Sequence[str]) -> None:
    if "id" not in found:
        raise UnknownColumns(
            f"No column holds the request's id; the file has {_listed(names)}. Name it with id=COLUMN."
        )


def _json_lines(lines: Iterable[str], columns: Mapping[Field, str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").strip() if number == 1 else line.strip()
        if text:
            yield _object(number, text.encode(errors="replace"), columns)


def _json(lines: Iterable[str], columns: Mapping[Field, str]) -> Iterator[Row | BadRow]:
    """One array, alone or as the ``data`` of an object. Held whole."""
    text = "".join(lines).removeprefix("\ufeff").encode(errors="replace")
    try:
        found = _document.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnknownColumns(f"The file is not a JSON array of rows, alone or under data: {error}") from None
    rows = found if isinstance(found, list) else found.data
    for number, row in enumerate(rows, 1):
        yield _object(number, bytes(row), columns)


class _Document(Struct):
    data: list[msgspec.Raw]


_document = msgspec.json.Decoder(list[msgspec.Raw] | _Document)
_any = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)


def _object(line: int, text: bytes, columns: Mapping[Field, str]) -> Row | BadRow:
    try:
        flat = _flat(_any.decode(text), "", 4)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadRow(line, f"not a JSON object: {error}")
    found = {}
    for field, names in NAMES.items():
        for name in (plain(columns[field]),) if field in columns else names:
            if name in flat:
                found[field] = flat[name]
                break
    return _row(line, found)


def _flat(values: Mapping[str, object], before: str, depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        whole = plain(f"{before}{name}")
        if isinstance(value, dict) and depth:
            found |= _flat(value, f"{whole}_", depth - 1)
        elif value is not None:
            found[whole] = value
    return found


# ---- cells ----------------------------------------------------------------------------------------------------------

_OTHER = re.compile(r"[^a-z0-9]+")


def plain(name: str) -> str:
    """A column's name as ``NAMES`` writes it."""
    return _OTHER.sub("_", name.strip().lower()).strip("_").removeprefix("usage_")


def _row(line: int, found: Mapping[Field, object]) -> Row | BadRow:
    ident = str(found.get("id", "")).strip()
    if not ident:
        return BadRow(line, "no request id")
    if len(ident) > _LONGEST:
        return BadRow(line, f"a request id of more than {_LONGEST} characters")
    try:
        return Row(
            line,
            ident,
            str(found.get("model", ""))[:_LONGEST],
            _tokens(found, "input_tokens"),
            _tokens(found, "output_tokens"),
            _tokens(found, "cached_tokens"),
            _cost(found),
        )
    except ValueError as error:
        return BadRow(line, str(error))


def _tokens(found: Mapping[Field, object], field: Field) -> int | None:
    number = _number(found, field)
    if number is None:
        return None
    if number != int(number) or not 0 <= number <= _MOST_TOKENS:
        raise ValueError(f"{field} is not a count of tokens: {number}")
    return int(number)


def _cost(found: Mapping[Field, object]) -> int | None:
    number = _number(found, "cost")
    if number is None:
        return None
    if not 0 <= number <= _MOST_DOLLARS:
        raise ValueError(f"cost is not an amount in dollars: {number}")
    return round(number * _EXACT)


def _number(found: Mapping[Field, object], field: Field) -> Decimal | None:
    given = found.get(field)
    if given is None or given == "":
        return None
    text = str(given).strip().removeprefix("$").replace(",", "")
    if isinstance(given, bool) or not text:
        raise ValueError(f"{field} is not a number: {str(given)[:40]!r}")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{field} is not a number: {str(given)[:40]!r}") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError(f"{field} is not a number: {str(given)[:40]!r}")
    return number


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
