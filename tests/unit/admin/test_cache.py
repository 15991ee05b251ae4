"""The cache over the admin API: its figures, and purges by key, account, model and tag, or of everything, with an audit row."""

from pathlib import Path

import pytest
from msgspec import structs

from proxy.admin import answers
from proxy.admin.access import AdminKey
from proxy.admin.app import admin_app
from proxy.identity.failures import FailureLimiter
from proxy.protocols import Purge
from tests.support.clock import FakeClock

from .api import KEY, Api, Json, over_sqlite

DIGEST = "0123456789abcdef" * 4


class Cached(Api):
    """An API of a gateway with a cache; ``purged``: what it was told to forget."""

    def __init__(self, *, everywhere: bool = True, count: int | None = 3) -> None:
        super().__init__(None)
        self.purged: list[Purge] = []
        self._answer = answers.CachePurged(forgotten=count, everywhere=everywhere)
        self.desk = structs.replace(self.desk, cache=self._figures, purge=self._purge)
        access = AdminKey(KEY, FailureLimiter(per_address=5, total=50, clock=FakeClock()))
        self.app = admin_app(self.desk, access)

    def _figures(self) -> answers.Cache:
        lookups = {"exact": {"hit": 2, "miss": 1}}
        return answers.Cache(store="memory", entries=12, bytes=34_567, max_bytes=1 << 26, lookups=lookups)

    async def _purge(self, what: Purge) -> answers.CachePurged:
        self.purged.append(what)
        return self._answer


async def test_what_it_holds() -> None:
    assert await Cached().good("GET", "/cache") == {
        "store": "memory",
        "entries": 12,
        "bytes": 34_567,
        "max_bytes": 1 << 26,
        "up": True,
        "lookups": {"exact": {"hit": 2, "miss": 1}},
        "object": "cache",
    }


async def test_a_gateway_without_a_cache_says_so_and_has_nothing_to_forget() -> None:
    api = Api(None)
    assert (await api.good("GET", "/cache"))["store"] == "none"
    assert await api.good("POST", "/cache/purge", {"all": True}) == {
        "forgotten": 0,
        "everywhere": True,
        "object": "cache.purge",
    }


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"all": True}, Purge()),
        ({"key": DIGEST}, Purge(key=DIGEST)),
        ({"key": DIGEST.upper()}, Purge(key=DIGEST)),
        ({"account": "acme"}, Purge(account="acme")),
        ({"model": "gpt-4o"}, Purge(model="gpt-4o")),
        ({"tag": "night", "all": False}, Purge(tag="night")),
        ({"account": "acme", "model": "fast", "tag": "a b"}, Purge(account="acme", model="fast", tag="a b")),
    ],
)
async def test_purges(body: Json, what: Purge) -> None:
    api = Cached()
    assert await api.good("POST", "/cache/purge", body) == {
        "forgotten": 3,
        "everywhere": True,
        "object": "cache.purge",
    }
    assert api.purged == [what]


async def test_what_is_not_known_is_null() -> None:
    api = Cached(everywhere=False, count=None)
    assert await api.good("POST", "/cache/purge", {"tag": "night"}) == {
        "forgotten": None,
        "everywhere": False,
        "object": "cache.purge",
    }


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, None, "missing_required_parameter"),
        (None, None, "missing_required_parameter"),
        ({"all": False}, None, "missing_required_parameter"),
        ({"all": True, "tag": "x"}, "all", "invalid_value"),
        ({"all": 1}, "all", "invalid_value"),
        ({"key": "abc"}, "key", "invalid_value"),
        ({"key": DIGEST + "0"}, "key", "invalid_value"),
        ({"key": "g" * 64}, "key", "invalid_value"),
        ({"tag": ""}, "tag", "invalid_value"),
        ({"model": "m" * 201}, "model", "invalid_value"),
        ({"account": ["acme"]}, "account", "invalid_value"),
        ({"tags": "x"}, "tags", "unknown_field"),
    ],
)
async def test_a_purge_that_does_not_say_what_forgets_nothing(body: Json, param: str | None, code: str) -> None:
    api = Cached()
    reply = await api.ask("POST", "/cache/purge", body)
    assert reply.status == 400
    assert (reply.error["param"], reply.error["code"]) == (param, code)
    assert api.purged == []


async def test_only_who_has_the_key_may() -> None:
    api = Cached()
    for method, path in (("GET", "/cache"), ("POST", "/cache/purge")):
        assert (await api.ask(method, path, key=None)).status == 401
        assert (await api.ask(method, path, key="wrong")).status == 401
    assert (await api.ask("DELETE", "/cache")).status == 405
    assert (await api.ask("GET", "/cache/purge")).status == 405
    assert api.purged == []


async def test_accounts_by_id_or_name_and_an_audit_row(tmp_path: Path) -> None:
    async with over_sqlite(tmp_path) as api:
        purged: list[Purge] = []

        async def purge(what: Purge) -> answers.CachePurged:
            purged.append(what)
            return answers.CachePurged(forgotten=1, everywhere=True)

        api.app = admin_app(structs.replace(api.desk, purge=purge), api.access)
        made = await api.account("acme")
        for named in (made["id"], "acme", "a token's subject"):
            await api.good("POST", "/cache/purge", {"account": named})
        await api.good("POST", "/cache/purge", {"all": True})
        assert [what.account for what in purged] == [made["id"], made["id"], "a token's subject", ""]
        last, before, *_ = await api.audit()
        assert (last["action"], last["object_id"], last["actor"]) == ("cache.purge", "cache", "admin")
        assert last["after"] == {"all": True}
        assert before["after"] == {"account": "a token's subject"}


async def test_a_purge_does_not_fail_because_the_audit_log_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with over_sqlite(tmp_path) as api:
        assert api.database is not None
        await api.database.close()
        (tmp_path / "admin.db").unlink()
        (tmp_path / "admin.db").mkdir()
        assert (await api.good("POST", "/cache/purge", {"tag": "wrong"}))["everywhere"] is True
        assert "missing from the audit log" in caplog.text
