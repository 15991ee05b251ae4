"""Is an answer right? By its check; what only a judge can say is in ``judging``."""

import json
import math
import re
import unicodedata

from msgspec import Struct

from ..wire.values import Json
from .checks import Exact, Numeric, Regex, Shape
from .matching import Matcher, Overrun
from .schema import Fitting, TooMuch

LONGEST = 200_000
"""Characters of an answer that a pattern is looked for in, or that are read as JSON or numbers."""

_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d{1,40})?(?:\.\d{1,40})?(?:[eE][-+]?\d{1,4})?(?!\d)")
_FENCE = re.compile(r"^```[a-zA-Z0-9]*[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Verdict(Struct, frozen=True):
    """``passed`` is ``None`` where nobody can say; ``why``: what was wrong, for people."""

    passed: bool | None
    why: str = ""


PASSED = Verdict(True)


def grade(check: Exact | Regex | Numeric | Shape, answer: str, matcher: Matcher) -> Verdict:
    """The verdict by rule. Does not raise, whatever the answer is."""
    if len(answer) > LONGEST and not isinstance(check, Exact):
        return Verdict(False, f"the answer has more than {LONGEST} characters")
    match check:
        case Exact():
            return _exact(check, answer)
        case Numeric():
            return _numeric(check, answer)
        case Regex():
            return _regex(check, answer, matcher)
        case Shape():
            return _shape(check, answer, matcher)


def _plain(text: str, *, ignore_case: bool) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    return text.casefold() if ignore_case else text


def _exact(check: Exact, answer: str) -> Verdict:
    wanted = (check.exact,) if isinstance(check.exact, str) else check.exact
    given = _plain(answer, ignore_case=check.ignore_case)
    if any(given == _plain(each, ignore_case=check.ignore_case) for each in wanted):
        return PASSED
    return Verdict(False, "another text")


def _numeric(check: Numeric, answer: str) -> Verdict:
    given = last_number(answer)
    if given is None:
        return Verdict(False, "no number in it")
    # What binary fractions lose must not decide: 0.1 + 0.2 is within 0 of 0.3.
    allowed = max(check.tolerance, check.relative * abs(check.numeric)) + 1e-12 * max(abs(check.numeric), abs(given))
    return (
        PASSED if abs(given - check.numeric) <= allowed else Verdict(False, f"{given:g} instead of {check.numeric:g}")
    )


def last_number(text: str) -> float | None:
    """The last one that stands alone: ``1,234.5``, ``-3e8``, ``42.`` at the end of a sentence; ``None``: there is none."""
    found = None
    for match in _NUMBER.finditer(text):
        digits = match.group().replace(",", "").replace("\N{MINUS SIGN}", "-")
        try:
            value = float(digits)
        except ValueError:
            continue
        if math.isfinite(value):
            found = value
    return found


def _regex(check: Regex, answer: str, matcher: Matcher) -> Verdict:
    try:
        found = matcher.search(check.regex, answer, ignore_case=check.ignore_case)
    except Overrun:
        return Verdict(None, "the pattern took too long on this answer: write it without repeats inside repeats")
    return PASSED if found else Verdict(False, "the pattern is not in it")


def _shape(check: Shape, answer: str, matcher: Matcher) -> Verdict:
    try:
        value = json_in(answer)
    except ValueError:
        return Verdict(False, "no JSON")
    try:
        fault = Fitting(check.json_schema, matcher.search).fault(value)
    except Overrun:
        return Verdict(None, "a pattern of the schema took too long on this answer")
    except (TooMuch, OverflowError):
        return Verdict(None, "the schema takes too long on this answer")
    return Verdict(False, fault[:300]) if fault else PASSED


def json_in(answer: str) -> Json:
    """The answer as JSON, or its only fenced block. Raises ``ValueError``; NaN and Infinity are no JSON."""
    blocks = _FENCE.findall(answer)
    text = blocks[0] if len(blocks) == 1 else answer
    try:
        found: Json = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError from None
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)
