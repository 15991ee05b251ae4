"""The public keys that an issuer signs tokens with, fetched in the background: no request waits for the issuer.

They come from a URL, a file or the issuer's discovery document (RFC 7517; OpenID Connect Discovery 1.0), never from a token.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ..protocols import Clock

_log = logging.getLogger("tollway.identity")

Fetch = Callable[[str], Awaitable[bytes]]
"""The body of a URL, or an exception."""

Verify = Callable[[str, bytes, bytes], bool]
"""(algorithm, what was signed, signature)."""

LARGEST = 1024 * 1024
"""Bytes of a key set."""

MOST = 100
"""Keys of a key set."""

FETCH_TIMEOUT = 10.0
EARLIEST = 10.0
"""Seconds between two looks that unknown keys ask for."""

RETRY = 5.0
"""Seconds after a look that failed."""

STALE = 86_400.0
"""Seconds after which keys that could not be read again are no longer believed."""

SMALLEST_RSA = 2048
"""Bits (RFC 7518 3.3)."""

CURVES: Mapping[str, tuple[str, ...]] = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
}
"""Curve to the algorithms it is for."""

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class Issuer(Struct, frozen=True, kw_only=True):
    """Who signs tokens, and what in them is believed: ``auth.jwt`` of the configuration, whose fields these are."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    jwks_file: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    account_claim: str = "sub"
    models_claim: str | None = None
    account: str | None = None
    leeway: float = 30.0
    refresh: float = 300.0


class SigningKey(Struct, frozen=True):
    """One public key, and the algorithms that a token may name with it."""

    kid: str | None
    algorithms: frozenset[str]
    verify: Verify


class _Bad(Exception):
    """A document that is not what it should be; the text says how, and quotes nothing of it."""


class SigningKeys:
    """The issuer's keys of the moment. ``run`` keeps them fresh; until the first look there are none."""

    def __init__(self, issuer: Issuer, *, fetch: Fetch, clock: Clock = time.monotonic) -> None:
        self.issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[SigningKey, ...] = ()
        self._source = b""
        self._jwks_url = issuer.jwks_url
        self._read_at: float | None = None
        self._tried_at = -EARLIEST
        self._failing = False
        self._wanted = asyncio.Event()
        self.generation = 0
        """Grows whenever the keys change: what was verified before may not be any more."""

    @property
    def known(self) -> bool:
        """Are there keys, read lately enough to be believed?"""
        return self._read_at is not None and self._clock() - self._read_at < STALE + self.issuer.refresh

    def candidates(self, kid: str | None, algorithm: str) -> Sequence[SigningKey]:
        """The keys that a token of this header may be signed with; without a ``kid`` only a key that is alone in fitting."""
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        if kid is None:
            return fitting if len(fitting) == 1 else ()
        return [key for key in fitting if key.kid == kid]

    def want(self) -> float:
        """A token names a key that is not here: look again soon. Returns in how many seconds."""
        self._wanted.set()
        return max(0.0, self._tried_at + EARLIEST - self._clock())

    async def run(self) -> None:
        """Looks every ``issuer.refresh`` seconds, sooner when wanted or after a failure, until cancelled."""
        while True:
            await self.look()
            pause = self.issuer.refresh if not self._failing else min(RETRY, self.issuer.refresh)
            try:
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
                await asyncio.sleep(max(0.0, self._tried_at + EARLIEST - self._clock()))
            except TimeoutError:
                pass
            self._wanted.clear()

    async def look(self) -> None:
        """Reads the keys once; on any failure those that are here stay."""
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                source = await self._document()
            if source != self._source:
                self._keys = read_keys(source, self.issuer.algorithms)
                self._source = source
                self.generation += 1
        except Exception as error:  # noqa: BLE001 - whatever the network or the document does, the keys that are here stay
            if not self._failing:
                said = str(error) if isinstance(error, _Bad) else type(error).__name__
                _log.warning("the signing keys of %s cannot be read (%s)", self.issuer.issuer, said)
            self._failing = True
            self._jwks_url = self.issuer.jwks_url
            return
        self._read_at = self._clock()
        if self._failing:
            _log.info("the signing keys of %s can be read again", self.issuer.issuer)
            self._failing = False

    async def _document(self) -> bytes:
        if self.issuer.jwks_file is not None:
            return await asyncio.to_thread(Path(self.issuer.jwks_file).read_bytes)
        if self._jwks_url is None:
            self._jwks_url = await self._discovered()
        return await self._fetch(self._jwks_url)

    async def _discovered(self) -> str:
        issuer = self.issuer.issuer
        found = _mapping(await self._fetch(issuer.rstrip("/") + "/.well-known/openid-configuration"))
        if found.get("issuer") != issuer:
            raise _Bad("its discovery document is of another issuer")
        url = found.get("jwks_uri")
        schemes = ("https",) if urlsplit(issuer).scheme == "https" else ("http", "https")
        if not isinstance(url, str) or urlsplit(url).scheme not in schemes:
            raise _Bad("its discovery document names no jwks_uri of the same security")
        return url


def read_keys(source: bytes, allowed: Collection[str]) -> tuple[SigningKey, ...]:
    """The keys of a JWK set that can verify an ``allowed`` algorithm; others, secret ones above all, are left out."""
    found = _mapping(source).get("keys")
    if not isinstance(found, list) or len(found) > MOST:
        raise _Bad(f"expected a JWK set of at most {MOST} keys")
    keys = [key for row in found if isinstance(row, dict) and (key := _key(row, allowed)) is not None]
    if not keys:
        raise _Bad("none of its keys is of an allowed algorithm")
    return tuple(keys)


def _mapping(source: bytes) -> dict[str, object]:
    if len(source) > LARGEST:
        raise _Bad(f"the document is larger than {LARGEST} bytes")
    try:
        found = msgspec.json.decode(source)
    except (msgspec.DecodeError, RecursionError):
        raise _Bad("the document is not JSON") from None
    if not isinstance(found, dict):
        raise _Bad("the document is no JSON object")
    return found


def _key(row: Mapping[str, object], allowed: Collection[str]) -> SigningKey | None:
    """The public part of one JWK, if it is for signatures."""
    operations = row.get("key_ops")
    if row.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    algorithms = frozenset(_algorithms(row)) & frozenset(allowed)
    kid = row.get("kid")
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    verify = _verifier(row)
    return SigningKey(kid, algorithms, verify) if verify is not None else None


def _algorithms(row: Mapping[str, object]) -> Sequence[str]:
    curve = row.get("crv")
    match row.get("kty"):
        case "RSA":
            fit: Sequence[str] = RSA
        case "EC" | "OKP" if isinstance(curve, str):
            fit = CURVES.get(curve, ())
        case _:
            fit = ()
    named = row.get("alg")
    return fit if named is None else [name for name in fit if name == named or (name == "EdDSA" and named == curve)]


def _verifier(row: Mapping[str, object]) -> Verify | None:
    from joserfc.errors import JoseError  # noqa: PLC0415 - of the extra ``oidc``
    from joserfc.jwk import ECKey, OKPKey, RSAKey  # noqa: PLC0415
    from joserfc.jws import JWSRegistry  # noqa: PLC0415

    public: dict[str, str | list[str]] = {
        name: value for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(value := row.get(name), str)
    }
    kinds: dict[object, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        if row["kty"] == "RSA" and _bits(public["n"]) < SMALLEST_RSA:
            return None
        key = kinds[row["kty"]].import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None

    def verify(algorithm: str, signed: bytes, signature: bytes) -> bool:
        return JWSRegistry.algorithms[algorithm].verify(signed, signature, key)

    return verify


def _bits(number: object) -> int:
    """Of an integer as JWKs write it (RFC 7518 2)."""
    text = str(number).encode()
    return int.from_bytes(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)), "big").bit_length()
