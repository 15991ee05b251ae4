"""The response guard: the last stop before the server, where nothing malformed passes.

Granian 2.8 aborts the worker on a status outside 100-999 and puts a body of any length behind a content-length, so both
are made impossible here, whatever a link or an upstream does.
"""

from collections.abc import Awaitable, Generator

from ..context import Message, RequestContext, Send
from ..errors import UpstreamInvalid
from ..wire.answered import Entity
from ..wire.headers import check_response, check_values

_BODILESS = (204, 205, 304)

_REMEMBERED = 2048

_ordinary: set[bytes] = set()
"""Names of headers that were found valid, and say nothing of the body."""


class _Done:
    """An awaitable that is already done."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class ResponseGuard:
    """Wraps the server's ``send`` for one request: valid status and headers, a body that agrees with content-length, one end."""

    __slots__ = ("_bodiless", "_ctx", "_finished", "_head", "_left", "_method", "_open", "_send")

    def __init__(self, send: Send, ctx: RequestContext, method: str) -> None:
        self._send = send
        self._ctx = ctx
        self._method = method
        self._head: Message | None = None
        self._left: int | None = None
        self._finished = False
        self._bodiless = False
        self._open = False
        """A stream under way without a declared length: nothing to check until its end."""

    def restart(self) -> None:
        """Forgets a head that has not left, so that another answer can be given."""
        self._head = None
        self._left = None
        self._finished = self._open = False
        self._bodiless = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Checks and passes on. Raises ``UpstreamInvalid`` instead of letting a malformed answer out.

        A head may say with an ``Entity`` that the provider's headers in it were ``checked`` before it was chosen; the others are our own.
        """
        if self._open and message.get("more_body"):
            return self._send(message)
        if message["type"] == "http.response.start":
            return self._start(message)
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._finished:
            raise RuntimeError("body after the end of the answer")
        if not more:
            self._finished = True
            self._open = False
            self._ctx.complete = True
        head = self._head
        if head is not None:
            return self._first(head, message, body, more)
        if self._bodiless:
            body = b""
            message = {"type": "http.response.body", "body": body, "more_body": more}
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (not more and self._left):
                raise UpstreamInvalid(
                    "The provider's answer is not as long as it says.", detail="content-length mismatch"
                )
        return self._send(message)

    def _start(self, message: Message) -> Awaitable[None]:
        status = message["status"]
        if not (isinstance(status, int) and 200 <= status <= 599):
            raise UpstreamInvalid(
                "The provider answered with a status that is not HTTP's.", detail=f"status {status!r}"
            )
        headers: list[tuple[bytes, bytes]] = message["headers"]
        entity: Entity | None = message.pop("checked", None)
        if entity is None:
            length, kind = _looked_at(headers)
            check_values(headers)
        else:
            # The others are ours: constant names, numbers, texts made printable; what links have added is looked at all the same.
            length, kind = entity.length, entity.kind
            check_values(self._ctx.response_headers)
        self._ctx.status = status
        bodiless = self._bodiless = status in _BODILESS or self._method == "HEAD"
        self._left = int(length) if length is not None and not bodiless else None
        self._head = message
        if kind[:17] == b"text/event-stream":
            self._head = None
            self._ctx.response_started = True
            self._open = self._left is None and not bodiless
            return self._send(message)
        return _DONE

    async def _first(self, head: Message, message: Message, body: bytes, more: bool) -> None:
        """The head leaves together with the first body message, so an error found before it can still be answered."""
        self._head = None
        bodiless = self._bodiless
        if not more and not bodiless and self._left != len(body):
            if self._left is not None:
                raise UpstreamInvalid(
                    "The provider's answer is not as long as it says.", detail="content-length mismatch"
                )
            head["headers"].append((b"content-length", b"%d" % len(body)))
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (not more and self._left):
                raise UpstreamInvalid(
                    "The provider's answer is not as long as it says.", detail="content-length mismatch"
                )
        self._ctx.response_started = True
        await self._send(head)
        await self._send({**message, "body": b""} if bodiless else message)


def _looked_at(headers: list[tuple[bytes, bytes]]) -> tuple[bytes | None, bytes]:
    """(declared length, content type). Raises ``UpstreamInvalid`` for a name that must not reach a client, or lengths that differ."""
    length, kind = None, b""
    for name, value in headers:
        if name in _ordinary:
            continue
        if name == b"content-length":
            if not value.isdigit() or (length is not None and value != length):
                raise UpstreamInvalid("The provider's answer contradicts itself.", detail="content-length headers")
            length = value
        elif name == b"content-type":
            kind = value
        else:
            _note_name(name)
    return length, kind


def _note_name(name: bytes) -> None:
    """One that was not seen before. Raises ``UpstreamInvalid`` unless it may reach a client's parser."""
    check_response(((name, b""),))
    if len(_ordinary) < _REMEMBERED:
        _ordinary.add(name)
