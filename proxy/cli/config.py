"""``tollway config show|schema|diff``, and loading for every command: a bad configuration is one clear failure."""

import json
import os
from collections.abc import Mapping

import click
import yaml
from msgspec import Struct

from ..accounts import load_checked
from ..config import Config, ConfigError, Loaded, Secret
from ..config.json_schema import json_schema
from ..config.overrides import is_override
from ..config.problems import dotted
from ..config.show import Plain, changed, leaves, masked
from . import Failure

CONFIG_OPTION = click.option(
    "-c",
    "--config",
    "path",
    metavar="FILE",
    help="Configuration file (YAML, TOML or JSON). Default: TOLLWAY_CONFIG, then ./tollway.yaml, .yml, .toml or .json.",
)


def load_or_fail(
    path: str | None, overrides: Mapping[str, str] = {}, environ: Mapping[str, str] | None = None
) -> Loaded:
    """``config.load`` with the process's environment; a ConfigError becomes a Failure (exit code 1)."""
    try:
        return load_checked(path, os.environ if environ is None else environ, overrides)
    except ConfigError as error:
        told = str(error)
        count = len(error.problems)
    if count > 1:
        told = f"the configuration has {count} problems\n" + "\n".join(f"  {line}" for line in told.split("\n"))
    # A text of several lines that is one problem brings its own fix.
    raise Failure(told, fix=None if count == 1 and "\n" in told else "mend the configuration and run tollway check")


@click.group()
def config() -> None:
    """Show, compare or describe the configuration."""


@config.command()
@CONFIG_OPTION
@click.option("--origin", is_flag=True, help="Say where each value comes from: file and line, variable, or default.")
@click.option("--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def show(path: str | None, origin: bool, output: str) -> None:
    """Print the effective configuration, secrets masked."""
    loaded = load_or_fail(path)
    values = _origins(loaded) if origin else masked(loaded.config)
    if output == "json":
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
    elif not origin:
        click.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)
    else:
        assert isinstance(values, dict)
        for name, entry in values.items():
            assert isinstance(entry, dict)
            click.echo(f"{name}: {json.dumps(entry['value'], ensure_ascii=False)}  # {entry['origin']}")


def _origins(loaded: Loaded) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for path, value in leaves(loaded.config):
        name = dotted(path)
        found[name] = {"value": masked(value), "origin": loaded.origins.get(name, "default")}
    return found


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@config.command()
@click.argument("a", metavar="A", type=click.Path())
@click.argument("b", metavar="B", type=click.Path())
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when the two differ.")
def diff(a: str, b: str, output: str, exit_code: bool) -> None:
    """Compare two configuration files by their effect, secrets masked.

    References are resolved; TOLLWAY_SECTION__KEY variables, which would hide differences, are left out.
    """
    environ = {name: value for name, value in os.environ.items() if not is_override(name, Config)}
    old, new = load_or_fail(a, environ=environ), load_or_fail(b, environ=environ)
    change = changed(old.config, new.config, old.contents, new.contents)
    rows = [
        _row(name, old.config, new.config, restart=name in change.restart) for name in (*change.hot, *change.restart)
    ]
    if output == "json":
        click.echo(json.dumps([masked(row) for row in rows], indent=2, ensure_ascii=False))
    elif not rows:
        click.echo("no difference")
    for row in rows if output == "table" else ():
        click.echo(f"{row.path}: {row.old} -> {row.new}{'  (needs a restart)' if row.restart else ''}")
    if rows and exit_code:
        raise SystemExit(1)


class Row(Struct, frozen=True, kw_only=True):
    """One difference; values as JSON, ``absent`` where there is none."""

    path: str
    old: str
    new: str
    restart: bool


def _row(name: str, old: Config, new: Config, *, restart: bool) -> Row:
    before = {dotted(path): value for path, value in leaves(old)}
    after = {dotted(path): value for path, value in leaves(new)}
    return Row(path=name, old=_said(before, name), new=_said(after, name, changed=name in before), restart=restart)


def _said(values: Mapping[str, object], name: str, *, changed: bool = False) -> str:
    if name not in values:
        return "absent"
    text = json.dumps(masked(values[name]), ensure_ascii=False)
    return f"{text} (changed)" if changed and isinstance(values[name], Secret) else text
