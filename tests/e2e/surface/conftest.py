"""Gateways that several modules share."""

from collections.abc import Iterator

import pytest

from tests.support.processes import KEY, Gateway, Mock, config_for, running


@pytest.fixture(scope="module")
def everything(mock: Mock) -> Iterator[Gateway]:
    """Everything goes to one provider under its own names; account administration is open."""
    models = {"*": {"targets": [{"provider": "mock", "model": "*"}]}}
    with running(config_for(mock.url, models=models, passthrough={"provider": "mock", "admin": True})) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def several(mock: Mock) -> Iterator[Gateway]:
    """Several keys, names and providers, and no wildcard."""
    target = {"use": "openai", "base_url": mock.url, "api_key": "sk-upstream-credential"}
    config = config_for(
        mock.url,
        keys=[
            {"name": "app", "key": KEY},
            {"name": "narrow", "key": "sk-tw-narrow", "models": ["road-*", "second/*"]},
            {"name": "narrow-but", "key": "sk-tw-narrow-but", "models": ["road-*"], "passthrough": True},
            {"name": "spaced", "key": "a key with  spaces"},
        ],
        providers={
            "mock": target,
            "second": {**target, "base_url": mock.origin, "api_key": "sk-second-credential"},
        },
        models={
            "road-long": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
            "road-short": {"targets": [{"provider": "second", "model": "gpt-4o-mini"}]},
            "bridge": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
        },
        passthrough={"provider": "mock"},
    )
    with running(config) as gateway:
        yield gateway
