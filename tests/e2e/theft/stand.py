"""One gateway with a mock and a liar behind it, accounts and keys made through its admin API, and its books."""

import asyncio
import json
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.gateways import ADMIN, MODEL, Books, costed, sqlite_in
from tests.support.processes import KEY, Gateway, Mock

from .liar import Liar

INPUT, OUTPUT = 10, 20
"""Micro-dollars a token of ``MODEL``, wherever it comes from."""

_numbers = count(1)


def configuration(mock: Mock, lying: Liar, folder: Path, **changes: Any) -> dict[str, Any]:
    """``mock`` is behind every name, ``lying/…`` leads to the liar; the other dialects are there under their own names."""
    prices = {"prices": {"input": INPUT, "output": OUTPUT}}
    key = "sk-upstream-credential"
    providers = {
        "mock": {"use": "openai", "base_url": mock.url, "api_key": key},
        "lying": {"use": "openai", "base_url": lying.url, "api_key": key},
        "lying-claude": {"use": "anthropic", "base_url": lying.url.removesuffix("/v1"), "api_key": key},
        "claude": {"use": "anthropic", "base_url": mock.origin, "api_key": key},
        "google": {"use": "gemini", "base_url": mock.origin, "api_key": key},
    }
    models = {
        "*": {"targets": [{"provider": "mock", "model": "*"}]},
        "fast": {"targets": [{"provider": "mock", "model": MODEL}], "limits": {"concurrency": 3}},
    }
    priced = {
        f"openai/{MODEL}": prices,
        "openai/text-embedding-3-small": {"prices": {"input": INPUT}},
        "openai/gpt-3.5-turbo-instruct": prices,
        "openai/gpt-realtime": prices,
        "openai/unpriced-model": {},
        "anthropic/claude-sonnet-5": prices,
        "gemini/gemini-3.8-flash": prices,
    }
    sections: dict[str, Any] = {
        "providers": providers,
        "models": models,
        "catalogue": {"models": priced},
        "passthrough": {"provider": "mock"},
        "streaming": {"include_usage": "always"},
    }
    return costed(mock.url, sqlite_in(folder), keys=[{"name": "app", "key": KEY}], **{**sections, **changes})


@dataclass
class Answer:
    """What a client got. ``cut``: the connection broke off."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False

    @property
    def document(self) -> Any:
        """The JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error, whichever shape."""
        error = self.document.get("error") or {}
        return error.get("code") or error.get("type") or ""


@dataclass
class Thief:
    """An account of its own with one key. ``ident`` is the account's id."""

    stand: "Stand"
    ident: str
    key_id: str
    key: str

    async def ask(
        self,
        path: str = "/v1/chat/completions",
        body: Any = None,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request, read to its end."""
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        url = self.stand.gateway.origin + path
        async with self.stand.session.request(
            method, aiohttp.client.URL(url, encoded=True), data=data, headers=sent
        ) as answer:
            parts, cut = [], False
            try:
                async for part in answer.content.iter_any():
                    parts.append(part)
            except aiohttp.ClientError:
                cut = True
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, names, b"".join(parts), cut)

    async def chat(self, mock: dict[str, Any] | None = None, *, headers: Any = None, **fields: Any) -> Answer:
        """A chat request; ``mock``: its controls."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Where is it?"}], **fields}
        return await self.ask(body=body, headers={**controls(mock), **(headers or {})})

    async def entries(self, number: int, within: float = 5.0) -> list[dict[str, Any]]:
        """The account's entries in the ledger, once there are so many and nothing is held any more."""
        deadline = time.monotonic() + within
        while True:
            rows: list[dict[str, Any]] = await self.stand.books.rows(
                f"SELECT * FROM entries WHERE account = '{self.ident}' ORDER BY at, ident"
            )
            if len(rows) >= number and not await self.stand.held(self):
                assert len(rows) == number, rows
                return rows
            assert time.monotonic() < deadline, rows
            await asyncio.sleep(0.05)

    async def spent(self, number: int) -> int:
        """What the customer was charged for so many requests."""
        return sum(entry["charge"] for entry in await self.entries(number))


def controls(mock: dict[str, Any] | None) -> dict[str, str]:
    """The mock's controls as headers."""
    return {f"x-mock-{name}": str(value) for name, value in (mock or {}).items()}


class Stand:
    """The gateway as a thief and its operator see it."""

    def __init__(self, gateway: Gateway, mock: Mock, lying: Liar, books: Books, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.mock = mock
        self.lying = lying
        self.books = books
        self.session = session

    async def admin(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The admin API."""
        sent = {
            "authorization": f"Bearer {ADMIN}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        url = f"{self.gateway.origin}/admin/v1{path}"
        async with self.session.request(method, url, json=body, headers=sent) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def thief(self, *, usd: float | None = None, account: Any = None, known: bool = True, **key: Any) -> Thief:
        """An account (``account``: its fields) with a key (``key``: its fields). ``usd``: prepaid, with so much.

        ``known``: is it waited for, by asking for the models once or more often?
        """
        number = next(_numbers)
        fields = dict(account or {})
        if usd is not None:
            fields["plan"] = {**fields.get("plan", {}), "prepaid": True}
        made = await self.admin("POST", "/accounts", {"name": f"thief-{number}", **fields})
        assert made.status == 201, made.body
        if usd:
            credited = await self.admin("POST", f"/accounts/thief-{number}/credits", {"usd": usd})
            assert credited.status < 300, credited.body
        keyed = await self.admin("POST", "/keys", {"account": f"thief-{number}", "name": f"key-{number}", **key})
        assert keyed.status == 201, keyed.body
        thief = Thief(self, made.document["id"], keyed.document["id"], keyed.document["key"])
        deadline = time.monotonic() + 5
        while known and (await thief.ask("/v1/models", method="GET")).status == 401:
            assert time.monotonic() < deadline, "the key was not taken over"
            await asyncio.sleep(0.02)
        return thief

    async def balance(self, thief: Thief) -> dict[str, Any]:
        """As the admin API says."""
        found: dict[str, Any] = (await self.admin("GET", f"/accounts/{thief.ident}/balance")).document
        return found

    async def held(self, thief: Thief) -> bool:
        """Is money of the account's held, by the counters?"""
        balance = await self.balance(thief)
        held = [balance["held"], *(each["held"] for each in balance["budgets"])]
        return any(float(each) for each in held)
