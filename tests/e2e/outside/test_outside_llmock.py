"""llmock as the provider, in each dialect it speaks: answers, tools, its faults in the middle of streams, and its errors."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.processes import config_for, running

from .clients import CLIENTS, FAILURES, Asker
from .servers import Llmock, llmock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TEXT = "Beyond the bridge — 1,233 m, über die Brücke. ☃ The path follows the river."
CALLS = (("get_weather", {"city": "Ålesund", "days": 2}), ("get_weather", {"city": "Rome", "days": 1}))
BASES = {
    "openai": "/v1", "anthropic": "/anthropic", "gemini": "/gemini/v1beta", "cohere": "/cohere", "mistral": "/mistral/v1",
    "groq": "/groq/openai/v1", "together": "/together/v1", "xai": "/xai/v1",
}  # fmt: skip
MODELS = {"anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash", "cohere": "command-a-03-2025"}


PAIRS = [(name, client) for name in BASES for client in CLIENTS if client != "responses" or name not in ("groq", "xai")]
"""llmock has no responses at Groq's and xAI's addresses, where the gateway would hand them through."""


@pytest.fixture(scope="module")
def server() -> Iterator[Llmock]:
    with llmock() as found:
        yield found


@pytest.fixture(scope="module")
def asker(server: Llmock) -> Iterator[Asker]:
    providers = {
        name: {"use": name, "base_url": server.origin + base, "api_key": "sk-upstream"} for name, base in BASES.items()
    }
    models = {name: {"targets": [{"provider": name, "model": MODELS.get(name, "m")}]} for name in BASES}
    with running(config_for("http://127.0.0.1:1/v1", providers=providers, models=models)) as gateway:
        found = Asker(gateway.origin)
        yield found
        found.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("provider", "client"), PAIRS)
class TestEveryDialect:
    def test_text(self, server: Llmock, asker: Asker, provider: str, client: str, stream: bool) -> None:
        server.script({"type": "reply", "text": TEXT})
        found = asker.ask(client, provider, "Where is the mill?", stream=stream)
        assert (found.text, found.tools, found.finish) == (TEXT, (), "stop")
        # Anthropic's messages need figures; where llmock's Mistral tells none in streams, they are 0.
        assert (
            found.usage is None or min(found.usage) > 0 or (provider, client, stream) == ("mistral", "messages", True)
        )

    def test_tools(self, server: Llmock, asker: Asker, provider: str, client: str, stream: bool) -> None:
        server.script(
            {"type": "reply", "tool_calls": [{"name": name, "arguments": arguments} for name, arguments in CALLS]}
        )
        found = asker.ask(client, provider, "How is the weather?", stream=stream, tools=True)
        assert (found.tools, found.finish) == (CALLS, "tool_calls")

    @pytest.mark.parametrize("status", [400, 429, 500, 503])
    def test_errors(self, server: Llmock, asker: Asker, provider: str, client: str, stream: bool, status: int) -> None:
        server.script(
            {"type": "fail", "status": status, "retry_after": 7, "message": "Not now, says the mill.", "times": None}
        )
        with pytest.raises(FAILURES) as raised:
            asker.ask(client, provider, "Where is the mill?", stream=stream)
        error: Any = raised.value
        assert isinstance(error, (openai.APIStatusError, anthropic.APIStatusError))
        assert error.status_code == status
        assert "Not now, says the mill." in error.message
        if status == 429:
            assert error.response.headers["retry-after"] == "7"


def breaks() -> Iterator[Any]:
    for provider, client in PAIRS:
        for kind in ("disconnect", "truncate", "malformed"):
            yield pytest.param(provider, client, kind, id=f"{provider}-{client}-{kind}")


@pytest.mark.parametrize(("provider", "client", "kind"), [*breaks()])
def test_broken_streams_are_no_answers(server: Llmock, asker: Asker, provider: str, client: str, kind: str) -> None:
    """A stream that ends early, in whatever way, is an error to the client, not a short answer. One bad chunk may be passed over,
    but then the rest is there."""
    server.script({"type": "reply", "text": TEXT}, {"type": "stream_fault", "kind": kind, "after_chunks": 3})
    try:
        found = asker.ask(client, provider, "Where is the mill?", stream=True)
    except (*FAILURES, ValueError):
        return
    assert kind == "malformed", found
    assert found.text == TEXT
