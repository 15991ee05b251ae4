"""What a process has loaded: no provider that is not configured, and never an extra that nobody uses."""

import json
import subprocess
import sys

import pytest

from proxy.providers import PROVIDERS

from .sources import ROOT

FRAMEWORK = frozenset(("proxy.providers", "proxy.providers.base"))
"""What the registry itself is made of."""

EXTRAS = (
    "botocore",
    "boto3",
    "google.auth",
    "google.genai",
    "xllamacpp",
    "anthropic",
    "openai",
    "cohere",
    "numpy",
    "onnxruntime",
    "opentelemetry",
)


def loaded_by(program: str) -> set[str]:
    """Modules that a new process has loaded after ``program``."""
    code = f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def account_of(provider: str, **options: str) -> str:
    """A program that makes the account of one configured provider."""
    return f"""
import proxy.app
from proxy import accounts
from proxy.config import Config, Secret
from proxy.config.traffic import Provider
section = Provider(use={provider!r}, api_key=Secret("test-key"), options={options!r})
accounts.account(Config(providers={{"here": section}}), "here", {{}})
"""


@pytest.mark.parametrize(("transport", "loads"), [("lean", False), ("session", True)])
def test_aiohttp_is_loaded_for_those_who_need_it(transport: str, loads: bool) -> None:
    """It takes 8 MB of a worker and its launcher."""
    program = f"""
import proxy.app
import proxy.accounts
import proxy.server
from proxy.config.traffic import Provider
from proxy.transports import TransportPool
TransportPool(lambda: 0.0).use({{"p": Provider(use="openai", base_url="http://127.0.0.1:1/v1", transport={transport!r})}})
"""
    assert ("aiohttp" in loaded_by(program)) is loads


def test_the_application_loads_no_provider() -> None:
    found = {name for name in loaded_by("import proxy.app") if name.startswith("proxy.providers")}
    assert found <= FRAMEWORK


@pytest.mark.parametrize("program", ["import proxy.app", "import proxy.cli", "import proxy.server"])
def test_no_extra_is_loaded(program: str) -> None:
    found = loaded_by(program)
    assert not found & set(EXTRAS)


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("openai", {}),
        ("anthropic", {}),
        ("gemini", {}),
        ("cohere", {}),
        ("groq", {}),
        ("bedrock", {"region": "us-east-1"}),
        ("vertex", {"project": "p-1"}),
    ],
)
def test_a_configured_provider_loads_its_own_dialect_alone(provider: str, options: dict[str, str]) -> None:
    found = loaded_by(account_of(provider, **options))
    assert not found & set(EXTRAS)
    module = PROVIDERS[provider].partition(":")[0]
    assert module in found
    others = {row.partition(":")[0] for row in PROVIDERS.values()} - {module}
    # Vertex serves Gemini's and Claude's models; their dialects are its own.
    if provider == "vertex":
        others -= {"proxy.providers.gemini", "proxy.providers.anthropic"}
    assert not found & others


def test_signed_bedrock_loads_no_botocore_until_keys_are_looked_for() -> None:
    program = (
        account_of("bedrock", region="us-east-1")
        + """
from proxy.providers.base import AuthSpec
accounts.authorizer(AuthSpec(scheme="sigv4", options={"region": "us-east-1", "service": "bedrock"}))
accounts.authorizer(AuthSpec(scheme="google", options={}))
"""
    )
    assert not loaded_by(program) & set(EXTRAS)


@pytest.mark.parametrize(
    ("cache", "loads"),
    [({}, False), ({"exact": {}}, False), ({"exact": {}, "semantic": {"enabled": True, "embedder": "vectors"}}, True)],
    ids=["none", "exact", "semantic"],
)
def test_only_the_semantic_cache_loads_numpy(cache: dict[str, object], loads: bool) -> None:
    """A sidecar without it does not pay for it in memory."""
    program = f"""
import asyncio
import random
import msgspec
from prometheus_client import CollectorRegistry
from proxy.cached import AnswerCache
from proxy.config import Config
from proxy.policy.caching import Cache
from proxy.telemetry.caching import CacheMetrics

async def main():
    made = AnswerCache(CacheMetrics(CollectorRegistry()), ask=None, rng=random.Random(1))
    config = Config(cache=msgspec.convert({cache!r}, Cache))
    await made.use(config)
    made.made(config)
    await made.close()

asyncio.run(main())
"""
    assert ("numpy" in loaded_by(program)) is loads
    assert "onnxruntime" not in loaded_by(program)
