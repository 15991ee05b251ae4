"""``tollway models``: what the catalogue knows, as a list, one model, or several side by side. No gateway, no network."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from . import Failure

if TYPE_CHECKING:
    from ..catalogue import Book, ModelInfo
    from ..wire.values import Json, JsonObject

OUTPUT = click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
CONFIG = click.option("--config", "path", type=click.Path(), help="Configuration file whose catalogue rows count, too.")
TIERS = ("preview", "stable", "deprecated", "retired")
Row = tuple[str, list[str]]


@click.group(short_help="List, show or compare the models of the catalogue.")
def models() -> None:
    """What is known about each provider's models: tier, prices, limits, modalities, parameters."""


@models.command("list")
@click.option("--provider", "-p", help="Only this provider's models.")
@click.option("--tier", type=click.Choice(TIERS), help="Only models of this tier.")
@click.option("--all", "everything", is_flag=True, help="Retired models, too.")
@CONFIG
@OUTPUT
@AS_JSON
def list_models(
    provider: str | None, tier: str | None, everything: bool, path: str | None, output: str, as_json: bool
) -> None:
    """List the catalogue, one model a line."""
    book, today = _book(path), _today()
    if provider is not None and provider not in book.providers():
        near = get_close_matches(provider, book.providers(), n=1)
        known = f"Did you mean {near[0]}?" if near else f"Providers: {', '.join(book.providers())}."
        raise Failure(f"The catalogue has no provider {provider!r}.", fix=known)
    found = [
        info
        for info in book
        if (provider is None or info.provider == provider)
        and (info.tier(today) == tier if tier is not None else everything or info.tier(today) != "retired")
    ]
    if output == "json" or as_json:
        click.echo(_json([_row(info, today) for info in found]))
        return
    lines = [("MODEL", "TIER", "CONTEXT", "MAX OUT", "IN $/M", "OUT $/M", "READS")]
    lines += [
        (
            f"{info.provider}/{info.id}",
            info.tier(today),
            _number(info.context),
            _number(info.max_output),
            _price(info.input_price),
            _price(info.output_price),
            " ".join(info.inputs),
        )
        for info in found
    ]
    click.echo(_aligned(lines, right=frozenset({2, 3, 4, 5})))


@models.command()
@click.argument("model")
@CONFIG
@OUTPUT
@AS_JSON
def show(model: str, path: str | None, output: str, as_json: bool) -> None:
    """Show everything that is known of MODEL (gpt-4o, openai/gpt-4o), at each provider that has it."""
    found, today = _find(_book(path), model), _today()
    if output == "json" or as_json:
        click.echo(_json([_row(info, today) for info in found]))
        return
    click.echo("\n\n".join(_sheet([info], today) for info in found))


@models.command()
@click.argument("names", metavar="MODEL...", nargs=-1, required=True)
@CONFIG
@OUTPUT
@AS_JSON
def compare(names: tuple[str, ...], path: str | None, output: str, as_json: bool) -> None:
    """Put models side by side: tier, price, context, modality, parameters."""
    book, today = _book(path), _today()
    found = [_find(book, name)[0] for name in names]
    if output == "json" or as_json:
        click.echo(_json([_row(info, today) for info in found]))
        return
    click.echo(_sheet(found, today))


def _book(path: str | None) -> "Book":
    """The shipped catalogue, with the rows of a configuration on top when one is named."""
    from .. import catalogue
    from ..catalogued import rows_of
    from ..config import ConfigError, load

    if path is None:
        return catalogue.shipped()
    try:
        return catalogue.changed(catalogue.shipped(), rows_of(load(path, os.environ).config))
    except (ConfigError, ValueError) as error:
        raise Failure(str(error), fix=f"tollway check --config {path}") from None


def _today() -> date:
    return datetime.now(UTC).date()


def _find(book: "Book", name: str) -> "list[ModelInfo]":
    """Every provider's row of a name; ``provider/model`` and exact ids first. Raises ``Failure`` with the nearest names."""
    provider, slash, rest = name.partition("/")
    if slash and provider in book.providers():
        one = book.info(provider, rest)
        if one is not None:
            return [one]
    found = [one for known in book.providers() if (one := book.info(known, name)) is not None]
    if found:
        return sorted(found, key=lambda info: info.id != name)
    names = [info.id for info in book] + [f"{info.provider}/{info.id}" for info in book]
    near = get_close_matches(name, names, n=4, cutoff=0.5)
    fix = f"did you mean {', '.join(near)}?" if near else "tollway models list shows every name."
    raise Failure(f"The catalogue has no model {name!r}.", fix=fix)


def _row(info: "ModelInfo", today: date) -> "JsonObject":
    from ..catalogue.behaviour import behaviour_of
    from ..catalogued import shown

    about = shown(info, behaviour_of(info.id), today)
    return {"id": info.id, "provider": info.provider, **about, "parameters": _parameters(info), "source": info.source}


def _parameters(info: "ModelInfo") -> "dict[str, Json]":
    """How each request parameter fares, in a word or two."""
    from ..catalogue.behaviour import DEFAULT, behaviour_of

    behaviour = behaviour_of(info.id)
    sampling = {
        "yes": "yes",
        "no": "dropped",
        "effort_none": "with effort none",
        "effort_none_explicit": "with effort none only",
    }
    claude = behaviour is not DEFAULT and not behaviour.adapt
    cap = "max_completion_tokens" if behaviour.completion_cap else "max_tokens"
    temperature = sampling[behaviour.sampling] if info.sampling != "no" else "dropped"
    logprobs = "dropped" if not behaviour.logprobs else "yes" if behaviour.sampling == "yes" else temperature
    return {
        "system messages": "as the user's" if behaviour.system_role == "none" else "yes",
        "output cap": cap,
        "temperature, top_p": temperature,
        "penalties": "yes" if behaviour.penalties else "dropped",
        "logprobs": logprobs,
        "n > 1": "yes" if behaviour.several else "refused",
        "stop": "yes" if behaviour.stop else "enforced here",
        "streaming": "yes" if behaviour.streaming else "made up for",
        "tools": "yes" if info.tools else "refused",
        "parallel tool calls": "yes" if info.parallel_tools else "no",
        "JSON schema": "yes" if info.json_schema else "as an instruction",
        "reasoning_effort": " ".join(behaviour.efforts)
        or ("no" if claude or behaviour.adapt else "as the provider has it"),
    }


def _sheet(found: "Sequence[ModelInfo]", today: date) -> str:
    """Models as columns, facts as lines; facts that none of them has are left out."""
    rows: list[Row] = [
        ("", [info.id for info in found]),
        ("provider", [info.provider for info in found]),
        ("tier", [info.tier(today) for info in found]),
        ("last day", [_said(info.shutdown) for info in found]),
        ("successor", [info.successor or "-" for info in found]),
        ("context", [_number(info.context) for info in found]),
        ("max output", [_number(info.max_output) for info in found]),
        ("reads", [" ".join(info.inputs) for info in found]),
        ("writes", [" ".join(info.outputs) for info in found]),
        ("input $/M", [_price(info.input_price) for info in found]),
        ("cached input $/M", [_price(info.cached_price) for info in found]),
        ("cache write $/M", [_price(info.cache_write_price) for info in found]),
        ("output $/M", [_price(info.output_price) for info in found]),
        ("batch input $/M", [_price(info.batch_input_price) for info in found]),
        ("batch output $/M", [_price(info.batch_output_price) for info in found]),
        ("above tokens", [_number(info.tier_above) for info in found]),
        ("  input $/M", [_price(info.tier_input_price) for info in found]),
        ("  output $/M", [_price(info.tier_output_price) for info in found]),
        ("reasoning", ["yes" if info.reasoning else "no" for info in found]),
    ]
    chats = [info for info in found if info.mode in ("chat", "responses")]
    if chats:
        sheets = [_parameters(info) for info in found]
        rows += [(name, [str(sheet[name]) for sheet in sheets]) for name in sheets[0]]
    rows.append(("price note", [info.price_note or "-" for info in found]))
    kept = [(name, cells) for name, cells in rows if any(cell != "-" for cell in cells)]
    return _aligned([(name, *cells) for name, cells in kept])


def _aligned(lines: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [
        "  ".join(
            f"{cell:>{width}}" if at in right else f"{cell:<{width}}"
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in padded)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}".replace(",", " ")


def _price(value: int | None) -> str:
    """Micro-dollars per million tokens as dollars; ``-`` is unknown."""
    return "-" if value is None else f"{value / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _said(day: date | None) -> str:
    return "-" if day is None else day.isoformat()


def _json(value: "Json") -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
