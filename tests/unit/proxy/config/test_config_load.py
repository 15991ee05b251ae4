"""The loader as a whole: formats, types, precedence, references, what is filled in, and every problem at once."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import Config, ConfigError, Loaded, Secret, load
from proxy.config.show import Plain

LoadText = Callable[..., Loaded]
Problems = Callable[..., list[str]]
MINIMAL = """\
auth: {mode: open}
providers: {openai: {use: openai, api_key: "${OPENAI_API_KEY}"}}
models: {"*": {targets: [{provider: openai}]}}
"""
CANARY = "canary-5f1e0c7a9d3b"


def test_the_whole_file_in_all_three_formats(load_text: LoadText) -> None:
    yaml = """
    server: {host: 0.0.0.0, port: "9000", workers: 2, drain: 2m, max_body: 8MiB}
    keys: [{name: app, key: "${APP_KEY}", models: ["gpt-*"]}]
    providers:
      openai: {use: openai, api_key: "${OPENAI_API_KEY}", headers: {x-team: a}}
      local: {use: openai, base_url: "http://127.0.0.1:9000/v1", api_key: none}
    models: {fast: {targets: [{provider: local, model: small, timeouts: {idle: 5s}}]}}
    passthrough: {provider: openai}
    timeouts: {connect: 500ms}
    telemetry: {access_log: off}
    """
    as_json = json.dumps(
        {
            "server": {"host": "0.0.0.0", "port": 9000, "workers": 2, "drain": 120, "max_body": 8 * 1024**2},
            "keys": [{"name": "app", "key": "${APP_KEY}", "models": ["gpt-*"]}],
            "providers": {
                "openai": {"use": "openai", "api_key": "${OPENAI_API_KEY}", "headers": {"x-team": "a"}},
                "local": {"use": "openai", "base_url": "http://127.0.0.1:9000/v1", "api_key": "none"},
            },
            "models": {"fast": {"targets": [{"provider": "local", "model": "small", "timeouts": {"idle": 5.0}}]}},
            "passthrough": {"provider": "openai"},
            "timeouts": {"connect": 0.5},
            "telemetry": {"access_log": "off"},
        }
    )
    toml = """
    keys = [{name = "app", key = "${APP_KEY}", models = ["gpt-*"]}]
    [server]
    host = "0.0.0.0"
    port = 9000
    workers = 2
    drain = "2m"
    max_body = "8MiB"
    [providers]
    openai = {use = "openai", api_key = "${OPENAI_API_KEY}", headers = {x-team = "a"}}
    local = {use = "openai", base_url = "http://127.0.0.1:9000/v1", api_key = "none"}
    [models.fast]
    targets = [{provider = "local", model = "small", timeouts = {idle = "5s"}}]
    [passthrough]
    provider = "openai"
    [timeouts]
    connect = "500ms"
    [telemetry]
    access_log = "off"
    """
    environ = {"APP_KEY": "sk-app: {not: yaml} # ok", "OPENAI_API_KEY": "sk-o"}
    loaded = [load_text(text, environ, suffix=s) for text, s in ((yaml, ".yaml"), (as_json, ".json"), (toml, ".toml"))]
    first = loaded[0].config
    assert all(one.config == first for one in loaded)
    assert len({one.digest for one in loaded}) == 1
    assert first.keys[0].key == Secret("sk-app: {not: yaml} # ok")
    assert (first.server.port, first.server.drain, first.server.max_body) == (9000, 120.0, 8 * 1024**2)
    assert first.providers["local"].api_key is None
    assert first.providers["openai"].headers == {"x-team": Secret("a")}
    assert first.models["fast"].targets[0].timeouts.idle == 5.0
    assert first.telemetry.access_log == "off"


def test_a_part_of_a_section_keeps_the_other_defaults(load_text: LoadText) -> None:
    timeouts = load_text(MINIMAL + "timeouts: {connect: 1s}\n").config.timeouts
    assert (timeouts.connect, timeouts.first_byte, timeouts.idle, timeouts.total) == (1.0, None, 120.0, 1800.0)
    assert load_text(MINIMAL + "timeouts:\nserver:\n").config == load_text(MINIMAL).config


def test_precedence_is_flag_variable_file_default(load_text: LoadText) -> None:
    text = MINIMAL + "server: {port: 1, workers: 1, backlog: 7}\n"
    environ = {"OPENAI_API_KEY": "k", "TOLLWAY_SERVER__PORT": "2", "TOLLWAY_SERVER__WORKERS": "2"}
    loaded = load_text(text, environ, {"server.port": "3"})
    server = loaded.config.server
    assert (server.port, server.workers, server.backlog, server.host) == (3, 2, 7, "127.0.0.1")
    assert loaded.origins["server.port"] == "flag server.port"
    assert loaded.origins["server.workers"] == "env TOLLWAY_SERVER__WORKERS"
    assert loaded.origins["server.backlog"] == "tollway.yaml:4"
    assert "server.host" not in loaded.origins


@pytest.mark.parametrize(
    ("written", "field", "expected"),
    [
        ("drain: 5", "drain", 5.0),
        ("drain: 0", "drain", 0.0),
        ("drain: 1.5m", "drain", 90.0),
        ('drain: "${D}"', "drain", 7.0),
        ("max_body: 1024", "max_body", 1024),
        ("max_body: ${S}", "max_body", 65536),
        ("port: 0x1f90", "port", 8080),
        ('port: "${P:-8081}"', "port", 8081),
        ("health_port: ~", "health_port", None),
        ('health_port: "${P:-}"', "health_port", None),
        ("host: localhost", "host", "localhost"),
    ],
)
def test_values_as_people_write_them(load_text: LoadText, written: str, field: str, expected: object) -> None:
    environ = {"OPENAI_API_KEY": "k", "D": "7s", "S": "64KiB"}
    config = load_text(MINIMAL + f"server:\n  {written}\n", environ).config
    assert getattr(config.server, field) == expected


@pytest.mark.parametrize(
    ("written", "expected"), [("true", True), ("no", False), ("on", True), ('"0"', False), ('"${B}"', True)]
)
def test_booleans_as_people_write_them(load_text: LoadText, written: str, expected: bool) -> None:
    environ = {"OPENAI_API_KEY": "k", "B": "YES"}
    assert load_text(MINIMAL + f"passthrough: {{admin: {written}}}\n", environ).config.passthrough.admin is expected


def test_unquoted_numbers_are_text_where_text_is_wanted(load_text: LoadText) -> None:
    text = "keys: [{name: 7, key: 0123456}]\nproviders: {openai: {use: openai}}\n"
    (key,) = load_text(text).config.keys
    assert (key.name, key.key.reveal()) == ("7", "0123456")


def test_a_reference_to_a_file(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk from file\n")
    loaded = load_text(
        f'auth: {{mode: open}}\nproviders: {{openai: {{use: openai, api_key: "file:{tmp_path}/key"}}}}\n'
    )
    assert loaded.config.providers["openai"].api_key == Secret("sk from file")
    assert loaded.sources == ("tollway.yaml", f"{tmp_path}/key")


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "tollway.yaml:1: expected a mapping, got a list"),
        ("5", "tollway.yaml:1: expected a mapping, got a number"),
        ("server: 5", "tollway.yaml:1: server: expected a mapping, got a number"),
        ("\nserver: {prot: 1}", 'tollway.yaml:2: server.prot: unknown key (did you mean "port"?)'),
        ("serverr: {}", 'tollway.yaml:1: serverr: unknown key (did you mean "server"?)'),
        ("server: {port: 70000}", "server.port: must be at most 65535"),
        ("server: {port: 0}", "server.port: must be at least 1"),
        ("server: {port: eighty}", "server.port: expected a whole number"),
        ("server: {port: 80.5}", "server.port: expected a whole number"),
        ("server: {port: true}", "server.port: expected a whole number"),
        ("server: {port: 5s}", "server.port: expected a whole number"),
        ("server: {port: [1]}", "server.port: expected a number, got a list"),
        ("server: {port: ~}", "server.port: expected a whole number"),
        ("server: {workers: 0}", "server.workers: must be at least 1"),
        ("server: {drain: soon}", "server.drain: expected a duration such as 500ms"),
        ("server: {drain: -1s}", "server.drain: must be at least 0"),
        ("server: {drain: .inf}", "server.drain: expected a duration"),
        ("server: {drain: 1e400}", "server.drain: expected a duration"),
        ("server: {drain: 400d}", "server.drain: must be at most 86400"),
        ("server: {header_timeout: 0}", "server.header_timeout: must be more than 0"),
        ("server: {max_body: 64 Mb/s}", "server.max_body: expected a size such as 64MiB"),
        ("server: {max_body: 0}", "server.max_body: must be at least 1"),
        ("server: {host: ~}", "server.host: expected text, got nothing"),
        ("server: {tls: {cert: a.pem}}", "server.tls.key: required, and missing"),
        ("auth: {mode: key}", 'auth.mode: must be one of forward, keys, open (did you mean "keys"?)'),
        ("auth: {mode: {a: 1}}", "auth.mode: expected a single value, got a mapping"),
        ("passthrough: {admin: maybe}", "passthrough.admin: expected true or false"),
        ("keys: {name: a}", "keys: expected a list, got a mapping"),
        ("keys: [5]", "keys[0]: expected a mapping, got a number"),
        ("keys: [{name: a}]", "keys[0].key: required, and missing"),
        ('keys: [{name: "", key: b}]', "keys[0].name: must not be empty"),
        ("keys: [{name: a, key: [b]}]", "keys[0].key: expected a single value, got a list"),
        ("providers: [a]", "providers: expected a mapping, got a list"),
        ("providers: {'': {use: openai}}", 'providers[""]: the name is empty'),
        ("providers: {a: }", "providers.a.use: required, and missing"),
        ("models: {a: {targets: []}}", "models.a.targets: needs at least 1 entry"),
        (
            "models: {gpt-4.1: {targets: [{}]}}",
            'models["gpt-4.1"].targets[0].provider: required, and missing',
        ),
        ("models: {a: {policy: fastest, targets: [{provider: openai}]}}", "models.a.policy: must be one of balanced,"),
        ('keys: [{name: "a\\ud800", key: b}]', "invalid Unicode"),
        ('models: {"a\\nb": {targets: [{provider: openai}]}}', 'models["a\\nb"]: the name holds a control character'),
        ("server: {host: 'file:/dev/zero'}", "file /dev/zero does not exist or is not a file"),
        ("server: {tls: {cert: /dev/zero, key: /tmp}}", "server.tls.cert: '/dev/zero' is not a file"),
        ("timeouts: {idle: 0}", "timeouts.idle: must be more than 0"),
        ("server: {port: '${PORT}'}", "server.port: environment variable PORT is not set: export it"),
        ("server: {host: '${'}", "server.host: a reference looks like"),
        ("server: {host: 'file:/no/such'}", "server.host: file /no/such does not exist"),
        ("middleware: []", "middleware: not in this version: remove the key"),
        ("limits: {default: {rpm: 0}}", "limits.default.rpm: must be at least 1"),
        ("limits: {default: {rpm: -5}}", "limits.default.rpm: must be at least 1"),
        ("limits: {default: {tpm: .nan}}", "limits.default.tpm: expected a whole number"),
        ("limits: {default: {tpm: 1e30}}", "limits.default.tpm: expected a whole number"),
        ("limits: {default: {tpm: 9000000000000}}", "limits.default.tpm: must be at most"),
        ("limits: {default: {trm: 5}}", 'unknown key (did you mean "'),
        ("limits: {default: {rpm: 5, shadow: [rmp]}}", "limits.default.shadow[0]: must be one of"),
        ("limits: {gateway: {rpm: 5, open: [rpm], closed: [rpm]}}", "rpm is also under closed: choose one"),
        ("limits: {gateway: {concurrency: 5, steady: [concurrency]}}", "concurrency is no rate"),
        ("storage: {type: mysql}", "storage.type: must be one of"),
        ("storage: {type: sqlite, path: /no/such/place/x.db}", "storage.path: the folder of '/no/such/place/x.db'"),
        ("storage: {type: postgres}", "storage.url: required for type: postgres"),
        ("storage: {type: postgres, url: 'mysql://h/d'}", "storage.url: must start with postgresql://"),
        ("storage: {type: sqlite, pepper: short}", "storage.pepper: is shorter than 16 characters"),
        ("state: {type: redis}", "state.url: required for type: redis"),
        ("state: {type: redis, url: 'http://h'}", "state.url: must start with redis://"),
        ("state: {type: redis, sentinels: ['h:1'], cluster: true}", "state.cluster: cannot be set together"),
        ("state: {timeout: 0}", "state.timeout: must be more than 0"),
        ("admin: {key: ' '}", "admin.key: is empty"),
        ("admin: {key: same-key}\nkeys: [{name: a, key: same-key}]", "admin.key: is also a key of a caller"),
        ("ledger: soon", "ledger: must be one of async, sync"),
        ("auth: {jwt: {issuer: x, audience: a}}", "auth.jwt.issuer: expected an http(s) URL"),
        ("auth: {jwt: {audience: a}}", "auth.jwt.issuer: required"),
        (
            "auth: {jwt: {issuer: 'http://h', audience: a, algorithms: [HS256]}}",
            "auth.jwt.algorithms[0]: must be one of",
        ),
        ("accounts: {a: {plan: {prepaid: true}}}", "accounts.a.plan.prepaid: needs a database"),
        ("accounts: {a: {plan: {markup: -200}}}", "accounts.a.plan.markup: must be at least -100"),
        ("models: {a: {targets: [{provider: openai, price: 1}]}}", "models.a.targets[0].price: not in this version"),
        ("telemetry: {jsonl: x}", "telemetry.jsonl: not in this version"),
        ("telemetry: {otlp: 'collector:4318'}", "telemetry.otlp: expected the base URL of a collector"),
        ("telemetry: {otlp: 'http://me:secret@h:4318'}", "telemetry.otlp: must hold no credentials"),
        ("telemetry: {otlp: 'http://h:4318/v1/traces/'}", "telemetry.otlp: is the base URL"),
        ("telemetry: {otlp: 'http://h', otlp_headers: {'a b': c}}", "telemetry.otlp_headers: 'a b' with its value"),
        ("telemetry: {otlp: 'http://h', otlp_signals: [logs]}", "telemetry.otlp_signals[0]: must be one of"),
        ("telemetry: {otlp: 'http://h', trace_ratio: 1.5}", "telemetry.trace_ratio: must be at most 1"),
        ("server: {admin_port: 1}", "server.admin_port: there is no admin key"),
        ("keys: [{name: a, key: b, budget: {usd: 0}}]", "keys[0].budget.usd: must be more than 0"),
        ("keys: [{name: a, key: b, budget: {usd: .nan}}]", "keys[0].budget.usd: expected a number"),
        ("keys: [{name: a, key: b, budget: {usd: .inf}}]", "keys[0].budget.usd: expected a number"),
        ("keys: [{name: a, key: b, budget: {usd: 1, per: year}}]", "keys[0].budget.per: must be one of"),
        ("keys: [{name: a, key: b, budget: {usd: 1}, budgets: [{usd: 2}]}]", "keys[0].budgets: two budgets per month"),
        ("keys: [{name: a, key: b, account: c}]", "keys[0].account: unknown account (known: none"),
        ("keys: [{name: a, key: b, expires: soon}]", "keys[0].expires: expected a date"),
        ("keys: [{name: a, key: b, networks: [10.0.0.0/99]}]", "keys[0].networks[0]: expected an address or a range"),
        ("keys: [{name: a, key: b, endpoints: ['']}]", "keys[0].endpoints: must not hold an empty name"),
    ],
)
def test_what_is_wrong_is_said_with_path_and_line(problems: Problems, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"server": {"port": ' + "9" * 4000 + "}}", "server.port: must be at most 65535"),
        ('{"server": {"drain": ' + "9" * 4000 + "}}", "server.drain: expected a duration"),
        ('{"keys": [{"name": "\\ud800", "key": "b"}]}', "keys[0].name: holds half of a character"),
        ('{"providers": {"\\ud800": {}}}', 'providers["\\ud800"]: the name holds a control character'),
        ('{"server": {"port": 1, "port": 2}}', "key is given twice in one mapping"),
        ('{"server": {"prot": 1}}', 'tollway.json:1: server.prot: unknown key (did you mean "port"?)'),
    ],
)
def test_what_is_wrong_in_json_is_said_too(problems: Problems, text: str, said: str) -> None:
    found = problems(text, suffix=".json")
    assert any(said in problem for problem in found), found
    for problem in found:
        problem.encode("utf-8")


def test_every_problem_is_told_in_one_go(problems: Problems) -> None:
    found = problems(
        """
server: {port: 99999, hots: x}
auth: {mode: opne}
keys:
  - {name: a, key: "${NO_SUCH}"}
  - {name: a}
providers:
  openai: {use: opnai, base_url: "ftp://x"}
models:
  fast: {targets: [{provider: opena}]}
middleware: {}
""",
        {},
    )
    wanted = (
        ":2: server.hots",
        ":2: server.port",
        ":3: auth.mode",
        ":5: keys[0].key",
        ":6: keys[1].key: required",
        ':8: providers.openai.use: unknown provider "opnai"; an OpenAI-speaking server works with use: openai and its base_url (did you mean "openai"?)',
        ":8: providers.openai.base_url",
        ':10: models.fast.targets[0].provider: unknown provider "opena" (known: openai) (did you mean "openai"?)',
        ":11: middleware",
    )
    assert len(found) == len(wanted), found
    for part in wanted:
        assert sum(part in problem for problem in found) == 1, (part, found)
    assert [int(problem.split(":")[1]) for problem in found] == sorted(int(problem.split(":")[1]) for problem in found)


def test_files_that_cannot_be_one(tmp_path: Path) -> None:
    Path("big.yaml").write_bytes(b"# " + b"x" * (10 * 1024 * 1024))
    Path("binary.yaml").write_bytes(b"a: 1\nb: \xff\xfe\n")
    Path("utf16.yaml").write_text("a: 1", encoding="utf-16")
    Path("folder.yaml").mkdir()
    wanted = {
        "big.yaml": "larger than 1024 KiB",
        "binary.yaml": "is not UTF-8",
        "utf16.yaml": "is not UTF-8",
        "folder.yaml": "is a folder or device",
        "missing.yaml": "does not exist",
        "nul\0.yaml": "does not exist",
    }
    for name, said in wanted.items():
        with pytest.raises(ConfigError, match=said) as caught:
            load(name, {})
        assert caught.value.sources == (name,)
        assert name in str(caught.value)


def test_a_file_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    Path("closed.yaml").write_text("a: 1")
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load("closed.yaml", {})


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    Path("bom.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load("bom.yaml", {"OPENAI_API_KEY": "k"}).config.auth.mode == "open"


def test_an_unknown_suffix_is_yaml() -> None:
    Path("tollway.conf").write_text(MINIMAL)
    assert load("tollway.conf", {"OPENAI_API_KEY": "k"}).config.auth.mode == "open"


def test_missing_files_are_among_the_sources_of_the_error(problems: Problems) -> None:
    Path("t.yaml").write_text('auth: {mode: open}\nproviders: {openai: {use: openai, api_key: "file:/no/such/key"}}')
    with pytest.raises(ConfigError) as caught:
        load("t.yaml", {})
    assert "/no/such/key" in caught.value.sources


# ---- secrets stay inside -----------------------------------------------------------------------------------

PLACES = [
    "keys: [{name: a, key: %s, junk: 1}]",
    "keys: [{name: a, key: %s}, {name: b, key: %s}]",
    "keys: [{name: a, key: [%s]}]",
    "keys: [{name: a, key: {x: %s}}]",
    "keys: %s",
    "auth: {mode: %s}",
    "server: {port: %s}",
    "server: {drain: %s}",
    "server: {max_body: %s}",
    "server: {host: 'x/%s'}",
    "server: %s",
    "passthrough: {admin: %s}",
    "passthrough: {provider: '${CANARY}'}",
    "providers: {openai: {use: '${CANARY}'}}",
    "providers: {openai: {use: openai, base_url: 'ftp://%s'}}",
    "providers: {openai: {use: openai, base_url: 'http://user:%s@host/v1'}}",
    "providers: {openai: {use: openai, base_url: 'http://host/v1?key=%s'}}",
    "providers: {openai: {use: openai, base_url: 'http://[%s'}}",
    "providers: {openai: {use: openai, base_url: 'http://host:%s'}}",
    "providers: {openai: {use: openai, proxy: 'socks5://u:%s@h'}}",
    "providers: {openai: {use: openai, headers: {'bad name': %s, host: %s}}}",
    "models: {a: {targets: [{provider: '${CANARY}'}]}}",
    "telemetry: {access_log: '${CANARY}'}",
    "telemetry: {log_level: '${CANARY}'}",
    "telemetry: {log_level: %s}",
]


@pytest.mark.parametrize("text", PLACES)
def test_no_error_holds_a_secret(load_text: LoadText, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text.replace("%s", CANARY) + "\nbroken: 1\n", {"CANARY": CANARY})
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize(
    "name", ["TOLLWAY_KEYS", "TOLLWAY_SERVER", "TOLLWAY_SERVER__PORT", "TOLLWAY_AUTH__MODE", "TOLLWAY_NO__SUCH"]
)
@pytest.mark.parametrize("value", [CANARY, f'{{"a": {CANARY}', f'["{CANARY}"]', f'{{"{CANARY}": 1'])
def test_no_error_holds_a_variable(load_text: LoadText, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(MINIMAL, {"OPENAI_API_KEY": "k", name: value})
    assert CANARY not in str(caught.value)
    assert name in str(caught.value)


def test_no_repr_of_what_was_loaded_holds_a_secret(load_text: LoadText) -> None:
    text = f"""
keys: [{{name: a, key: {CANARY}}}]
providers:
  openai: {{use: openai, api_key: {CANARY}1, headers: {{x: {CANARY}2}}, proxy: "http://u:{CANARY}3@p:1"}}
"""
    loaded = load_text(text)
    assert CANARY not in repr(loaded)
    assert CANARY not in " ".join(loaded.warnings)
    assert loaded.config.keys[0].key.reveal() == CANARY


# ---- what is filled in -------------------------------------------------------------------------------------


def test_a_missing_key_is_the_conventional_variable(load_text: LoadText) -> None:
    loaded = load_text("auth: {mode: open}\nproviders: {a: {use: openai}}\n", {"OPENAI_API_KEY": "sk-conventional"})
    assert loaded.config.providers["a"].api_key == Secret("sk-conventional")
    assert loaded.origins["providers.a.api_key"] == "env OPENAI_API_KEY"


def test_the_conventional_key_does_not_travel_to_another_host(load_text: LoadText) -> None:
    loaded = load_text(
        "auth: {mode: open}\nproviders: {a: {use: openai, base_url: 'http://h/v1'}}\n", {"OPENAI_API_KEY": "sk"}
    )
    assert loaded.config.providers["a"].api_key is None


def test_no_key_at_all_names_the_fix(problems: Problems) -> None:
    (said,) = problems("auth: {mode: open}\nproviders: {a: {use: openai}}\n", {})
    assert "providers.a.api_key: no key: export OPENAI_API_KEY" in said


def test_forward_mode_needs_no_key(load_text: LoadText) -> None:
    loaded = load_text("auth: {mode: forward}\nproviders: {a: {use: openai}}\n", {"OPENAI_API_KEY": "sk"})
    assert loaded.config.providers["a"].api_key is None


@pytest.mark.parametrize("written", ["none", '"${LOCAL_KEY:-none}"', '"${LOCAL_KEY:-}"'])
def test_none_sends_no_credential(load_text: LoadText, written: str) -> None:
    text = f"auth: {{mode: open}}\nproviders: {{a: {{use: openai, base_url: 'http://h/v1', api_key: {written}}}}}\n"
    assert load_text(text).config.providers["a"].api_key is None


def test_pass_through_defaults_to_the_only_candidate(load_text: LoadText) -> None:
    one = load_text("auth: {mode: open}\nproviders: {a: {use: openai}}\n")
    two = load_text("auth: {mode: open}\nproviders: {a: {use: openai}, b: {use: openai}}\n")
    assert one.config.passthrough.provider == "a"
    assert two.config.passthrough.provider is None
    assert any("passthrough.provider" in warning for warning in two.warnings)


def test_the_digest_follows_every_effective_value(load_text: LoadText) -> None:
    same = load_text(MINIMAL).digest
    assert load_text("# a comment\n" + MINIMAL).digest == same
    assert load_text(MINIMAL, {"OPENAI_API_KEY": "another"}).digest != same
    assert load_text(MINIMAL + "server: {port: 1}").digest != same


# ---- round trip --------------------------------------------------------------------------------------------

words = st.text(
    st.characters(codec="utf-8", exclude_characters="$", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12
).filter(lambda text: text.strip() == text and not text.startswith("file:") and text != "none")
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
wait = st.floats(0.001, 86_400)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Plain]:
    providers = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return {
        "server": {"port": draw(st.integers(1, 65535)), "drain": draw(wait), "max_body": draw(st.integers(1, 2**50))},
        "keys": [
            {"name": f"k{n}", "key": f"{n}{key}"} for n, key in enumerate(draw(st.lists(words, min_size=1, max_size=3)))
        ],
        "providers": {
            name: {"use": "openai", "api_key": draw(words), "headers": {"x-a": draw(words)}} for name in providers
        },
        "models": {
            name: {"targets": [{"provider": draw(st.sampled_from(providers)), "model": draw(words)}]}
            for name in draw(st.lists(words, max_size=3, unique=True))
        },
        "timeouts": {"idle": draw(wait)},
        "telemetry": {"prometheus": draw(st.booleans())},
    }


def _reveal(value: object) -> str:
    assert isinstance(value, Secret)
    return value.reveal()


@settings(max_examples=60, deadline=None)
@given(configs(), st.sampled_from([".json", ".yaml"]))
def test_what_is_written_is_what_is_loaded_and_written_again(document: dict[str, Plain], suffix: str) -> None:
    import yaml

    file = Path(f"round{suffix}")
    file.write_text(
        json.dumps(document) if suffix == ".json" else yaml.safe_dump(document, allow_unicode=True), encoding="utf-8"
    )
    first = load(str(file), {}, known_providers=("openai",))
    again = msgspec.to_builtins(first.config, enc_hook=_reveal)
    file.write_text(json.dumps(again) if suffix == ".json" else yaml.safe_dump(again), encoding="utf-8")
    second = load(str(file), {}, known_providers=("openai",))
    assert second.config == first.config
    assert second.digest == first.digest
    assert first.config.server.port == document["server"]["port"]  # type: ignore[index,call-overload]
    assert isinstance(first.config, Config)
