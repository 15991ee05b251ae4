"""Writes the files."""

from . import write

write()
