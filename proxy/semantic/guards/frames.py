"""Ways to build the same question, each turned into one: indirect and direct, ``how do I`` and ``how to``, a phrase instead of a question.

A frame is turned only where nothing else in the sentence could be meant by it; every other sentence keeps its order, because order is
what tells ``does A cause B`` from ``does B cause A``.
"""

from collections.abc import Sequence

from .tables.courtesy import AUXILIARIES, QUESTIONS, WH
from .tables.frames import (
    BARE,
    CALCULATE,
    CONDITIONED,
    DEGREES,
    FINAL,
    INNER_CLAUSES,
    INVENTED,
    MOVING,
    OTHER_VERBS,
    PLACES,
    PREPOSITIONS,
    PRONOUNS,
    REPORTING,
    SAME_IN_PAST,
    SAME_IN_PLURAL,
    SEEKING,
    STATES,
    SUPERLATIVES,
    TOLD,
    WITHOUT_THE,
)
from .tables.names import TOOLS

OF = frozenset(("of", "between"))
TWO_VERBS = OTHER_VERBS | INNER_CLAUSES
AS_THEY_ARE = frozenset(("to", "many", "much", "not", "only", "even", "never"))
"""Beginning with these, an indirect question has the order of a direct one, or one that decides."""

SENTENCE_MARKS = frozenset((".", "?", "\n"))
LONGEST = 40
"""Tokens of a sentence that is turned at all."""


def framed(tokens: list[str], *, indirect: bool) -> list[str]:
    """The sentence in the frame that stands for all like it. Several sentences stay as they are."""
    if len(tokens) > LONGEST or not SENTENCE_MARKS.isdisjoint(tokens):
        return tokens
    found = _direct(tokens) if indirect else tokens
    found = _adjunct_last(found)
    found = _instruction(found)
    found = _noun_phrase(found)
    if "the" in found:
        found = _without_the(found)
    return _either_way(found)


def _direct(tokens: list[str]) -> list[str]:
    """``what the capital is`` as ``what is the capital``."""
    if tokens[0] in ("if", "whether"):
        return _yes_or_no(tokens)
    head = 2 if tokens[0] == "how" and tokens[1:2] and tokens[1] in DEGREES else 1
    rest = tokens[head:]
    if not rest or rest[0] in AUXILIARIES or rest[0] in AS_THEY_ARE or not INNER_CLAUSES.isdisjoint(rest):
        return tokens
    moving = [index for index, token in enumerate(rest) if token in MOVING]
    if not OTHER_VERBS.isdisjoint(rest) or len(moving) > 1:
        return tokens
    if not moving:
        return [*tokens[:head], *_with_do(tokens[0], rest)]
    at = moving[0]
    if tokens[0] in ("what", "who", "which") and at != len(rest) - 1 and not (at == 1 and rest[0] in PRONOUNS):
        return tokens
    return [*tokens[:head], rest[at], *rest[:at], *rest[at + 1 :]]


def _yes_or_no(tokens: list[str]) -> list[str]:
    rest = tokens[1:]
    moving = [index for index, token in enumerate(rest) if token in MOVING]
    if len(moving) != 1 or not TWO_VERBS.isdisjoint(rest):
        return ["if", *rest]
    at = moving[0]
    return [rest[at], *rest[:at], *rest[at + 1 :]]


def _with_do(asked: str, rest: list[str]) -> list[str]:
    """The verb that an indirect question does without."""
    last = FINAL.get(rest[-1])
    if last and len(rest) > 1:
        auxiliary, verb = last.split()
        return [auxiliary, *rest[:-1], verb]
    if asked in ("what", "who", "which") or len(rest) < 2 or rest[0] == "i":
        return rest
    if rest[-1] in BARE:
        return ["do", *rest]
    if not SAME_IN_PAST.isdisjoint(rest):
        return rest
    subject, verb = rest[0], rest[1]
    if not subject.endswith("s") and verb.endswith("s") and not verb.endswith(("ss", "us", "is")) and len(verb) > 3:
        return ["does", subject, verb[:-1], *rest[2:]]
    return ["do", *rest]


def _adjunct_last(tokens: list[str]) -> list[str]:
    """``in Python, how ...`` as ``how ... in Python``, and conditions likewise. ``with`` and ``using`` may belong to what stands before
    them: ``compare a file with Git``."""
    if tokens[0] == "if":
        return _condition_last(tokens)
    if tokens[0] != "in":
        return tokens
    end = 3 if tokens[1:2] == ["a"] else 2
    if len(tokens) < end + 2 or tokens[end - 1] not in TOOLS:
        return tokens
    rest = tokens[end + 1 :] if tokens[end] == "," else tokens[end:]
    if not rest or rest[0] not in QUESTIONS or tokens[0] in rest or not SEEKING.isdisjoint(rest):
        return tokens
    if not REPORTING.isdisjoint(rest) or not INNER_CLAUSES.isdisjoint(rest[1:]):
        return tokens
    return [*rest, *tokens[:end]]


def _condition_last(tokens: list[str]) -> list[str]:
    if tokens.count(",") != 1 or tokens.count("if") != 1 or not REPORTING.isdisjoint(tokens):
        return tokens
    comma = tokens.index(",")
    rest = tokens[comma + 1 :]
    if rest and rest[0] == "then":
        rest = rest[1:]
    if not rest or rest[0] not in CONDITIONED or not INNER_CLAUSES.isdisjoint(rest):
        return tokens
    return [*rest, *tokens[:comma]]


def _instruction(tokens: list[str]) -> list[str]:
    """``how do I``, ``how can I`` and ``how does one`` as ``how to``; so too ``what is the way to``."""
    if tokens[0] == "how" and len(tokens) > 3:
        if (tokens[1], tokens[2]) in (("do", "i"), ("can", "i"), ("does", "one")) and tokens[3] not in STATES:
            return ["how", "to", *tokens[3:]]
    elif tokens[:5] == ["what", "is", "the", "way", "to"] and len(tokens) > 6 and tokens[5] not in PLACES:
        return tokens if "from" in tokens else ["how", "to", *tokens[5:]]
    return tokens


def _noun_phrase(tokens: list[str]) -> list[str]:
    """``what is the capital of X``, ``tell me the ...`` and the bare ``capital of X`` are one question."""
    start = 0
    if tokens[1:2] == ["are"] and not SAME_IN_PLURAL.isdisjoint(tokens):
        return tokens
    if tokens[0] == "what" and tokens[1:2] in (["is"], ["are"]):
        start = 3 if tokens[2:3] == ["the"] else 2 if tokens[2:3] == ["difference"] else 0
    elif tokens[0] in ("tell", "give") and tokens[1:3] == ["me", "the"] and TOLD.isdisjoint(tokens):
        start = 3
    elif tokens[0] in CALCULATE and any(token[-1:].isdigit() for token in tokens):
        start = 2 if tokens[1:2] == ["the"] else 1
    elif tokens[:2] == ["name", "the"] and INVENTED.isdisjoint(tokens):
        start = 2
    elif tokens[0] == "the":
        start = 1
    if tokens[:2] == ["what", "is"] and tokens[2:3] and tokens[2].lstrip("+-")[:1].isdigit():
        return tokens[2:]
    rest = tokens[start:]
    if (
        start
        and rest
        and (rest[0] in SUPERLATIVES or rest[0][-1:].isdigit() or not OF.isdisjoint(rest[1:]))
        and rest[0] not in WH
    ):
        return rest
    return tokens


def _without_the(tokens: list[str]) -> list[str]:
    """``the`` goes where what follows is only one anyway: before a superlative, and in ``the capital of``. ``Are the children of`` some
    is another question than of all."""
    last = len(tokens) - 1
    return [
        word
        for index, word in enumerate(tokens)
        if word != "the"
        or index in (0, last)
        or tokens[index - 1] not in WITHOUT_THE
        or not (tokens[index + 1] in SUPERLATIVES or tokens[index + 2 : index + 3] in (["of"], ["between"]))
        or (tokens[index - 1] in ("are", "were") and tokens[0] not in ("what", "who"))
    ]


def _either_way(tokens: list[str]) -> list[str]:
    """Two things whose order cannot matter, in the order of the alphabet."""
    if tokens[0] in ("difference", "differences") and tokens[1:2] == ["between"]:
        pair = _two(tokens[2:], "and")
        return ["difference", "between", *pair] if pair else tokens
    if tokens[0] == "compare":
        pair = _two(tokens[1:], "and")
        return ["compare", *pair] if pair else tokens
    if tokens[0] == "how" and tokens[1:2] in (["do"], ["does"]) and "differ" in tokens:
        at = tokens.index("differ")
        if tokens[at + 1 : at + 2] == ["from"]:
            pair = _two([*tokens[2:at], "and", *tokens[at + 2 :]], "and")
            return ["difference", "between", *pair] if pair else tokens
    return tokens


def _two(tokens: Sequence[str], between: str) -> list[str] | None:
    """Both sides of the one ``between``, sorted; ``None`` where they are more than plain names of two things."""
    if tokens.count(between) != 1:
        return None
    at = tokens.index(between)
    sides = sorted(list(side[1:] if side[:1] == ["a"] else side) for side in (tokens[:at], tokens[at + 1 :]))
    for side in sides:
        if not 0 < len(side) < 4 or not PREPOSITIONS.isdisjoint(side) or any(token[-1:].isdigit() for token in side):
            return None
    return [*sides[0], between, *sides[1]]
