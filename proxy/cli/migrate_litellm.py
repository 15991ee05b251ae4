"""``tollway migrate litellm``: LiteLLM's configuration written anew as ours, with a report of what was left behind."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

import click

from ..config import ConfigError
from ..config.load import read
from ..migration import Migration, is_litellm, report_rows, report_text
from ..migration import migrate as migrated
from . import Failure

PRIVATE = 0o600
"""Mode of the new file: keys that stood in the old one stand in it too."""

STRICT = 2
"""Exit code of ``--strict`` when something was not carried over."""


@click.command(epilog="Exit codes: 0 done, 1 failed, 2 something was not carried over under --strict.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("tollway.yaml"), show_default=True)
@click.option("--dry-run", is_flag=True, help="Print the new file to stdout and write nothing.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--strict", is_flag=True, help="Exit with 2 when something was not carried over.")
@click.option("--report", type=click.Choice(["text", "json"]), default="text", show_default=True)
def litellm(file: Path, out: Path, dry_run: bool, force: bool, strict: bool, report: str) -> None:
    """Rewrite LiteLLM's FILE (config.yaml) as ours and report on stderr every key that did not simply arrive."""
    found = _migrated(file)
    text = found.text(file.name)
    if dry_run:
        click.echo(text, nl=False)
    else:
        _write(out, text, force=force)
    _tell(found, report, None if dry_run else out)
    if strict and found.lost:
        raise SystemExit(STRICT)


def _migrated(file: Path) -> Migration:
    try:
        root = read(file)
        if not is_litellm(root):
            raise Failure(
                f"{file} is no configuration of LiteLLM's: it has none of model_list, litellm_settings, router_settings "
                "and general_settings.",
                fix="name the file that LiteLLM is started with: litellm --config FILE",
            )
        return migrated(root, file=file, read=read)
    except ConfigError as error:
        raise Failure(str(error), fix="mend the file and run the command again") from None


def _write(out: Path, text: str, *, force: bool) -> None:
    """Whole or not at all, readable by its owner alone. Raises ``Failure``."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    place = out.with_name(f".{out.name}.{os.getpid()}") if force else out
    try:
        with os.fdopen(os.open(place, flags, PRIVATE), "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), stat.S_IMODE(PRIVATE))
            stream.write(text)
        if force:
            place.replace(out)
    except FileExistsError:
        raise Failure(f"{out} is there already.", fix="name another with -o, or replace it with --force") from None
    except OSError as error:
        with suppress(OSError):
            if place != out:
                place.unlink()
        raise Failure(f"{out} cannot be written: {error.strerror}.", fix="name another place with -o") from None


def _tell(found: Migration, report: str, out: Path | None) -> None:
    if report == "json":
        rows = {
            "file": str(out) if out is not None else None,
            "carried": found.carried,
            "findings": report_rows(found.findings),
        }
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False), err=True)
        return
    click.echo(report_text(found.findings, carried=found.carried), err=True)
    if out is not None:
        click.echo(f"Written to {out}. Next: tollway check --config {out}", err=True)
