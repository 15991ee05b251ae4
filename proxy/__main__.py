"""``python -m proxy`` is ``tollway``."""

from .cli import main

main(prog_name="tollway")
