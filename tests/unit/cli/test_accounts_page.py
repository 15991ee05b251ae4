"""docs/accounts.md: its commands are run as pasted, in order, with its configuration."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from proxy.cli import main, printed

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/accounts.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if "…" not in line]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_commands_work_as_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = blocks("yaml")
    (tmp_path / "tollway.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
    monkeypatch.setattr(printed, "on_terminal", lambda: True)
    assert len(commands()) > 15
    for words in commands():
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, (words, result.output)


def test_every_command_and_option_that_the_page_and_the_command_line_page_name_exists() -> None:
    text = PAGE + (ROOT / "docs/cli.md").read_text()
    known: set[str] = set()

    def walk(command: click.Command) -> None:
        context = click.Context(command)
        known.update(name for param in command.get_params(context) for name in (*param.opts, *param.secondary_opts))
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                walk(found)

    walk(main)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known == set()


@pytest.mark.parametrize("group", ["accounts", "keys", "credits", "migrate"])
def test_every_command_of_a_group_is_on_the_command_line_page(group: str) -> None:
    text = (ROOT / "docs/cli.md").read_text()
    context = click.Context(main)
    found = main.get_command(context, group)
    assert isinstance(found, click.Group)
    assert all(f"tollway {group} {name}" in text for name in found.list_commands(context))
