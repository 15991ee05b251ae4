"""``auth: forward`` and ``auth: open``: callers without a key of this gateway's own."""

import secrets
from collections.abc import Sequence

from ..context import Principal
from ..errors import AuthenticationFailed
from .failures import FailureLimiter
from .virtual_keys import digest

TENANT_LENGTH = 32
"""Hexadecimal digits of a tenant derived from a key."""


class Forwarder:
    """``auth: forward``. The client's own provider key travels on; its digest is the tenant."""

    def __init__(self, failures: FailureLimiter) -> None:
        self._pepper = secrets.token_bytes(32)
        self._failures = failures

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        """A principal of the key's own tenant. Raises ``AuthenticationFailed`` without one."""
        if not presented:
            self._failures.failed(client)
            raise AuthenticationFailed(
                "No API key was given: this gateway forwards the caller's own provider key; send it as 'Authorization: Bearer KEY'."
            )
        tenant = digest(self._pepper, presented[0]).hex()[:TENANT_LENGTH]
        return Principal(name="forwarded", tenant=tenant, forwarded=presented[0])


class Open:
    """``auth: open``. Everyone is the one tenant; the configuration allows it on loopback only."""

    _everyone = Principal(name="open", tenant="open")

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        """The one principal."""
        return self._everyone
