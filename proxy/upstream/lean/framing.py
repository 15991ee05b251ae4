"""Where a message ends: what is said of a request's body, and whether an answer's body has an end of its own."""

from ...errors import RawHeaders

NOTHING = "\r\n\r\n"
"""No body, and none expected."""

CHUNKED = "\r\ntransfer-encoding: chunked\r\n\r\n"

_WITHOUT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Methods whose requests are expected to have no body (RFC 9110 8.6): a length of 0 goes without saying."""


def sized(length: int) -> str:
    """A body of ``length`` bytes."""
    return f"\r\ncontent-length: {length}\r\n\r\n"


def bodiless(method: str) -> str:
    """A request without a body."""
    return NOTHING if method in _WITHOUT else "\r\ncontent-length: 0\r\n\r\n"


def ends_with_connection(headers: RawHeaders) -> bool:
    """Is an answer's body over when its connection is? Raises ``ValueError`` for a transfer coding that nobody here undoes.

    The parser has refused a repeated length and a length beside a transfer coding (RFC 9112 6.3).
    """
    for name, value in headers:
        if name == b"content-length":
            return False
        if name == b"transfer-encoding":
            if value.lower() != b"chunked" or sum(1 for other, _ in headers if other == name) > 1:
                raise ValueError("a transfer coding other than chunked")
            return False
    return True
