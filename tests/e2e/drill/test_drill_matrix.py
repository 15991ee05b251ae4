"""Every fault against every shape of route: what a client sees is right, or the drill names what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from .test_drill_run import finished

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROVIDERS: dict[str, Any] = {
    "openai": {"use": "openai", "api_keys": ["sk-one-of-two", "sk-two-of-two"]},
    "azure": {"use": "azure", "base_url": "https://resource.openai.azure.com/openai/v1", "api_key": "none"},
    "claude": {"use": "anthropic", "api_key": "none"},
    "gemini": {"use": "gemini", "api_key": "none"},
    "bedrock": {"use": "bedrock", "api_key": "none", "options": {"region": "us-east-1"}},
}
SONNET = "anthropic.claude-sonnet-4-20250514-v1:0"
TARGETS = {
    "openai": {"provider": "openai", "model": "gpt-4o-mini"},
    "azure": {"provider": "azure", "model": "gpt-4o"},
    "claude": {"provider": "claude", "model": "claude-haiku-4-5"},
    "gemini": {"provider": "gemini", "model": "gemini-2.5-flash"},
    "bedrock": {"provider": "bedrock", "model": SONNET},
}


def route(*names: str, **settings: Any) -> dict[str, Any]:
    return {"targets": [TARGETS[name] for name in names], **settings}


ROUTES: dict[str, dict[str, Any]] = {
    "one": {"r": route("openai")},
    "two-alike": {"r": route("openai", "azure")},
    "three-kinds": {"r": route("claude", "gemini", "bedrock")},
    "fallback": {"r": route("openai", fallbacks=["back"]), "back": route("claude")},
    "named": {
        "r": route("openai", fallbacks_for={"context_length": ["gemini/gemini-2.5-pro"], "content_policy": ["back"]}),
        "back": route("azure"),
    },
    "hedged": {"r": route("openai", "azure", hedge={"after": 0.3, "extra_spend": 1.0})},
    "weighted": {"r": route("azure", "claude", policy="weighted")},
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ROUTES)
def test_a_route_passes_every_fault(tmp_path: Path, name: str) -> None:
    file = tmp_path / "tollway.json"
    keys = [{"name": "app", "key": "sk-tw-a-key-of-a-test"}]
    file.write_text(json.dumps({"keys": keys, "providers": PROVIDERS, "models": ROUTES[name]}))
    code, out, err = finished(tmp_path, "--config", str(file), "--route", "r", "--json", timeout=200)
    assert out, err
    (played,) = json.loads(out)["routes"]
    wrong = [
        f"{row['fault']} on {row['where']}, {'stream' if row['stream'] else 'plain'}: {row['saw']}: {row['reasons']}"
        for row in played["results"]
        if not row["passed"]
    ]
    assert wrong == []
    assert code == 0
