"""The providers of the suite: one account a dialect or flavour, all of them at one mock. A name in a test is ``<account>/<model>``."""

import re
from typing import Any

from tests.support.processes import KEY, Mock, config_for

NARROW = "sk-tw-narrow-key"
"""A key that may name a few models and has no paths without one."""

CALLS = {"x-mock-tool-calls": "2"}
"""Who is given tools calls two at once."""

FAULTS = ("bad-key", "rate-limit:seconds=7", "quota", "context-length", "overloaded", "sse-error:6")
"""What every account is also there with, as :func:`faulty` names it."""

DIALECTS: dict[str, dict[str, Any]] = {
    "claude": {"use": "anthropic", "base_url": "{origin}"},
    "gemini": {"use": "gemini", "base_url": "{origin}/v1beta"},
    "vertex": {"use": "vertex", "base_url": "{origin}/v1"},
    "bedrock": {"use": "bedrock", "base_url": "{origin}", "options": {"region": "us-east-1"}},
    "cohere": {"use": "cohere", "base_url": "{origin}"},
}
"""Dialects other than OpenAI's."""

ALIKE: dict[str, dict[str, Any]] = {
    "openai": {"use": "openai", "base_url": "{origin}/v1"},
    "azure": {"use": "azure", "base_url": "{origin}/openai/v1"},
    "azure-dated": {"use": "azure", "base_url": "{origin}", "options": {"api_version": "2024-10-21"}},
}
"""OpenAI's own dialect."""

FLAVOURS = ("mistral", "groq", "xai", "openrouter", "deepseek", "perplexity", "minimax", "zai")
FLAVOURED: dict[str, dict[str, Any]] = {
    name: {"use": name, "base_url": "{origin}/v1", "headers": {"x-mock-flavour": name}} for name in FLAVOURS
}
FLAVOURED["zai"]["base_url"] = "{origin}/api/paas/v4"
for _name in ("deepseek", "minimax"):
    FLAVOURED[_name]["base_url"] = "{origin}"
"""Providers that deviate from OpenAI's dialect, each in its own way."""

MODELS = {
    "claude": "claude-haiku-4-5",
    "gemini": "gemini-3.5-flash",
    "vertex": "gemini-3.5-flash",
    "bedrock": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "signed": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "cohere": "command-a-reasoning-08-2025",
    "openai": "gpt-5-mini",
    "azure": "gpt-5-mini",
    "azure-dated": "gpt-4o",
    "mistral": "magistral-medium-latest",
    "groq": "openai/gpt-oss-120b",
    "xai": "grok-4.5",
    "openrouter": "anthropic/claude-opus-5",
    "deepseek": "deepseek-v4-pro",
    "perplexity": "sonar-pro",
    "minimax": "MiniMax-M3",
    "zai": "glm-5.3",
}
"""A model for each account, one that can think where the dialect shows thoughts."""


def named(account: str) -> str:
    """The public name of the account's model; ``claude.cut-3`` has that of ``claude``."""
    base = account if account in MODELS else account.partition(".")[0]
    return f"{account}/{MODELS[base]}"


def faulty(account: str, fault: str) -> str:
    """The name of the account whose upstream always meets ``fault``."""
    return f"{account}.{re.sub('[^a-z0-9]+', '-', fault)}"


def accounts(mock: Mock, *tables: dict[str, dict[str, Any]], faults: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """``providers`` of a configuration: every account of the tables, and one more of each for every fault."""
    found: dict[str, dict[str, Any]] = {}
    for name, settings in [pair for table in tables for pair in table.items()]:
        account = {"api_key": "upstream-credential", **settings}
        account["headers"] = {**CALLS, **settings.get("headers", {})}
        account["base_url"] = settings["base_url"].format(origin=mock.origin)
        found[name] = account
        for fault in faults:
            found[faulty(name, fault)] = {**account, "headers": {**account["headers"], "x-mock-fault": fault}}
    return found


def config(providers: dict[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A gateway's configuration with these providers, the usual key and a narrow one."""
    given: dict[str, Any] = {
        # One account, so that ids which nobody was given are the provider's business, as these tests want it.
        "accounts": {"one": {}},
        "keys": [
            {"name": "app", "key": KEY, "account": "one"},
            {
                "name": "narrow",
                "key": NARROW,
                "account": "one",
                "models": ["allowed", "gemini/gemini-3.8-*", "cohere/command-r7b-*"],
            },
        ],
        "providers": providers,
        "models": {
            "allowed": {"targets": [{"provider": next(iter(providers)), "model": "gpt-4o"}]},
            "plain-claude": {"targets": [{"provider": "claude", "model": "plain-claude"}]},
        },
        **changes,
    }
    return config_for("", **given)
