"""LiteLLM's configurations, migrated and started against the mock: every name answers, also when the first place is down."""

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.config import load
from tests.support.processes import Mock, Process, free_port

CONFIGS = Path(__file__).parent / "configs"
MASTER = "sk-master-key-of-the-tests"
SPEAKS = {"azure": "", "anthropic": "", "bedrock": "", "gemini": "/v1beta", "ollama": "/v1", "vllm": "/v1"}
"""Kinds whose address ends otherwise than with the version of OpenAI's dialect."""


def environment(text: str) -> dict[str, str]:
    """A value for every variable that a configuration speaks of."""
    names = set(re.findall(r"os\.environ/(\w+)", text)) | set(re.findall(r"\$\{(\w+)\}", text))
    return {name: f"sk-{name.lower()}" for name in names} | {"LITELLM_MASTER_KEY": MASTER}


def migrated(name: str, folder: Path) -> Path:
    """The new file, as the command writes it."""
    out = folder / "tollway.yaml"
    result = CliRunner().invoke(main, ["migrate", "litellm", str(CONFIGS / f"{name}.yaml"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    return out


class Running:
    """A gateway on ``config`` with every provider's address replaced; those of ``down`` lead nowhere."""

    def __init__(self, config: Path, mock: Mock, *, down: tuple[str, ...] = ()) -> None:
        text = config.read_text()
        for other in CONFIGS.glob("more.yaml"):
            text += other.read_text()
        environ = environment(text)
        providers = load(str(config), environ).config.providers
        self.models = load(str(config), environ).config.models
        nowhere = f"http://127.0.0.1:{free_port()}"
        for name, provider in providers.items():
            origin = nowhere if name in down else mock.origin
            variable = re.sub(r"\W", "_", name).upper()
            environ[f"TOLLWAY_PROVIDERS__{variable}__BASE_URL"] = origin + SPEAKS.get(provider.use, "/v1")
        self.url = f"http://127.0.0.1:{(port := free_port())}/v1"
        folder = config.parent
        self.process = Process(["serve", "--config", str(config), "--port", str(port)], environ, cwd=folder)
        self._wait(port)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.process.child.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(self.process.log())

    def ask(self, model: str, *, path: str = "chat/completions", **fields: Any) -> tuple[int, dict[str, Any], Any]:
        """(status, body, headers)."""
        messages = {"messages": [{"role": "user", "content": "How long is the road?"}], "max_tokens": 50}
        body = {"model": model, **(messages if path.startswith("chat") else {"input": "a road"}), **fields}
        request = Request(
            f"{self.url}/{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {MASTER}"},
        )
        try:
            with urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer), answer.headers
        except HTTPError as error:
            return error.code, json.load(error), error.headers


@contextlib.contextmanager
def running(config: Path, mock: Mock, *, down: tuple[str, ...] = ()) -> Iterator[Running]:
    gateway = Running(config, mock, down=down)
    try:
        yield gateway
    finally:
        gateway.process.close()


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    upstream = Mock()
    yield upstream
    upstream.close()


def test_several_regions_another_vendor_and_aliases(mock: Mock, tmp_path: Path) -> None:
    with running(migrated("regions", tmp_path), mock, down=("azure", "azure-acme-us")) as gateway:
        for name in ("gpt-4o", "gpt-4", "gpt-4-hidden"):
            status, _, headers = gateway.ask(name)
            assert (status, headers["x-tollway-provider"], headers["x-tollway-model"]) == (200, "openai", "gpt-4o")
        status, body, headers = gateway.ask("claude-sonnet")
        assert (status, headers["x-tollway-provider"]) == (200, "anthropic")
        assert body["choices"][0]["message"]["content"]
        status, body, _ = gateway.ask("embeddings", path="embeddings")
        assert (status, len(body["data"])) == (200, 1)
        assert gateway.ask("unheard-of")[0] == 404


def test_whole_vendors_by_their_prefix(mock: Mock, tmp_path: Path) -> None:
    config = migrated("wildcards", tmp_path)
    config.write_text(config.read_text().replace("sk-plain-master-key-of-wildcards", MASTER))
    with running(config, mock) as gateway:
        sent = {}
        for name in ("openai/gpt-4.1", "anthropic/claude-opus-4-5", "claude-sonnet-4-5", "whatever"):
            status, _, headers = gateway.ask(name)
            assert status == 200
            sent[name] = (headers["x-tollway-provider"], headers["x-tollway-model"])
    assert sent == {
        "openai/gpt-4.1": ("openai", "gpt-4.1"),
        "anthropic/claude-opus-4-5": ("anthropic", "claude-opus-4-5"),
        "claude-sonnet-4-5": ("anthropic-claude", "claude-sonnet-4-5"),
        "whatever": ("openai-2", "whatever"),
    }


def test_servers_of_ones_own_and_a_fallback(mock: Mock, tmp_path: Path) -> None:
    with running(migrated("selfhosted", tmp_path), mock, down=("hosted_vllm",)) as gateway:
        status, _, headers = gateway.ask("llama")
        assert (status, headers["x-tollway-model"], headers["x-tollway-fallbacks"]) == (200, "qwen3", "1")
        assert gateway.ask("qwen")[0] == gateway.ask("house")[0] == 200
        last = mock.requests(1)[0]
    assert ["x-team", "search"] in [[name.lower(), value] for name, value in last["headers"]]


def test_the_cache_answers_the_second_time(mock: Mock, tmp_path: Path) -> None:
    with running(migrated("cached", tmp_path), mock, down=("groq",)) as gateway:
        first, second = gateway.ask("mini"), gateway.ask("mini")
        assert [answer[2]["x-tollway-cache"] for answer in (first, second)] == ["miss", "hit"]
        assert first[2]["x-tollway-budget-remaining-usd"]
        status, _, headers = gateway.ask("groq-llama")
        assert (status, headers["x-tollway-provider"]) == (200, "together_ai")


def test_an_order_of_preference_and_included_files(mock: Mock, tmp_path: Path) -> None:
    config = migrated("platform", tmp_path)
    assert config.stat().st_mode & 0o777 == 0o600
    with running(config, mock, down=("bedrock",)) as gateway:
        status, _, headers = gateway.ask("smart")
        assert (status, headers["x-tollway-provider"], headers["x-tollway-attempts"]) == (200, "openai", "2")
        for name, provider in (("flash", "gemini"), ("fast", "mistral")):
            status, _, headers = gateway.ask(name)
            assert (status, headers["x-tollway-provider"]) == (200, provider)


@pytest.mark.parametrize(("down", "asked", "answers"), [("openai-b", "b", "model-a"), ("openai", "a", "model-b")])
def test_two_that_stand_in_for_each_other(mock: Mock, tmp_path: Path, down: str, asked: str, answers: str) -> None:
    with running(migrated("circle", tmp_path), mock, down=(down,)) as gateway:
        status, _, headers = gateway.ask(asked)
        assert (status, headers["x-tollway-model"]) == (200, answers)


def test_the_file_of_the_other_gateway_is_served_as_it_is(mock: Mock, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text((CONFIGS / "circle.yaml").read_text())
    with running(config, mock, down=("openai-b",)) as gateway:
        assert gateway.ask("b")[2]["x-tollway-model"] == "model-a"
        log = gateway.process.log()
    told = "config.yaml:14: litellm_settings.fallbacks[2].gone: There is no model of this name."
    assert log.count(told) == 1
    assert f"{os.sep}config.yaml" not in told
