"""Microsoft Entra ID: bearer tokens for Azure from a client secret, from a workload's federated token, or given ready.

A token is fetched by the first request that needs one, and again well before it ends; requests meanwhile use the one that still
holds. Source: Microsoft's OAuth 2.0 client credentials flow, v2.0 endpoint.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from ...errors import UpstreamAuthFailed
from ...protocols import Authorizer, Clock, UpstreamRequest
from ...wire.values import JsonObject, count, object_in, text
from ..foreign import FOREIGN_BODY

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

AHEAD = 300.0
"""Seconds before its end at which a token is renewed; of a short-lived one, the second half of its life."""

PAUSE = 2.0
"""Seconds after a failure in which nobody asks again."""

LIMIT = 10.0
"""Seconds for one exchange with the token endpoint."""

_CODE = re.compile(r"\bAADSTS\d+\b")
_FIXES = {
    "AADSTS7000215": "options.client_secret is wrong: it must be the secret's value, not its id",
    "AADSTS7000222": "the client secret has expired: make a new one and set options.client_secret",
    "AADSTS700016": "options.client_id is no application of this tenant",
    "AADSTS90002": "options.tenant_id names no tenant",
    "AADSTS900023": "options.tenant_id is neither a domain name nor a tenant's id",
    "AADSTS500011": "options.scope names no resource of this tenant",
    "AADSTS70011": "options.scope is not valid; it ends in /.default",
    "AADSTS700213": "no federated credential of the application matches this workload's token",
    "AADSTS70021": "no federated credential of the application matches this workload's token",
    "AADSTS700024": "the workload's federated token has expired; its file is not being renewed",
}
"""Entra's own codes to what there is to do."""


def scheme(options: Mapping[str, str]) -> Authorizer:
    """Options: ``token``, or ``tenant_id`` and ``client_id`` with ``client_secret`` or ``token_file``; ``authority``, ``scope``."""
    return Entra(options)


class _Token(Struct, frozen=True):
    value: str
    renew: float
    ends: float


class Entra:
    """One identity. Single flight: however many requests wait, one of them fetches."""

    def __init__(self, options: Mapping[str, str], *, clock: Clock = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: _Token | None = None
        self._failure: tuple[float, UpstreamAuthFailed] | None = None

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """``request`` with the token as its only credential. Raises ``UpstreamAuthFailed``."""
        value = self._options.get("token") or await self._current()
        headers = [pair for pair in request.headers if pair[0] not in ("authorization", "api-key")]
        return replace(request, headers=[*headers, ("authorization", f"Bearer {value}")])

    async def _current(self) -> str:
        token = self._token
        if token is not None:
            now = self._clock()
            if now < token.renew or (now < token.ends and self._lock.locked()):
                return token.value
        async with self._lock:
            now, token = self._clock(), self._token
            if token is not None and now < token.renew:
                return token.value
            try:
                if self._failure is not None and self._paused(now):
                    raise UpstreamAuthFailed(self._failure[1].message, detail=self._failure[1].detail)
                self._token = token = await self._fetch(now)
            except UpstreamAuthFailed as error:
                if not self._paused(now):
                    self._failure = (self._clock() + PAUSE, error)
                if token is None or self._clock() >= token.ends:
                    raise
            return token.value

    def _paused(self, now: float) -> bool:
        return self._failure is not None and now < self._failure[0]

    async def _fetch(self, now: float) -> _Token:
        status, body = await self._ask(await self._form())
        document = object_in(body) or {}
        value, lifetime = text(document.get("access_token")), _seconds(document)
        if not value:
            raise _refused(status, document)
        return _Token(value, now + lifetime - min(AHEAD, lifetime / 2), now + lifetime)

    async def _form(self) -> dict[str, str]:
        options = self._options
        form = {
            "grant_type": "client_credentials",
            "client_id": options.get("client_id", ""),
            "scope": options.get("scope") or SCOPE,
        }
        if options.get("client_secret"):
            return {**form, "client_secret": options["client_secret"]}
        path = options.get("token_file", "")
        try:
            # Read anew each time: whoever issues federated tokens renews the file.
            assertion = await asyncio.to_thread(Path(path).read_text, encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UpstreamAuthFailed(
                "Entra needs options.client_secret, or options.token_file (AZURE_FEDERATED_TOKEN_FILE) naming a file that "
                "the gateway can read.",
                detail=f"{path!r}: {type(error).__name__}",
            ) from error
        return {**form, "client_assertion_type": ASSERTION, "client_assertion": assertion.strip()}

    async def _ask(self, form: dict[str, str]) -> tuple[int, bytes]:
        authority = (self._options.get("authority") or AUTHORITY).rstrip("/")
        url = f"{authority}/{quote(self._options.get('tenant_id', ''), safe='')}/oauth2/v2.0/token"
        timeout = aiohttp.ClientTimeout(total=LIMIT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(url, data=form, allow_redirects=False) as response,
            ):
                return response.status, await response.read()
        except FOREIGN_BODY as error:
            raise UpstreamAuthFailed(
                "No token for Azure: Entra's token endpoint could not be reached; check options.authority and the network.",
                detail=type(error).__name__,
            ) from error


def _seconds(document: JsonObject) -> float:
    """``expires_in``, a number or its digits; an hour where it is missing, Entra's usual least."""
    given = document.get("expires_in")
    found = count(int(given) if isinstance(given, str) and given.isdecimal() and len(given) < 10 else given)
    return float(found) if found else 3600.0


def _refused(status: int, document: JsonObject) -> UpstreamAuthFailed:
    told = text(document.get("error_description"))
    code = _CODE.search(told)
    name = code[0] if code is not None else text(document.get("error"))[:64] or f"status {status}"
    fix = _FIXES.get(name, "check options.tenant_id, options.client_id and the credential behind them")
    return UpstreamAuthFailed(
        f"No token for Azure: Entra answered {name}; {fix}.", detail=f"status {status}: {told[:300]}"
    )
