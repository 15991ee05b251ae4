"""What outlives a reload: which counters, where the journal lies, what a recovered request tells the others."""

from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from proxy.config import Config, Secret
from proxy.config.server import Server
from proxy.config.stores import State, Storage
from proxy.config.traffic import Auth, Jwt, Key
from proxy.generation import terms_of
from proxy.limits.failover import FailoverStore
from proxy.limits.memory import MemoryLimitStore
from proxy.policy.terms import Budget, Limits
from proxy.protocols import Entry
from proxy.stores import Stores, StoresError, journal_root, signers_of
from proxy.telemetry.metrics import Metrics

LIMITED = (Key(name="app", key=Secret("k" * 20), limits=Limits(rpm=5), budget=Budget(usd=1)),)


def stores(config: Config) -> Stores:
    return Stores(config, Metrics(CollectorRegistry(), known_models=lambda _: True))


def entry(*, flags: tuple[str, ...] = ("recovered",), charge: int = 7) -> Entry:
    return Entry(
        ident="a" * 32, request_id="r", upstream_id="", account="app", key="app", key_name="app", endpoint="chat", route="*",
        provider="p", model="m", outcome="internal_error", ending="recovered", count="estimated", flags=flags, charge=charge, at=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "local"),
    [
        (Config(), True),
        (Config(keys=LIMITED), True),
        (Config(keys=LIMITED, server=Server(workers=2)), False),
        (Config(server=Server(workers=2)), True),
        (Config(state=State(type="redis", url=Secret("redis://127.0.0.1:1/0"))), False),
    ],
)
def test_which_counters(config: Config, local: bool) -> None:
    made = stores(config)
    assert made.local is local
    assert type(made.limits) is (MemoryLimitStore if local else FailoverStore)


@pytest.mark.parametrize(
    ("storage", "root"),
    [
        (Storage(type="sqlite", path="/data/t.db"), "/data/t.db.journal"),
        (Storage(type="postgres", url=Secret("postgresql://h/d")), "tollway.journal"),
        (Storage(type="sqlite", journal="/var/j"), "/var/j"),
    ],
)
def test_where_the_journal_lies(storage: Storage, root: str) -> None:
    assert journal_root(Config(storage=storage)) == Path(root)


async def test_opened_and_closed_a_database_leaves_its_files_and_nothing_running(tmp_path: Path) -> None:
    config = Config(keys=LIMITED, storage=Storage(type="sqlite", path=str(tmp_path / "t.db")))
    made = stores(config)
    await made.open(terms_of(config))
    try:
        assert made.ledger is not None
        assert made.owners is not None
        assert made.owners.enforced
        assert made.figures()["storage"] == "sqlite"
        assert (tmp_path / "t.db.journal" / "pepper").stat().st_mode & 0o077 == 0
    finally:
        await made.close()
    again = stores(config)
    await again.open(terms_of(config))
    await again.close()
    assert again.pepper == made.pepper


async def test_another_pepper_is_refused_in_words(tmp_path: Path) -> None:
    storage = Storage(type="sqlite", path=str(tmp_path / "t.db"), pepper=Secret("the first of two peppers"))
    first = stores(Config(storage=storage))
    await first.open(terms_of(Config(storage=storage)))
    await first.close()
    other = Config(storage=structs.replace(storage, pepper=Secret("the second of the two")))
    second = stores(other)
    with pytest.raises(StoresError, match=r"pepper in storage\.pepper is not the one"):
        await second.open(terms_of(other))
    await second.close()


class Noted:
    """Stands in for a shared store."""

    def __init__(self) -> None:
        self.reserved: list[list[str]] = []

    async def reserve(self, ident: str, charges: list, lease: float) -> None:  # type: ignore[type-arg]
        self.reserved.append([charge.rule.ident for charge in charges])


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (entry(), True),
        (entry(flags=()), False),
        (entry(charge=0), False),
        (None, False),
    ],
)
async def test_only_what_was_never_settled_is_told_to_the_counters(
    tmp_path: Path, found: Entry | None, told: bool
) -> None:
    config = Config(keys=LIMITED, storage=Storage(type="sqlite", path=str(tmp_path / "t.db")))
    made = stores(config)
    await made.open(terms_of(config))
    noted = Noted()
    made.local, made.limits = False, noted  # type: ignore[assignment]
    await made._told("a" * 32, found)
    made.local, made.limits = True, MemoryLimitStore(lambda: 0.0, lambda: 0.0)
    await made.close()
    assert noted.reserved == ([["key/app/budget.month"]] if told else [])


async def test_signed_tokens_are_looked_after_in_mode_keys_alone() -> None:
    jwt = Jwt(issuer="https://issuer.test", audience="a", jwks_file="/no/such/file")
    assert signers_of(Config()) is None
    assert signers_of(Config(auth=Auth(mode="forward", jwt=jwt))) is None
    assert signers_of(Config(auth=Auth(jwt=jwt))) is not None
