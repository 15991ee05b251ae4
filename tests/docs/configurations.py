"""The configurations of the pages: which YAML blocks are Tollway's, and what an excerpt lacks to be a whole one."""

from typing import Any

import msgspec
import yaml

from proxy.config.schema import Config

KNOWN = {field.encode_name for field in msgspec.structs.fields(Config)}

PROVIDERS: dict[str, dict[str, Any]] = {
    "openai": {"use": "openai", "api_key": "${OPENAI_API_KEY}"},
    "claude": {"use": "anthropic", "api_key": "${ANTHROPIC_API_KEY}"},
    "gemini": {"use": "gemini", "api_key": "${GEMINI_API_KEY}"},
    "groq": {"use": "groq", "api_key": "${GROQ_API_KEY}"},
    "local": {"use": "openai", "base_url": "http://127.0.0.1:9000/v1", "api_key": "none"},
    "mini": {"use": "openai", "api_key": "${OPENAI_API_KEY}"},
    "general": {"use": "openai", "api_key": "${OPENAI_API_KEY}"},
    "preview": {"use": "openai", "api_key": "${OPENAI_API_KEY}"},
}
"""What targets of excerpts name, as the rest of their pages has them."""

BASE: dict[str, Any] = {
    "keys": [{"name": "app", "key": "${APP_KEY}"}],
    "providers": PROVIDERS,
    "models": {
        "fast": {"targets": [{"provider": "openai", "model": "gpt-4o-mini"}]},
        "*": {"targets": [{"provider": "openai"}]},
        **{name: {"targets": [{"provider": "openai", "model": "gpt-4o"}]} for name in ("small", "long", "lenient")},
    },
    "passthrough": {"provider": "openai"},
    "storage": {"type": "sqlite", "path": "tollway.db"},
    "admin": {"key": "${TOLLWAY_ADMIN_KEY}"},
}

VARIABLES = {
    **{
        f"{name}_API_KEY": f"sk-of-a-test-{name.lower()}"
        for name in ("OPENAI", "ANTHROPIC", "AZURE", "GEMINI", "GROQ", "MISTRAL", "COHERE")
    },
    **{name: f"sk-tw-{name.lower()}-of-a-test" for name in ("APP_KEY", "BATCH_KEY", "PRODUCTION_KEY", "TOLLWAY_KEY")},
    "LITELLM_MASTER_KEY": "sk-master-of-a-test",
    "OPENAI_KEY_1": "sk-one-of-a-test",
    "OPENAI_KEY_2": "sk-two-of-a-test",
    "TOLLWAY_ADMIN_KEY": "an admin key of a test",
    "TOLLWAY_METRICS_KEY": "a metrics key of a test",
    "AWS_REGION": "us-east-1",
}
"""What the operator has in the environment."""


def is_ours(text: str) -> bool:
    """Is a YAML block a configuration of the gateway, or a part of one? Others are Kubernetes', Prometheus' and the like."""
    loaded = yaml.safe_load(text)
    return isinstance(loaded, dict) and loaded.keys() <= KNOWN


def is_foreign(text: str) -> bool:
    """Is it the configuration of another gateway that ours reads as it is?"""
    loaded = yaml.safe_load(text)
    return isinstance(loaded, dict) and "model_list" in loaded


def completed(text: str) -> dict[str, Any]:
    """The configuration of a block. A whole one lacks keys at most; an excerpt gets what it does not say from ``BASE``."""
    loaded: dict[str, Any] = yaml.safe_load(text)
    if "providers" in loaded and "models" in loaded:
        return loaded if loaded.keys() & {"keys", "auth", "storage"} else {**loaded, "keys": BASE["keys"]}
    models = {**BASE["models"], **loaded.get("models", {})}
    return {**BASE, **loaded, "providers": {**PROVIDERS, **loaded.get("providers", {})}, "models": models}
