"""``auth: keys``: who presents a credential, looked up among the file's keys, the database's, then as a signed token.

Whatever is presented, one digest is made of it and the same lookups follow: no comparison ever runs on a key's own text.
"""

import secrets
import time
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..context import Principal
from ..errors import AuthenticationFailed, TollwayError
from ..protocols import Clock
from ..storage.records import KeyRecord
from ..wire.mac import Mac
from .failures import FailureLimiter
from .principals import Terms, account_of, principal_of
from .standing import ended, refuse_inactive
from .stored import StoredKeys
from .tokens import TokenRefused, Tokens, looks_like_token
from .virtual_keys import looks_alike, well_formed

CREDENTIALS = 8
"""Credentials of one request that are looked at."""

LONGEST = 64 * 1024
"""Bytes of a credential that is looked at at all, unless the file has a longer key."""


class _FileKey(Struct):
    """A key of the file and its principal, made anew when ``generation`` is behind the stored accounts."""

    record: KeyRecord
    principal: Principal | None = None
    generation: int = -1


class Callers:
    """The gateway's ``Authenticator`` for its own keys. ``pepper`` is the stored keys' own; without them one is made up."""

    def __init__(
        self,
        keys: Iterable[tuple[str, KeyRecord]],
        failures: FailureLimiter,
        *,
        terms: Terms,
        stored: StoredKeys | None = None,
        tokens: Tokens | None = None,
        pepper: bytes = b"",
        wall: Clock = time.time,
    ) -> None:
        self._mac = Mac.of(pepper or secrets.token_bytes(32))
        pairs = [(text.encode(), record) for text, record in keys]
        self._longest = max([LONGEST, *(len(text) for text, _ in pairs)])
        self._file = {self._mac.digest(text): _FileKey(record) for text, record in pairs}
        self._failures = failures
        self._terms = terms
        self._stored = stored
        self._tokens = tokens
        self._wall = wall

    def identify(self, presented: Sequence[bytes], client: str) -> Principal:
        """The principal of the first credential that may be used.

        Raises ``AuthenticationFailed``, ``PermissionDenied`` (its account is suspended), ``KeysUnavailable`` or ``RateLimited``.
        """
        refusal: TollwayError | None = None
        for credential in presented if len(presented) <= CREDENTIALS else presented[:CREDENTIALS]:
            try:
                principal = self._find(credential)
            except TollwayError as error:
                refusal = refusal or error
                continue
            if principal is not None:
                return principal
        if refusal is not None:
            if isinstance(refusal, TokenRefused):
                self._failures.failed(client)
            raise refusal
        if presented and self._stored is not None and self._stored.down:
            raise self._stored.unavailable()
        self._failures.failed(client)
        raise AuthenticationFailed(_why(presented))

    def _find(self, credential: bytes) -> Principal | None:
        if len(credential) > self._longest:
            return None
        name = self._mac.digest(credential)
        own = self._file.get(name)
        if own is not None:
            return self._of_file(own)
        if self._stored is not None:
            principal = self._stored.find(name)
            if principal is not None:
                return principal
        if self._tokens is not None and looks_like_token(credential):
            return self._tokens.find(name, credential)
        return None

    def _of_file(self, own: _FileKey) -> Principal:
        generation = self._stored.generation if self._stored is not None else 0
        principal = own.principal
        if principal is None or own.generation != generation:
            principal = self._made(own.record)
            own.principal, own.generation = principal, generation
        if principal.expires is not None and self._wall() >= principal.expires:
            raise ended(own.record, self._wall())
        return principal

    def _made(self, record: KeyRecord) -> Principal:
        row = self._stored.account(record.account) if self._stored is not None else None
        account = account_of(record.account, self._terms, row)
        refuse_inactive(account)
        if account.plan.prepaid and self._stored is not None and not self._stored.loaded:
            raise self._stored.unavailable()
        return principal_of(record, account, self._terms)


def _why(presented: Sequence[bytes]) -> str:
    """What is wrong, without a word of the credential."""
    if not presented:
        return "No API key was given: send it as 'Authorization: Bearer KEY' (or x-api-key, api-key, x-goog-api-key)."
    texts = [credential[:100].decode("latin-1") for credential in presented]
    if any(looks_alike(text) and not well_formed(text) for text in texts):
        return (
            "The API key is not one of this gateway's keys: it begins like one, but its length or checksum is wrong,"
            " so it was cut off or mistyped; copy it again."
        )
    return "The API key is not one of this gateway's keys; it wants a key of its own, not a provider's."
