"""The command table: fast, complete, and helpful to a wrong name."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from proxy import __version__
from proxy.cli import COMMANDS, Failure, main

ROOT = Path(__file__).parents[4]


def python(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env={**os.environ, **environ},
        check=False,
    )


def test_help_lists_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)
    assert "Exit codes: 0 done" in result.output


def test_help_imports_click_and_the_table_only() -> None:
    code = (
        "import sys; sys.argv = ['tollway', '--help']\n"
        "from proxy.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('aiohttp', 'starlette', 'granian', 'msgspec', 'yaml', 'tiktoken', 'orjson', 'ssl', 'middleware') "
        "or name.startswith('proxy.') and not name.startswith('proxy.cli')], file=sys.stderr)"
    )
    result = python("-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stderr.strip() == "[]"


def test_help_takes_less_than_a_third_of_a_second() -> None:
    def once() -> float:
        started = time.perf_counter()
        assert python("-m", "proxy", "--help").returncode == 0
        return time.perf_counter() - started

    assert min(once() for _ in range(5)) < 0.3


def test_version() -> None:
    result = python("-m", "proxy", "--version")
    assert (result.returncode, result.stdout) == (0, f"tollway {__version__}\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [("chekc", "Did you mean 'check'?"), ("server", "Did you mean 'serve'?"), ("zzz", "Commands: serve, check")],
)
def test_an_unknown_command_names_the_nearest(name: str, said: str) -> None:
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_names_complete_without_importing_the_commands() -> None:
    complete = ShellComplete(main, {}, "tollway", "_TOLLWAY_COMPLETE")
    assert [item.value for item in complete.get_completions([], "ch")] == ["check", "chat"]
    assert "--version" in [item.value for item in complete.get_completions([], "--")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_TOLLWAY_COMPLETE={shell}_complete" in result.output


def test_the_completion_script_works_in_bash() -> None:
    result = python("-m", "proxy", _TOLLWAY_COMPLETE="bash_complete", COMP_WORDS="tollway che", COMP_CWORD="1")
    assert result.stdout == "plain,check\n"


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["completion", "powershell"]).exit_code == 2


def test_a_failure_is_one_reason_and_one_fix_on_stderr() -> None:
    @click.command()
    def fail() -> None:
        raise Failure("it broke", fix="mend it")

    result = CliRunner().invoke(fail)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: it broke\nFix: mend it\n")


def test_no_color() -> None:
    @click.command()
    @click.pass_context
    def shown(ctx: click.Context) -> None:
        click.echo(json.dumps(ctx.color))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(main), "get_command", lambda self, ctx, name: shown)
        assert CliRunner(env={"NO_COLOR": "1"}).invoke(main, ["check"]).output == "false\n"
        assert CliRunner(env={"NO_COLOR": ""}).invoke(main, ["check"]).output == "null\n"
