"""AWS Signature Version 4: a pure function over the finished request, and where its keys come from.

Keys are static, or those that botocore (extra ``bedrock``) finds: profile, SSO, web identity, container, instance. It is imported
and asked in a thread, by one task for all requests, ahead of the keys' end; meanwhile requests use the old ones.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import digest
from time import gmtime, strftime
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from ...errors import InvalidRequest, UpstreamAuthFailed
from ...protocols import UpstreamRequest

LAST = 60
"""Seconds before their end from which keys are no longer used."""

AGAIN = 300.0
"""Seconds after which keys without an end are looked up anew: files change."""

PAUSE = 5.0
"""Seconds after a failed look-up in which no other is tried."""

_OURS = frozenset(("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"))
_UNRESERVED = "-_.~"


class Keys(Struct, frozen=True):
    """An access key; ``token`` belongs to temporary ones."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Keys({self.access[:4]}…)"


def signed(request: UpstreamRequest, keys: Keys, *, region: str, service: str, now: float) -> UpstreamRequest:
    """``request`` with its signature; ``now`` in unix seconds. Raises ``InvalidRequest`` for a body that is not at hand whole."""
    body = request.body if request.body is not None else b""
    if not isinstance(body, bytes):
        raise InvalidRequest(
            "This provider signs whole requests; send the body as one JSON document, not as an upload."
        )
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    headers = [pair for pair in request.headers if pair[0] not in _OURS]
    headers.append(("x-amz-date", stamp))
    if keys.token:
        headers.append(("x-amz-security-token", keys.token))
    names, canonical = _canonical(request, headers, body)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    told = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + keys.secret.encode()
    for part in scope.split("/"):
        key = digest(key, part.encode(), "sha256")
    signature = digest(key, told.encode(), "sha256").hex()
    value = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return replace(request, headers=[*headers, ("authorization", value)])


def _canonical(request: UpstreamRequest, headers: list[tuple[str, str]], body: bytes) -> tuple[str, str]:
    """The names of the signed headers and the canonical request. The path is escaped once more than it is sent."""
    parts = urlsplit(request.url)
    kept = {"host": _host(parts.scheme, parts.netloc)}
    for name, value in headers:
        if name == "content-type" or name.startswith("x-amz-"):
            tidy = " ".join(value.split())
            kept[name] = f"{kept[name]},{tidy}" if name in kept else tidy
    names = ";".join(sorted(kept))
    lines = "".join(f"{name}:{kept[name]}\n" for name in sorted(kept))
    path = quote(parts.path or "/", safe="/" + _UNRESERVED)
    hashed = sha256(body).hexdigest()
    return names, f"{request.method}\n{path}\n{_query(parts.query)}\n{lines}\n{names}\n{hashed}"


def _host(scheme: str, netloc: str) -> str:
    """As the ``host`` header says it: without a default port or credentials."""
    host = netloc.rpartition("@")[2]
    return host.removesuffix(":443" if scheme == "https" else ":80")


def _query(query: str) -> str:
    pairs = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        pairs.append((quote(unquote(name), safe=_UNRESERVED), quote(unquote(value), safe=_UNRESERVED)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


# ---- where keys come from -------------------------------------------------------------------------------------------
class Source(Protocol):
    """Looks keys up, blocking."""

    def __call__(self) -> tuple[Keys, float | None]:
        """Keys, and their end in unix seconds (``None``: they have none). Raises ``UpstreamAuthFailed``."""

    def renew_at(self, ends: float | None, now: float) -> float:
        """When keys that were found at ``now`` should be looked up again."""


def scheme(options: Mapping[str, str]) -> "SigV4":
    """Row ``sigv4`` of ``SCHEMES``: ``region``, ``service`` (bedrock), and ``access_key_id``, ``secret_access_key``,
    ``session_token`` or else ``profile``."""
    region, service = options["region"], options.get("service", "bedrock")
    access, secret = options.get("access_key_id"), options.get("secret_access_key")
    if access and secret:
        return SigV4(region=region, service=service, keys=Keys(access, secret, options.get("session_token")))
    return SigV4(region=region, service=service, source=Chain(options.get("profile")))


class SigV4:
    """An ``Authorizer``. Either ``keys`` that hold for ever, or a ``source``. ``clock``: unix seconds."""

    def __init__(
        self,
        *,
        region: str,
        service: str = "bedrock",
        keys: Keys | None = None,
        source: Source | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._region = region
        self._service = service
        self._keys = keys
        self._source = source
        self._clock = clock
        self._ends: float | None = None
        self._due = 0.0
        self._failed: UpstreamAuthFailed | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """``request``, signed. Raises ``UpstreamAuthFailed``, which names the fix."""
        now = self._clock()
        if self._source is not None and now >= self._due:
            renewal = self._renew(self._source)
            if not self._usable(now):
                # A request that is given up must not end the look-up that others wait for.
                await asyncio.shield(renewal)
        now = self._clock()
        if self._keys is None or not self._usable(now):
            raise self._failure()
        return signed(request, self._keys, region=self._region, service=self._service, now=now)

    def _usable(self, now: float) -> bool:
        return self._keys is not None and (self._ends is None or self._ends - now > LAST)

    def _renew(self, source: Source) -> asyncio.Task[None]:
        """The look-up under way, or a new one."""
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._look_up(source))
        return self._renewal

    async def _look_up(self, source: Source) -> None:
        try:
            self._keys, self._ends = await asyncio.to_thread(source)
            self._due = source.renew_at(self._ends, self._clock())
            self._failed = None
        except UpstreamAuthFailed as error:
            self._failed = error
            self._due = self._clock() + PAUSE
        finally:
            self._renewal = None

    def _failure(self) -> UpstreamAuthFailed:
        """A new error each time: an exception that is raised twice keeps both tracebacks."""
        if self._failed is not None:
            return UpstreamAuthFailed(self._failed.message, detail=self._failed.detail)
        return UpstreamAuthFailed(
            "The AWS credentials that were found have already expired; renew them (aws sso login) or check this machine's clock."
        )


class Chain:
    """botocore's chain of credential providers as a ``Source``."""

    AHEAD = 600.0
    """Seconds before their end at which keys are renewed."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    def __call__(self) -> tuple[Keys, float | None]:
        """Blocks: files, or a request to AWS. A new session each time, so that what changed on disk counts."""
        try:
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
            from botocore.session import Session  # noqa: PLC0415
        except ImportError as error:
            raise UpstreamAuthFailed(
                "Bedrock needs AWS keys: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install "
                "tollway with the extra 'bedrock' to use profiles and roles.",
                detail=str(error),
            ) from error
        try:
            found = Session(profile=self._profile).get_credentials()
            if found is None:
                raise UpstreamAuthFailed(self._advice())
            frozen = found.get_frozen_credentials()
        except (BotoCoreError, OSError, ValueError, KeyError) as error:
            raise UpstreamAuthFailed(self._advice(), detail=f"{type(error).__name__}: {str(error)[:500]}") from error
        if not frozen.access_key or not frozen.secret_key:
            raise UpstreamAuthFailed(self._advice())
        ends = getattr(found, "_expiry_time", None)
        return Keys(frozen.access_key, frozen.secret_key, frozen.token), ends.timestamp() if ends is not None else None

    def renew_at(self, ends: float | None, now: float) -> float:
        """Well before their end; a short-lived set lives half its time at least."""
        if ends is None:
            return now + AGAIN
        return max(ends - self.AHEAD, now + min((ends - now) / 2, AGAIN))

    def _advice(self) -> str:
        if self._profile:
            return (
                f"AWS gave no credentials for the profile {self._profile[:100]!r}; check its name in ~/.aws/config, and sign in again "
                f"if it uses SSO: aws sso login --profile {self._profile[:100]}."
            )
        return (
            "No AWS credentials were found; set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "options.profile, or run the gateway under a role that may call bedrock:InvokeModel."
        )
