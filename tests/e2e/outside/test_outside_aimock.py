"""aimock as the provider, in each dialect it speaks: three clients, whole and streamed, get what it was told to say."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.processes import config_for, running

from .clients import CLIENTS, FAILURES, Asker
from .servers import aimock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TEXT = "Beyond the bridge — 1,233 m, über die Brücke. ☃ The path follows the river."
CALLS = (("get_weather", {"city": "Ålesund", "days": 2}), ("get_weather", {"city": "Rome", "days": 1}))
PROVIDERS = ("openai", "anthropic", "gemini", "bedrock", "cohere", "azure", "vllm")


def providers(origin: str) -> dict[str, Any]:
    """Each dialect at its place of the one server."""
    key = {"api_key": "sk-upstream"}
    return {
        "openai": {"use": "openai", "base_url": f"{origin}/v1", **key},
        "anthropic": {"use": "anthropic", "base_url": origin, **key},
        "gemini": {"use": "gemini", "base_url": f"{origin}/v1beta", **key},
        "bedrock": {"use": "bedrock", "base_url": origin, "options": {"region": "us-east-1"}, **key},
        "cohere": {"use": "cohere", "base_url": origin, **key},
        "azure": {"use": "azure", "base_url": origin, "options": {"api_version": "2024-10-21"}, **key},
        "vllm": {"use": "vllm", "base_url": f"{origin}/v1", **key},
    }


MODELS = {"vllm": "deepseek-reasoner", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash", "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0", "cohere": "command-a-03-2025"}  # fmt: skip


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with aimock() as origin:
        models = {name: {"targets": [{"provider": name, "model": MODELS.get(name, "gpt-4o")}]} for name in PROVIDERS}
        with running(config_for("http://127.0.0.1:1/v1", providers=providers(origin), models=models)) as gateway:
            found = Asker(gateway.origin)
            yield found
            found.close()


PAIRS = [
    (provider, client) for provider in PROVIDERS for client in CLIENTS if (provider, client) != ("azure", "responses")
]
"""aimock has no responses at Azure's addresses."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("provider", "client"), PAIRS)
class TestEveryDialect:
    def test_text(self, asker: Asker, provider: str, client: str, stream: bool) -> None:
        found = asker.ask(client, provider, "where is the mill", stream=stream)
        assert (found.text, found.tools, found.finish) == (TEXT, (), "stop")

    def test_tools(self, asker: Asker, provider: str, client: str, stream: bool) -> None:
        found = asker.ask(client, provider, "how is the weather", stream=stream, tools=True)
        assert (found.tools, found.finish) == (CALLS, "tool_calls")

    @pytest.mark.parametrize(
        ("text", "status"), [("too often", 429), ("too busy", 503), ("nonsense", 400)], ids=["429", "503", "400"]
    )
    def test_errors(self, asker: Asker, provider: str, client: str, stream: bool, text: str, status: int) -> None:
        with pytest.raises(FAILURES) as raised:
            asker.ask(client, provider, text, stream=stream)
        error = raised.value
        assert isinstance(error, (openai.APIStatusError, anthropic.APIStatusError))
        assert error.status_code == status


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", ["anthropic", "gemini", "bedrock", "vllm"])
def test_reasoning(asker: Asker, provider: str, client: str, stream: bool) -> None:
    found = asker.ask(client, provider, "think about the mill", stream=stream)
    assert (found.text, found.reasoning, found.finish) == ("It stands.", "The mill is old, but it stands.", "stop")
