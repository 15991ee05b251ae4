"""Health over the admin API: what the board of the process shows, key by key, and no secret of any."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from proxy.administration import Administration
from proxy.cached import AnswerCache
from proxy.config import Config, load
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker
from proxy.policy.targets import Candidate, Target
from proxy.stores import Stores
from proxy.telemetry.caching import CacheMetrics
from proxy.telemetry.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.fakes import LIMITS

from .api import KEY, Api

CONFIG = f"""
admin: {{key: {KEY}}}
auth: {{mode: open}}
providers:
  openai: {{use: openai, api_keys: [sk-first-secret, sk-second-secret]}}
"""
FIRST = Candidate(target=Target(provider="openai", model="gpt-5", limits=LIMITS), model="fast")
SECOND = Candidate(target=Target(provider="openai", model="gpt-5-mini", limits=LIMITS), model="fast")


def configured(folder: Path) -> Config:
    file = folder / "tollway.yaml"
    file.write_text(CONFIG)
    return load(str(file), {}).config


def tried_board(clock: FakeClock) -> HealthBoard:
    """One target that was slow once, with a key that its provider refused; one that is open."""
    board = HealthBoard(Breaker(cooldown=30.0), provider_keys={"openai": 2}, clock=clock, rng=Random(1))
    refused = board.enter(FIRST, key=1)
    assert refused is not None
    refused.failed(Fault(kind="credentials", status=401))
    refused.close()
    under_way = [board.enter(FIRST) for _ in range(14)]
    for lease in under_way[:12]:
        assert lease is not None
        lease.first_output(0.5)
        lease.close()
    while (lease := board.enter(SECOND)) is not None:
        lease.failed(Fault(kind="server_error", status=500))
        lease.close()
    return board


async def no_embeddings(model: str, texts: Sequence[str]) -> bytes:
    raise NotImplementedError


async def test_targets_and_keys_as_the_board_shows_them(tmp_path: Path) -> None:
    clock = FakeClock()
    board, config = tried_board(clock), configured(tmp_path)
    clock.advance(10.0)

    metrics = Metrics(CollectorRegistry(), known_models=lambda _: True)

    async def trace(_: str) -> None:
        return None

    api = Api(None)
    cache = AnswerCache(CacheMetrics(CollectorRegistry()), ask=no_embeddings, rng=Random(1))
    api.app = Administration(Stores(config, metrics), config, trace=trace, health=board.shown, cache=cache).app(config)
    found = await api.good("GET", "/health")
    assert found["object"] == "health"
    first, second = found["targets"]
    late = first.pop("ttft_p95_seconds")
    assert abs(late - 0.5) < 0.1
    assert first == {
        "provider": "openai",
        "model": "gpt-5",
        "state": "ready",
        "reason": "",
        "back_in_seconds": 0.0,
        "ttft_seconds": 0.25,
        "inflight": 2,
        "waiting": 0,
        "openings": 0,
        "keys": [
            {"key": 0, "state": "ready", "reason": "", "back_in_seconds": 0.0, "left": 1.0},
            {"key": 1, "state": "resting", "reason": "credentials", "back_in_seconds": 50.0, "left": 1.0},
        ],
    }
    assert (second["model"], second["state"], second["reason"]) == ("gpt-5-mini", "open", "server_error")
    assert 14 <= second["back_in_seconds"] <= 26
    assert (second["openings"], second["ttft_seconds"], second["ttft_p95_seconds"]) == (1, None, None)
    assert "secret" not in str(found)


async def test_without_a_gateway_there_are_none_and_without_a_key_nobody_is_told() -> None:
    api = Api(None)
    assert await api.good("GET", "/health") == {"targets": [], "object": "health"}
    assert (await api.ask("GET", "/health", key=None)).status == 401
    assert (await api.ask("POST", "/health")).status == 405
    assert (await api.ask("GET", "/health", query=b"provider=openai")).status == 400
