"""Files that a long command leaves behind: tried before the work begins, and written before anything is printed, as a pipe may close."""

from pathlib import Path

import click

from . import Failure


def check_writable(path: str | None) -> None:
    """A file that cannot be written is told of before anything is asked. Raises ``Failure``."""
    if path is None:
        return
    there = Path(path).exists()
    try:
        with Path(path).open("ab"):
            pass
        if not there:
            Path(path).unlink()
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror}; nothing was asked.",
            fix="name a file in a folder that you may write to",
        ) from None


def keep(path: str, words: str) -> str:
    """Writes the file and says so on stderr. What went wrong, "" where nothing did."""
    try:
        Path(path).write_text(words, encoding="utf-8")
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}."
    click.echo(f"Wrote {path}.", err=True)
    return ""
