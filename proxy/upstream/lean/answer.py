"""What the parser finds in the bytes of one connection: an answer's head, then its body, then nothing more. No I/O.

httptools (llhttp) judges the bytes, strictly; what it leaves open is judged here: sizes and counts, interim answers, transfer codings,
and that nothing follows an answer, because what follows would be taken for the next request's.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ...errors import RawHeaders
from .framing import ends_with_connection

REFUSED = (HttpParserError, HttpParserUpgrade)
"""What ``feed`` raises."""

HEAD_LIMIT = 64 * 1024
"""Bytes of a head; of a trailer section, or of the extensions of a chunk, as well."""

HEADERS = 128
"""Fields of a head: what aiohttp allows."""

INTERIM = 16
"""Informational answers (100, 103) before the final one."""

_BLANK = b" \t"
"""Around a value it is no part of it (RFC 9110 5.5); the parser leaves what is behind it."""


class Answer:
    """``expect`` begins it, ``feed`` continues it; before the one and after its end it is ``complete``. ``on_…`` is the parser's."""

    __slots__ = (
        "_fields",
        "_interim",
        "_parser",
        "_to_head",
        "complete",
        "feed",
        "headed",
        "headers",
        "keep",
        "on_body",
        "parts",
        "status",
        "unread",
        "until_end",
    )

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        """Of the body, what has not been read yet."""
        self.on_body = self.parts.append
        self._parser = HttpResponseParser(self)
        self.feed = self._parser.feed_data
        """The next bytes. Raises one of ``REFUSED``; with ``complete`` set, it refuses what came after the answer's end."""
        self.expect(to_head=False)
        self.complete = True

    def expect(self, *, to_head: bool) -> None:
        """The next answer, ``to_head``: to a HEAD request, so without the body it speaks of."""
        self._to_head = to_head
        self._fields: list[tuple[bytes, bytes]] = []
        self._interim = self.unread = self.status = 0
        self.headers: RawHeaders = ()
        self.headed = self.until_end = self.complete = self.keep = False

    def on_message_begin(self) -> None:
        """Only one answer is expected."""
        if self.complete:
            self.keep = False
            raise ValueError("bytes after the end of an answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers, which nobody looks at."""
        kept = value.rstrip(_BLANK)
        if kept is not value and b"\t" in value and name.lower() == b"transfer-encoding":
            raise ValueError("a tab behind a transfer coding, which the parser then does not see")
        self._fields.append((name.lower(), kept))

    def on_headers_complete(self) -> None:
        """The head is whole: that of the answer, or of one of the interim ones before it."""
        status, fields = self._parser.get_status_code(), self._fields
        if len(fields) > HEADERS or (
            self.unread > HEAD_LIMIT and sum(len(name) + len(value) + 4 for name, value in fields) > HEAD_LIMIT
        ):
            raise ValueError("the head is too large")
        self._fields = []
        if 100 <= status <= 199:
            self._interim += 1
            if status == 101 or self._interim > INTERIM:
                raise ValueError("an upgrade that nobody asked for, or interim answers without end")
            return
        self.headers = tuple(fields)
        self.until_end = ends_with_connection(self.headers)
        self.status = status
        self.headed = True
        if self._to_head:
            self.complete = True
            raise ValueError("the parser knows nothing of answers to HEAD, and would wait for a body")

    def on_message_complete(self) -> None:
        """The last byte was there; of the body, unless it was an interim answer."""
        if self.headed:
            self.complete = True
            self.keep = self._parser.should_keep_alive()

    def ended(self) -> bool:
        """The connection has ended: was that the end of the answer?"""
        if self.headed and self.until_end:
            self.complete = True
        return self.complete

    def over(self) -> None:
        """Nothing will be fed any more. The parser and this refer to each other; no collector should have to find out."""
        del self._parser, self.feed

    def take(self) -> bytes:
        """Everything that is unread."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread = 0
        return data
