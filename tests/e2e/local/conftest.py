"""One gateway with one real engine for the questions; the tests of life and death start their own."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.support.processes import KEY, Gateway, config_for, running


def local_config(*, options: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Every name is answered by the packaged model. One thread: several would spin against other work on this machine."""
    sections: dict[str, Any] = {
        "providers": {"local": {"use": "local", "options": {"threads": 1, **(options or {})}}},
        "models": {"*": {"targets": [{"provider": "local", "model": "smollm2-135m-instruct"}]}},
    }
    return config_for("", **{**sections, **changes})


@pytest.fixture(scope="session")
def local() -> Iterator[Gateway]:
    """The gateway, its engine ready."""
    with running(local_config()) as found:
        yield found


@pytest.fixture(scope="session")
def openai(local: Gateway) -> Iterator[OpenAI]:
    """OpenAI's SDK on it."""
    with OpenAI(base_url=local.url, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic(local: Gateway) -> Iterator[Anthropic]:
    """Anthropic's SDK on it."""
    with Anthropic(base_url=local.origin, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client
