"""The head of a request as bytes. What is the same for every request to a URL is made once; the rest is joined and then looked at."""

from collections.abc import Sequence

from ...wire.outgoing import SharedHeaders
from ..sendable import Unsendable, check_names


def opening(method: str, target: str, host: str) -> str:
    """The lines that all requests to one URL begin with, without the last line end. All three have been checked."""
    return f"{method} {target} HTTP/1.1\r\nhost: {host}"


def head(start: str, headers: Sequence[tuple[str, str]], framing: str) -> bytes:
    """All of it: ``start`` as ``opening`` made it, ``framing`` with its line ends. Raises ``Unsendable``."""
    if isinstance(headers, SharedHeaders):
        lines = headers.lines
        if not lines:
            lines = headers.lines = _lines(headers)
    else:
        lines = _lines(headers)
    # As UTF-8, which is how a client's header values were decoded.
    return (start + lines + framing).encode()


def _lines(headers: Sequence[tuple[str, str]]) -> str:
    """Each with the line end before it."""
    check_names(headers)
    text = "\r\n".join(("", *map(": ".join, headers)))
    # One line end is before each header: any more is inside of a value.
    ours = len(headers)
    if text.count("\n") != ours or text.count("\r") != ours or "\0" in text:
        raise Unsendable("a header value has a line end or a NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unsendable("a header value has half of a character") from None
    return text
