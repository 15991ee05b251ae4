"""WebSockets: a client's events name ids as bodies do, and a provider's hand them out as streams do."""

from ..context import RequestContext
from ..errors import InvalidRequest
from ..protocols import Owners
from .answers import streamed_in, without_echo
from .bodies import Profile, names_in
from .checking import check
from .naming import Named
from .places import Placed, bound_to, place_of
from .sealed import Finder, carries, sealed_in
from .table import RESPONSE

ECHOES = 64
"""Events of the client whose ids are remembered, so that nobody comes to own what was only mentioned."""


class SocketWatch:
    """The frames of one socket. Raises ``ObjectNotFound`` or ``InvalidRequest``, which ends it."""

    def __init__(
        self, ctx: RequestContext, *, owners: Owners, account: str, shared: frozenset[str], looks: bool, several: bool
    ) -> None:
        """``looks``: does it matter what the frames name? ``several``: is there more than one place?"""
        self._ctx = ctx
        self._owners = owners
        self._account = account
        self._shared = shared
        self._looks = looks
        self._profile: Profile = "full" if ctx.path.lower().startswith("/responses") else "socket"
        self._several = several
        self._seals = several and self._profile == "full"
        self._said: list[bytes] = []

    async def sent(self, message: str | bytes) -> None:
        """A client's frame, before it travels."""
        data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        if isinstance(message, bytes) and data.lstrip()[:1] != b"{":
            return
        if self._profile == "full":
            self._said = [*self._said[1 - ECHOES :], data]
        if self._looks:
            sealed = sealed_in(data) if self._seals and carries(data) else []
            placed = await check(self._owners, self._account, self._named(data), sealed)
            if self._several:
                bound_to([Placed("this socket", place_of(self._ctx)), *placed])

    def _named(self, data: bytes) -> list[Named]:
        try:
            named = names_in(data, self._profile)
        except InvalidRequest:
            if self._owners.enforced:
                raise
            return []
        return [name for name in named if name.ident not in self._shared]

    async def received(self, message: str | bytes) -> None:
        """A provider's frame, before it reaches the client."""
        if isinstance(message, str):
            data = message.encode("utf-8", "surrogatepass")
            idents = streamed_in(data, RESPONSE)
            if self._seals and carries(data):
                idents += [each.ident for each in Finder().feed(data)]
            new = without_echo(idents, b"\n".join(self._said)) if idents else []
            if new:
                await self._owners.claim(self._account, new, place_of(self._ctx))
