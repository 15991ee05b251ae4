"""The sizing table of docs/operations.md: what a worker and keys take, measured on the gateway as it is now."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import KEY, Gateway, Mock, config_for, running
from tests.support.rawhttp import ask, chat

pytestmark = pytest.mark.e2e

TABLE = (Path(__file__).parents[2] / "docs/operations.md").read_text().partition("\n## Sizing\n")[2]


def told(what: str) -> float:
    """MiB of a row of the table."""
    found = re.search(rf"^\| {re.escape(what)} \| ([\d.]+) MiB", TABLE, re.MULTILINE)
    assert found is not None, what
    return float(found[1])


def pss(gateway: Gateway) -> float:
    """MiB of all processes of a gateway, shared pages divided among those that share them."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == gateway.pid:
                found = re.search(r"^Pss: +(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                total += int(found[1]) if found else 0
        except OSError:  # it ended meanwhile
            continue
    return total / 1024


async def settled(config: dict[str, Any]) -> float:
    """MiB of a gateway that has answered and then grows no more."""
    with running({**config, "telemetry": {"access_log": "off"}}) as gateway:
        for _ in range(20):
            assert (await ask(gateway.port, chat())).status == 200
        last = pss(gateway)
        for _ in range(20):
            await asyncio.sleep(0.3)
            now = pss(gateway)
            if abs(now - last) < 0.3:
                break
            last = now
        return now


def near(measured: float, told: float) -> bool:
    """Memory differs between allocators and systems, so a third more or less is the same figure."""
    return told / 1.33 < measured < told * 1.33


async def test_what_workers_and_keys_take_is_what_the_table_says(mock: Mock) -> None:
    alone = await settled(config_for(mock.url))
    assert near(alone, told("one worker, idle")), alone

    two = await settled(config_for(mock.url, server={"workers": 2}, state={"type": "embedded"}))
    assert near(two - alone, told("a second worker, with the embedded store")), two

    keys = [{"name": f"k{n}", "key": f"sk-tw-file-key-{n:06d}", "limits": {"rpm": 600}} for n in range(4_000)]
    many = await settled(config_for(mock.url, keys=[{"name": "app", "key": KEY}, *keys]))
    assert near((many - alone) / 4, told("1,000 keys of the file")), many
