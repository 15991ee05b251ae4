"""``tollway completion``: the script that makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from . import main


@click.command(epilog="For example: tollway completion bash > ~/.local/share/bash-completion/completions/tollway")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    assert found is not None
    # Printed from the template: ``source()`` would start bash to ask for its version.
    script = found(main, {}, "tollway", "_TOLLWAY_COMPLETE")
    click.echo(script.source_template % script.source_vars())
