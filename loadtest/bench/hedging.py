"""A first target that is sometimes late with its first token, with hedging and without: what clients gain, and what it costs."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random

from .lanes import MODEL, PROMPTS, ROUTE, Config, Lane, Lanes, chat, provider, routed, together
from .openloop import Asked, Reply, load, quantile
from .scenarios import Bench, Row
from .servers import API_KEY, BenchError, Server

HEDGE_AFTER_S, SLOW_MS, SLOW_SHARE, QUICK_MS = 1.0, 5000, 0.03, 20
RATE = 80
LEDGER_S = 10.0


def hedged(bench: Bench, lanes: Lanes) -> list[Row]:
    """A first target whose first token comes after 5 s in 3 % of the streams, with hedging and without."""
    base = bench.folder / "hedged"

    def config(name: str) -> Callable[[Server, Server], Config]:
        def sections(bad: Server, good: Server) -> Config:
            route = routed("one", "two", policy="priority")
            if name == "with":
                route["hedge"] = {"after": HEDGE_AFTER_S, "extra_spend": 0.05}
            prices = {f"openai/{MODEL}": {"prices": {"input": 10, "output": 20}}}
            return {
                # Another seed, another text: an answer shows whose it is, and a mixture would.
                "providers": {
                    "one": provider(bad.port),
                    "two": provider(good.port, first_token=str(QUICK_MS), seed="2"),
                },
                "models": {ROUTE: route},
                "catalogue": {"models": prices},
                "storage": {"type": "sqlite", "path": f"{base}-{name}.db"},
            }

        return sections

    lots = Random(7)
    slow = [lots.random() < SLOW_SHARE for _ in range(bench.plan.hedged_requests)]

    def asked(_: str, number: int) -> Asked:
        return chat(number, stream=True, first_token=str(SLOW_MS if slow[number] else QUICK_MS))

    with lanes.opened({name: config(name) for name in ("without", "with")}) as opened:
        expected = asyncio.run(texts(opened["with"]))
        before = sum(opened["with"].counted())
        found = asyncio.run(together(opened, asked, rate=RATE, seconds=len(slow) / RATE))
        tries = sum(opened["with"].counted()) - before
    spent = Books(base.with_name("hedged-with.db")).read([reply.request_id for reply in found["with"]])
    return hedge_rows(found, expected, spent, tries=tries, slow=sum(slow))


async def texts(lane: Lane) -> dict[tuple[str, str], str]:
    """What each target says to each prompt, asked directly, by prompt and provider."""
    found = {}
    for name, server, seed in (("one", lane.bad, "0"), ("two", lane.good, "2")):
        url = f"http://127.0.0.1:{server.port}/v1"
        asked = partial(chat, model=MODEL, stream=True, seed=seed)
        replies = await load(url, API_KEY, asked, rate=100, seconds=len(PROMPTS) / 100)
        found.update({(reply.tag, name): reply.text for reply in replies})
    return found


def hedge_rows(
    found: Mapping[str, Sequence[Reply]],
    expected: Mapping[tuple[str, str], str],
    spent: "Spent",
    *,
    tries: int,
    slow: int,
) -> list[Row]:
    """The figures of hedging."""
    without, with_ = (quantile((reply.ttft for reply in found[name]), 0.99) for name in ("without", "with"))
    count = len(found["with"])
    strange = [r for r in chain(*found.values()) if not r.good or r.text != expected[r.tag, r.provider]]
    head = f"{slow} of {count:,} first tokens at 5 s, hedge after 1 s"
    return [
        Row(
            "failover",
            f"{head}: p99 TTFT with over without",
            0.4,
            "x",
            [with_ / without],
            gateway=f"{with_:.3f} s",
            direct=f"{without:.3f} s",
        ),
        Row("failover", f"{head}: extra spend by the ledger", 5, "%", [100 * spent.extra], gateway=spent.detail),
        Row(
            "failover",
            f"{head}: extra tries",
            5,
            "%",
            [100 * (tries - count) / count],
            gateway=f"{tries - count} tries",
        ),
        Row("failover", f"{head}: requests without exactly one entry", 0, "requests", [spent.odd]),
        Row("failover", f"{head}: answers that are not one target's, byte for byte", 0, "answers", [len(strange)]),
    ]


@dataclass(frozen=True)
class Spent:
    """``extra``: what losers cost over what winners did; ``odd``: requests that have no entry, or several."""

    extra: float
    odd: int
    detail: str


class Books:
    """The ledger, read past the gateway's code."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, wanted: Sequence[str]) -> Spent:
        """Of these requests; waits until all of them are there."""
        deadline = time.monotonic() + LEDGER_S
        rows = list(self._rows())
        while len(rows) < len(wanted) and time.monotonic() < deadline:
            time.sleep(0.1)
            rows = list(self._rows())
        known, entries = set(wanted), Counter(row[0] for row in rows)
        mine = [row for row in rows if row[0] in known]
        charge, cost = sum(row[1] for row in mine), sum(row[2] for row in mine)
        hedges = sum("hedged" in json.loads(row[3] or "[]") for row in mine)
        if not charge:
            raise BenchError("the ledger has no charges for the hedged load")
        detail = f"{cost - charge:,} of {charge:,} micro-dollars; {hedges} hedged"
        return Spent((cost - charge) / charge, sum(entries[name] != 1 for name in wanted), detail)

    def _rows(self) -> Iterator[tuple[str, int, int, str]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as base:
            yield from base.execute("SELECT request_id, charge, cost, flags FROM entries")
