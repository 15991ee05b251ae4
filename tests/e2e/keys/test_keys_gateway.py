"""Stored keys, scopes and signed tokens as clients meet them: a gateway of two workers over a database that others change."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from joserfc.jws import serialize_compact
from msgspec import structs

from proxy.identity.virtual_keys import digest, hint, new_key
from proxy.policy.terms import Budget, Limits, Scopes
from proxy.storage.database import Database
from proxy.storage.records import AccountRecord, AuditRecord, KeyRecord
from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer, ask, chat

pytestmark = pytest.mark.e2e

PEPPER = "a pepper for these tests"
WITHIN = 1.0


def audit() -> AuditRecord:
    return AuditRecord(id=f"aud_{time.monotonic_ns()}", at=time.time(), actor="test", action="test", object="x")


@asynccontextmanager
async def database_at(path: Path) -> AsyncIterator[Database]:
    database = Database.sqlite(path)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def record(text: str, id: str, **changes: Any) -> KeyRecord:
    row = KeyRecord(
        id=id, account="acc_1", name=id, digest=digest(PEPPER.encode(), text.encode()), hint=hint(text), created=time.time()
    )  # fmt: skip
    return structs.replace(row, **changes)


async def within(port: int, key: str, status: int, *, seconds: float = WITHIN) -> float:
    """Until every worker answers this key with ``status``: twenty answers in a row, on connections of their own. How long it took."""
    begun = time.monotonic()
    while True:
        first = time.monotonic()
        answers = await asyncio.gather(*(ask(port, chat(key=key)) for _ in range(20)))
        if {answer.status for answer in answers} == {status}:
            return first - begun
        assert time.monotonic() - begun < seconds + 1, [answer.status for answer in answers]


async def test_changes_bite_on_every_worker(mock: Mock, tmp_path: Path) -> None:
    path = tmp_path / "tollway.db"
    config = config_for(
        mock.url,
        server={"workers": 2},
        storage={"type": "sqlite", "path": str(path), "pepper": PEPPER},
        auth={"mode": "keys", "failures_per_minute": 100_000, "failures_total_per_minute": 100_000},
    )
    async with database_at(path) as database:
        account = AccountRecord(id="acc_1", name="acme", created=time.time())
        await database.create_account(account, audit())
        with running(config) as gateway:
            text = new_key()
            await database.create_key(record(text, "key_1"), audit())
            assert await within(gateway.port, text, 200) <= WITHIN
            account = await database.update_account(
                structs.replace(account, status="suspended"), account.version, audit()
            )
            assert await within(gateway.port, text, 403) <= WITHIN
            await database.update_account(structs.replace(account, status="active"), account.version, audit())
            assert await within(gateway.port, text, 200) <= WITHIN
            row = await database.key("key_1")
            assert row is not None
            await database.update_key(structs.replace(row, revoked=time.time()), row.version, audit())
            took = await within(gateway.port, text, 401)
            assert took <= WITHIN
            answer = await ask(gateway.port, chat(key=text))
            assert answer.error["code"] == "invalid_api_key"
            assert "was revoked at" in answer.error["message"]
            assert (await ask(gateway.port, chat())).status == 200, "the file's keys are as they were"
            print(f"revoked on both workers after {took:.3f} s")


SCOPED: dict[str, tuple[dict[str, Any], int, str]] = {
    "everything": ({}, 200, ""),
    "this endpoint": ({"scopes": Scopes(endpoints=("chat",))}, 200, ""),
    "another endpoint": ({"scopes": Scopes(endpoints=("embeddings",))}, 403, "'endpoints'"),
    "this network": ({"scopes": Scopes(networks=("127.0.0.0/8",))}, 200, ""),
    "this network, mapped": ({"scopes": Scopes(networks=("::ffff:127.0.0.0/104",))}, 200, ""),
    "another network": ({"scopes": Scopes(networks=("198.51.100.0/24", "2001:db8::/32"))}, 403, "'networks'"),
    "another model": ({"scopes": Scopes(models=("small*",))}, 404, ""),
    "expired": ({"expires": 1_700_000_000.0}, 401, "expired at 2023-11-14 22:13:20 UTC"),
    "revoked": ({"revoked": 1_700_000_000.0}, 401, "was revoked at 2023-11-14"),
    "replaced": ({"revoked": 1_700_000_000.0, "replaced_by": "key_x"}, 401, "was replaced by a newer one"),
    "overlapping": ({"revoked": 4_000_000_000.0, "replaced_by": "key_x"}, 200, ""),
    "limited": ({"limits": Limits(rpm=100), "budgets": (Budget(usd=1),)}, 200, ""),
}


async def test_what_a_key_may_do(mock: Mock, tmp_path: Path) -> None:
    path = tmp_path / "tollway.db"
    config = config_for(mock.url, storage={"type": "sqlite", "path": str(path), "pepper": PEPPER})
    keys = {name: new_key() for name in SCOPED}
    async with database_at(path) as database:
        await database.create_account(AccountRecord(id="acc_1", name="acme", created=time.time()), audit())
        for number, (name, (changes, _, _)) in enumerate(SCOPED.items()):
            await database.create_key(record(keys[name], f"key_{number}", **changes), audit())
    with running(config) as gateway:
        for name, (_, status, said) in SCOPED.items():
            answer = await ask(gateway.port, chat(key=keys[name], model="gpt-4o"))
            assert answer.status == status, (name, answer.body)
            if status != 200:
                assert said in answer.error["message"]
                assert "198.51" not in answer.error["message"]
            if status == 403:
                assert answer.error["code"] == "permission_denied"
        assert not any(text in gateway.log() for text in keys.values())


def test_a_lost_pepper_is_an_error_at_start(mock: Mock, tmp_path: Path) -> None:
    path, journal = tmp_path / "tollway.db", tmp_path / "journal"
    config = config_for(mock.url, storage={"type": "sqlite", "path": str(path), "journal": str(journal)})
    with running(config) as gateway:
        gateway.terminate()
    pepper = journal / "pepper"
    assert pepper.stat().st_mode & 0o777 == 0o600
    before = pepper.read_bytes()
    with running(config) as gateway:
        gateway.terminate()
    assert pepper.read_bytes() == before

    async def add() -> None:
        async with database_at(path) as database:
            await database.create_account(AccountRecord(id="acc_1", name="acme", created=0.0), audit())
            await database.create_key(record(new_key(), "key_1"), audit())

    asyncio.run(add())
    pepper.unlink()
    gateway = Gateway(config, wait=False)
    try:
        assert gateway.child.wait(30) != 0
        assert "put it back from a backup" in gateway.log()
        assert not pepper.exists()
    finally:
        gateway.close()


# ---- signed tokens --------------------------------------------------------------------------------------------------


class IssuerServer:
    """An issuer on loopback: its discovery document and its keys."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.url = ""
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """While inside."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        async with self._server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        found = (
            {"issuer": self.url, "jwks_uri": self.url + "/keys"} if b"/.well-known/" in head else {"keys": self.keys}
        )
        body = json.dumps(found).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()


def token(issuer: IssuerServer, key: RSAKey, kid: str, **changes: Any) -> str:
    now = int(time.time())
    body = {"iss": issuer.url, "aud": "tollway", "sub": "alice", "exp": now + 600, **changes}
    return serialize_compact({"alg": "RS256", "kid": kid}, json.dumps(body), key)


def public(key: RSAKey, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid}


async def test_signed_tokens_and_an_issuer_that_changes_its_keys(mock: Mock) -> None:
    first, second = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
    issuer = IssuerServer()
    issuer.keys = [public(first, "first")]
    async with issuer.serving():
        jwt = {"issuer": issuer.url, "audience": "tollway", "models_claim": "models"}
        config = config_for(mock.url, auth={"mode": "keys", "jwt": jwt})
        with contextlib.ExitStack() as stack:
            # Its start asks the issuer, which is served by this loop.
            gateway = await asyncio.to_thread(stack.enter_context, running(config))

            async def asking(credential: str) -> Answer:
                return await ask(gateway.port, chat(key=credential, model="gpt-4o"))

            good = token(issuer, first, "first", models=["gpt-*"])
            assert await within(gateway.port, KEY, 200) <= 5
            answer = await asking(good)
            assert answer.status == 200, answer.body
            assert (await asking(token(issuer, first, "first", models=["other"]))).status == 404
            assert "expired" in (await asking(token(issuer, first, "first", exp=1))).error["message"]
            assert "signature" in (await asking(token(issuer, second, "first", models=["*"]))).error["message"]
            assert "algorithm" in (await asking("eyJhbGciOiJub25lIn0.e30.")).error["message"]

            issuer.keys = [public(second, "second")]
            rotated = token(issuer, second, "second", models=["*"])
            answer = await asking(rotated)
            assert answer.status == 401
            assert answer.header("x-should-retry") == "true"
            assert 1 <= int(answer.header("retry-after") or 0) <= 10
            deadline = time.monotonic() + 15
            while (await asking(rotated)).status != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.2)
            assert (await asking(good)).status == 401, "what was signed with a key that was taken back"
            assert issuer.asked < 10, "the issuer is not asked for every wrong token"
            assert good not in gateway.log()


def test_a_pepper_that_is_not_the_databases_is_an_error_at_start(mock: Mock, tmp_path: Path) -> None:
    storage = {"type": "sqlite", "path": str(tmp_path / "tollway.db")}
    with running(config_for(mock.url, storage={**storage, "pepper": "the first of two peppers"})) as gateway:
        gateway.terminate()
    second = Gateway(config_for(mock.url, storage={**storage, "pepper": "the second of the two"}), wait=False)
    try:
        assert second.child.wait(30) != 0
        assert "is not the one that this database's keys are hashed with" in second.log()
        assert "second of the two" not in second.log()
    finally:
        second.close()
