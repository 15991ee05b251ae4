"""Shadow mode, its file of pairs and what calibration makes of it; and everything about it changed while the gateway runs."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proxy.cli.cache_calibrate import calibrate
from proxy.semantic.agreement import same
from tests.support.observed import metric
from tests.support.processes import Gateway, Mock, config_for, running
from tests.support.rawhttp import Answer

from .semantic import ADMIN_KEY, PARAPHRASES, asked, kind, lying, never_alike, stored, tag

pytestmark = pytest.mark.e2e

WITHIN = 15.0
"""Seconds: a file is looked at every two."""


def config(mock: Mock, vectors: str, **semantic: Any) -> dict[str, Any]:
    """With a provider's vectors."""
    found = config_for(
        mock.url,
        admin={"key": ADMIN_KEY},
        cache={
            "exact": {"ttl": "1h"},
            "semantic": {"enabled": True, "embedder": "vectors", "timeout": "5s", "threshold": 0.6, **semantic},
        },
    )
    found["providers"]["vectors"] = {"use": "openai", "base_url": vectors, "api_key": "sk-of-vectors"}
    found["models"]["vectors"] = {"targets": [{"provider": "vectors", "model": "text-embedding-3-small"}]}
    return found


@pytest.fixture(scope="module")
def vectors() -> Iterator[str]:
    """Where an embedding model is."""
    with lying() as found:
        yield found.honest


def said(answer: Answer) -> str:
    """Its text. The mock's are about nothing, so that mostly nobody can say whether two agree; at times they do."""
    text = json.loads(answer.body)["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


async def reloaded(gateway: Gateway, made: dict[str, Any], *kinds: tuple[str, str | None]) -> None:
    """The file is replaced; paraphrases are asked until they fare as one of ``kinds``, (what the cache did, and why)."""
    gateway.write(made)
    deadline, number = time.monotonic() + WITHIN, 0
    while True:
        (first, then), system = PARAPHRASES[number % len(PARAPHRASES)], tag()
        await stored(gateway, first, system)
        answer = await asked(gateway, then, system)
        found = (str(kind(answer)), answer.header("x-tollway-cache-reason"))
        if found in kinds:
            return
        assert time.monotonic() < deadline, found
        number += 1
        await asyncio.sleep(0.1)


async def test_shadow_mode_serves_fresh_answers_and_records_what_it_would_have_served(
    mock: Mock, vectors: str, tmp_path: Path
) -> None:
    record = tmp_path / "pairs.jsonl"
    verdicts = {}
    with running(config(mock, vectors, mode="shadow", record=str(record))) as gateway:
        for first, then in PARAPHRASES:
            system = tag()
            cached = await stored(gateway, first, system)
            answer = await asked(gateway, then, system)
            verdicts[first, then] = same(said(cached), said(answer))
            assert kind(answer) == "miss", answer.headers
            assert float(answer.header("x-tollway-cache-similarity") or 0) >= 0.5
        assert metric(gateway, "tollway_cache_lookups_total", kind="semantic", result="shadow") == len(PARAPHRASES)
        assert metric(gateway, "tollway_cache_lookups_total", kind="semantic", result="hit") == 0
        deadline = time.monotonic() + WITHIN
        while not record.exists() or len(record.read_bytes().splitlines()) < len(PARAPHRASES):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    assert record.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in record.read_bytes().splitlines()]
    assert {(row["a"], row["b"]): row["same"] for row in rows} == verdicts
    record.write_text("".join(json.dumps({**row, "same": True}) + "\n" for row in rows))
    result = CliRunner().invoke(calibrate, [str(record), "--json"])
    assert result.exit_code == 1, "so few pairs promise nothing"
    assert isinstance(json.loads(result.stdout), dict)


async def test_everything_is_changed_while_it_runs(mock: Mock, vectors: str) -> None:
    made = config(mock, vectors)

    def changed(**semantic: Any) -> dict[str, Any]:
        return {**config(mock, vectors, **semantic), "server": made["server"]}

    off = {**made, "cache": {"exact": {"ttl": "1h"}}}
    with running(off) as gateway:
        assert await never_alike(gateway, {}, {}, times=1) is None
        await reloaded(gateway, changed(mode="shadow", threshold=0.99999), ("miss", "below_threshold"))
        assert metric(gateway, "tollway_cache_lookups_total", kind="semantic", result="shadow") >= 1
        await reloaded(gateway, made, ("semantic-hit", None))
        await reloaded(gateway, off, ("miss", None))
        assert await never_alike(gateway, {}, {}, times=3) is None
        assert metric(gateway, "tollway_config_reload_failures_total") == 0
