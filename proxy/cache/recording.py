"""What passes of one answer, kept as it leaves: for those who follow it, and to be stored when it is whole.

Parts are kept by reference, decompressed where they came compressed, and without our own comments.
"""

from typing import Literal

from ..context import Message
from ..relay.inflate import Inflater
from ..wire.answered import Entity
from ..wire.sse import COMMENT

PASSED_ON = frozenset((b"content-type", b"retry-after", b"retry-after-ms", b"x-should-retry"))
"""Headers of an error answer that are said to everybody who waited for it."""


class Recording:
    """One answer. Of one longer than its limit the beginning is let go, and it is never stored.

    Parts are counted from 0 over the whole answer; the first ``gone`` of them are no longer there.
    """

    __slots__ = (
        "_inflater", "blind", "content_type", "form", "gone", "headers", "limit", "parts", "size", "status", "whole",
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        """``limit``: bytes that are kept."""
        self.limit = limit
        self.status = 0
        """0: the head has not left."""
        self.content_type = b""
        self.form: Literal["json", "events"] = "json"
        """How it is written."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.gone = 0
        self.size = 0
        """Bytes in ``parts``."""
        self.whole = False
        """Has its end left?"""
        self.blind = False
        """Is it compressed so that nobody here can read it?"""
        self._inflater: Inflater | None = None

    @property
    def packed(self) -> bool:
        """Did it come compressed?"""
        return self._inflater is not None

    @property
    def count(self) -> int:
        """Parts so far."""
        return self.gone + len(self.parts)

    @property
    def entire(self) -> bool:
        """Is all of it here, and known to be all?"""
        return self.whole and not self.gone and not self.blind

    @property
    def body(self) -> bytes:
        """What is here, in one piece."""
        parts = self.parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def begin(self, message: Message, entity: Entity | None = None) -> None:
        """The head leaves. ``entity``: what it says of the body, where that is known."""
        self.status, self.headers = message["status"], message["headers"]
        if entity is None:
            entity = _entity_in(self.headers)
        kind, encoding = entity.kind, entity.encoding
        self.content_type = kind
        self.form = "events" if kind[:17].lower() == b"text/event-stream" else "json"
        if encoding is not None:
            self._inflater = Inflater.for_encoding(encoding)
            if self._inflater is not None:
                self._inflater.limit(self.limit + 1)
                self.blind = self._inflater.blind

    def add(self, part: bytes, last: bool) -> None:
        """A part of the body leaves; ``last``: nothing follows it."""
        if part and part is not COMMENT:
            inflater = self._inflater
            if inflater is not None:
                part = inflater.feed(part)
                self.blind = inflater.blind
            if part:
                self.parts.append(part)
                size = self.size = self.size + len(part)
                if size > self.limit:
                    self._let_go()
        if last:
            self.whole = True

    def since(self, index: int) -> bytes:
        """Everything from the part ``index`` on, which must be there still."""
        parts = self.parts[index - self.gone :]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _let_go(self) -> None:
        """Half of it makes room for what comes, so that this is not done for every part; the last one always stays."""
        parts, letting = self.parts, 0
        while self.size > self.limit // 2 and letting < len(parts) - 1:
            self.size -= len(parts[letting])
            letting += 1
        del parts[:letting]
        self.gone += letting


def _entity_in(headers: list[tuple[bytes, bytes]]) -> Entity:
    """What they say of the body, the last of a name first."""
    kind, encoding = b"", None
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding":
            encoding = value
    return Entity(kind, None, encoding)
