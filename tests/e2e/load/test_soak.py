"""Everything at once for a long time: nothing grows, nothing is left behind, and the ledger has what the clients were told.

The short form waits more than it works (40 requests/s are under a quarter of a core); the long one is that of ``make soak``.
"""

import contextlib
import json
import os
from pathlib import Path

import pytest

from tests.support.gateways import Books
from tests.support.observed import metric
from tests.support.processes import Gateway, running

from .soaking import Soaked, check_books, growth, soak, soaked, upstreams

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024

RATE = 40
AT_REST = (
    "tollway_inflight_requests",
    "tollway_reservations_open",
    "tollway_queue_waiting",
    "tollway_target_waiting",
    "tollway_ledger_queue_entries",
)
NEVER = (
    "tollway_unexpected_errors_total",
    "tollway_settler_failures_total",
    "tollway_log_dropped_total",
    "tollway_ledger_failures_total",
    "tollway_store_errors_total",
    "tollway_cache_errors_total",
    "tollway_unpriced_requests_total",
)
UNEXPECTED = ("internal_error", "timeout", "upstream_error")
"""Outcomes that no client of this load may cause: what fails upstream is answered by the other target."""


@pytest.mark.timeout(300)
async def test_three_minutes_leave_nothing_behind(tmp_path: Path) -> None:
    # After a minute the interpreter has seen everything, and what remains is measured as in the long form.
    await soak_and_check(tmp_path, seconds=180, every=1.0, window=120.0, most=2 * MIB)


@pytest.mark.slow
@pytest.mark.timeout(2400)
async def test_thirty_minutes_leave_nothing_behind(tmp_path: Path) -> None:
    await soak_and_check(tmp_path, seconds=1800, every=5.0, window=1200.0, most=2 * MIB)


async def soak_and_check(folder: Path, *, seconds: int, every: float, window: float, most: float) -> None:
    """``most``: bytes that all processes of the gateway together may grow by in the last ``window`` seconds."""
    with upstreams() as (mock, failing), running(soaked(mock, failing, folder)) as gateway:
        found = soak(gateway, mock, rate=RATE, seconds=seconds, every=every)
        _tell(found)
        assert found.runs[-1].code == 0, found.runs[-1].output
        # Of the busy moment before, only that every answer was right: a machine with other work may not bear its rate.
        assert [run.failed_checks for run in found.runs] == [set(), set()]
        check_clients(found, gateway, mock.stats()["aborted"])
        await check_books(found, Books(folder / "tollway.db"))
        check_growth(found, window=window, most=most)


def check_clients(found: Soaked, gateway: Gateway, aborted: int) -> None:
    """Every request has an outcome that it should have; upstreams saw clients leave; nothing is under way any more."""
    outcomes = {
        name: metric(gateway, "tollway_requests_total", outcome=name) for name in ("ok", "rejected", "client_closed")
    }
    assert {name: metric(gateway, "tollway_requests_total", outcome=name) for name in UNEXPECTED} == dict.fromkeys(
        UNEXPECTED, 0
    )
    assert outcomes["client_closed"] > 0.08 * sum(outcomes.values())
    assert outcomes["rejected"] > 0.04 * sum(outcomes.values())
    assert aborted > 0.9 * outcomes["client_closed"]
    assert metric(gateway, "tollway_failovers_total") > 0
    assert metric(gateway, "tollway_cache_lookups_total", result="hit") > 0
    assert metric(gateway, "tollway_cache_evictions_total") > 0
    assert {name: metric(gateway, name) for name in AT_REST} == dict.fromkeys(AT_REST, 0)
    assert {name: metric(gateway, name) for name in NEVER} == dict.fromkeys(NEVER, 0)


def check_growth(found: Soaked, *, window: float, most: float) -> None:
    """Under load nothing grows, and at rest there is as much as before."""
    assert growth(found.samples, lambda each: each.rss, window=window) < most
    assert growth(found.samples, lambda each: each.descriptors, window=window) <= 5
    assert growth(found.samples, lambda each: each.tasks, window=window) <= 5
    assert found.after.inflight == 0
    assert found.after.tasks <= found.before.tasks + 2
    assert found.after.descriptors <= found.before.descriptors + 10


def _tell(found: Soaked) -> None:
    """The figures, for whoever runs it with ``-s``, and as a file where TOLLWAY_SOAK_SAVE names one."""
    print(f"\n{found.runs[-1].output}\ncores {found.cores:.3f}\nbefore {found.before}\nafter  {found.after}")
    if name := os.environ.get("TOLLWAY_SOAK_SAVE"):
        with contextlib.suppress(OSError):
            Path(name).write_text(json.dumps([vars(each) for each in found.samples]))
