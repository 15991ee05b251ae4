"""``tollway chat``: what it sends, what it prints, and what it says when it cannot."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.chat import find

WHOLE = {
    "choices": [{"message": {"content": "Hello there"}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
STREAM = [
    ": waiting",
    'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}',
    'data: {"choices": [{"delta": {"content": "Hel"}}]}',
    'data: {"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}',
    'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}',
    "data: [DONE]",
]


class Upstream(ThreadingHTTPServer):
    """Answers every POST with ``reply`` and remembers what was asked."""

    reply: tuple[int, str, bytes] = (200, "application/json", json.dumps(WHOLE).encode())
    seen: list[tuple[str, dict[str, str], dict[str, Any]]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def stream(self, lines: list[str]) -> None:
        self.reply = (200, "text/event-stream; charset=utf-8", "".join(f"{line}\n\n" for line in lines).encode())


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, kind, data = self.server.reply
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-tollway-provider", "openai")
        self.send_header("x-tollway-model", "gpt-4o")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(("127.0.0.1", 0), Handler) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TOLLWAY_URL", "TOLLWAY_KEY", "TOLLWAY_CONFIG", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def chat(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["chat", *arguments], input=stdin)


def test_a_stream_is_printed_and_summed_up(upstream: Upstream) -> None:
    upstream.stream(STREAM)
    result = chat("Say hello", "--url", upstream.url, "--key", "sk-tw-x", "-m", "gpt-4o")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Hello\n"
    assert result.stderr.startswith("[3 in, 2 out, first token ")
    assert result.stderr.endswith(", openai/gpt-4o]\n")
    path, headers, body = upstream.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer sk-tw-x"
    assert body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Say hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_plain_answer(upstream: Upstream) -> None:
    result = chat("-", "--url", upstream.url + "/", "--no-stream", stdin="from a pipe")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Hello there\n"
    assert "finish_reason length" in result.stderr
    _, headers, body = upstream.seen[0]
    assert "authorization" not in headers
    assert body["messages"][0]["content"] == "from a pipe"
    assert "stream" not in body


@pytest.mark.parametrize("ending", [["data: [DONE]"], []])
def test_a_stream_without_its_end_fails(upstream: Upstream, ending: list[str]) -> None:
    upstream.stream(STREAM[:3] + ending)
    result = chat("x", "--url", upstream.url)
    assert result.exit_code == (0 if ending else 1)
    assert ("broke off" in result.stderr) is not bool(ending)


def test_an_error_inside_a_stream_is_told(upstream: Upstream) -> None:
    upstream.stream([*STREAM[:3], 'data: {"error": {"message": "The provider broke off."}}'])
    result = chat("x", "--url", upstream.url)
    assert result.exit_code == 1
    assert result.stdout == "Hel\n"
    assert "Error: The provider broke off." in result.stderr


@pytest.mark.parametrize(("status", "fix"), [(401, "--key"), (404, "--model"), (502, "doctor"), (503, "")])
def test_refusals_are_told_in_the_gateways_words(upstream: Upstream, status: int, fix: str) -> None:
    upstream.reply = (status, "application/json", b'{"error": {"message": "No, and this is why."}}')
    result = chat("x", "--url", upstream.url)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No, and this is why.\n")
    assert fix in result.stderr


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff"])
def test_an_answer_that_is_no_completion(upstream: Upstream, body: bytes) -> None:
    upstream.reply = (200, "application/json", body)
    result = chat("x", "--url", upstream.url, "--no-stream")
    assert result.exit_code == 1
    assert "not the JSON of a chat completion" in result.stderr


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        free = bound.getsockname()[1]
    result = chat("x", "--url", f"http://127.0.0.1:{free}/v1")
    assert result.exit_code == 1
    assert "Nothing listens at" in result.stderr
    assert "is the gateway running?" in result.stderr


def test_a_host_without_address_tls_without_tls_and_no_url() -> None:
    assert "has no address" in chat("x", "--url", "http://nowhere.invalid/v1").stderr
    for wrong in ("ftp://host", "http://", "nonsense", "http://host:99999999"):
        result = chat("x", "--url", wrong)
        assert result.exit_code == 1
        assert "is not an http or https URL" in result.stderr


def test_tls_spoken_to_a_plain_listener(upstream: Upstream) -> None:
    assert "does not speak TLS" in chat("x", "--url", upstream.url.replace("http:", "https:")).stderr


def test_silence_ends(upstream: Upstream) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        result = chat("x", "--url", f"http://127.0.0.1:{bound.getsockname()[1]}", "--timeout", "0.1")
    assert result.exit_code == 1
    assert "was silent for 0.1 s" in result.stderr


def test_a_key_that_cannot_be_a_header(upstream: Upstream) -> None:
    result = chat("x", "--url", upstream.url, "--key", "a\nb")
    assert result.exit_code == 1
    assert "cannot be sent" in result.stderr
    assert upstream.seen == []


CONFIG = """
server: {host: 0.0.0.0, port: 9123}
keys: [{name: app, key: sk-tw-of-the-file}]
providers: {local: {use: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}}
models: {"*": {targets: [{provider: local}]}, fast: {targets: [{provider: local, model: small}]}}
"""


def test_where_and_with_which_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = find(None, None)
    assert (found.url, found.key, found.model) == ("http://127.0.0.1:8080/v1", None, "gpt-4o-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-provider")
    (tmp_path / "tollway.yaml").write_text(CONFIG)
    found = find(None, None)
    assert (found.url, found.key, found.model) == ("http://127.0.0.1:9123/v1", "sk-tw-of-the-file", "fast")
    monkeypatch.setenv("TOLLWAY_KEY", "sk-tw-mine")
    assert find(None, None).key == "sk-tw-mine"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://openai-base/v1")
    assert find(None, None).url == "http://openai-base/v1"
    monkeypatch.setenv("TOLLWAY_URL", "http://tollway/v1")
    assert find(None, None).url == "http://tollway/v1"
    assert find(None, "http://flag/v1").url == "http://flag/v1"


def test_a_named_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    result = chat("x", "--config", str(tmp_path / "missing.yaml"))
    assert result.exit_code == 1
    assert "cannot be used" in result.stderr
