"""A machine that repeats, contradicts and mixes requests under a few Idempotency-Keys: each is done once, and the books add up."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.policy.rules import MICRO

from .api import Api, Reply, once, over_sqlite

KEYS = st.sampled_from(["a", "b", "c", "d" * 230, "d" * 229 + "e"])
DOLLARS = st.integers(min_value=1, max_value=4)
NAMES = st.sampled_from(["x", "y", "z"])


class Repetition(RuleBasedStateMachine):
    """What was asked first under each key, what it was answered, and the balance that follows."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.context = over_sqlite(Path(self.folder.name))
        self.api: Api = self.runner.run(self.context.__aenter__())
        self.account = self.runner.run(self.api.account())["id"]
        self.first: dict[str, tuple[Any, Any]] = {}
        self.dollars = 0
        self.made = {"accounts": 1, "keys": 0, "vouchers": 0}
        self.codes: list[str] = []

    def teardown(self) -> None:
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def send(self, path: str, body: Any, key: str | None) -> Reply:
        return self.runner.run(self.api.ask("POST", path, body, headers=() if key is None else once(key)))

    def check(self, path: str, body: Any, key: str | None, reply: Reply, secret: str | None = None) -> bool:
        """Was it done now? Compares with what the key was used for before."""
        before = None if key is None else self.first.get(key)
        if before is None:
            if reply.status == 409:
                return False
            assert reply.status == 201, reply
            if key is not None:
                self.first[key] = ((path, body), {**reply.json, **({} if secret is None else {secret: None})})
            return True
        asked, answer = before
        if asked != (path, body):
            assert (reply.status, reply.error["code"]) == (409, "conflict")
        else:
            assert (reply.status, reply.json) == (201, answer)
        return False

    @rule(usd=DOLLARS, key=st.none() | KEYS)
    def top_up(self, usd: int, key: str | None) -> None:
        path, body = "/accounts/acme/credits", {"usd": usd}
        if self.check(path, body, key, self.send(path, body, key)):
            self.dollars += usd

    @rule(usd=DOLLARS, key=st.none() | KEYS)
    def refund(self, usd: int, key: str | None) -> None:
        path, body = "/accounts/acme/refunds", {"usd": usd}
        if self.check(path, body, key, self.send(path, body, key)):
            self.dollars += usd

    @rule(usd=DOLLARS, key=KEYS, times=st.integers(min_value=2, max_value=4))
    def top_up_at_one_moment(self, usd: int, key: str, times: int) -> None:
        path, body = "/accounts/acme/credits", {"usd": usd}

        async def together() -> list[Reply]:
            return await asyncio.gather(*(self.api.ask("POST", path, body, headers=once(key)) for _ in range(times)))

        for reply in self.runner.run(together()):
            if self.check(path, body, key, reply):
                self.dollars += usd

    @rule(name=NAMES, key=st.none() | KEYS)
    def make_account(self, name: str, key: str | None) -> None:
        body = {"name": name}
        self.made["accounts"] += self.check("/accounts", body, key, self.send("/accounts", body, key))

    @rule(name=NAMES, key=st.none() | KEYS)
    def make_key(self, name: str, key: str | None) -> None:
        body = {"account": "acme", "name": name}
        self.made["keys"] += self.check("/keys", body, key, self.send("/keys", body, key), secret="key")

    @rule(usd=DOLLARS, key=st.none() | KEYS)
    def make_voucher(self, usd: int, key: str | None) -> None:
        body = {"usd": usd}
        reply = self.send("/vouchers", body, key)
        if self.check("/vouchers", body, key, reply, secret="code"):
            self.made["vouchers"] += 1
            self.codes.append(reply.json["code"])

    @precondition(lambda self: self.codes)
    @rule(data=st.data(), key=st.none() | KEYS)
    def redeem(self, data: st.DataObject, key: str | None) -> None:
        path, body = "/accounts/acme/vouchers", {"code": data.draw(st.sampled_from(self.codes))}
        reply = self.send(path, body, key)
        if self.check(path, body, key, reply):
            self.dollars += int(float(reply.json["usd"]))

    @invariant()
    def books(self) -> None:
        async def look() -> tuple[Any, int, list[int]]:
            database = self.api.database
            assert database is not None
            rows = [len((await self.api.good("GET", f"/{name}"))["data"]) for name in self.made]
            return await database.trial_balance(), await database.balance(f"account/{self.account}"), rows

        trial, balance, rows = self.runner.run(look())
        assert trial == (0, [])
        assert balance == self.dollars * MICRO
        assert rows == list(self.made.values())


Repetition.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestRepetition = Repetition.TestCase
