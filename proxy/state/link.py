"""The way to the state store: one connection a worker, kept up by a task of its own, behind a breaker.

While the store is down a call fails at once: only the task knocks, once a second, and each time asks anew where the store is.
"""

import asyncio
import re
from collections.abc import Callable, Sequence

import hiredis

from .address import Address, moved, nodes, parse
from .connection import Connection, Reply, Word, dial, pack
from .locate import locate
from .script import Script
from .settings import TAG, LinkSettings, StoreDown

PROBE = 1.0
"""Seconds between two attempts while the store is down, and the most that one may take."""

STEADY = 5.0
"""Seconds after which a connection that timed out is replaced at once: it was no store that is always late."""

HOPS = 3
"""Times that one attempt follows ``MOVED``."""

UNFIT = frozenset({
    "READONLY", "LOADING", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "MASTERDOWN", "NOAUTH", "OOM", "MISCONF", "NOREPLICAS", "BUSY",
})  # fmt: skip
"""Replies of a server that is not, or not now, the one to ask: whether it is again, an attempt to write tells."""

PROBING: tuple[Word, ...] = (b"SET", f"{TAG}:probe".encode(), b"1", b"PX", b"1000")
"""Writes, so that a replica, a server that still loads, and one that does not own our slot are told apart from the store."""

INSIDE = re.compile(r"(?:^|-)([A-Z]{3,})\b(?<!ERR)")
"""The word of an error, which Redis 6.2 hides in the middle of what a script died of."""


def _ignore(_: object) -> None:
    pass


class StateLink:
    """Calls to the state store. Raises ``StoreDown`` and nothing else.

    ``on_error(kind)`` hears of every failure of the connection, ``on_state(up)`` of every change.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        scripts: Sequence[Script] = (),
        on_error: Callable[[str], None] = _ignore,
        on_state: Callable[[bool], None] = _ignore,
    ) -> None:
        """Raises ``ValueError`` for a URL that is none. ``scripts`` are loaded with every connection."""
        self._settings = settings
        self._address = parse(settings)
        self._scripts = tuple(scripts)
        self._on_error = on_error
        self._on_state = on_state
        self._connection: Connection | None = None
        self._known: list[Address] = []
        self._change: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def up(self) -> bool:
        """Was the store there when it was last asked?"""
        return self._up.is_set()

    async def back(self) -> None:
        """Waits until the store is up."""
        await self._up.wait()

    async def open(self) -> bool:
        """Starts to keep a connection, and waits for the first attempt. Is the store up?"""
        if self._task is None:
            self._change = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep(), name="state-link")
        await self._settled(2 * PROBE + self._settings.timeout)
        return self.up

    async def close(self) -> None:
        """Ends the connection and the task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.end("closed")
        self._connection = None
        self._up.clear()

    async def call(self, *words: Word) -> Reply:
        """One command and its reply."""
        return await self._send(pack(words))

    async def run(self, script: Script, argument: bytes) -> Reply:
        """One run of ``script``; it is loaded again if the store has forgotten it."""
        command = script.command(argument)
        connection = self._connection or await self._connected()
        try:
            return await connection.submit(command)
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise self._refused(error, connection) from None
        except StoreDown as error:
            if error.kind == "busy":
                self._on_error(error.kind)
            raise
        return await self._send(script.load(), command)

    async def _send(self, *commands: bytes) -> Reply:
        """Several in one write; the last one's reply."""
        connection = self._connection or await self._connected()
        futures = [connection.submit(command) for command in commands]
        try:
            *_, reply = await asyncio.gather(*futures)
        except hiredis.ReplyError as error:
            raise self._refused(error, connection) from None
        return reply

    def _refused(self, error: hiredis.ReplyError, connection: Connection) -> StoreDown:
        """An error reply, as ours. Some mean that the store is somewhere else now."""
        found = INSIDE.search(str(error))
        word = found[1] if found else "ERR"
        if word in UNFIT:
            connection.end(word.lower())
        else:
            self._on_error(word.lower())
        return StoreDown(word.lower(), str(error))

    # ---- keeping the connection -------------------------------------------------------------------------------------
    async def _connected(self) -> Connection:
        """The connection, as soon as one that broke off has been replaced: no longer than a call may take."""
        await self._settled(self._settings.timeout)
        if self._connection is None:
            raise StoreDown("down")
        return self._connection

    async def _settled(self, within: float) -> None:
        """Until the attempt under way, if there is one that calls wait for, has ended."""
        if self._change is not None:
            await asyncio.wait((self._change,), timeout=within)

    async def _keep(self) -> None:
        """For ever: connects, waits for the end, connects again."""
        loop = asyncio.get_running_loop()
        while True:
            ended: asyncio.Future[str] = loop.create_future()
            try:
                async with asyncio.timeout(self._settings.timeout + PROBE):
                    self._connection = await self._connect(ended)
            except Exception as error:  # noqa: BLE001 - whatever an attempt dies of, the next one must come
                self._announce(up=False, kind=error.kind if isinstance(error, StoreDown) else "refused")
                await asyncio.sleep(PROBE)
                continue
            self._announce(up=True)
            since = loop.time()
            kind = await ended
            self._connection = None
            lived = loop.time() - since
            if kind == "lost" and lived > PROBE:
                # Closed by the other side, it is likely to be there again at once: calls wait for that.
                self._on_error(kind)
                self._change = loop.create_future()
                continue
            self._announce(up=False, kind=kind)
            if lived < STEADY:
                await asyncio.sleep(PROBE)

    def _announce(self, *, up: bool, kind: str = "") -> None:
        if kind:
            self._on_error(kind)
        if up is not self.up:
            (self._up.set if up else self._up.clear)()
            self._on_state(up)
        if self._change is not None:
            self._change.set_result(None)
            self._change = None

    async def _connect(self, ended: "asyncio.Future[str]") -> Connection:
        """A connection to a server that does its work. Raises ``StoreDown`` or ``OSError``."""
        candidates = await locate(self._settings, self._address, self._known, PROBE / 2)
        failure: Exception = StoreDown("nowhere")
        for address in candidates:
            try:
                async with asyncio.timeout(PROBE / len(candidates)):
                    return await self._follow(address, ended)
            except (StoreDown, OSError) as error:  # TimeoutError is an OSError
                failure = error
        raise failure

    async def _follow(self, address: Address, ended: "asyncio.Future[str]") -> Connection:
        """The server at ``address``, or the one that it names."""
        for _ in range(HOPS):
            try:
                return await self._dial(address, ended)
            except hiredis.ReplyError as error:
                if not str(error).startswith("MOVED"):
                    word = str(error).split(" ", 1)[0].lower()
                    raise StoreDown(word, f"{address}: {error}") from None
                address = moved(address, str(error))
        raise StoreDown("moved", "the cluster's nodes send in a circle")

    async def _dial(self, address: Address, ended: "asyncio.Future[str]") -> Connection:
        """Connects, says who we are, loads the scripts and writes something. Raises ``hiredis.ReplyError`` too."""
        greeted = False

        def lost(kind: str) -> None:
            if greeted and not ended.done():
                ended.set_result(kind)

        connection = await dial(address, self._settings.timeout, lost)
        try:
            *_, last = await asyncio.gather(*map(connection.submit, self._greeting(address)))
        except BaseException:
            connection.end("refused")
            raise
        if self._settings.cluster:
            self._known = [address, *(node for node in nodes(address, last) if node != address)]
        greeted = True
        return connection

    def _greeting(self, address: Address) -> list[bytes]:
        words: list[tuple[Word, ...]] = []
        if address.password is not None:
            words.append((b"AUTH", *filter(None, (address.username,)), address.password))
        if address.db:
            words.append((b"SELECT", address.db))
        words.append(PROBING)
        words += [(b"SCRIPT", b"LOAD", script.source) for script in self._scripts]
        if self._settings.cluster:
            words.append((b"CLUSTER", b"SLOTS"))
        return [pack(word) for word in words]
