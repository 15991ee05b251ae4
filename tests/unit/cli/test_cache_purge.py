"""``tollway cache purge``: what is sent to a gateway at a real port, what is printed, and everything that can be wrong."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli.cache_purge import purge

from .conftest import ADMIN_KEY, CONFIG

DIGEST = "0123456789abcdef" * 4


class Gateway:
    """Keeps what it is asked, answers ``answer``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.answer: tuple[int, dict[str, Any]] = (200, {"forgotten": 3, "everywhere": True, "object": "cache.purge"})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append((self.command, self.path, self.headers.get("authorization"), json.loads(body)))
                status, answer = outer.answer
                told = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        thread.join(10)
        found.server.server_close()


def run(*arguments: str, exits: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(
        purge, arguments, env={"TOLLWAY_ADMIN_KEY": ADMIN_KEY, **options.pop("env", {})}, **options
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exits, result.output
    return result


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--all",), {"all": True}),
        (("--key", DIGEST), {"key": DIGEST}),
        (("-a", "acme & söhne", "-m", "gpt-4o"), {"account": "acme & söhne", "model": "gpt-4o"}),
        (("--tag", "night"), {"tag": "night"}),
    ],
)
def test_what_is_sent(gateway: Gateway, words: tuple[str, ...], body: dict[str, Any]) -> None:
    assert run(*words, "--url", gateway.url).stdout == "3 answers forgotten.\n"
    assert gateway.asked == [("POST", "/admin/v1/cache/purge", f"Bearer {ADMIN_KEY}", body)]


@pytest.mark.parametrize(
    ("forgotten", "everywhere", "said"),
    [
        (0, True, "0 answers forgotten."),
        (1, True, "1 answer forgotten."),
        (None, True, "Forgotten; how many answers there were is not known"),
        (None, False, "where the shared store is down, other processes forget as soon as it is back"),
        (2, False, "where the shared store is down, other processes forget as soon as it is back"),
    ],
)
def test_what_is_printed_is_one_sentence(gateway: Gateway, forgotten: int | None, everywhere: bool, said: str) -> None:
    gateway.answer = (200, {"forgotten": forgotten, "everywhere": everywhere, "object": "cache.purge"})
    printed = run("--tag", "x", env={"TOLLWAY_ADMIN_URL": gateway.url}).stdout
    assert said in printed
    assert printed.count("\n") == 1
    assert json.loads(run("--tag", "x", "--url", gateway.url, "-o", "json").stdout) == gateway.answer[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say what to forget: --key, --account, --model, --tag, or --all."),
        (("--all", "--tag", "x"), "leave out --tag, or --all"),
        (("--tag", ""), "An empty text names nothing"),
        (("--account", "", "--model", "m"), "An empty text names nothing"),
        (("--tag", "x", "--config", "tollway.yaml"), "give one of them"),
    ],
)
def test_wrong_usage_asks_nobody(gateway: Gateway, words: tuple[str, ...], said: str) -> None:
    result = run(*words, "--url", gateway.url, exits=2)
    assert said in result.stderr
    assert gateway.asked == []


def test_refusals_are_the_gateways_words(gateway: Gateway) -> None:
    gateway.answer = (400, {"error": {"message": "key: not that.", "type": "t", "param": "key", "code": "c"}})
    result = run("--key", "abc", "--url", gateway.url, exits=1)
    assert "key: not that." in result.stderr
    assert "Fix: " in result.stderr


def test_a_dry_run_checks_and_sends_nothing(gateway: Gateway) -> None:
    shown = run("--tag", "night", "--dry-run", "--url", gateway.url, "-o", "json").stdout
    assert json.loads(shown) == {"would": "POST /admin/v1/cache/purge", "body": {"tag": "night"}, "changed": False}
    assert "key: " in run("--key", "abc", "--dry-run", "--url", gateway.url, exits=1).stderr
    assert gateway.asked == []


def test_everything_is_asked_for_twice_on_a_terminal(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.printed.asks", lambda: True)
    run("--all", "--url", gateway.url, input="n\n", exits=1)
    assert gateway.asked == []
    run("--all", "--url", gateway.url, input="y\n")
    run("--all", "--yes", "--url", gateway.url)
    run("--tag", "x", "--url", gateway.url)
    assert len(gateway.asked) == 3


def test_without_an_address_the_listener_of_the_configuration_is_meant(tmp_path: Any) -> None:
    (tmp_path / "tollway.yaml").write_text("server: {port: 9}\nauth: {mode: open}\n" + CONFIG.partition("accounts:")[0])
    assert "http://127.0.0.1:9" in run("--all", exits=1).stderr


@pytest.mark.parametrize(
    ("server", "asked"),
    [
        ("{port: 9, admin_port: 7}", "http://127.0.0.1:7"),
        ("{uds: /run/tollway.sock, admin_port: 7}", "http://127.0.0.1:7"),
        ("{port: 9, admin_port: 7, admin_host: '::'}", "http://[::1]:7"),
    ],
)
def test_an_admin_listener_of_the_configuration_is_the_one_that_is_meant(
    tmp_path: Any, server: str, asked: str
) -> None:
    text = f"server: {server}\nauth: {{mode: open}}\nadmin: {{key: {ADMIN_KEY}}}\n"
    (tmp_path / "tollway.yaml").write_text(text + CONFIG.partition("accounts:")[0])
    assert asked in run("--all", exits=1).stderr
