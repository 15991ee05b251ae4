"""Signature Version 4: both published vectors, botocore as the judge, and where keys come from."""

import asyncio
import hashlib
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.errors import InvalidRequest, UpstreamAuthFailed
from proxy.protocols import UpstreamRequest
from proxy.upstream.auth import sigv4
from proxy.upstream.auth.sigv4 import Chain, Keys, SigV4, scheme, signed

NOW = 1795348800.0  # 2026-11-22T12:00:00Z
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REQUEST = UpstreamRequest(
    method="POST",
    url="https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
    headers=[("content-type", "application/json")],
    body=b'{"messages":[{"role":"user","content":[{"text":"ping"}]}]}',
)


def value(request: UpstreamRequest, name: str) -> str:
    [found] = [found for key, found in request.headers if key == name]
    return found


def by_us(request: UpstreamRequest, keys: Keys = KEYS) -> UpstreamRequest:
    return signed(request, keys, region="us-east-1", service="bedrock", now=NOW)


def test_vector_a() -> None:
    found = by_us(REQUEST)
    assert value(found, "x-amz-date") == "20261122T120000Z"
    assert value(found, "authorization") == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=43bc3bbd7f4c89ff3865260fea187acc31b693b295fdb21f6cb8ccad96c15cb7"
    )


def test_the_canonical_request_of_vector_a() -> None:
    assert isinstance(REQUEST.body, bytes)
    headers = [*REQUEST.headers, ("x-amz-date", "20261122T120000Z")]
    names, canonical = sigv4._canonical(REQUEST, headers, REQUEST.body)
    assert names == "content-type;host;x-amz-date"
    assert canonical.split("\n")[1] == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%253A0/converse"
    assert canonical.endswith("4aa04a6370978105e91ae95f7f65a995077abc27944248164786772aad804f38")
    expected = "6ce5415a6eb7ef5523e231b20abaf27e2b8f9eb09a90a430869ee0aa5756cda0"
    assert hashlib.sha256(canonical.encode()).hexdigest() == expected


def test_vector_b_with_a_session_token() -> None:
    found = by_us(REQUEST, Keys(KEYS.access, KEYS.secret, "SESSION/TOKEN+EXAMPLE=="))
    assert value(found, "x-amz-security-token") == "SESSION/TOKEN+EXAMPLE=="
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in value(found, "authorization")
    expected = "7fa294fa435858c39efe65f5c83c1becfc969e1a515ca00e0584bfaf747238dc"
    assert value(found, "authorization").endswith(f"Signature={expected}")


def test_a_clients_own_signature_is_replaced() -> None:
    theirs = [
        ("authorization", "AWS4-HMAC-SHA256 theirs"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "t"),
    ]
    theirs += [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("user-agent", "any"), ("x-amzn-trace-id", "Root=1")]
    found = by_us(replace(REQUEST, headers=[*theirs, *REQUEST.headers]))
    assert value(found, "authorization") == value(by_us(REQUEST), "authorization")
    assert ("x-amz-security-token", "t") not in found.headers
    assert value(found, "user-agent") == "any"


def test_signing_twice_is_signing_once() -> None:
    assert by_us(by_us(REQUEST)) == by_us(REQUEST)


def test_an_upload_cannot_be_signed() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(InvalidRequest, match="whole requests"):
        by_us(replace(REQUEST, body=body()))


def test_keys_are_not_shown() -> None:
    assert KEYS.secret not in repr(KEYS)
    assert KEYS.access not in repr(KEYS)


def by_botocore(request: UpstreamRequest, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> str:
    auth = pytest.importorskip("botocore.auth")
    from datetime import UTC, datetime

    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC))
    theirs = AWSRequest(method=request.method, url=request.url, headers=dict(request.headers), data=request.body)
    auth.SigV4Auth(Credentials(keys.access, keys.secret, keys.token), "bedrock", "us-east-1").add_auth(theirs)
    found: str = theirs.headers["Authorization"]
    return found


@settings(max_examples=100, deadline=None)
@given(
    path=st.lists(st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=8), max_size=3),
    query=st.dictionaries(st.sampled_from(["a", "b", "maxResults", "by-type"]), st.text(max_size=5), max_size=3),
    body=st.binary(max_size=40),
    token=st.one_of(st.none(), st.just("TOKEN/+==")),
)
def test_botocore_signs_the_same(path: list[str], query: dict[str, str], body: bytes, token: str | None) -> None:
    from urllib.parse import quote

    url = "https://bedrock-runtime.us-east-1.amazonaws.com/m/" + "/".join(
        quote(part, safe="") for part in path if part and part.strip(".")
    )
    if query:
        # The order in which they are sent does not matter.
        url += "?" + "&".join(f"{name}={quote(said, safe='')}" for name, said in query.items())
    request = replace(
        REQUEST, url=url, body=body, headers=[("content-type", "application/json"), ("x-amz-thing", " a  b ")]
    )
    keys = Keys(KEYS.access, KEYS.secret, token)
    with pytest.MonkeyPatch.context() as patch:
        assert value(by_us(request, keys), "authorization") == by_botocore(request, keys, patch)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://h.example:443/x", "h.example"), ("http://127.0.0.1:9000/x", "127.0.0.1:9000"), ("http://h:80/x", "h")],
)
def test_the_host_is_signed_as_it_is_sent(url: str, host: str) -> None:
    _, canonical = sigv4._canonical(replace(REQUEST, url=url), [], b"")
    assert f"\nhost:{host}\n" in canonical


# ---- where keys come from -------------------------------------------------------------------------------------------
class Asked:
    """A source that counts; ``lives``: seconds that its keys have."""

    def __init__(self, clock: "Clock", lives: float | None = 3600.0) -> None:
        self.clock, self.lives = clock, lives
        self.times = 0
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> tuple[Keys, float | None]:
        self.times += 1
        assert self.gate.wait(5)
        if self.fails:
            raise UpstreamAuthFailed("fix it", detail="why")
        return Keys(f"AK{self.times}", "secret"), None if self.lives is None else self.clock() + self.lives

    def renew_at(self, ends: float | None, now: float) -> float:
        return Chain(None).renew_at(ends, now)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def access(request: UpstreamRequest) -> str:
    return value(request, "authorization").split("Credential=")[1].split("/")[0]


async def test_one_look_up_serves_all_who_wait() -> None:
    clock = Clock()
    source = Asked(clock)
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    found = await asyncio.gather(*[signer.apply(REQUEST) for _ in range(20)])
    assert source.times == 1
    assert {access(request) for request in found} == {"AK1"}


async def test_keys_are_renewed_ahead_of_their_end_while_the_old_ones_serve() -> None:
    clock = Clock()
    source = Asked(clock)
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    await signer.apply(REQUEST)
    clock.now += 3600 - Chain.AHEAD + 1
    source.gate.clear()
    assert access(await signer.apply(REQUEST)) == "AK1"
    assert access(await signer.apply(REQUEST)) == "AK1"
    renewal = signer._renewal
    assert renewal is not None
    source.gate.set()
    await renewal
    assert access(await signer.apply(REQUEST)) == "AK2"
    assert source.times == 2


async def test_ended_keys_are_never_used() -> None:
    clock = Clock()
    source = Asked(clock)
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    await signer.apply(REQUEST)
    clock.now += 3600 - sigv4.LAST + 1
    assert access(await signer.apply(REQUEST)) == "AK2"


async def test_a_failure_names_the_fix_and_is_not_repeated_at_once() -> None:
    clock = Clock()
    source = Asked(clock)
    source.fails = True
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    for _ in range(3):
        with pytest.raises(UpstreamAuthFailed, match="fix it"):
            await signer.apply(REQUEST)
    assert source.times == 1
    source.fails = False
    clock.now += sigv4.PAUSE
    assert access(await signer.apply(REQUEST)) == "AK2"


async def test_a_failed_renewal_leaves_the_old_keys_in_use() -> None:
    clock = Clock()
    source = Asked(clock)
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    await signer.apply(REQUEST)
    source.fails = True
    clock.now += 3600 - Chain.AHEAD + 1
    assert access(await signer.apply(REQUEST)) == "AK1"
    renewal = signer._renewal
    assert renewal is not None
    await renewal
    assert access(await signer.apply(REQUEST)) == "AK1"


async def test_who_gives_up_does_not_end_the_look_up() -> None:
    clock = Clock()
    source = Asked(clock)
    source.gate.clear()
    signer = SigV4(region="us-east-1", source=source, clock=clock)
    first, second = asyncio.create_task(signer.apply(REQUEST)), asyncio.create_task(signer.apply(REQUEST))
    await asyncio.sleep(0)
    first.cancel()
    source.gate.set()
    assert access(await second) == "AK1"
    assert source.times == 1


async def test_keys_that_come_already_expired() -> None:
    clock = Clock()
    signer = SigV4(region="us-east-1", source=Asked(clock, lives=5), clock=clock)
    with pytest.raises(UpstreamAuthFailed, match="already expired"):
        await signer.apply(REQUEST)


async def test_static_keys_need_no_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    signer = scheme({"region": "eu-west-1", "access_key_id": "AKX", "secret_access_key": "s", "session_token": "t"})
    found = await signer.apply(REQUEST)
    assert access(found) == "AKX"
    assert "/eu-west-1/bedrock/" in value(found, "authorization")
    assert value(found, "x-amz-security-token") == "t"


async def test_without_botocore_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(UpstreamAuthFailed, match="extra 'bedrock'"):
        await scheme({"region": "us-east-1"}).apply(REQUEST)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("botocore")
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


async def test_a_profile_is_read_by_botocore(aws: Path) -> None:
    (aws / "credentials").write_text("[dev]\naws_access_key_id = AKDEV\naws_secret_access_key = secret\n")
    signer = scheme({"region": "us-east-1", "profile": "dev"})
    assert access(await signer.apply(REQUEST)) == "AKDEV"


async def test_a_profile_whose_keys_change_is_read_again(aws: Path) -> None:
    clock = Clock()
    (aws / "credentials").write_text("[dev]\naws_access_key_id = AKONE\naws_secret_access_key = secret\n")
    signer = SigV4(region="us-east-1", source=Chain("dev"), clock=clock)
    assert access(await signer.apply(REQUEST)) == "AKONE"
    (aws / "credentials").write_text("[dev]\naws_access_key_id = AKTWO\naws_secret_access_key = secret\n")
    clock.now += sigv4.AGAIN
    await signer.apply(REQUEST)
    if signer._renewal is not None:
        await signer._renewal
    assert access(await signer.apply(REQUEST)) == "AKTWO"


async def test_an_unknown_profile(aws: Path) -> None:
    with pytest.raises(UpstreamAuthFailed, match=r"profile 'nosuch'.*aws sso login"):
        await scheme({"region": "us-east-1", "profile": "nosuch"}).apply(REQUEST)


async def test_no_credentials_anywhere(aws: Path) -> None:
    with pytest.raises(UpstreamAuthFailed, match=r"AWS_BEARER_TOKEN_BEDROCK"):
        await scheme({"region": "us-east-1"}).apply(REQUEST)


async def test_the_end_of_temporary_keys_is_known(aws: Path) -> None:
    (aws / "config").write_text(
        f"[profile p]\ncredential_process = {sys.executable} -c \"print('"
        '{\\"Version\\":1,\\"AccessKeyId\\":\\"AKP\\",\\"SecretAccessKey\\":\\"s\\",\\"SessionToken\\":\\"t\\",'
        '\\"Expiration\\":\\"2099-01-01T00:00:00Z\\"}'
        "')\"\n"
    )
    keys, ends = Chain("p")()
    assert keys == Keys("AKP", "s", "t")
    assert ends == 4070908800.0


def test_the_module_loads_no_botocore() -> None:
    import subprocess

    code = "import sys, proxy.upstream.auth.sigv4, proxy.providers.bedrock; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[5], check=False).returncode == 0
