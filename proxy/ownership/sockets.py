"""WebSockets: a client's events name ids as bodies do, and a provider's hand them out as streams do."""

from ..protocols import Owners
from .answers import streamed_in, without_echo
from .bodies import Profile, names_in
from .checking import check
from .table import RESPONSE

ECHOES = 64
"""Events of the client whose ids are remembered, so that nobody comes to own what was only mentioned."""


class SocketWatch:
    """The frames of one socket. Raises ``ObjectNotFound`` or ``InvalidRequest``, which ends it."""

    def __init__(self, path: str, *, owners: Owners, account: str, shared: frozenset[str]) -> None:
        self._owners = owners
        self._account = account
        self._shared = shared
        self._profile: Profile = "full" if path.lower().startswith("/responses") else "socket"
        self._said: list[bytes] = []

    async def sent(self, message: str | bytes) -> None:
        """A client's frame, before it travels."""
        data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        if isinstance(message, bytes) and data.lstrip()[:1] != b"{":
            return
        if self._profile == "full":
            self._said = [*self._said[1 - ECHOES :], data]
        if self._owners.enforced:
            named = names_in(data, self._profile)
            await check(self._owners, self._account, [name for name in named if name.ident not in self._shared])

    async def received(self, message: str | bytes) -> None:
        """A provider's frame, before it reaches the client."""
        if isinstance(message, str):
            idents = streamed_in(message.encode("utf-8", "surrogatepass"), RESPONSE)
            new = without_echo(idents, b"\n".join(self._said)) if idents else []
            if new:
                await self._owners.claim(self._account, new)
