"""What outlives every request and reload, built from the configuration: counters, the database, keys in memory, the ledger, owners.

Optional packages are imported here, and only when the configuration asks for what they bring.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import convert, structs

from .admission.asking import Calendar
from .admission.limiter import Forecast
from .affinity.needed import needed
from .config import Config
from .config.checks_policy import effective_state
from .config.stores import EMBEDDED_STATE
from .generation import pricing
from .identity.pepper import PepperError, fingerprint, load_pepper
from .identity.principals import Terms
from .identity.signing_keys import Issuer, SigningKeys
from .identity.stored import StoredKeys
from .lifespan import StartRefused
from .limits.forecast import OutputForecast
from .limits.memory import MemoryLimitStore
from .limits.queue import Queue
from .ownership.claims import Claim, WriteBehind
from .ownership.memory import MemoryOwners
from .policy.rules import Charge, Reservation, Rule, micro
from .protocols import Entry, Ledger, LimitStore, Owners
from .seeding import Seeder
from .telemetry.metrics import Metrics
from .upstream.fetch import fetch

if TYPE_CHECKING:
    from .limits.redis import RedisLimitStore
    from .money.ledger import JournaledLedger
    from .money.recovery import Recovery
    from .ownership.redis import RedisOwners
    from .state.link import StateLink
    from .state.push import Push
    from .state.settings import LinkSettings
    from .storage.database import Database
    from .storage.queries import Spent

_log = logging.getLogger("tollway.stores")

PEPPER = "pepper"
"""The file in the journal's folder that holds the secret which keys are hashed with."""

RECOVERY = 30.0
"""Seconds between looks for what dead processes left."""

SETTLING = 0.3
"""Seconds in which entries that were settled elsewhere reach the database."""

FLUSH = 10.0
"""Seconds that the last entries have to reach the database at shutdown."""

OPEN_WITHIN = 30.0
"""Seconds that opening the database and reading the keys may take at start."""


class StoresError(StartRefused):
    """What the configuration asks for cannot be had; the message is one sentence with the fix."""


class Stores:
    """Made before the loop runs; ``open`` and ``close`` inside it, ``loops`` between them."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._link: StateLink | None = None
        self._push: Push | None = None
        self._journaled: JournaledLedger | None = None
        self._fleet: RedisLimitStore | None = None
        self._recovery: Recovery | None = None
        self._seeder: Seeder | None = None
        self._signing: asyncio.Task[None] | None = None
        self._behind: WriteBehind | None = None
        self._shared_owners: RedisOwners | None = None
        self._seen_failing = False
        self.local = effective_state(config) == "memory"
        self.limits: LimitStore = self._counters()
        self.forecast: Forecast = OutputForecast()
        queue = config.limits.queue
        self.room: Queue | None = (
            Queue(wait=queue.wait, size=queue.size, clock=time.monotonic, waited=metrics.waited) if queue.wait else None
        )
        self.stored: StoredKeys | None = None
        self.signers: SigningKeys | None = None
        self.pepper = b""
        self.database: Database | None = self._open_database()
        self.owners: Owners | None = None

    @property
    def ledger(self) -> Ledger | None:
        """``None`` without a database."""
        return self._journaled

    @property
    def shared(self) -> "tuple[LinkSettings, StateLink] | None":
        """The shared state and the way to it; ``None`` where there is none."""
        return None if self._link is None else (link_settings(self._config), self._link)

    # ---- made from the configuration --------------------------------------------------------------------------------

    def _counters(self) -> LimitStore:
        """The counters: here, or in a shared store with what to do while it is down."""
        if self.local:
            self._metrics.store_up.set(1)
            return MemoryLimitStore(time.monotonic, time.time)
        from .limits.failover import FailoverStore  # noqa: PLC0415 - the extra `redis`
        from .limits.redis import SCRIPTS, RedisLimitStore  # noqa: PLC0415
        from .state.link import StateLink  # noqa: PLC0415
        from .state.push import Push  # noqa: PLC0415

        settings = link_settings(self._config)
        metrics = self._metrics
        self._link = StateLink(
            settings,
            scripts=SCRIPTS,
            on_error=lambda kind: metrics.store_errors.labels(kind).inc(),
            on_state=lambda up: metrics.store_up.set(1 if up else 0),
        )
        self._push = Push(settings, self._link)
        replicas = self._config.state.replicas * self._config.server.workers
        local = MemoryLimitStore(time.monotonic, time.time, share=replicas)
        self._fleet = RedisLimitStore(self._link, time.time)
        return FailoverStore(self._link, self._fleet, local)

    def _open_database(self) -> "Database | None":
        storage = self._config.storage
        if storage.type == "none":
            return None
        from .storage.database import Database  # noqa: PLC0415 - the extra `server`

        if storage.type == "sqlite":
            return Database.sqlite(Path(storage.path))
        return Database.postgres(storage.url.reveal() if storage.url is not None else "")

    def journal_root(self) -> Path:
        """The folder of all processes' write-ahead files; the pepper lies in it."""
        return journal_root(self._config)

    # ---- inside the loop --------------------------------------------------------------------------------------------

    async def open(self, terms: Terms) -> None:
        """Connects, reads the keys, settles what dead processes left, tells the counters. Raises ``StoresError``."""
        config = self._config
        if self._link is not None:
            await self._link.open()
        self._restart_signers(config)
        if self.signers is not None:
            await self.signers.look()
        if self.database is not None:
            try:
                async with asyncio.timeout(OPEN_WITHIN):
                    await self._open_storage(self.database, terms)
            except TimeoutError:
                raise StoresError(f"The database did not answer within {OPEN_WITHIN:g} s: is it there?") from None
        self.owners = await self._open_owners()

    async def _open_storage(self, database: "Database", terms: Terms) -> None:
        from .money.bookkeeping import Bookkeeper  # noqa: PLC0415 - the extra `server`
        from .money.journal import Journal  # noqa: PLC0415
        from .money.ledger import JournaledLedger  # noqa: PLC0415
        from .money.recovery import Recovery  # noqa: PLC0415
        from .storage.errors import StorageError  # noqa: PLC0415

        config, root = self._config, self.journal_root()
        try:
            await database.open()
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.pepper = await read_pepper(config, database)
            self._seeder = Seeder(self.limits, self._spent, wall=time.time, forgotten=self._forgotten)
            self.stored = StoredKeys(database, terms=terms, grace=config.storage.grace, seed=self._seeder.seed_rules)
            await self.stored.sync()
            for account in terms.accounts.values():
                if account.plan.prepaid:
                    await database.ensure_account(account)
            journal = Journal(root, limit=config.storage.journal_limit)
        except (StorageError, PepperError) as error:
            raise StoresError(str(error)) from None
        except OSError as error:
            raise unwritable(root, error) from None
        books = Bookkeeper(database, allowance=self._allowance)
        self._journaled = JournaledLedger(journal, books, sync=config.ledger == "sync", clock=time.monotonic)
        self._recovery = Recovery(root, database, books, wall=time.time, cost=pricing(config).cost, told=self._told)
        try:
            await self._recover()
            # Before the first request, where the store can be reached; else the seeder's loop does it once it is back.
            if self.local or (self._link is not None and self._link.up and await self._forgotten()):
                await self._seeder.seed()
        except StorageError as error:
            raise StoresError(str(error)) from None

    def _allowance(self, account: str) -> int:
        """Micro-dollars a month that an account's plan includes."""
        row = self.stored.account(account) if self.stored is not None else None
        plan = row.plan if row is not None else None
        owned = self._config.accounts.get(account)
        if owned is not None:
            plan = owned.plan
        return micro(plan.included_usd) if plan is not None else 0

    async def _forgotten(self) -> bool:
        """Has the shared store lost what the ledger told it, and is it this process's turn to tell it again?"""
        return self._fleet is not None and await self._fleet.wants_seed()

    async def _spent(self, now: float) -> "Sequence[Spent]":
        """What the ledger knows, once it knows what this process and the others have just settled."""
        assert self.database is not None
        if self._journaled is not None and not self.local:
            await self._journaled.flush(SETTLING)
            await asyncio.sleep(SETTLING)
        return await self.database.spent(now)

    async def _recover(self) -> None:
        """What dead processes left, into the ledger."""
        if self._recovery is None:
            return
        found = await self._recovery.once()
        for ending in ("entries", "estimated", "released", "expired"):
            number = getattr(found, ending)
            if number:
                self._metrics.recovered.labels(ending).inc(number)
        if found.journals:
            _log.warning(
                "recovered the journals of %d dead processes: %d entries written, %d requests under way settled, %d holds given back",
                found.journals,
                found.entries,
                found.estimated,
                found.released + found.expired,
            )

    async def _told(self, ident: str, entry: Entry | None) -> None:
        """A request was charged whose process died before it could settle: the shared counters learn of it.

        What a dead process had settled, the counters know already.
        """
        if entry is None or not entry.charge or "recovered" not in entry.flags or self.local or self.stored is None:
            return
        rules = [soft(rule) for rule in self.stored.money_rules(entry.key, entry.account)]
        calendar = Calendar(lambda: entry.at)
        charges = [Charge(rule, 0, 0, calendar.window(rule.per)) for rule in rules]
        held = await self.limits.reserve(f"{ident}-recovered", charges, RECOVERY)
        if isinstance(held, Reservation):
            await self.limits.settle(held, [entry.charge] * len(held.grants))

    async def _open_owners(self) -> Owners | None:
        """Who made what, and where; ``None`` where callers are not kept apart here and nothing could have been made elsewhere."""
        if self._config.auth.mode != "keys" and not needed(self._config):
            return None
        database = self.database
        if database is not None:
            self._behind = WriteBehind(partial(_claim, database), database.forget_objects)
        if self._link is None:
            owners = MemoryOwners(enforced=self._has_tenants, wall=time.time, behind=self._behind)
            if database is not None:
                await owners.load(_claims(database))
            return owners
        from .ownership.redis import RedisOwners  # noqa: PLC0415 - the extra `redis`

        load = partial(_claims, database) if database is not None else None
        shared = self._shared_owners = RedisOwners(
            self._link, enforced=self._has_tenants, wall=time.time, behind=self._behind, load=load
        )
        await shared.open()
        return shared

    def _has_tenants(self) -> bool:
        """Can there be callers who must not see each other's objects?"""
        config = self._config
        if config.auth.mode != "keys":
            return False
        accounts = {key.account or key.name for key in config.keys}
        return len(accounts) > 1 or config.storage.type != "none" or config.auth.jwt is not None

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """What runs in the background until ``close``."""
        loops: list[Coroutine[Any, Any, None]] = [self._measure()]
        if self.stored is not None:
            loops.append(self.stored.run())
        if self._journaled is not None:
            loops += [self._journaled.run(), self._keep_books()]
        if self._seeder is not None and not self.local:
            loops.append(self._seeder.run())
        if self._behind is not None:
            loops.append(self._behind.run())
        if self._shared_owners is not None:
            loops.append(self._shared_owners.run())
        if self._push is not None and self.stored is not None:
            stored = self.stored
            self._push.listen(lambda _: stored.nudge())
        return loops

    async def changed(self) -> None:
        """The administration changed something: this process looks now, the others are told."""
        if self.stored is not None:
            try:
                await self.stored.sync()
            except Exception:  # noqa: BLE001 - the change is stored; this process finds it with its next look
                self.stored.nudge()
        if self._push is not None:
            await self._push.publish("keys")

    def use(self, config: Config, terms: Terms) -> None:
        """A reloaded configuration: what of it is applied live."""
        if self.stored is not None:
            self.stored.use(terms)
        if config.auth.jwt != self._config.auth.jwt:
            self._restart_signers(config)

    def _restart_signers(self, config: Config) -> None:
        if self._signing is not None:
            self._signing.cancel()
        self.signers = signers_of(config)
        self._signing = asyncio.create_task(self.signers.run()) if self.signers is not None else None

    def figures(self) -> dict[str, object]:
        """How the stores are, for the admin API."""
        figures: dict[str, object] = {"state": effective_state(self._config), "storage": self._config.storage.type}
        if self._link is not None:
            figures["state_up"] = self._link.up
        if self._journaled is not None:
            figures["ledger"] = structs.asdict(self._journaled.state())
        if self.stored is not None:
            figures["keys"] = {"known": self.stored.count, "stale_seconds": round(self.stored.stale, 3)}
        return figures

    async def _keep_books(self) -> None:
        """Every half minute: what dead processes left, allowances of a month that has ended."""
        while True:
            await asyncio.sleep(RECOVERY)
            try:
                await self._recover()
                if self.database is not None:
                    await self.database.roll_included(time.time())
            except Exception as error:  # noqa: BLE001 - a database that is down is asked again
                _log.warning("the books could not be kept: %s", type(error).__name__)

    async def _measure(self) -> None:
        """Gauges of what is kept."""
        metrics = self._metrics
        while True:
            await asyncio.sleep(1.0)
            if self.room is not None:
                metrics.queue_waiting.set(self.room.waiting)
            if self.stored is not None:
                metrics.keys_known.set(self.stored.count)
                metrics.keys_stale.set(self.stored.stale)
            if self._journaled is not None:
                state = self._journaled.state()
                metrics.ledger_queue.set(state.queued)
                metrics.ledger_lag.set(state.oldest)
                metrics.journal_bytes.set(state.journal_bytes)
                if state.failing and not self._seen_failing:
                    metrics.ledger_failures.inc()
                self._seen_failing = state.failing

    async def close(self) -> None:
        """After the last settlement: what waits goes to the database, then everything is let go of."""
        if self._journaled is not None:
            if not await self._journaled.flush(FLUSH):
                _log.warning("the database did not take the last entries: they wait in %s", self.journal_root())
            self._journaled.close()
        if self._signing is not None:
            self._signing.cancel()
        if self._behind is not None:
            await self._behind.flush()
        if self._push is not None:
            await self._push.close()
        await self.limits.close()
        if self._link is not None:
            await self._link.close()
        if self.database is not None:
            await self.database.close()


def unwritable(root: Path, error: OSError) -> StoresError:
    """The journal's folder is none that we can use."""
    return StoresError(
        f"The journal's folder {root} cannot be written ({error.strerror}): set storage.journal to a folder that this user "
        "may write to, on a disk that outlives the process."
    )


def signers_of(config: Config) -> SigningKeys | None:
    """The keys that tokens are checked with, where tokens are taken."""
    jwt = config.auth.jwt
    if jwt is None or config.auth.mode != "keys":
        return None
    return SigningKeys(convert(structs.asdict(jwt), Issuer), fetch=fetch)


async def _claim(database: "Database", claims: Sequence[Claim]) -> None:
    """Writes claims; an id that has an owner keeps it."""
    from .storage.queries import OwnedObject  # noqa: PLC0415 - the extra `server`

    await database.claim_objects([OwnedObject(claim.ident, claim.account, claim.place, claim.at) for claim in claims])


async def _claims(database: "Database") -> AsyncIterator[Claim]:
    """Every claim that the database has."""
    async for row in database.objects():
        yield Claim(row.id, row.account, row.at, row.place)


def soft(rule: Rule) -> Rule:
    """The same counter, for what cannot be refused any more."""
    return structs.replace(rule, soft=True)


def journal_root(config: Config) -> Path:
    """Beside the SQLite file, or in the working folder, unless ``storage.journal`` says where."""
    storage = config.storage
    if storage.journal is not None:
        return Path(storage.journal)
    return Path(f"{storage.path}.journal") if storage.type == "sqlite" else Path("tollway.journal")


async def read_pepper(config: Config, database: "Database") -> bytes:
    """What keys are hashed with: the configuration's, or that of the file, which is made for a new database. Raises ``PepperError``."""
    own, file = config.storage.pepper, journal_root(config) / PEPPER
    if own is not None:
        pepper = own.reveal().encode()
    else:
        has_keys = bool(await database.keys(limit=1))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pepper = await asyncio.to_thread(load_pepper, file, has_keys=has_keys)
    if not await database.belongs_to(fingerprint(pepper)):
        where = "storage.pepper" if own is not None else f"the file {file}"
        raise PepperError(
            f"The pepper in {where} is not the one that this database's keys are hashed with, so none of them would work: "
            "put that one back, or give it in storage.pepper; several machines need the same."
        )
    return pepper


def link_settings(config: Config) -> "LinkSettings":
    """Where the shared store is."""
    from .state.settings import LinkSettings  # noqa: PLC0415 - the extra `redis`

    state = config.state
    url = os.environ.get(EMBEDDED_STATE, "") if effective_state(config) == "embedded" else ""
    if not url and state.url is not None:
        url = state.url.reveal()
    return LinkSettings(
        url=url or "redis://127.0.0.1:6379/0",
        sentinels=state.sentinels,
        service=state.service,
        cluster=state.cluster,
        ca_file=state.ca_file,
        timeout=state.timeout,
    )
