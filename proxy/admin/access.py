"""Who may administer. One key opens everything; without one the door is shut; in-process callers are trusted by construction."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..errors import AuthenticationFailed, PermissionDenied
from ..identity.failures import FailureLimiter

Role = Literal["read", "write", "money"]
EVERY_ROLE: frozenset[Role] = frozenset(("read", "write", "money"))


class Actor(Struct, frozen=True):
    """Who administers: ``name`` for the audit log, ``roles`` for the route table."""

    name: str
    roles: frozenset[Role] = EVERY_ROLE


class Access(Protocol):
    """Tells who asks. Raises ``AuthenticationFailed``, ``PermissionDenied`` or ``RateLimited``."""

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Actor:
        """By what is in the headers."""


def key_digest(salt: bytes, key: bytes) -> bytes:
    """32 bytes, whatever the key's length: comparing them tells nothing of it."""
    return hmac.digest(salt, key, "sha256")


def presented_in(headers: Mapping[bytes, bytes]) -> Sequence[bytes]:
    """What stands in ``authorization: Bearer`` and ``x-api-key``, in that order."""
    found = []
    scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and rest.strip():
        found.append(rest.strip())
    other = headers.get(b"x-api-key", b"").strip()
    return [*found, other] if other else found


class AdminKey:
    """``admin.key``. Kept as a digest under a salt of this process; wrong ones are counted, the right one never is."""

    def __init__(self, key: str, failures: FailureLimiter) -> None:
        self._salt = secrets.token_bytes(32)
        self._digest = key_digest(self._salt, key.encode())
        self._failures = failures

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Actor:
        """``admin`` for the one key."""
        presented = presented_in(headers)
        for key in presented:
            if hmac.compare_digest(key_digest(self._salt, key), self._digest):
                return Actor("admin")
        self._failures.failed(client)
        if not presented:
            raise AuthenticationFailed(
                "No admin key was given: send admin.key as 'Authorization: Bearer KEY' (or x-api-key)."
            )
        raise AuthenticationFailed(
            "This is not the admin key: the admin API takes admin.key (TOLLWAY_ADMIN_KEY), not a virtual or provider key."
        )


class Closed:
    """No ``admin.key``: nobody gets in."""

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Actor:
        """Raises ``PermissionDenied`` with the fix."""
        raise PermissionDenied(
            "The admin API is closed because no admin key is set: set admin.key in the configuration, or TOLLWAY_ADMIN_KEY."
        )


class Local:
    """A caller in this process that reaches the database anyway: the CLI without ``TOLLWAY_ADMIN_URL``."""

    def __init__(self, actor: str) -> None:
        self._actor = Actor(actor)

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Actor:
        """The name it was made with."""
        return self._actor
