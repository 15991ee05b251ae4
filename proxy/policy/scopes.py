"""Globs that a key is limited to: ``*`` and ``?`` match as in file names, case counts."""

from fnmatch import fnmatchcase
from functools import lru_cache

EVERYTHING = ("*",)


def within(globs: tuple[str, ...], name: str) -> bool:
    """Does one of ``globs`` match ``name``?"""
    return globs == EVERYTHING or _within(globs, name)


@lru_cache(maxsize=4096)
def _within(globs: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
