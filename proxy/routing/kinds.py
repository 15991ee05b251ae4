"""The class of a prompt, from a look at its bytes: good enough to pick a quality score by, and never for more.

At most ``LOOK`` bytes are looked at, half from the beginning and half from the end, where the last message is.
"""

from typing import Literal

Kind = Literal["general", "code", "math", "long"]

KINDS: tuple[Kind, ...] = ("general", "code", "math", "long")
"""Every class; what is none of the others is ``general``."""

LOOK = 4 * 1024
"""Bytes."""

LONG = 32_000
"""Tokens of a long prompt."""

LONG_BYTES = 4 * LONG

_CODE = (
    b"```",
    b"traceback (most recent call last)",
    b"#include",
    b"stack trace",
    b"diff --git",
    b"npm ",
    b"pip install",
)
_CODE_HINTS = (
    b"def ",
    b"class ",
    b"return ",
    b"import ",
    b"function",
    b"const ",
    b"public ",
    b"select ",
    b"();",
    b"=>",
    b"python",
    b"javascript",
    b"typescript",
    b"golang",
    b"sql",
    b"refactor",
    b"unit test",
    b"compile",
)
_MATH = (b"\\\\frac", b"\\\\int", b"\\\\sum", b"\\\\sqrt", b"\\\\begin{", b"prove that", b"solve for")
_MATH_HINTS = (
    b"equation",
    b"integral",
    b"derivative",
    b"theorem",
    b"proof",
    b"probability",
    b"polynomial",
    b"matrix",
    b"calculate",
    b"how many",
    b"percent",
    b"triangle",
    b"modulo",
    b"^2",
)
_ENOUGH = 2
"""Hints that make a class; of the marks above them one does."""


def kind_of(body: bytes, prompt: int = 0) -> Kind:
    """``long`` by its size (``prompt`` tokens, where they are known), else ``code`` or ``math`` by what stands in it, else ``general``."""
    looked = body if len(body) <= LOOK else body[: LOOK // 2] + body[-LOOK // 2 :]
    if prompt >= LONG or (not prompt and len(body) >= LONG_BYTES and b";base64," not in looked):
        return "long"
    looked = looked.lower()
    if _has(looked, _CODE, _CODE_HINTS):
        return "code"
    return "math" if _has(looked, _MATH, _MATH_HINTS) else "general"


def _has(looked: bytes, marks: tuple[bytes, ...], hints: tuple[bytes, ...]) -> bool:
    for mark in marks:
        if mark in looked:
            return True
    found = 0
    for hint in hints:
        if hint in looked:
            found += 1
            if found == _ENOUGH:
                return True
    return False
