"""Reasoning that a model writes into its text between ``<think>`` and ``</think>``, told apart from the answer.

A tag may arrive in pieces: what could be the beginning of one is held back until it is clear.
"""

OPEN, CLOSE = "<think>", "</think>"


class Splitter:
    """Fed with pieces of one text; gives (reasoning, content) of each. Only a tag at the very start opens reasoning."""

    __slots__ = ("_held", "_state")

    def __init__(self, *, unopened: bool = False) -> None:
        """``unopened``: the model's template has written the opening tag, so the text begins inside."""
        self._state = "unopened" if unopened else "before"
        self._held = ""

    @property
    def passing(self) -> bool:
        """Is everything from here on the answer?"""
        return self._state == "after"

    def feed(self, piece: str) -> tuple[str, str]:
        """Reasoning and answer that ``piece`` completes."""
        if self._state == "after":
            return "", piece
        text, self._held = self._held + piece, ""
        if self._state in ("before", "unopened"):
            start = text.lstrip()
            if not start.startswith(OPEN) and OPEN.startswith(start):
                self._held = text
                return "", ""
            if not start.startswith(OPEN) and self._state == "before":
                self._state = "after"
                return "", text
            self._state, text = "opened", start.removeprefix(OPEN)
        if self._state == "opened":
            text = text.lstrip()
            if not text:
                return "", ""
            self._state = "inside"
        if self._state == "inside":
            return self._inside(text)
        return self._trim(text)

    def _inside(self, text: str) -> tuple[str, str]:
        end = text.find(CLOSE)
        if end >= 0:
            self._state = "closed"
            _, answer = self._trim(text[end + len(CLOSE) :])
            return text[:end].rstrip(), answer
        keep = _overlap(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""

    def _trim(self, text: str) -> tuple[str, str]:
        """Blank lines between the reasoning and the answer belong to neither."""
        answer = text.lstrip("\n\r ")
        if answer:
            self._state = "after"
        return "", answer

    def close(self) -> tuple[str, str]:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        reasoning = held if self._state in ("inside", "opened", "unopened") else ""
        self._state = "after"
        return (reasoning.rstrip(), "") if reasoning else ("", held)


def _overlap(text: str) -> int:
    """How many characters at the end of ``text`` to hold back: a piece of the closing tag, and the white space before it."""
    for length in range(min(len(CLOSE) - 1, len(text)), 0, -1):
        if CLOSE.startswith(text[-length:]):
            return length + len(text[:-length]) - len(text[:-length].rstrip())
    return len(text) - len(text.rstrip())


def split(text: str, *, unopened: bool = False) -> tuple[str, str]:
    """(reasoning, answer) of a whole text. Without a closing tag, text that was not opened is all answer."""
    if unopened and CLOSE not in text:
        unopened = False
    splitter = Splitter(unopened=unopened)
    reasoning, answer = splitter.feed(text)
    rest, more = splitter.close()
    return reasoning + rest, answer + more
