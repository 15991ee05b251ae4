"""``tollway``: a table of commands, each imported when it is called, so that help and completion stay fast.

Exit codes, stable: 0 done, 1 it failed (the reason and a fix are on stderr), 2 wrong usage, or warnings under ``--strict``.
"""

import os
from difflib import get_close_matches
from importlib import import_module
from typing import IO

import click
from click.shell_completion import CompletionItem

from .. import __version__

COMMANDS: dict[str, str] = {
    "serve": "Start the gateway.",
    "check": "Validate the configuration and show the plan.",
    "config": "Show, compare or describe the configuration.",
    "routes": "Show where a request would go, or went, and why; and how targets do.",
    "keys": "Make, list, show, rotate and revoke virtual keys.",
    "accounts": "Make, list, show, change and close accounts.",
    "credits": "Top up, refund, look at balances; vouchers.",
    "usage": "Sum up requests, tokens and money.",
    "reconcile": "Compare a provider's usage export with the ledger.",
    "migrate": "Bring a database up to date, or LiteLLM's configuration to ours.",
    "cache": "Forget stored answers; test and calibrate the semantic cache.",
    "models": "List, show or compare the models of the catalogue.",
    "tokens": "Count the tokens of a file or of standard input.",
    "mock": "Start a deterministic OpenAI-speaking upstream.",
    "chat": "Send one chat request, to see that it works.",
    "bench": "Put a URL under load and measure how it answers.",
    "drill": "Play every fault against the configuration and show what a client would see.",
    "compare": "Ask several models the same questions: quality, cost and times.",
    "doctor": "Look for what is wrong with this installation.",
    "completion": "Print the completion script of a shell.",
}
"""Name to one line of help. ``tollway NAME`` calls the click command ``NAME`` in the module ``proxy.cli.NAME``."""


class Failure(click.ClickException):
    """What happened and, on a line of its own, the fix. Exit code 1."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix

    def show(self, file: IO[str] | None = None) -> None:
        """Writes to stderr."""
        super().show(file)
        if self.fix is not None:
            click.echo(f"Fix: {self.fix}", file=file, err=True)


class CommandTable(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module. None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f".{cmd_name}", __name__), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command when there is none of this name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command '{name}'. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes names from the table."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]


@click.command(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage (or warnings with --strict). NO_COLOR turns colours off.",
)
@click.version_option(__version__, prog_name="tollway", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Tollway: one OpenAI-compatible endpoint in front of every LLM provider."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
