"""``tollway config`` and ``tollway check``: what they print, to where, with which exit code, and never a secret."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main

CANARY = "canary-5f1e0c7a9d3b4e2f-tail"
TEXT = """\
server: {port: 9000, health_port: 9901}
keys: [{name: app, key: "${CANARY}"}, {name: ops, key: "${CANARY}2"}]
providers:
  openai: {use: openai, api_key: "${CANARY}3", headers: {x-a: "${CANARY}4"}, proxy: "http://u:${CANARY}5@p:1"}
  local: {use: openai, base_url: "http://127.0.0.1:9000/v1", api_key: none}
models:
  fast: {targets: [{provider: local, model: small}]}
  "*": {targets: [{provider: openai}]}
passthrough: {provider: openai}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TOLLWAY_CONFIG", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*args: str, **environ: str) -> Result:
    return CliRunner(env={"CANARY": CANARY, **environ}).invoke(main, list(args))


def write(text: str = TEXT, name: str = "tollway.yaml") -> None:
    Path(name).write_text(text)


def test_check_shows_a_listener_of_the_admin_api() -> None:
    write(TEXT.replace("health_port: 9901", "admin_port: 8081, admin_host: '::1'"))
    assert "http://[::1]:8081 (admin)" in run("check", TOLLWAY_ADMIN_KEY="an admin key of a test").stdout
    refused = run("check")
    assert refused.exit_code == 1
    assert "server.admin_port: there is no admin key" in refused.stderr


def test_check_prints_the_plan() -> None:
    write()
    result = run("check")
    assert result.exit_code == 0, result.stderr
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    text = result.stdout
    assert lines[0] == ["file", "tollway.yaml"]
    for part in (
        "http://127.0.0.1:9000",
        "http://127.0.0.1:9901 (health)",
        "keys (2: app, ops)",
        "openai: openai at the address of openai, key ***ail3, through a proxy",
        "local: openai at http://127.0.0.1:9000/v1, no credential",
        "fast -> local/small",
        "* -> openai/*",
    ):
        assert part in text
    assert text.endswith("valid\n")
    assert result.stderr == ""


def test_check_as_json() -> None:
    write()
    plan = json.loads(run("check", "--output", "json").stdout)
    assert plan["ok"] is True
    assert plan["listeners"] == ["http://127.0.0.1:9000", "http://127.0.0.1:9901 (health)"]
    assert plan["auth"] == {"mode": "keys", "keys": ["app", "ops"]}
    assert plan["models"]["fast"] == [{"provider": "local", "model": "small"}]


def test_check_tells_where_money_and_counters_are() -> None:
    write()
    assert not {"storage", "state", "admin API"} & {line.split("  ")[0] for line in run("check").stdout.splitlines()}
    write(TEXT + "storage: {type: sqlite, path: t.db}\naccounts: {acme: {}}\n")
    shown = run("check", TOLLWAY_SERVER__WORKERS="2").stdout
    assert "sqlite at t.db, journal in t.db.journal, ledger async" in shown
    assert "acme" in shown
    assert "closed: no admin.key" in shown
    assert "embedded: the workers of this machine count together" in shown
    assert "open at /admin/v1" in run("check", TOLLWAY_ADMIN_KEY="an admin key of a test").stdout
    plan = json.loads(run("check", "--output", "json").stdout)
    assert plan["storage"] == {"type": "sqlite", "path": "t.db", "journal": "t.db.journal", "ledger": "async"}
    assert plan["state"] == "memory"


def test_check_tells_what_is_answered_from_a_cache_and_where_it_is() -> None:
    write(TEXT + "cache: {exact: null}\n")
    assert re.search("^cache +off: nothing turns it on$", run("check").stdout, re.M)
    assert json.loads(run("check", "--output", "json").stdout)["cache"] is None
    write(TEXT + "cache: {exact: {ttl: 10m}, share: account, store: memory}\n")
    assert "exact, in memory, 64 MiB each process, 600 s, shared by an account's keys" in run("check").stdout
    write(
        TEXT.replace("fast: {", "fast: {cache: {semantic: true}, ") + "state: {type: redis, url: redis://127.0.0.1:1}\n"
    )
    shown = run("check").stdout
    assert "exact, for what turns it on, in the redis state, 3600 s, each key its own" in shown
    assert re.search("^semantic cache +serve, embedder local, cosine 0.92$", shown, re.M)
    plan = json.loads(run("check", "--output", "json").stdout)
    assert plan["cache"]["semantic"] == {"mode": "serve", "embedder": "local", "threshold": 0.92}


def test_check_without_a_file() -> None:
    result = run("check", OPENAI_API_KEY="sk-0123456789-0123456789-0123")
    assert result.exit_code == 0
    assert "none: built from the environment" in result.stdout
    assert "key ***0123" in result.stdout


def test_check_with_nothing_says_how_to_start() -> None:
    result = run("check")
    assert result.exit_code == 1
    assert "tollway serve --demo" in result.stderr
    assert result.stdout == ""


def test_check_tells_every_problem_on_stderr() -> None:
    write("server: {prot: 1}\nauth: {mode: opne}\n")
    result = run("check")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines == [
        'tollway.yaml:1: server.prot: unknown key (did you mean "port"?)',
        'tollway.yaml:2: auth.mode: must be one of forward, keys, open (did you mean "open"?)',
        "Fix: mend these 2 problems and run tollway check again",
    ]


def test_check_problems_as_json() -> None:
    write("auth: {mode: open}\nserver: {prot: 1}\n")
    result = run("check", "--output", "json")
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem == {
        "message": "unknown key",
        "path": "server.prot",
        "where": "tollway.yaml",
        "line": 2,
        "column": None,
        "hint": "port",
    }


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_collector_without_the_extra_is_told_of_before_the_start(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(TEXT + "telemetry: {otlp: 'http://127.0.0.1:4318'}\n")
    assert "tollway[otel]" not in run(command).output
    monkeypatch.setattr(
        "proxy.config.checks_policy.find_spec", lambda name: None if name.startswith("opentelemetry") else name
    )
    result = run(command)
    assert result.exit_code == 1
    assert re.search(r"telemetry\.otlp: .*needs the extra otel: pip install 'tollway\[otel\]'", result.output)


def test_warnings_fail_only_when_strict() -> None:
    write("auth: {mode: open}\n")
    assert run("check").exit_code == 0
    result = run("check", "--strict")
    assert result.exit_code == 2
    assert "warning" in result.stdout
    write()
    assert run("check", "--strict").exit_code == 0


def test_a_named_file_and_the_variable() -> None:
    write(name="other.yaml")
    assert "other.yaml" in run("check", "--config", "other.yaml").stdout
    assert "other.yaml" in run("check", "-c", "other.yaml").stdout
    assert "other.yaml" in run("check", TOLLWAY_CONFIG="other.yaml").stdout
    assert run("check", "--config", "missing.yaml").exit_code == 1


def test_show_is_the_whole_configuration() -> None:
    write()
    shown = yaml.safe_load(run("config", "show").stdout)
    assert shown == json.loads(run("config", "show", "--output", "json").stdout)
    assert shown["server"]["port"] == 9000
    assert shown["server"]["workers"] == 1
    assert shown["keys"][0]["key"] == "***tail"
    assert shown["providers"]["local"]["api_key"] is None


def test_show_with_origins() -> None:
    write()
    lines = run("config", "show", "--origin", TOLLWAY_SERVER__WORKERS="3").stdout.splitlines()
    assert "server.port: 9000  # tollway.yaml:1" in lines
    assert "server.workers: 3  # env TOLLWAY_SERVER__WORKERS" in lines
    assert 'server.host: "127.0.0.1"  # default' in lines
    as_json = json.loads(run("config", "show", "--origin", "--output", "json").stdout)
    assert as_json["server.port"] == {"value": 9000, "origin": "tollway.yaml:1"}


def test_a_bad_configuration_is_a_failure_with_a_fix() -> None:
    write("server: {prot: 1}\n")
    result = run("config", "show")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: the configuration has 2 problems\n  ")
    assert result.stderr.endswith("Fix: mend the configuration and run tollway check\n")


def test_schema_is_valid_and_takes_the_file() -> None:
    schema = json.loads(run("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(TEXT), schema, jsonschema.Draft202012Validator)


def test_diff() -> None:
    write(name="a.yaml")
    write(
        TEXT.replace("9000, health", "9001, health").replace("${CANARY}3", "${CANARY}9").replace('"*"', "other"),
        "b.yaml",
    )
    result = run("config", "diff", "a.yaml", "b.yaml", TOLLWAY_SERVER__PORT="1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        'models.other.targets[0].provider: absent -> "openai"',
        'models["*"].targets[0].provider: "openai" -> absent',
        'providers.openai.api_key: "***ail3" -> "***ail9" (changed)',
        "server.port: 9000 -> 9001  (needs a restart)",
    ]
    rows = json.loads(run("config", "diff", "a.yaml", "b.yaml", "--output", "json").stdout)
    assert rows[-1] == {"path": "server.port", "old": "9000", "new": "9001", "restart": True}
    assert run("config", "diff", "a.yaml", "b.yaml", "--exit-code").exit_code == 1
    assert run("config", "diff", "a.yaml", "a.yaml", "--exit-code").exit_code == 0
    assert run("config", "diff", "a.yaml", "a.yaml").stdout == "no difference\n"


def test_diff_of_a_missing_file_fails() -> None:
    write(name="a.yaml")
    assert run("config", "diff", "a.yaml", "missing.yaml").exit_code == 1


def test_no_output_of_any_command_holds_a_secret() -> None:
    write()
    write(TEXT.replace("${CANARY}3", "${CANARY}9"), "b.yaml")
    write(TEXT + "junk: 1\n", "bad.yaml")
    for args in (
        ["check"],
        ["check", "--output", "json"],
        ["check", "-c", "bad.yaml"],
        ["check", "-c", "bad.yaml", "--output", "json"],
        ["config", "show"],
        ["config", "show", "-c", "bad.yaml"],
        ["config", "show", "--output", "json"],
        ["config", "show", "--origin"],
        ["config", "show", "--origin", "--output", "json"],
        ["config", "schema"],
        ["config", "diff", "tollway.yaml", "b.yaml"],
        ["config", "diff", "tollway.yaml", "b.yaml", "--output", "json"],
    ):
        result = run(*args)
        assert result.output, args
        assert CANARY not in result.output, args
        assert CANARY not in result.stderr, args
