"""What an id is: what was named, where, and whether it must be the caller's or only must not be somebody else's."""

import re

from msgspec import Struct

LONGEST = 512
"""Characters of an id; nobody owns a longer one."""

RANDOM = 16
"""Characters from which on an id is taken for random, and so for the same wherever it stands."""

_WORD = re.compile(r"[a-z]+(?:[-_][a-z]+)*|v\d{1,2}(?:(?:alpha|beta|p)\d{0,2})?", re.IGNORECASE)
_PREFIX = (
    r"(?:file|upload|part|batch|resp|conv|msg|item|vs|vsfb|vsf|ftjob|ftckpt|cntr|cfile|asst|thread|run|step|chatcmpl|eval|evalrun|video"
    r"|char|skill|pmpt|rtc|sess|cksess|cthr|voice|cons|audio|rs|fc|ws|ci|ig|mcp|mcpl|mcpr|agent|ag|msgbatch|cmp)[-_]"
)
_HANDED_OUT = re.compile(_PREFIX + ".+")
_INSIDE = re.compile(r"(?<![A-Za-z0-9])" + _PREFIX + r"[A-Za-z0-9_\-]+")


class Named(Struct, frozen=True):
    """An id that a request names. ``strict``: it must be the caller's; else it only must not be another account's.

    ``kind`` is the word for it in an error, ``param`` the request's member or path that names it.
    """

    ident: str
    kind: str
    param: str
    strict: bool = True


def looks_handed_out(text: str) -> bool:
    """Is it of a form that providers give to ids: one of OpenAI's prefixes, or no word of a path?"""
    return bool(text) and (_HANDED_OUT.fullmatch(text) is not None or _WORD.fullmatch(text) is None)


def prefixed(text: str) -> bool:
    """Has it one of OpenAI's prefixes?"""
    return _HANDED_OUT.fullmatch(text) is not None


def scoped(ident: str, where: str) -> str:
    """How an id is owned that some path without a row uses. A short one (``7``) is another object elsewhere, so ``where`` it was counts."""
    return ident if len(ident) >= RANDOM or prefixed(ident) else f"{where}/{ident}"


def inside(text: str) -> list[str]:
    """Everything in ``text`` that has one of OpenAI's prefixes."""
    return _INSIDE.findall(text)


def tuned(model: str) -> str | None:
    """The part of a model's public name that names a fine-tuned one (``ft:base:organization::id``), if any."""
    at = model.lower().find("ft:")
    return model[at:] if at == 0 or (at > 0 and model[at - 1] in "/:") else None
