"""The part of docs/scale.md that is computed: figures, fleet, what the simulation showed, and what breaks."""

from collections.abc import Mapping
from pathlib import Path

from .costs import Costs, Figure, values
from .plan import BREAKS, Fleet, Workload, bill, broken, checks, placed, planned, without, work
from .simulation import Event, Seen, held, simulated

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN = "<!-- computed by: python -m loadtest.scale plan --save -->"
END = "<!-- end of what is computed -->"

EVENTS: dict[Event, str] = {"none": "all is well", "zone": "a zone is lost", "valkey": "the cell's Valkey is lost"}


def rewrite(text: str, page: Path = PAGE) -> None:
    """Puts the computed part into the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def written(page: Path = PAGE) -> str:
    """The computed part as the page has it."""
    return page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def block(found: Mapping[str, Figure]) -> str:
    """All of it, from the figures alone."""
    costs, load = values(found), Workload()
    fleet = planned(costs, load)
    return "\n\n".join(
        (
            "## Figures", figures(found),
            "## The fleet", parts(costs, load, fleet),
            "## Simulated", runs(costs, load, fleet),
            "## Where it breaks", breaking(costs, load, fleet),
        )
    )  # fmt: skip


def figures(found: Mapping[str, Figure]) -> str:
    """The figures and where they are from."""
    rows = ["| figure | value | is | how |", "|---|---|---|---|"]
    for name, figure in found.items():
        value = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:g}"
        rows.append(f"| `{name}` | {value} {figure.unit} | {figure.source} | {figure.how} |")
    return "\n".join(rows)


def parts(costs: Costs, load: Workload, fleet: Fleet) -> str:
    """What is bought and what flows."""
    total, (request, events) = bill(costs, load, fleet), work(costs, load)
    rates = placed(load, fleet.cells, fleet.largest_part)
    split = sum(share * load.requests_per_s > fleet.largest_part for share in load.shares())
    rows = {
        "cells (a deployment each: pods, a Valkey with a replica, a database)": f"{fleet.cells}, {min(rates):,.0f} to {max(rates):,.0f} requests/s each",
        "workers, a core each": f"{total.gateway_cores:,.0f}: {fleet.workers} a cell over {fleet.zones} zones, in {fleet.pods:,} pods",
        "of which streams' events": f"{events / (request + events):.0%} of the CPU",
        "cores of Valkey": f"{total.valkey_cores:,.0f}; {costs.valkey_commands * load.requests_per_s / 1e6:,.0f} million commands/s and {costs.valkey_in_bytes * load.requests_per_s / 1e9:.1f} GB/s in all",
        "tenants in several cells": f"the largest {split:,}; the largest of all makes {load.shares()[0]:.1%} of the load",
        "database servers": f"{fleet.databases} with a standby each, {total.database_cores:,.0f} cores, {total.wal_gb_per_s:.1f} GB/s of WAL",
        "the ledger's disk": f"{total.ledger_tb_per_day:,.0f} TB a day",
        "journals full, were the databases gone": f"after {total.journal_s / 60:,.0f} minutes; then requests that cost money are refused",
        "connections to the providers": f"{load.open_at_once / 1e6:.1f} million at once, from {fleet.addresses} addresses",
        "memory": f"{total.memory_gb:,.0f} GB",
        "access log": f"{total.log_gb_per_s:.1f} GB/s",
        "one scrape of all pods": f"{total.scrape_mb:,.0f} MB",
        "DNS": f"{total.lookups_per_s:,.0f} lookups/s",
        "cost": f"{(total.gateway_cores + total.valkey_cores + total.database_cores):,.0f} cores, {total.month_usd:,.0f} $ a month",
    }
    return "\n".join(["| what | how much |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def seconds_of(event: Event, costs: Costs) -> float:
    """How long a run is: a lost Valkey goes after a fifth of it, and has some time when it is back."""
    return 1.8 * costs.takeover_s if event == "valkey" else 4.0


def runs(costs: Costs, load: Workload, fleet: Fleet) -> str:
    """The busiest cell in each event."""
    rows = [
        "| event | workers busy | wait for a worker, p99 | Valkey busy | a call, p99 | decided alone | settlements kept by one worker | all settled after | holds |",
        "|---" * 9 + "|",
    ]
    for event, words in EVENTS.items():
        seen: Seen = simulated(costs, load, fleet, event=event, seconds=seconds_of(event, costs))
        rows.append(
            f"| {words} | {seen.workers_busy:.0%} | {seen.worker_wait_p99 * 1000:.1f} ms | {seen.valkey_busy:.0%} | "
            f"{seen.valkey_wait_p99 * 1000:.2f} ms | {seen.alone:,} | {seen.waiting_settlements:,} | {seen.settled_after:.1f} s | "
            f"{'no: ' + ', '.join(held(seen, costs)) if held(seen, costs) else 'yes'} |"
        )
    return "\n".join(rows)


def breaking(costs: Costs, load: Workload, fleet: Fleet) -> str:
    """What each part is for: the fleet without it."""
    rows = ["| taken away | what breaks | asked of it, over what it gives |", "|---|---|---|"]
    for part, breaks in BREAKS.items():
        found = checks(costs, load, without(fleet, part), zone_lost=part == "zone headroom")
        used = {check.part: check for check in found}
        assert breaks in broken(found), part
        lost = ", when a zone is lost" if part == "zone headroom" else ""
        rows.append(
            f"| {part} | {used[breaks].what}{lost} | {used[breaks].used:.2f} |"
            if breaks != "replica"
            else f"| {part} | {used[breaks].what} | none is there |"
        )
    return "\n".join(rows)
