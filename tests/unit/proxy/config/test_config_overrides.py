"""``TOLLWAY_…`` variables and flags: matched to real keys, whole sections as JSON, and refused when they lead nowhere."""

from collections.abc import Callable

import pytest

from proxy.config import Config, Loaded, Secret
from proxy.config.overrides import is_override

LoadText = Callable[..., Loaded]
Problems = Callable[..., list[str]]

TEXT = """\
auth: {mode: open}
providers:
  my-local: {use: openai, base_url: "http://127.0.0.1:1/v1"}
  Open.AI: {use: openai, base_url: "http://127.0.0.1:2/v1"}
models: {"gpt-4.1": {targets: [{provider: my-local}]}}
"""


def test_names_match_without_regard_to_case_and_punctuation(load_text: LoadText) -> None:
    environ = {
        "TOLLWAY_PROVIDERS__MY_LOCAL__BASE_URL": "http://127.0.0.1:3/v1",
        "tollway_providers__open_ai__api_key": "sk a: {b} # c",
        "TOLLWAY_MODELS__GPT_4_1__TARGETS__0__MODEL": "x",
    }
    config = load_text(TEXT, environ).config
    assert list(config.providers) == ["my-local", "Open.AI"]
    assert config.providers["my-local"].base_url == "http://127.0.0.1:3/v1"
    assert config.providers["Open.AI"].api_key == Secret("sk a: {b} # c")
    assert config.models["gpt-4.1"].targets[0].model == "x"


def test_a_new_name_is_made_in_lower_case(load_text: LoadText) -> None:
    environ = {"TOLLWAY_PROVIDERS__EXTRA__USE": "openai", "TOLLWAY_PROVIDERS__EXTRA__API_KEY": "k"}
    assert "extra" in load_text(TEXT, environ).config.providers


def test_references_work_in_variables(load_text: LoadText) -> None:
    environ = {"TOLLWAY_PROVIDERS__MY_LOCAL__API_KEY": "${REAL}", "REAL": "${not again}"}
    assert load_text(TEXT, environ).config.providers["my-local"].api_key == Secret("${not again}")


def test_lists_and_sections_are_json(load_text: LoadText) -> None:
    environ = {
        "TOLLWAY_KEYS": '[{"name": "a", "key": "${K}"}]',
        "TOLLWAY_SERVER": '{"port": 1, "cors": {"origins": ["*"]}}',
        "TOLLWAY_SERVER__PORT": "2",
        "TOLLWAY_KEYS__1__NAME": "b",
        "TOLLWAY_KEYS__1__KEY": "second",
        "TOLLWAY_AUTH": '{"mode": "keys"}',
        "K": "first",
    }
    loaded = load_text(TEXT + "server: {backlog: 9}\n", environ)
    assert [(key.name, key.key.reveal()) for key in loaded.config.keys] == [("a", "first"), ("b", "second")]
    assert (loaded.config.server.port, loaded.config.server.backlog) == (2, 9)
    assert loaded.config.server.cors.origins == ("*",)
    assert loaded.origins["keys[0].name"] == "env TOLLWAY_KEYS"
    assert loaded.origins["keys[1].name"] == "env TOLLWAY_KEYS__1__NAME"


def test_null_unsets_and_empty_is_not_set(load_text: LoadText) -> None:
    text = TEXT + "server: {health_port: 1, port: 5}\n"
    environ = {"TOLLWAY_SERVER__HEALTH_PORT": "null", "TOLLWAY_SERVER__PORT": ""}
    server = load_text(text, environ).config.server
    assert (server.health_port, server.port) == (None, 5)


def test_an_anchor_shared_by_two_keys_is_changed_in_one(load_text: LoadText) -> None:
    text = """
auth: {mode: open}
providers: {a: &p {use: openai, api_key: one}, b: *p}
"""
    providers = load_text(text, {"TOLLWAY_PROVIDERS__A__API_KEY": "two"}).config.providers
    assert (providers["a"].api_key, providers["b"].api_key) == (Secret("two"), Secret("one"))


def test_flags_are_dotted_paths(load_text: LoadText) -> None:
    flags = {"server.port": "7", 'models["gpt-4.1"].targets[0].model': "y", "server.drain": "2s"}
    config = load_text(TEXT, {}, flags).config
    assert (config.server.port, config.server.drain, config.models["gpt-4.1"].targets[0].model) == (7, 2.0, "y")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOLLWAY_SERVER__PROT", "1", 'env TOLLWAY_SERVER__PROT: server.prot: unknown key (did you mean "port"?)'),
        ("TOLLWAY_SERVR__PORT", "1", 'servr: unknown key (did you mean "server"?)'),
        ("TOLLWAY_SERVER__PORT__X", "1", "server.port: there is nothing below this key"),
        ("TOLLWAY_SERVER__", "1", "unknown key"),
        ("TOLLWAY___PORT", "1", "unknown key"),
        ("TOLLWAY_SERVER__PORT", "many", "env TOLLWAY_SERVER__PORT: server.port: expected a whole number"),
        ("TOLLWAY_SERVER__DRAIN", "soon", "expected a duration"),
        ("TOLLWAY_KEYS", "a,b", "env TOLLWAY_KEYS:1:1: not valid JSON"),
        ("TOLLWAY_KEYS", "{}", "keys: expected a list, got a mapping"),
        ("TOLLWAY_KEYS", '[{"name": "a", "nam": "b", "key": "c"}]', 'keys[0].nam: unknown key (did you mean "name"?)'),
        ("TOLLWAY_KEYS__1__NAME", "a", "expected a position from 0 to 0"),
        ("TOLLWAY_KEYS__X__NAME", "a", "expected a position from 0 to 0"),
        ("TOLLWAY_SERVER", "{", "not valid JSON"),
        ("TOLLWAY_MIDDLEWARE__A", "1h", "middleware: not in this version"),
        ("TOLLWAY_PROVIDERS__X__USE", "${NO_SUCH}", "environment variable NO_SUCH is not set"),
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error(problems: Problems, name: str, value: str, said: str) -> None:
    found = problems(TEXT, {name: value})
    assert any(said in problem for problem in found), found


def test_an_unknown_flag_is_an_error(problems: Problems) -> None:
    assert problems(TEXT, {}, {"server.nothing": "1"}) == ["flag server.nothing: server.nothing: unknown key"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TOLLWAY_SERVER__PORT", True),
        ("TOLLWAY_KEYS", True),
        ("tollway_keys", True),
        ("TOLLWAY_CONFIG", False),
        ("TOLLWAY_ADMIN_KEY", False),
        ("TOLLWAY_PORT_8080_TCP_ADDR", False),
        ("TOLLWAY_SERVICE_HOST", False),
        ("OTHER_SERVER__PORT", False),
    ],
)
def test_which_variables_set_keys(name: str, expected: bool) -> None:
    assert is_override(name, Config) is expected
