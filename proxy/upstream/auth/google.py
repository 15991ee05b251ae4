"""Google's OAuth tokens: from a service account's key, a workload identity, or application default credentials.

A token lives an hour. It is renewed in a thread ten minutes ahead, by one task for all requests, which meanwhile use the old one.
The library (extra ``vertex``) is imported in that thread, by the first request that needs it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from ...errors import UpstreamAuthFailed
from ...protocols import UpstreamRequest
from ...wire.values import JsonObject, obj, object_in, text

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AHEAD = 600.0
"""Seconds before its end at which a token is renewed."""

LAST = 30.0
"""Seconds before its end from which a token is no longer used."""

PAUSE = 5.0
"""Seconds after a failed renewal in which no other is tried."""

TIMEOUT = 20.0
"""Seconds that one answer of Google's token service may take."""

UNTOLD = 3000.0
"""Seconds for which a token without a known end is used."""


class Credentials(Protocol):
    """What this module uses of ``google.auth.credentials.Credentials``."""

    token: str | None
    expiry: datetime | None
    """In UTC, without a zone."""

    def refresh(self, request: object) -> None:
        """Fetches a new token. ``request``: how to speak HTTP, a callable."""


class Token(Protocol):
    """Fetches a token, blocking: its text, its end in unix seconds, and the project that pays, if that is another one."""

    def __call__(self) -> tuple[str, float, str | None]:
        """Raises ``UpstreamAuthFailed``."""


def scheme(options: Mapping[str, str]) -> "GoogleAuthorizer":
    """Row ``google`` of ``SCHEMES``. ``credentials_file``: a path; without it Google's library looks where it always does."""
    return GoogleAuthorizer(Fetch(options.get("credentials_file")))


class GoogleAuthorizer:
    """An ``Authorizer``. ``clock``: unix seconds."""

    def __init__(self, fetch: Token, *, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token = ""
        self._ends = 0.0
        self._payer: str | None = None
        self._failed: UpstreamAuthFailed | None = None
        self._again = 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """``request`` with a token. Raises ``UpstreamAuthFailed``."""
        left = self._ends - self._clock()
        if left < AHEAD:
            renewal = self._renew()
            if left < LAST:
                if renewal is not None:
                    # A request that is given up must not end the renewal that others wait for.
                    await asyncio.shield(renewal)
                if self._ends - self._clock() < LAST:
                    raise self._failure()
        headers = [pair for pair in request.headers if pair[0] != "authorization"]
        headers.append(("authorization", f"Bearer {self._token}"))
        if self._payer is not None and not any(name == "x-goog-user-project" for name, _ in headers):
            headers.append(("x-goog-user-project", self._payer))
        return replace(request, headers=headers)

    def _renew(self) -> asyncio.Task[None] | None:
        """The renewal under way, or a new one; ``None`` so soon after a failure."""
        if self._renewal is None and self._clock() >= self._again:
            self._renewal = asyncio.create_task(self._fetched())
        return self._renewal

    async def _fetched(self) -> None:
        try:
            self._token, self._ends, self._payer = await asyncio.to_thread(self._fetch)
            self._failed = None
        except UpstreamAuthFailed as error:
            self._failed = error
            self._again = self._clock() + PAUSE
        finally:
            self._renewal = None

    def _failure(self) -> UpstreamAuthFailed:
        """A new error each time: an exception that is raised twice keeps both tracebacks."""
        failed = self._failed
        if failed is None:
            return UpstreamAuthFailed("Google issued a token that has already expired; check this machine's clock.")
        return UpstreamAuthFailed(failed.message, detail=failed.detail)


class Fetch:
    """Google's library behind ``Token``. ``file``: path of a credentials file."""

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._credentials: Credentials | None = None

    def __call__(self) -> tuple[str, float, str | None]:
        """Blocks. Raises ``UpstreamAuthFailed``."""
        try:
            from google.auth import default  # noqa: PLC0415
            from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415
            from google.auth.transport.requests import Request  # noqa: PLC0415
        except ImportError as error:
            raise UpstreamAuthFailed(
                "Vertex AI needs Google's library: install tollway with the extra 'vertex', or set an api_key (express mode).",
                detail=str(error),
            ) from error
        try:
            found = self._credentials
            if found is None:
                found = self._credentials = of_file(self._file) if self._file else _found(default)
            found.refresh(partial(Request(), timeout=TIMEOUT))
        except (DefaultCredentialsError, OSError, ValueError, KeyError, TypeError) as error:
            self._credentials = None
            raise UpstreamAuthFailed(self._advice(), detail=str(error)[:500]) from error
        except GoogleAuthError as error:
            # The file may be replaced by one that works.
            self._credentials = None
            raise UpstreamAuthFailed(
                "Google's token service refused the gateway's credentials or could not be reached; check that the account or key "
                "still exists, may use Vertex AI, and that oauth2.googleapis.com is reachable.",
                detail=str(error)[:500],
            ) from error
        ends = found.expiry.replace(tzinfo=UTC).timestamp() if found.expiry is not None else time.time() + UNTOLD
        return found.token or "", ends, getattr(found, "quota_project_id", None)

    def _advice(self) -> str:
        if self._file:
            return "The Google credentials file cannot be used; check options.credentials_file or GOOGLE_APPLICATION_CREDENTIALS."
        return (
            "No Google credentials were found; set options.credentials_file or GOOGLE_APPLICATION_CREDENTIALS, or run the gateway "
            "under a service account (workload identity)."
        )


FILES = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool", "from_info"),
    "external_account_authorized_user": ("google.auth.external_account_authorized_user", "from_info"),
    "impersonated_service_account": ("google.auth.impersonated_credentials", "from_impersonated_service_account_info"),
}
"""``type`` of a credentials file to the module whose ``Credentials`` reads it, and how. Source: google-auth 2.62."""


def of_file(path: str) -> Credentials:
    """The credentials in a file of any of Google's types. Raises ``OSError`` and ``ValueError``."""
    info = object_in(Path(path).read_bytes())
    kind = text((info or {}).get("type"))
    if info is None or kind not in FILES:
        raise ValueError(f"not a JSON object with a known type: {', '.join(FILES)}")
    module, method = FILES[kind]
    if kind == "external_account":
        module = _workload(info)
    build: Callable[..., Credentials] = getattr(import_module(module).Credentials, method)
    return build(info, scopes=[SCOPE])


def _workload(info: JsonObject) -> str:
    """A workload identity proves itself by AWS's signature, by a program, or by a token in a file or behind a URL."""
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        return "google.auth.aws"
    return (
        "google.auth.pluggable"
        if obj(info.get("credential_source")).get("executable")
        else FILES["external_account"][0]
    )


def _found(default: Callable[..., tuple[Credentials, str | None]]) -> Credentials:
    """Application default credentials; they also tell a project, which nobody asked for."""
    credentials, _ = default(scopes=[SCOPE])
    return credentials
