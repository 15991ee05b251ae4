"""What limits cost where many workers share them: a gateway with its counters in Valkey and its ledger in SQLite, beside the plain one."""

import http.client
import time
from pathlib import Path

from .load import Load, Outcome
from .scenarios import Bench, Row, foreign, middle
from .servers import API_KEY, POLL_S, BenchError, Server, gateway, valkey

MOST = 1_000_000_000
SEEDED_S = 10.0
HEADERS = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"}
SECTIONS = """\
keys: [{{name: bench, key: {key}, limits: {{rpm: {most}, tpm: {most}, concurrency: 10000}}, budget: {{usd: 1000000, per: month}}}}]
state: {{type: redis, url: "redis://127.0.0.1:{port}"}}
storage: {{type: sqlite, path: "{folder}/limited.db"}}
catalogue: {{models: {{openai/gpt-4o-mini: {{prices: {{input: 0.15, output: 0.6}}}}}}}}
"""


def limited(bench: Bench) -> list[Row]:
    """The same requests at the same rate through both gateways, in turns: what three limits, a budget and the ledger add."""
    load = Load(bench.body("chat"), connections=64, seconds=bench.plan.seconds, warmup=bench.plan.warmup, rate=1000)
    with valkey(bench.cores, bench.folder) as store:
        more = SECTIONS.format(key=API_KEY, most=MOST, port=store.port, folder=bench.folder)
        with gateway(bench.cores, bench.folder, upstream=bench.upstream.port, name="limited", more=more) as server:
            server.wait_ready()
            wait_served(server, load.body)
            bench.meter.run(server, Load(load.body, connections=16, seconds=0.5, warmup=0))
            rounds = bench.rounds(load, beside=server)

    def p50(outcome: Outcome) -> float:
        return outcome.quantile_us("latency_us", "p50")

    added = [(p50(each["limited"]) - p50(each["gateway"])) / 1000 for each in rounds]
    figures = f"{middle(rounds, 'limited', p50, '{:.0f}')} over {middle(rounds, 'gateway', p50, '{:.0f}')} µs"
    cpu = middle(rounds, "limited", lambda outcome: outcome.cpu_us_per_request, "{:.0f}")
    plain = middle(rounds, "gateway", lambda outcome: outcome.cpu_us_per_request, "{:.0f}")
    what = "limits in Valkey and a ledger, 1 KB chat at 1,000 req/s: p50 added to the same gateway without"
    return [
        Row(
            "limited",
            what,
            0.35,
            "ms",
            added,
            gateway=f"{figures}; CPU {cpu} over {plain} µs",
            disturbed=max(map(foreign, rounds)),
        )
    ]


def wait_served(server: Server, body: Path) -> None:
    """Waits until a request passes: an empty store refuses budgets until it has been told what the ledger knows."""
    deadline, status = time.monotonic() + SEEDED_S, 0
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            connection.request("POST", "/v1/chat/completions", body.read_bytes(), HEADERS)
            status = connection.getresponse().status
        finally:
            connection.close()
        if status == 200:
            return
        time.sleep(POLL_S)
    raise BenchError(f"{server.name} still answers {status} after {SEEDED_S:g} s")
