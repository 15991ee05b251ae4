"""One gateway with a cache in front of the mock upstream, and a counter of what reached it."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.processes import Gateway, Mock, config_for, running

PACE = "30"
"""Milliseconds between the events of a stream that is to be met while it runs."""


@pytest.fixture(scope="module")
def cached(mock: Mock) -> Iterator[Gateway]:
    """Everything is cached; ``failing`` has a first target that always fails."""
    good = {"provider": "mock", "model": "gpt-4o"}
    config = config_for(
        mock.url,
        cache={"exact": {"ttl": "1h"}},
        retry={"attempts": 3, "per_second": 1000.0},
        keys=[{"name": "app", "key": "sk-tw-test-key"}, {"name": "other", "key": "sk-tw-other-key"}],
    )
    config["providers"]["bad"] = {
        "use": "openai",
        "base_url": mock.url,
        "api_key": "sk-bad",
        "headers": {"x-mock-fault": "status:500"},
    }
    config["models"]["failing"] = {"targets": [{"provider": "bad", "model": "gpt-4o-mini"}, good]}
    with running(config) as found:
        yield found


@pytest.fixture
def tag() -> str:
    """What one test's prompts begin with."""
    return uuid.uuid4().hex
