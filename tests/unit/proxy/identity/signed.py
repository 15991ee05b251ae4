"""Issuers' keys and tokens for the tests of this folder, good ones and every kind of bad one."""

import base64
import json
import time
from collections.abc import Mapping

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from proxy.identity.signing_keys import Issuer

URL = "https://issuer.test"
JWKS = "https://issuer.test/keys"
ISSUER = Issuer(issuer=URL, audience="tollway", jwks_url=JWKS, algorithms=("RS256", "PS256", "ES256", "EdDSA"))

RSA_KEY = RSAKey.generate_key(2048)
OTHER_RSA = RSAKey.generate_key(2048)
EC_KEY = ECKey.generate_key("P-256")
ED_KEY = OKPKey.generate_key("Ed25519")

Signer = RSAKey | ECKey | OKPKey


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public(key: Signer, kid: str | None = None, **more: object) -> dict[str, object]:
    """The JWK that an issuer shows."""
    return {**key.as_dict(private=False), **({"kid": kid} if kid is not None else {}), **more}


def jwks(*rows: Mapping[str, object]) -> bytes:
    """A JWK set."""
    return json.dumps({"keys": rows}).encode()


KEYS = jwks(public(RSA_KEY, "rsa", use="sig"), public(EC_KEY, "ec"), public(ED_KEY, "ed"))


def claims(now: float | None = None, **changes: object) -> dict[str, object]:
    """Claims of a good token; a change to ``None`` leaves one out."""
    at = int(now if now is not None else time.time())
    good: dict[str, object] = {"iss": URL, "aud": "tollway", "sub": "alice", "iat": at, "nbf": at, "exp": at + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(
    body: Mapping[str, object] | bytes,
    *,
    key: Signer = RSA_KEY,
    header: Mapping[str, object] | bytes | None = None,
    algorithm: str = "RS256",
    kid: str | None = "rsa",
) -> bytes:
    """A token whose signature is good. ``header`` in bytes is taken as it is."""
    head = (
        header if isinstance(header, bytes) else json.dumps({"alg": algorithm, "kid": kid, **(header or {})}).encode()
    )
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    text = f"{encoded(head)}.{encoded(payload)}"
    return f"{text}.{encoded(JWSRegistry.algorithms[algorithm].sign(text.encode(), key))}".encode()


class Keys:
    """The issuer's server, which answers with ``source``, fails or hangs. ``asked``: URLs."""

    def __init__(self, source: bytes = KEYS) -> None:
        self.source: bytes | Exception = source
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.source, Exception):
            raise self.source
        return self.pages.get(url, self.source)
