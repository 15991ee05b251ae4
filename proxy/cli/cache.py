"""``tollway cache``: forget stored answers, and prove what the semantic cache does. Each command is imported when it is called."""

from importlib import import_module

import click

COMMANDS: dict[str, str] = {
    "purge": "Forget stored answers, on every worker and machine.",
    "test": "Show what the semantic cache would answer wrongly, and what rightly.",
    "calibrate": "Find the threshold for a bound on wrong answers.",
}
"""Name to one line of help. ``tollway cache NAME`` is the click command ``NAME`` in ``proxy.cli.cache_NAME``."""


class CacheTable(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module. None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f".cache_{cmd_name}", __package__), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=CacheTable, short_help="Forget stored answers; test and calibrate the semantic cache.")
def cache() -> None:
    """Answers that are kept to be given again (docs/cache.md, docs/semantic-cache.md)."""
