"""``tollway routes``: a dry run here and at a running gateway, the trace of a request, and everything that can be wrong."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy import rehearsal
from proxy.cli import main
from proxy.routing.traces import trace_of
from proxy.wire.values import dumps
from tests.unit.proxy.routing.test_explain import EXPLAINER, ended, planned

from .conftest import ADMIN_KEY, told

CONFIG = """\
keys:
  - {name: app, key: sk-app, models: [fast]}
providers:
  near: {use: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}
  far: {use: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}
models:
  fast:
    policy: lowest_cost
    fallbacks: [other]
    targets: [{provider: near, model: small}, {provider: far, model: large}]
  other: {targets: [{provider: far, model: other}]}
catalogue:
  models:
    openai/small: {prices: {input: 2, output: 4}}
    openai/large: {prices: {input: 1, output: 2}}
"""
PLAN = dumps(EXPLAINER(planned()))


def run(*arguments: str, exits: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(main, ["routes", *arguments], **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exits, result.output
    return result


@pytest.fixture(autouse=True)
def _config(tmp_path: Path) -> None:
    (tmp_path / "tollway.yaml").write_text(CONFIG)


class Rehearsed:
    """Stands in for the gateway in this process."""

    def __init__(self) -> None:
        self.answer = (200, PLAN)
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body: Any = None
        self.key: str | None = None

    def __call__(
        self, loaded: object, path: str, headers: dict[str, str], body: bytes, *, key: str | None = None
    ) -> tuple[int, bytes]:
        self.path, self.headers, self.body, self.key = path, headers, json.loads(body), key
        return self.answer


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> Rehearsed:
    found = Rehearsed()
    monkeypatch.setattr(rehearsal, "rehearse", found)
    return found


# ---- what is asked --------------------------------------------------------------------------------------------------


def test_a_small_chat_is_asked_where_no_file_is_given(rehearsed: Rehearsed) -> None:
    run("test", "fast")
    assert rehearsed.path == "/v1/chat/completions"
    assert rehearsed.headers == {"x-tollway-dry-run": "true"}
    assert rehearsed.body["model"] == "fast"
    assert rehearsed.body["messages"]
    assert rehearsed.key is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": []}, "/v1/chat/completions"),
        ({"messages": [], "system": "s"}, "/v1/messages"),
        ({"prompt": "p"}, "/v1/completions"),
        ({"input": "i"}, "/v1/responses"),
        ({"input": "i", "tools": []}, "/v1/responses"),
    ],
)
def test_the_operation_follows_from_the_body(
    rehearsed: Rehearsed, tmp_path: Path, body: dict[str, object], path: str
) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps({**body, "model": "another"}))
    run("test", "fast", str(file))
    assert (rehearsed.path, rehearsed.body) == (path, {**body, "model": "fast"})


def test_embeddings_and_standard_input(rehearsed: Rehearsed) -> None:
    run("test", "text-embedding-3-small", "-", input='{"input": "i"}')
    assert rehearsed.path == "/v1/embeddings"


def test_headers_are_controls_by_their_short_names(rehearsed: Rehearsed) -> None:
    run("test", "fast", "-H", "policy=weighted", "-H", "x-tollway-slo-ttft-ms: 800", "--key", "app")
    assert rehearsed.headers["x-tollway-policy"] == "weighted"
    assert rehearsed.headers["x-tollway-slo-ttft-ms"] == "800"
    assert rehearsed.key == "sk-app"


@pytest.mark.parametrize(
    ("arguments", "exits", "said"),
    [
        (("-H", "nothing"), 2, "--header takes NAME=VALUE"),
        (("-H", "=x"), 2, "--header takes NAME=VALUE"),
        (("-H", "a=\x07"), 2, "a character that a header cannot have"),
        (("--url", "http://127.0.0.1:1", "--key", "app"), 2, "--url asks a running gateway"),
        (("--key", "nobody"), 1, "no key named 'nobody'"),
        (("missing.json",), 1, "Cannot read missing.json"),
        (("tollway.yaml",), 1, "is not a JSON object"),
        (("--url", "http://127.0.0.1:1"), 1, "There is no key for"),
        (("--config", "none.yaml"), 1, "none.yaml"),
    ],
)  # fmt: skip
def test_what_can_be_wrong_before_anything_is_asked(arguments: tuple[str, ...], exits: int, said: str) -> None:
    assert said in run("test", "fast", *arguments, exits=exits, env={"TOLLWAY_KEY": ""}).output


def test_a_request_that_would_be_refused(rehearsed: Rehearsed) -> None:
    rehearsed.answer = (404, b'{"error": {"message": "The model `x` does not exist."}}')
    result = run("test", "x", exits=1)
    assert "refused with 404: The model `x` does not exist." in result.stderr
    rehearsed.answer = (200, b'{"object": "chat.completion"}')
    assert "does not know dry runs" in run("test", "x", exits=1).stderr


# ---- what is shown --------------------------------------------------------------------------------------------------


def test_the_table_and_the_json(rehearsed: Rehearsed) -> None:
    assert told(run("test", "fast", "--json")) == json.loads(PLAN)
    assert told(run("test", "fast", "-o", "json")) == json.loads(PLAN)
    table = run("test", "fast").stdout
    lines = {line.split()[0]: line for line in table.splitlines() if line}
    assert lines["policy"].endswith("lowest_cost")
    assert lines["chosen"].endswith("cheap/small")
    assert lines["needs"].endswith("vision, tools")
    assert "0.002000" in lines["1"]
    assert "context  20000 tokens do not fit into 8192" in lines["old/m"]
    assert "TRIED" not in table


KEYS = [
    {"key": 0, "state": "ready", "reason": "", "back_in_seconds": 0.0, "left": 0.4},
    {"key": 1, "state": "resting", "reason": "quota", "back_in_seconds": 58.25, "left": 1.0},
]
TARGET = {
    "provider": "cheap",
    "model": "small",
    "state": "ready",
    "reason": "",
    "back_in_seconds": 0.0,
    "ttft_seconds": 0.25,
    "ttft_p95_seconds": None,
    "inflight": 3,
    "waiting": 1,
    "openings": 0,
    "keys": KEYS,
}
DOWN = {
    **TARGET,
    "provider": "far",
    "state": "open",
    "reason": "timeout",
    "back_in_seconds": 12.5,
    "ttft_seconds": None,
    "inflight": 0,
    "waiting": 0,
    "keys": KEYS[:1],
}
HEALTH = json.dumps({"object": "health", "targets": [TARGET, DOWN]}).encode()


# ---- a running gateway ----------------------------------------------------------------------------------------------


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """(its URL, what it was asked: method, path, credential)."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.command, self.path, self.headers["authorization"]))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            ctx = ended()
            assert ctx.plan is not None
            answers = {
                "/v1/chat/completions": PLAN,
                "/admin/v1/health": HEALTH,
                "/admin/v1/traces/req_1": dumps(
                    {
                        "object": "trace",
                        "request_id": "req_1",
                        "route": EXPLAINER.explanation(trace_of(ctx, ctx.plan, 102.0)),
                    }
                ),
            }
            found = answers.get(self.path)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found or b'{"error": {"message": "No trace is kept.", "param": "trace"}}')

        do_POST = do_GET  # noqa: N815 - the server looks for this name

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_a_running_gateway_is_asked_with_the_callers_key(gateway: tuple[str, list[tuple[str, str, str]]]) -> None:
    url, asked = gateway
    found = told(run("test", "fast", "--url", f"{url}/v1", "--json", env={"TOLLWAY_KEY": "sk-mine"}))
    assert found == json.loads(PLAN)
    assert asked == [("POST", "/v1/chat/completions", "Bearer sk-mine")]


def test_a_trace_with_attempts_and_outcome(gateway: tuple[str, list[tuple[str, str, str]]]) -> None:
    url, asked = gateway
    table = run("trace", "req_1", "--url", url, env={"TOLLWAY_ADMIN_KEY": ADMIN_KEY}).stdout
    assert asked == [("GET", "/admin/v1/traces/req_1", f"Bearer {ADMIN_KEY}")]
    rows = [line.split() for line in table.splitlines()]
    assert ["cheap/small", "first", "1", "429", "rate_limited", "7.0", "100.0"] in rows
    assert "slo=ttft=met" in table
    found = told(run("trace", "req_1", "--json", env={"TOLLWAY_ADMIN_KEY": ADMIN_KEY, "TOLLWAY_ADMIN_URL": url}))
    assert found["outcome"]["outcome"] == "ok"


def test_a_trace_that_is_gone_and_a_gateway_that_is_not_there(gateway: tuple[str, list[tuple[str, str, str]]]) -> None:
    url, _ = gateway
    env = {"TOLLWAY_ADMIN_KEY": ADMIN_KEY}
    gone = run("trace", "req_2", "--url", url, exits=1, env=env)
    assert "No trace is kept." in gone.stderr
    assert "x-tollway-request-id" in gone.stderr
    assert "no admin key" in run("trace", "req_1", "--url", url, exits=1, env={"TOLLWAY_ADMIN_KEY": ""}).stderr
    both = run("trace", "req_1", "--url", url, "--config", "tollway.yaml", exits=2, env=env)
    assert "give one of them" in both.stderr


def test_health_of_targets_and_of_keys_where_they_differ(gateway: tuple[str, list[tuple[str, str, str]]]) -> None:
    url, asked = gateway
    env = {"TOLLWAY_ADMIN_KEY": ADMIN_KEY}
    table = run("health", "--url", url, env=env).stdout
    assert asked == [("GET", "/admin/v1/health", f"Bearer {ADMIN_KEY}")]
    rows = [line.split() for line in table.splitlines()]
    assert ["cheap/small", "ready", "-", "-", "3", "1", "0.25", "-", "1/2"] in rows
    assert ["far/small", "open", "timeout", "12.5", "0", "0", "-", "-", "1/1"] in rows
    assert [row for row in rows if row[:1] == ["cheap/small"]][1:] == [
        ["cheap/small", "0", "ready", "-", "-", "0.4"],
        ["cheap/small", "1", "resting", "quota", "58.25", "1.0"],
    ]
    assert sum(row[:1] == ["far/small"] for row in rows) == 1, "its only key is well"
    assert told(run("health", "--json", env={**env, "TOLLWAY_ADMIN_URL": url})) == json.loads(HEALTH)
    both = run("health", "--url", url, "--config", "tollway.yaml", exits=2, env=env)
    assert "give one of them" in both.stderr


# ---- the whole way --------------------------------------------------------------------------------------------------


def test_the_configurations_own_router_answers() -> None:
    found = told(run("test", "fast", "--json"))
    assert (found["object"], found["dry_run"], found["route"], found["policy"]) == (
        "tollway.route",
        True,
        "fast",
        "lowest_cost",
    )
    assert [each["target"] for each in found["candidates"]] == ["far/large", "near/small"]
    assert found["chosen"] == "far/large"
    assert found["candidates"][0]["expected_cost_usd"] < found["candidates"][1]["expected_cost_usd"]
    assert found["fallbacks"] == ["other"]


def test_controls_and_keys_hold_as_for_a_real_request() -> None:
    found = told(run("test", "fast", "--json", "-H", "providers=near"))
    assert found["chosen"] == "near/small"
    assert found["filtered"][0]["filter"] == "x-tollway-providers"
    assert "does not exist or you do not have access" in run("test", "other", "--key", "app", exits=1).stderr
