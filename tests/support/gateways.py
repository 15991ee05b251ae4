"""Fleets of real gateways that share a ledger and a store, the load that is put on them, and the ledger read past their code.

Prices are one line here, so that a test can say to the micro-dollar what a request must have cost.
"""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import asyncpg

from .processes import KEY, Gateway, Mock, config_for, free_port

INPUT, OUTPUT = 10, 20
"""Micro-dollars a token: what ``costed`` says a million of them costs in dollars."""

MODEL = "gpt-4o"
ADMIN = "the admin key of these tests"
PROMPT = "How long is the road from here to the sea, and who keeps it?"


def costed(
    upstream: str, storage: dict[str, Any], state: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """A configuration with prices, a database and a store; sections can be replaced."""
    sections: dict[str, Any] = {
        "admin": {"key": ADMIN},
        "auth": {"mode": "keys", "failures_per_minute": 1_000_000, "failures_total_per_minute": 1_000_000},
        "catalogue": {"models": {f"openai/{MODEL}": {"prices": {"input": INPUT, "output": OUTPUT}}}},
        "storage": {"pepper": "a pepper for all of a fleet", **storage},
        "state": state or {"type": "memory"},
        "telemetry": {"access_log": "off"},
    }
    return config_for(upstream, **{**sections, **changes})


def sqlite_in(folder: Path) -> dict[str, Any]:
    """``storage`` in a folder."""
    return {"type": "sqlite", "path": str(folder / "tollway.db")}


def postgres_at(url: str, folder: Path) -> dict[str, Any]:
    """``storage`` at a URL, the journal in a folder."""
    return {"type": "postgres", "url": url, "journal": str(folder / "journal")}


@contextlib.asynccontextmanager
async def fleet(config: dict[str, Any], size: int = 4) -> AsyncIterator[list[Gateway]]:
    """``size`` processes with one configuration, each on a port of its own; started together."""
    configs = [{**config, "server": {**config["server"], "port": free_port()}} for _ in range(size)]
    found: list[Gateway] = []
    try:
        found += [Gateway(each, wait=False) for each in configs]
        for gateway in found:
            await asyncio.to_thread(wait_up, gateway)
        yield found
    finally:
        for gateway in found:
            gateway.close()


def wait_up(gateway: Gateway, within: float = 60.0) -> None:
    """Waits until it says that it is ready. That its port accepts is not enough: a starting gateway tries it out first."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and gateway.child.poll() is None:
        with contextlib.suppress(OSError, HTTPException):
            with urlopen(f"{gateway.origin}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.02)
    raise AssertionError(f"the gateway did not start:\n{gateway.log()}")


def kill_all(gateway: Gateway) -> None:
    """SIGKILL to every process of a gateway at the same moment."""
    os.killpg(gateway.pid, signal.SIGKILL)
    gateway.child.wait(10)


# ---- load -----------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """One request as its client saw it. ``ending``: ``whole``, ``cut`` (broken off after a head), ``lost`` (no head came)."""

    ident: str
    stream: bool
    begun: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "lost"
    text: str = ""
    parts: list[tuple[float, str]] = field(default_factory=list)
    """When each part of a stream's text came, and the text."""
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    done: bool = False
    """Did a stream end as streams do, with ``[DONE]``?"""

    @property
    def cost(self) -> int:
        """Micro-dollars of what the upstream said was used."""
        assert self.usage is not None
        return int(self.usage["prompt_tokens"]) * INPUT + int(self.usage["completion_tokens"]) * OUTPUT

    def text_by(self, moment: float) -> str:
        """What of a stream had come by then."""
        return "".join(text for at, text in self.parts if at <= moment)


class Load:
    """A client of a fleet. Every request has an id of its own, which upstream and ledger see too."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._numbers = count(1)
        self._name = f"{os.getpid()}-{time.monotonic_ns()}"

    async def ask(
        self,
        gateway: Gateway,
        *,
        stream: bool = False,
        key: str = KEY,
        max_tokens: int | None = 50,
        content: str = PROMPT,
        mock: dict[str, str] | None = None,
        **fields: Any,
    ) -> Call:
        """One chat request. ``mock``: controls of the upstream, without their prefix."""
        call = Call(f"load-{self._name}-{next(self._numbers)}", stream)
        body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": content}], **fields}
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {"authorization": f"Bearer {key}", "x-request-id": call.ident, "x-test-id": call.ident}
        headers |= {f"x-mock-{name}": value for name, value in (mock or {}).items()}
        try:
            async with self._session.post(f"{gateway.url}/chat/completions", json=body, headers=headers) as answer:
                call.status, call.ending = answer.status, "cut"
                call.headers = {name.lower(): value for name, value in answer.headers.items()}
                await (_read_stream(call, answer) if stream and answer.status == 200 else _read(call, answer))
                call.ending = "whole"
        except (aiohttp.ClientError, ConnectionError):
            pass
        finally:
            call.ended = time.monotonic()
        return call

    async def admin(self, gateway: Gateway, method: str, path: str, body: Any = None) -> Any:
        """The admin API's answer, which must be a good one."""
        headers = {"authorization": f"Bearer {ADMIN}"}
        async with self._session.request(
            method, f"{gateway.origin}/admin/v1{path}", json=body, headers=headers
        ) as answer:
            found = await answer.json()
            assert answer.status < 300, (answer.status, found)
            return found

    async def until_ready(self, gateways: Sequence[Gateway], *, key: str = KEY, within: float = 15.0) -> None:
        """Waits until nobody answers 503 any more: a store that is new to a fleet is told the ledger's figures first.

        A request that is too large for every model finds out without being sent.
        """
        deadline = time.monotonic() + within
        for gateway in gateways:
            while (call := await self.ask(gateway, key=key, mock={"fault": "status:400"})).status in (0, 503):
                assert time.monotonic() < deadline, call
                await asyncio.sleep(0.05)


async def _read(call: Call, answer: aiohttp.ClientResponse) -> None:
    body = await answer.read()
    found = json.loads(body)
    if answer.status == 200:
        call.text, call.usage, call.done = found["choices"][0]["message"]["content"], found["usage"], True
    else:
        call.error = found["error"]


async def _read_stream(call: Call, answer: aiohttp.ClientResponse) -> None:
    rest = b""
    async for data in answer.content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        text = "".join(_read_line(call, line) for line in lines)
        if text:
            call.parts.append((time.monotonic(), text))
            call.text += text


def _read_line(call: Call, line: bytes) -> str:
    """The text of one line of a stream; the rest of what it says goes into ``call``."""
    if not line.startswith(b"data: "):
        return ""
    if line == b"data: [DONE]":
        call.done = True
        return ""
    event = json.loads(line[6:])
    call.error = event.get("error", call.error)
    call.usage = event.get("usage") or call.usage
    return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))


@contextlib.asynccontextmanager
async def load() -> AsyncIterator[Load]:
    """A client without limits of its own; each request has a connection of its own."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Load(session)


# ---- what the upstream saw ------------------------------------------------------------------------------------------


class Witness:
    """Everything that the mock saw, by ``x-test-id``; its own memory holds a thousand requests, so this one looks often enough."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self.seen: dict[str, list[dict[str, Any]]] = {}
        self._numbers: set[int] = set()
        self._before = mock.stats()["requests"]

    async def look(self) -> None:
        """Adds what is new, and what has changed since."""
        for entry in await asyncio.to_thread(self._mock.requests):
            if entry["number"] <= self._before:
                continue
            ident = next((value for name, value in entry["headers"] if name.lower() == "x-test-id"), "")
            known = self.seen.setdefault(ident, [])
            if entry["number"] in self._numbers:
                known[:] = [entry if each["number"] == entry["number"] else each for each in known]
            else:
                self._numbers.add(entry["number"])
                known.append(entry)

    async def watch(self, every: float = 0.5) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every)

    async def finish(self) -> None:
        """The last look, when all clients are gone and everything they left behind has ended; nothing may have been missed."""
        deadline = time.monotonic() + 10
        while True:
            stats = await asyncio.to_thread(self._mock.stats)
            await self.look()
            total = stats["requests"] - self._before
            if not stats["open"] and len(self._numbers) == total:
                return
            assert time.monotonic() < deadline, f"saw {len(self._numbers)} of {total} requests: {stats}"
            await asyncio.sleep(0.1)


# ---- the ledger -----------------------------------------------------------------------------------------------------


class Books:
    """The ledger's tables by plain SQL: a file, or a PostgreSQL URL."""

    def __init__(self, where: Path | str) -> None:
        self._where = where

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows, by column."""
        (found,) = await self.at_once(statement)
        return found

    async def at_once(self, *statements: str) -> list[list[dict[str, Any]]]:
        """The rows of each, all as they were at one moment."""
        if isinstance(self._where, str):
            connection = await asyncpg.connect(self._where, timeout=10)
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return [[dict(row) for row in await connection.fetch(each)] for each in statements]
            finally:
                await connection.close()
        return await asyncio.to_thread(self._from_file, statements)

    def _from_file(self, statements: Sequence[str]) -> list[list[dict[str, Any]]]:
        with contextlib.closing(sqlite3.connect(f"file:{self._where}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            return [[dict(row) for row in connection.execute(each)] for each in statements]

    async def one(self, statement: str) -> int:
        """One figure; 0 for none."""
        ((value,),) = [row.values() for row in await self.rows(statement)]
        return int(value or 0)

    async def entries(self) -> dict[str, list[dict[str, Any]]]:
        """Every entry, by the client's request id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in await self.rows("SELECT * FROM entries ORDER BY at"):
            row["flags"] = json.loads(row["flags"] or "[]")
            found.setdefault(row["request_id"], []).append(row)
        return found

    async def holds(self) -> int:
        """Requests for which money is set aside in the books."""
        return await self.one("SELECT COUNT(*) AS n FROM holds WHERE amount <> 0")

    async def settled(self, number: int, *, within: float = 10.0) -> None:
        """Waits until there are so many entries and nothing is held."""
        deadline = time.monotonic() + within
        while (found := await self.one("SELECT COUNT(*) AS n FROM entries")) != number or await self.holds():
            assert time.monotonic() < deadline, f"{found} entries instead of {number}, {await self.holds()} holds"
            await asyncio.sleep(0.1)

    async def check(self) -> None:
        """What must always be true: movements add to zero, balances are their postings, no movement is there twice."""
        figures, *wrong = await self.at_once(
            "SELECT (SELECT SUM(amount) FROM postings) AS postings, "
            "(SELECT SUM(amount) FROM balances WHERE book LIKE 'held/%') AS held, (SELECT SUM(amount) FROM holds) AS holds, "
            "(SELECT SUM(amount) FROM balances WHERE book = 'revenue') AS revenue, "
            "(SELECT SUM(charge) FROM entries) AS charges",
            "SELECT txn FROM postings GROUP BY txn HAVING SUM(amount) <> 0",
            "SELECT ref FROM transactions GROUP BY ref HAVING COUNT(*) > 1",
            "SELECT t.seq FROM transactions t LEFT JOIN postings p ON p.txn = t.seq WHERE p.txn IS NULL",
            "SELECT p.book FROM (SELECT book, SUM(amount) AS s FROM postings GROUP BY book) p "
            "LEFT JOIN balances b ON b.book = p.book WHERE b.amount IS NULL OR b.amount <> p.s",
            "SELECT book FROM balances WHERE book LIKE 'held/%' AND amount < 0",
        )
        assert wrong == [[]] * 5
        (sums,) = [{name: int(value or 0) for name, value in row.items()} for row in figures]
        assert sums["postings"] == 0
        assert sums["held"] == sums["holds"]
        assert sums["revenue"] == sums["charges"]
