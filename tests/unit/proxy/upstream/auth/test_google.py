"""Google's tokens: one renewal for all, ahead of the end, and errors that name the fix."""

import asyncio
import datetime
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.errors import UpstreamAuthFailed
from proxy.protocols import UpstreamRequest
from proxy.upstream.auth.google import AHEAD, LAST, PAUSE, Fetch, GoogleAuthorizer, scheme

REQUEST = UpstreamRequest(method="POST", url="https://h/", headers=[("authorization", "old"), ("a", "b")], body=b"{}")


class Service:
    """A token service: counts, waits at a gate, fails on demand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls = 0
        self.fails = False
        self.life = 3600.0
        self.gate = threading.Event()
        self.gate.set()
        self.payer: str | None = None

    def __call__(self) -> tuple[str, float, str | None]:
        self.calls += 1
        call = self.calls
        assert self.gate.wait(5)
        if self.fails:
            raise UpstreamAuthFailed("Refused; fix it.", detail="why")
        return f"t{call}", self.now + self.life, self.payer

    def clock(self) -> float:
        return self.now


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def authorizer(service: Service) -> GoogleAuthorizer:
    return GoogleAuthorizer(service, clock=service.clock)


def token(request: UpstreamRequest) -> str:
    return dict(request.headers)["authorization"]


async def test_the_token_replaces_any_other(authorizer: GoogleAuthorizer) -> None:
    sent = await authorizer.apply(REQUEST)
    assert sent.headers == [("a", "b"), ("authorization", "Bearer t1")]
    assert REQUEST.headers[0] == ("authorization", "old")
    assert sent.body == b"{}"


async def test_who_pays_is_named(authorizer: GoogleAuthorizer, service: Service) -> None:
    service.payer = "billing-project"
    assert ("x-goog-user-project", "billing-project") in (await authorizer.apply(REQUEST)).headers


async def test_many_requests_fetch_one_token(authorizer: GoogleAuthorizer, service: Service) -> None:
    service.gate.clear()
    waiting = [asyncio.create_task(authorizer.apply(REQUEST)) for _ in range(20)]
    await asyncio.sleep(0)
    service.gate.set()
    assert {token(sent) for sent in await asyncio.gather(*waiting)} == {"Bearer t1"}
    assert service.calls == 1


async def test_it_is_renewed_ahead_while_the_old_one_serves(authorizer: GoogleAuthorizer, service: Service) -> None:
    await authorizer.apply(REQUEST)
    service.now += service.life - AHEAD - 1
    assert token(await authorizer.apply(REQUEST)) == "Bearer t1"
    assert service.calls == 1
    service.now += 2
    service.gate.clear()
    assert token(await authorizer.apply(REQUEST)) == "Bearer t1"
    renewal = authorizer._renewal
    assert renewal is not None
    service.gate.set()
    await renewal
    assert token(await authorizer.apply(REQUEST)) == "Bearer t2"
    assert service.calls == 2


async def test_an_expired_token_is_waited_for(authorizer: GoogleAuthorizer, service: Service) -> None:
    await authorizer.apply(REQUEST)
    service.now += service.life - LAST + 1
    assert token(await authorizer.apply(REQUEST)) == "Bearer t2"


async def test_a_failure_reaches_all_and_is_not_repeated_at_once(
    authorizer: GoogleAuthorizer, service: Service
) -> None:
    service.fails = True
    found = await asyncio.gather(*(authorizer.apply(REQUEST) for _ in range(5)), return_exceptions=True)
    assert [str(error) for error in found] == ["Refused; fix it."] * 5
    with pytest.raises(UpstreamAuthFailed, match="fix it") as caught:
        await authorizer.apply(REQUEST)
    assert (service.calls, caught.value.detail) == (1, "why")
    service.fails = False
    service.now += PAUSE
    assert token(await authorizer.apply(REQUEST)) == "Bearer t2"


async def test_a_failed_renewal_does_not_hurt_while_the_old_token_lives(
    authorizer: GoogleAuthorizer, service: Service
) -> None:
    await authorizer.apply(REQUEST)
    service.fails = True
    service.now += service.life - AHEAD + 1
    await authorizer.apply(REQUEST)
    assert authorizer._renewal is not None
    await authorizer._renewal
    assert token(await authorizer.apply(REQUEST)) == "Bearer t1"
    assert service.calls == 2


async def test_a_request_that_is_given_up_does_not_end_the_renewal(
    authorizer: GoogleAuthorizer, service: Service
) -> None:
    service.gate.clear()
    gone, stays = (asyncio.create_task(authorizer.apply(REQUEST)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    service.gate.set()
    assert token(await stays) == "Bearer t1"
    assert service.calls == 1
    assert gone.cancelled()


async def test_a_token_that_has_expired_already_is_refused(authorizer: GoogleAuthorizer, service: Service) -> None:
    service.life = 1
    with pytest.raises(UpstreamAuthFailed, match="clock"):
        await authorizer.apply(REQUEST)


# ---- Google's library -----------------------------------------------------------------------------------------------
class _Tokens(BaseHTTPRequestHandler):
    status = 200
    grant = b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        assert self.grant in asked
        body = json.dumps(
            {
                "access_token": "ya29.x",
                "expires_in": 3600,
                "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }
            if self.status == 200
            else {"error": "invalid_grant"}
        )
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def tokens() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Tokens)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def key_file(tmp_path: Path, tokens: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "account.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p-1",
                "private_key_id": "1",
                "private_key": key.decode(),
                "client_email": "gateway@p-1.iam.example",
                "token_uri": tokens,
            }
        )
    )
    return str(path)


async def test_a_service_account(key_file: str) -> None:
    assert token(await scheme({"credentials_file": key_file}).apply(REQUEST)) == "Bearer ya29.x"


def test_the_end_of_a_token_is_read_as_utc(key_file: str) -> None:
    _, ends, _ = Fetch(key_file)()
    assert 3000 < ends - datetime.datetime.now(datetime.UTC).timestamp() <= 3600


def test_a_refused_key_names_the_fix(key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Tokens, "status", 400)
    with pytest.raises(UpstreamAuthFailed, match="refused the gateway's credentials"):
        Fetch(key_file)()


@pytest.mark.parametrize("text", [None, "", "{}", '{"type": "service_account"}', "[]"])
def test_a_file_that_is_none_names_the_setting(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "broken.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UpstreamAuthFailed, match=r"options\.credentials_file"):
        Fetch(str(path))()


def test_a_workload_identity(tmp_path: Path, tokens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Tokens, "grant", b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange")
    (tmp_path / "subject").write_text("subject-token")
    path = tmp_path / "pool.json"
    path.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": tokens,
                "credential_source": {"file": str(tmp_path / "subject")},
            }
        )
    )
    assert Fetch(str(path))()[0] == "ya29.x"


def test_the_library_is_imported_by_the_first_token_only() -> None:
    code = "import sys, proxy.upstream.auth.google as g; g.scheme({}); assert 'google.auth' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(UpstreamAuthFailed, match="extra 'vertex'"):
        Fetch(None)()
