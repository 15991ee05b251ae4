"""The gateway that loadtest/README.md tells to start, with its ports moved, and routes beside it on which contracts are broken."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.support.processes import Gateway, Mock, free_port, running

from .running_k6 import SCRIPTS

FIRST_MS, PACE_MS, TOKENS = 300, 20, 24
"""What the slow upstream is told: the head at once, the first token then, the others so far apart."""

ROOM_MS = 80
"""How much later a figure may be. The least of several says what is measured; a median also says how busy the machine is."""
LATE_MS = 300
"""How much later a median may be: still long before the end of the stream."""


@dataclass(frozen=True)
class Place:
    """A gateway, and the upstream behind its model ``slow``."""

    gateway: Gateway
    slow: Mock

    @property
    def url(self) -> str:
        return self.gateway.url


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """``slow`` waits before its first token, ``dead`` fails wherever it goes, ``cut`` breaks off in the middle, ``uncached`` is never answered from the cache."""
    with contextlib.ExitStack() as stack:

        def mock(*arguments: str) -> Mock:
            return stack.enter_context(contextlib.closing(Mock(*arguments)))

        good, broken = mock("--first-token", "20", "--pace", "2"), mock("--fault", "status:500")
        slow = mock("--first-token", str(FIRST_MS), "--pace", str(PACE_MS), "--tokens", str(TOKENS))
        config: dict[str, Any] = yaml.safe_load((SCRIPTS / "gateway.yaml").read_text())
        config["server"]["port"] = free_port()
        config["keys"].append({"name": "other", "key": "sk-tw-load-other", "limits": {"rpm": 7}})
        for name, upstream in {"good": good, "broken": broken, "slow": slow, "cutting": good}.items():
            config["providers"][name] = {"use": "openai", "api_key": "none", "base_url": upstream.url}
        config["providers"]["cutting"]["headers"] = {"x-mock-fault": "cut:5"}
        config["models"] |= {
            "slow": {"targets": [{"provider": "slow", "model": "gpt-4o"}]},
            "cut": {"targets": [{"provider": "cutting", "model": "gpt-4o"}]},
            "dead": {"targets": [{"provider": "broken", "model": "gpt-4o"}]},
            "uncached": {"targets": [{"provider": "good", "model": "gpt-4o"}], "cache": {"exact": False}},
        }
        yield Place(stack.enter_context(running(config)), slow)
