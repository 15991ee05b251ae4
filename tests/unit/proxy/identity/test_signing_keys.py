"""An issuer's keys: where they come from, what is believed of them, and what happens when the issuer is away."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from msgspec import structs

from proxy.identity import signing_keys
from proxy.identity.signing_keys import EARLIEST, FETCH_TIMEOUT, LARGEST, MOST, RETRY, STALE, Issuer, SigningKeys
from tests.support.clock import FakeClock, turns, virtual

from .signed import EC_KEY, ED_KEY, ISSUER, JWKS, KEYS, OTHER_RSA, RSA_KEY, URL, Keys, encoded, jwks, public


def reader(server: Keys, clock: FakeClock | None = None, **changes: object) -> SigningKeys:
    return SigningKeys(structs.replace(ISSUER, **changes), fetch=server, clock=clock or FakeClock())


async def test_keys_are_read_from_the_url() -> None:
    server = Keys()
    keys = reader(server)
    assert not keys.known
    assert keys.candidates("rsa", "RS256") == []
    await keys.look()
    assert keys.known
    assert server.asked == [JWKS]
    for kid, algorithm, count in [
        ("rsa", "RS256", 1), ("rsa", "PS256", 1), ("rsa", "ES256", 0), ("ec", "ES256", 1), ("ec", "RS256", 0),
        ("ed", "EdDSA", 1), ("ed", "ES256", 0), ("none", "RS256", 0), ("rsa", "HS256", 0), ("rsa", "none", 0),
    ]:  # fmt: skip
        assert len(keys.candidates(kid, algorithm)) == count, (kid, algorithm)
    assert len(keys.candidates(None, "ES256")) == 1, "alone in fitting"


async def test_without_a_kid_two_that_fit_are_none() -> None:
    keys = reader(Keys(jwks(public(RSA_KEY, "a"), public(OTHER_RSA, "b"))))
    await keys.look()
    assert len(keys.candidates(None, "RS256")) == 0
    assert len(keys.candidates("a", "RS256")) == 1


async def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(KEYS)
    server = Keys()
    keys = reader(server, jwks_url=None, jwks_file=str(path))
    await keys.look()
    assert keys.known
    assert server.asked == []
    before = keys.generation
    path.write_bytes(jwks(public(OTHER_RSA, "new")))
    await keys.look()
    assert keys.generation == before + 1
    assert keys.candidates("rsa", "RS256") == []
    path.unlink()
    await keys.look()
    assert len(keys.candidates("new", "RS256")) == 1


async def test_keys_are_found_by_discovery() -> None:
    server = Keys()
    page = URL + "/.well-known/openid-configuration"
    server.pages[page] = json.dumps({"issuer": URL, "jwks_uri": JWKS}).encode()
    keys = reader(server, jwks_url=None)
    await keys.look()
    await keys.look()
    assert server.asked == [page, JWKS, JWKS]
    assert keys.known


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"issuer": "https://evil.test", "jwks_uri": JWKS}, "another issuer"),
        ({"issuer": URL + "/", "jwks_uri": JWKS}, "another issuer"),
        ({"jwks_uri": JWKS}, "another issuer"),
        ({"issuer": URL}, "jwks_uri"),
        ({"issuer": URL, "jwks_uri": "http://issuer.test/keys"}, "jwks_uri"),
        ({"issuer": URL, "jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"issuer": URL, "jwks_uri": ["https://issuer.test"]}, "jwks_uri"),
        ([], "no JSON object"),
    ],
)
async def test_a_discovery_document_that_is_not_the_issuers(
    document: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = Keys()
    server.pages[URL + "/.well-known/openid-configuration"] = json.dumps(document).encode()
    keys = reader(server, jwks_url=None)
    with caplog.at_level(logging.WARNING):
        await keys.look()
    assert not keys.known
    assert why in caplog.text
    assert "evil" not in caplog.text


def small_rsa() -> dict[str, object]:
    numbers = rsa.generate_private_key(65_537, 1024).public_key().public_numbers()
    return {"kty": "RSA", "kid": "x", "e": "AQAB", "n": encoded(numbers.n.to_bytes(128, "big"))}


@pytest.mark.parametrize(
    "row",
    [
        OctKey.import_key("0123456789abcdef0123456789abcdef").as_dict(private=True, kid="x"),
        OctKey.import_key("0123456789abcdef0123456789abcdef").as_dict(private=True, kid="x", alg="RS256"),
        public(RSA_KEY, "x", use="enc"),
        public(RSA_KEY, "x", key_ops=["encrypt"]),
        public(RSA_KEY, "x", alg="HS256"),
        public(RSA_KEY, "x", alg="RSA-OAEP"),
        public(RSA_KEY, "x", alg="RS512"),
        public(RSA_KEY, "x") | {"kid": 7},
        public(RSA_KEY, "x") | {"n": "!!"},
        public(RSA_KEY, "x") | {"n": 5},
        public(RSA_KEY, "x") | {"e": ""},
        small_rsa(),
        public(ECKey.generate_key("P-521"), "x"),
        public(ECKey.generate_key("secp256k1"), "x"),
        public(OKPKey.generate_key("X25519"), "x"),
        public(EC_KEY, "x") | {"kty": "RSA"},
        public(EC_KEY, "x") | {"y": public(EC_KEY)["x"]},
        {"kty": "EC", "crv": ["P-256"], "kid": "x"},
        {"kid": "x"},
        {},
    ],
)
async def test_keys_that_are_left_out(row: dict[str, object]) -> None:
    keys = reader(Keys(jwks(row, public(OTHER_RSA, "good"))))
    await keys.look()
    assert [key.kid for key in keys._keys] == ["good"]
    only = reader(Keys(jwks(row)))
    await only.look()
    assert not only.known


async def test_what_is_private_in_a_key_is_not_taken() -> None:
    """An issuer that shows its private key is believed, and the key is not kept."""
    keys = reader(Keys(jwks({**RSA_KEY.as_dict(private=True), "kid": "rsa"})))
    await keys.look()
    assert len(keys.candidates("rsa", "RS256")) == 1
    (cell,) = [
        cell.cell_contents for cell in keys._keys[0].verify.__closure__ or () if isinstance(cell.cell_contents, RSAKey)
    ]
    assert not cell.is_private


async def test_a_key_names_its_algorithm() -> None:
    keys = reader(Keys(jwks(public(RSA_KEY, "rsa", alg="PS256"), public(ED_KEY, "ed", alg="Ed25519"))))
    await keys.look()
    assert [len(keys.candidates("rsa", name)) for name in ("PS256", "RS256")] == [1, 0]
    assert len(keys.candidates("ed", "EdDSA")) == 1


GARBAGE = {
    "empty": b"",
    "text": b"<html>busy</html>",
    "cut": KEYS[:-10],
    "a list": b"[]",
    "no keys": b"{}",
    "keys of another kind": b'{"keys": {"a": 1}}',
    "an empty set": b'{"keys": []}',
    "rows that are none": b'{"keys": [1, null, "x", []]}',
    "too many": json.dumps({"keys": [{}] * (MOST + 1)}).encode(),
    "too much": b" " * (LARGEST + 1),
    "deep": b"[" * 100_000,
    "not UTF-8": b'{"keys": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_changes_nothing(name: str, caplog: pytest.LogCaptureFixture) -> None:
    server = Keys()
    clock = FakeClock()
    keys = reader(server, clock)
    await keys.look()
    before = keys.generation
    server.source = GARBAGE[name]
    with caplog.at_level(logging.WARNING):
        await keys.look()
        await keys.look()
    assert len(caplog.records) == 1
    assert "html" not in caplog.text
    assert keys.generation == before
    assert keys.known
    assert len(keys.candidates("rsa", "RS256")) == 1
    server.source = jwks(public(OTHER_RSA, "new"))
    await keys.look()
    assert keys.generation == before + 1


async def test_keys_that_cannot_be_read_for_a_day_are_not_believed() -> None:
    server, clock = Keys(), FakeClock()
    keys = reader(server, clock)
    await keys.look()
    server.source = OSError("down")
    clock.advance(STALE)
    await keys.look()
    assert keys.known
    clock.advance(ISSUER.refresh + 1)
    await keys.look()
    assert not keys.known
    server.source = KEYS
    await keys.look()
    assert keys.known


# ---- in the background ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(server: Keys, issuer: Issuer = ISSUER) -> AsyncIterator[SigningKeys]:
    keys = SigningKeys(issuer, fetch=server, clock=asyncio.get_running_loop().time)
    task = asyncio.create_task(keys.run())
    await turns()
    try:
        yield keys
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_it_looks_again_every_refresh() -> None:
    server = Keys()
    async with running(server):
        assert len(server.asked) == 1
        await asyncio.sleep(ISSUER.refresh * 3 + 1)
        assert len(server.asked) == 4


@virtual
async def test_a_failure_is_tried_again_soon() -> None:
    server = Keys()
    server.source = OSError("down")
    async with running(server) as keys:
        await asyncio.sleep(RETRY * 2 + 1)
        assert len(server.asked) == 3
        server.source = KEYS
        await asyncio.sleep(RETRY)
        assert keys.known


@virtual
async def test_an_unknown_key_is_asked_for_early_but_not_often() -> None:
    server = Keys()
    async with running(server) as keys:
        await asyncio.sleep(EARLIEST)
        assert keys.want() == 0.0
        await turns()
        assert len(server.asked) == 2
        waits = [keys.want() for _ in range(1000)]
        assert 0 < waits[-1] <= EARLIEST
        await asyncio.sleep(EARLIEST - 1)
        assert len(server.asked) == 2
        await asyncio.sleep(2)
        assert len(server.asked) == 3
        await asyncio.sleep(EARLIEST * 2)
        assert len(server.asked) == 3, "wanted no more"


@virtual
async def test_a_slow_issuer_is_given_up() -> None:
    server = Keys()
    hanging = asyncio.Event()

    async def slow(url: str) -> bytes:
        server.asked.append(url)
        if len(server.asked) > 1:
            await hanging.wait()
        return KEYS

    keys = SigningKeys(ISSUER, fetch=slow, clock=asyncio.get_running_loop().time)
    task = asyncio.create_task(keys.run())
    await asyncio.sleep(ISSUER.refresh + FETCH_TIMEOUT + RETRY + 1)
    assert len(server.asked) == 3
    assert keys.known
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_module_does_not_need_the_extra_until_it_reads_keys() -> None:
    assert "joserfc" not in vars(signing_keys)
