"""Callers with signed tokens (RFC 7519, RFC 8725): checked here against the issuer's keys of the moment, once a token.

The token chooses nothing: algorithms are pinned by the configuration and by the key, and keys come from the issuer alone.
"""

import base64
import binascii
import json
import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import ClassVar, Protocol

from msgspec import Struct

from ..context import Principal
from ..errors import AuthenticationFailed, KeysUnavailable, retry_after
from ..policy.terms import Scopes
from ..protocols import Clock
from ..storage.records import AccountRecord
from .principals import Terms, account_of, file_account, file_key, principal_of
from .signing_keys import SigningKeys
from .standing import refuse_inactive

LARGEST = 8 * 1024
"""Bytes of a token that is looked at."""

VERIFIED = 10_000
"""Tokens whose signature need not be checked again."""

LONGEST_NAME = 255
MOST_MODELS = 100
TYPES = (None, "jwt", "at+jwt", "application/jwt", "application/at+jwt")
LATEST = 1e11
"""Unix seconds; a claim beyond it is no time."""

OWN_ACCOUNT = "jwt/"
"""Stands before the name of an account that only tokens know, so that no token names itself into one of the file's keys."""


class TokenRefused(AuthenticationFailed):
    """The token is wrong, and stays wrong."""


class SignerUnknown(AuthenticationFailed):
    """The token names a signing key that is not here yet: the issuer may have changed keys a moment ago."""

    should_retry: ClassVar[bool | None] = True


class Accounts(Protocol):
    """What is needed of the stored accounts."""

    generation: int

    @property
    def loaded(self) -> bool:
        """Have they been read?"""

    def account(self, ident: str) -> AccountRecord | None:
        """By its id."""

    def account_named(self, name: str) -> AccountRecord | None:
        """By its name."""


class Caller(Struct, frozen=True):
    """What a verified token says. Times in unix seconds, leeway included. ``account``: as the token names it, ``None`` if it does not."""

    name: str
    account: str | None
    models: tuple[str, ...]
    begins: float
    expires: float


class _Verified(Struct):
    caller: Caller
    signers: int
    principal: Principal | None = None
    generation: int = -1


def looks_like_token(credential: bytes) -> bool:
    """Three parts with dots, or an encrypted token's five, of which the first is base64 of a JSON object."""
    return credential.startswith((b"ey", b"ew")) and credential.count(b".") in (2, 4)


class Tokens:
    """Tokens to principals. Cheap to make: ``signers`` and ``stored`` live longer than a configuration."""

    def __init__(
        self, signers: SigningKeys, *, terms: Terms, stored: Accounts | None = None, wall: Clock = time.time
    ) -> None:
        self._signers = signers
        self._issuer = signers.issuer
        self._terms = terms
        self._stored = stored
        self._wall = wall
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def find(self, name: bytes, credential: bytes) -> Principal:
        """The caller of the token whose digest is ``name``.

        Raises ``TokenRefused``, ``SignerUnknown``, ``PermissionDenied`` (its account is suspended) or ``KeysUnavailable``.
        """
        if not self._signers.known:
            raise KeysUnavailable(
                "The signing keys of the token's issuer cannot be read, so this token cannot be checked; send the request again.",
                headers=retry_after(1.0),
            )
        verified = self._verified.get(name)
        if verified is None or verified.signers != self._signers.generation:
            verified = _Verified(self._check(credential), self._signers.generation)
            self._verified[name] = verified
            if len(self._verified) > VERIFIED:
                self._verified.popitem(last=False)
        self._verified.move_to_end(name)
        self._in_time(verified.caller)
        generation = self._stored.generation if self._stored is not None else 0
        if verified.principal is None or verified.generation != generation:
            verified.principal = self._principal(verified.caller)
            verified.generation = generation
        return verified.principal

    def _in_time(self, caller: Caller) -> None:
        now = self._wall()
        if now >= caller.expires:
            raise TokenRefused("The token has expired; get a new one from its issuer.")
        if now < caller.begins:
            raise TokenRefused("The token is not valid yet (nbf); are the clocks of issuer and gateway alike?")

    # ---- the signature ----------------------------------------------------------------------------------------------

    def _check(self, credential: bytes) -> Caller:
        if len(credential) > LARGEST:
            raise TokenRefused(f"The token is larger than {LARGEST} bytes.")
        parts = credential.split(b".")
        if len(parts) != 3:
            raise TokenRefused("The token is encrypted; only signed ones are read.")
        header = _object(parts[0], "header")
        algorithm, kid = self._header(header)
        candidates = self._signers.candidates(kid, algorithm)
        if not candidates:
            wait = self._signers.want()
            raise SignerUnknown(
                "The token names a signing key that this gateway does not know (kid and alg); it is asking the issuer for its"
                " keys: send the request again, and get a new token if that does not help.",
                headers=retry_after(max(1.0, wait)),
            )
        signed, signature = parts[0] + b"." + parts[1], _decoded(parts[2], "signature")
        if not any(key.verify(algorithm, signed, signature) for key in candidates):
            raise TokenRefused("The token's signature is wrong.")
        return self._caller(_object(parts[1], "claims"))

    def _header(self, header: Mapping[str, object]) -> tuple[str, str | None]:
        """(algorithm, key id) of a header that asks for nothing we do not do."""
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if not isinstance(algorithm, str) or algorithm not in self._issuer.algorithms:
            raise TokenRefused(f"The token's algorithm is not one of {', '.join(self._issuer.algorithms)}.")
        for name in ("crit", "b64", "zip", "enc"):
            if name in header:
                raise TokenRefused(f"The token's header asks for '{name}', which is not done here.")
        if "cty" in header:
            raise TokenRefused("The token holds another token (cty), which is not read.")
        if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
            raise TokenRefused("The token's type (typ) is not that of an access or identity token.")
        if kid is not None and not isinstance(kid, str):
            raise TokenRefused("The token's key id (kid) is not text.")
        return algorithm, kid

    # ---- the claims -------------------------------------------------------------------------------------------------

    def _caller(self, claims: Mapping[str, object]) -> Caller:
        issuer = self._issuer
        if claims.get("iss") != issuer.issuer:
            raise TokenRefused("The token's issuer (iss) is not the one that this gateway believes.")
        audience = claims.get("aud")
        if audience != issuer.audience and not (isinstance(audience, list) and issuer.audience in audience):
            raise TokenRefused("The token is not meant for this gateway: its audience (aud) is another.")
        expires, begins = _time(claims, "exp"), _time(claims, "nbf")
        _time(claims, "iat")
        if expires is None:
            raise TokenRefused("The token never expires (no exp), so it is not taken.")
        name = _name(claims.get("sub"))
        if name is None:
            raise TokenRefused("The token names nobody (sub).")
        return Caller(
            name=name,
            account=self._account_claim(claims),
            models=self._models(claims),
            begins=(begins - issuer.leeway) if begins is not None else -math.inf,
            expires=expires + issuer.leeway,
        )

    def _account_claim(self, claims: Mapping[str, object]) -> str | None:
        found = reached(claims, self._issuer.account_claim)
        if found is None and self._issuer.account is not None:
            return None
        account = _name(found)
        if account is None:
            raise TokenRefused(f"The token names no account ({self._issuer.account_claim}).")
        return account

    def _models(self, claims: Mapping[str, object]) -> tuple[str, ...]:
        if self._issuer.models_claim is None:
            return ("*",)
        found = reached(claims, self._issuer.models_claim)
        names = found.split() if isinstance(found, str) else [] if found is None else found
        if not isinstance(names, list) or len(names) > MOST_MODELS or any(_name(name) is None for name in names):
            raise TokenRefused(
                f"The token's models ({self._issuer.models_claim}) are not a list of at most {MOST_MODELS} names."
            )
        return tuple(str(name) for name in names)

    def _principal(self, caller: Caller) -> Principal:
        account = self._account(caller.account)
        refuse_inactive(account)
        key = file_key(
            caller.name, ident=OWN_ACCOUNT + caller.name, scopes=Scopes(models=caller.models), expires=caller.expires
        )
        return principal_of(key, account, self._terms)

    def _account(self, named: str | None) -> AccountRecord:
        """The account of the file or the database that the token (or the configuration, where it does not) names, or one of its own."""
        ident = named if named is not None else self._issuer.account or ""
        stored = self._stored
        if stored is not None and not stored.loaded:
            raise KeysUnavailable(
                "The database of accounts cannot be reached, so this token's account cannot be checked; send the request again.",
                headers=retry_after(1.0),
            )
        row = (stored.account(ident) or stored.account_named(ident)) if stored is not None else None
        if ident in self._terms.accounts:
            return account_of(ident, self._terms, row if row is not None and row.id == ident else None)
        if row is not None:
            return row
        return file_account(ident if named is None else OWN_ACCOUNT + ident)


def reached(claims: Mapping[str, object], path: str) -> object:
    """The claim of this name, else what a path with dots leads to; ``None`` where there is nothing."""
    if path in claims:
        return claims[path]
    found: object = claims
    for step in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(step)
    return found


def _name(value: object) -> str | None:
    """``value``, if it is text that may stand as a name."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable() else None


def _time(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LATEST < value < LATEST:
        raise TokenRefused(f"The token's {name} is no time.")
    return float(value)


def _object(part: bytes, what: str) -> dict[str, object]:
    """A part of the token as a JSON object. Names that stand twice are refused: readers differ in which one counts."""
    try:
        found = json.loads(_decoded(part, what).decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise TokenRefused(f"The token's {what} cannot be read.") from None
    if not isinstance(found, dict):
        raise TokenRefused(f"The token's {what} cannot be read.")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(_: str) -> object:
    raise ValueError("no JSON number")


def _decoded(part: bytes, what: str) -> bytes:
    """Base64url without padding, in its one canonical form (RFC 7515 2)."""
    try:
        data = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or base64.urlsafe_b64encode(data).rstrip(b"=") != part:
        raise TokenRefused(f"The token's {what} is not base64url.")
    return data
