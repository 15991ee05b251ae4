"""Markup as text that cannot be mistaken for words: what comes from outside is escaped on the way in, once."""

import re
from html import escape
from typing import NewType

Markup = NewType("Markup", str)
"""Text that is markup already."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (2.2) does not allow in a document, however it is written."""


def text(words: str) -> Markup:
    """Words as markup."""
    return Markup(escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", words)))


def element(name: str, /, *children: Markup, **attributes: str | float | None) -> Markup:
    """One element. ``None`` leaves an attribute out; ``_`` in a name stands for ``-``, one at its end for nothing."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value if isinstance(value, str) else number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return Markup(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written} />")


def joined(*parts: Markup) -> Markup:
    """Several pieces, one after another."""
    return Markup("".join(parts))


def number(value: float) -> str:
    """A coordinate: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
