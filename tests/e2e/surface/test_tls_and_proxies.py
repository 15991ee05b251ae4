"""Our own TLS listener, providers behind TLS of their own authority, bad certificates, and proxies on the way out."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from openai import OpenAI

from tests.support.processes import KEY, Mock, config_for, running

from .relays import door, proxy
from .sockets import opened
from .wire import CHAT, ask, chat, mark, one, received, values_of

pytestmark = pytest.mark.e2e

STREAM = CHAT[:-1] + b',"stream":true}'


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def listener(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """``server.tls`` for our own listener."""
    made = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for part in made.cert_chain_pems:
        part.write_to_path(cert, append=True)
    made.private_key_pem.write_to_path(key)
    return {"cert": str(cert), "key": str(key)}


def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def port_of(mock: Mock) -> int:
    port = urlsplit(mock.origin).port
    assert port is not None
    return port


# ---- our listener ---------------------------------------------------------------------------------------------------


def test_our_listener(mock: Mock, authority: trustme.CA, listener: dict[str, str]) -> None:
    trusted = trust(authority)
    with running(config_for(mock.url, server={"tls": listener})) as gateway:
        assert gateway.origin.startswith("https://")
        answer = chat(gateway.origin, STREAM, trust=trusted)
        assert answer.body == chat(mock.origin, STREAM).body
        with pytest.raises((ConnectionError, TimeoutError, ValueError, IndexError)):
            ask(gateway.origin.replace("https", "http"), "GET", "/readyz")
        with pytest.raises(ssl.SSLCertVerificationError):
            chat(gateway.origin, trust=ssl.create_default_context())
        import httpx2

        with (
            httpx2.Client(verify=trusted) as http,
            OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0, http_client=http) as client,
        ):
            found = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "?"}])
            assert found.choices[0].message.content


def test_a_listener_without_its_certificate_does_not_start(
    mock: Mock, listener: dict[str, str], tmp_path: Path
) -> None:
    from tests.support.processes import Gateway

    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for tls in ({**listener, "cert": str(tmp_path / "none.pem")}, {**listener, "cert": str(broken)}):
        gateway = Gateway(config_for(mock.url, server={"tls": tls}), wait=False)
        try:
            assert gateway.child.wait(15) != 0
            assert Path(tls["cert"]).name in gateway.log() or "tls" in gateway.log().lower()
            assert "Traceback" not in gateway.log()
        finally:
            gateway.close()


# ---- TLS to the provider --------------------------------------------------------------------------------------------


def test_a_provider_of_its_own_authority(mock: Mock, authority: trustme.CA, ca_file: str) -> None:
    with door(serving(authority.issue_cert("127.0.0.1")), port_of(mock)) as tls:
        provider = {
            "use": "openai",
            "base_url": f"https://127.0.0.1:{tls.port}/v1",
            "api_key": "sk-p",
            "ca_file": ca_file,
        }
        with running(config_for(mock.url, providers={"mock": provider})) as gateway:
            assert chat(gateway.origin, STREAM).body == chat(mock.origin, STREAM).body
            with opened(gateway.origin, "/v1/realtime?model=x", [("authorization", f"Bearer {KEY}")]) as link:
                assert link.receive()[1].startswith(b'{"type":"session.created"')


@pytest.fixture(params=["unknown authority", "wrong host", "expired", "not yet valid", "plain http"])
def bad_door(request: pytest.FixtureRequest, mock: Mock, authority: trustme.CA) -> Iterator[int]:
    """The port of a server whose TLS must not be accepted."""
    if request.param == "plain http":
        yield port_of(mock)
        return
    certificate = {
        "unknown authority": lambda: trustme.CA().issue_cert("127.0.0.1"),
        "wrong host": lambda: authority.issue_cert("other.example"),
        "expired": lambda: authority.issue_cert(
            "127.0.0.1", not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=datetime(2020, 1, 1, tzinfo=UTC)
        ),
        "not yet valid": lambda: authority.issue_cert(
            "127.0.0.1", not_before=datetime(2098, 1, 1, tzinfo=UTC), not_after=datetime(2099, 1, 1, tzinfo=UTC)
        ),
    }[request.param]()
    with door(serving(certificate), port_of(mock)) as tls:
        yield tls.port


def test_bad_tls_is_never_accepted_nor_retried_in_the_clear(mock: Mock, ca_file: str, bad_door: int) -> None:
    url = f"https://127.0.0.1:{bad_door}/v1"
    provider = {"use": "openai", "base_url": url, "api_key": "sk-upstream-credential", "ca_file": ca_file}
    with running(config_for(url, providers={"mock": provider})) as gateway:
        for body in (CHAT, STREAM):
            marked = mark()
            answer = chat(gateway.origin, body, headers=[marked])
            assert (answer.status, answer.error["code"], answer.error["type"]) == (
                502,
                "upstream_tls",
                "upstream_error",
            )
            assert received(mock, marked) == []
        assert ask(gateway.origin, "GET", "/v1/files").status == 502
        assert "sk-upstream-credential" not in gateway.log()


# ---- proxies --------------------------------------------------------------------------------------------------------


def test_an_http_provider_behind_a_proxy(mock: Mock) -> None:
    with proxy(port_of(mock)) as between:
        provider = {"use": "openai", "base_url": "http://provider.example/v1", "api_key": "sk-p", "proxy": f"http://127.0.0.1:{between.port}"}  # fmt: skip
        with running(config_for(mock.url, providers={"mock": provider})) as gateway:
            marked = mark()
            assert chat(gateway.origin, STREAM, headers=[marked]).body == chat(mock.origin, STREAM).body
            assert between.asked == ["POST http://provider.example/v1/chat/completions HTTP/1.1"]
            entry = one(mock, marked)
            assert values_of(entry, "host") == ["provider.example"]
            assert values_of(entry, "authorization") == ["Bearer sk-p"]


def test_an_https_provider_behind_a_proxy_with_a_password(mock: Mock, authority: trustme.CA, ca_file: str) -> None:
    with (
        door(serving(authority.issue_cert("provider.example")), port_of(mock)) as tls,
        proxy(tls.port, credential="gate:p w/d") as between,
    ):
        provider = {
            "use": "openai",
            "base_url": "https://provider.example/v1",
            "api_key": "sk-p",
            "ca_file": ca_file,
            "proxy": f"http://gate:p%20w%2Fd@127.0.0.1:{between.port}",
        }
        with running(config_for(mock.url, providers={"mock": provider})) as gateway:
            marked = mark()
            assert chat(gateway.origin, STREAM, headers=[marked]).body == chat(mock.origin, STREAM).body
            assert between.asked == ["CONNECT provider.example:443 HTTP/1.1"]
            entry = one(mock, marked)
            assert values_of(entry, "proxy-authorization") == []
            with opened(gateway.origin, "/v1/realtime?model=x", [("authorization", f"Bearer {KEY}")]) as link:
                assert link.receive()[1].startswith(b'{"type":"session.created"')


def test_a_proxy_that_refuses(mock: Mock, ca_file: str) -> None:
    with proxy(port_of(mock), credential="gate:right") as between:
        for base_url in ("https://provider.example/v1", "http://provider.example/v1"):
            provider = {
                "use": "openai", "base_url": base_url, "api_key": "sk-p", "ca_file": ca_file,
                "proxy": f"http://gate:wrong-password@127.0.0.1:{between.port}",
            }  # fmt: skip
            with running(config_for(mock.url, providers={"mock": provider})) as gateway:
                answer = chat(gateway.origin)
                assert answer.status == 502
                assert "wrong-password" not in answer.body.decode() + gateway.log()


def test_only_the_provider_that_names_a_proxy_uses_it(mock: Mock) -> None:
    with proxy(port_of(mock)) as between:
        providers = {
            "mock": {"use": "openai", "base_url": mock.url, "api_key": "sk-p"},
            "far": {"use": "openai", "base_url": "http://provider.example/v1", "api_key": "sk-p", "proxy": f"http://127.0.0.1:{between.port}"},
        }  # fmt: skip
        with running(config_for(mock.url, providers=providers, passthrough={"provider": "mock"})) as gateway:
            assert chat(gateway.origin).status == 200
            assert ask(gateway.origin, "GET", "/v1/files").status == 200
            assert between.asked == []
            assert chat(gateway.origin, CHAT.replace(b"gpt-4o", b"far/gpt-4o")).status == 200
            assert len(between.asked) == 1
