"""How an answer is read: only what is measured is decoded, and whatever else a server writes is let pass."""

import msgspec
from msgspec import Raw, Struct

_NONE = Raw(b"null")
_NOTHING = frozenset((b"null", b'""', b"[]", b"{}"))


class _Piece(Struct):
    content: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning: Raw = _NONE
    refusal: Raw = _NONE
    tool_calls: Raw = _NONE

    @property
    def output(self) -> bool:
        """Is anything in it that was generated?"""
        return any(
            bytes(raw) not in _NOTHING
            for raw in (self.content, self.reasoning_content, self.reasoning, self.tool_calls, self.refusal)
        )


class _Choice(Struct):
    delta: _Piece | None = None
    message: _Piece | None = None
    finish_reason: str | None = None


class Usage(Struct):
    """Tokens as chat completions report them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Answer(Struct):
    """A whole answer, or a chunk of a stream."""

    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Raw = _NONE

    @property
    def output(self) -> bool:
        """Does it bring generated output? A chunk that only names the role does not."""
        for choice in self.choices or ():
            piece = choice.delta or choice.message
            if piece is not None and piece.output:
                return True
        return False

    @property
    def finished(self) -> bool:
        """Does it say why the answer ended?"""
        return any(choice.finish_reason is not None for choice in self.choices or ())

    @property
    def failed(self) -> bool:
        """Is it an error in the place of an answer?"""
        return bytes(self.error) != b"null"


class _Error(Struct):
    code: str | int | None = None
    type: str | None = None
    message: str | None = None


class _Envelope(Struct):
    error: _Error | str | None = None
    message: str | None = None


class Told(Struct, frozen=True):
    """What an error body says of itself: a short code for counting, and words."""

    code: str = ""
    message: str = ""


_ANSWER = msgspec.json.Decoder(Answer)
_ENVELOPE = msgspec.json.Decoder(_Envelope)


def decode(data: bytes) -> Answer:
    """Raises ``ValueError`` for what is no such object."""
    return _ANSWER.decode(data)


def told(body: bytes) -> Told:
    """From OpenAI's envelope; empty for any other body."""
    try:
        found = _ENVELOPE.decode(body)
    except (ValueError, UnicodeDecodeError):
        return Told()
    if isinstance(found.error, _Error):
        code = found.error.code if found.error.code is not None else found.error.type
        return Told(_short(str(code or "")), (found.error.message or "")[:300])
    return Told("", (found.error or found.message or "")[:300])


def _short(code: str) -> str:
    """A code as part of a class of errors: bounded, since it is a server's own text."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in code[:60])
