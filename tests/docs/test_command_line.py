"""docs/cli.md and the command line say the same: every command has its row, every option its place, and no row is invented."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from proxy.cli import main

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "cli.md").read_text(encoding="utf-8")
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `tollway ([^`]+)` \|.*$", TEXT, re.MULTILINE)}


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """(words after ``tollway``, command) of everything that can be run."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command, info_name=path)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, f"{path} {name}".strip())


COMMANDS = dict(leaves(main))


def row_of(path: str) -> str:
    """The row of a command; those of vouchers share one."""
    for name, row in ROWS.items():
        if name == path or name.startswith(f"{path} "):
            return row
    group, _, last = path.rpartition(" ")
    return next((row for name, row in ROWS.items() if name.startswith(group) and f"`{last}" in row), "")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_its_row(path: str) -> None:
    assert row_of(path), f"docs/cli.md has no row for tollway {path}"


def test_no_row_is_invented() -> None:
    for name in ROWS:
        words = re.split(r" (?=[A-Z\[])", name)[0]
        assert words in COMMANDS or any(path.startswith(f"{words} ") for path in COMMANDS), name


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_described(path: str) -> None:
    """On the page of the command line, or on the page that the command's row leads to; the mock's as its controls."""
    linked = [DOCS / name for name in re.findall(r"\]\(([\w-]+\.md)", row_of(path))]
    text = TEXT + "".join(page.read_text(encoding="utf-8") for page in linked)
    missing = []
    for option in COMMANDS[path].params:
        if isinstance(option, click.Option):
            names = [*option.opts, *option.secondary_opts]
            names += [f"x-mock-{name[2:]}" for name in option.opts] if path == "mock" else []
            if not any(re.search(re.escape(name) + r"(?![\w-])", text) for name in names):
                missing.append(option.opts[0])
    assert missing == []
