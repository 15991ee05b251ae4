"""Which file is read, and what is served when there is none."""

from pathlib import Path

import pytest

from proxy.config import ConfigError, Secret, load

KEY = {"OPENAI_API_KEY": "sk-conventional"}
FILE = "auth: {mode: open}\nserver: {backlog: %d}\nproviders: {p: {use: openai, api_key: k}}\n"


def test_a_key_variable_is_enough() -> None:
    loaded = load(None, KEY)
    config = loaded.config
    assert loaded.path is None
    assert loaded.sources == ()
    assert config.auth.mode == "open"
    assert config.providers["openai"].api_key == Secret("sk-conventional")
    assert [target.provider for target in config.models["*"].targets] == ["openai"]
    assert config.passthrough.provider == "openai"
    assert loaded.warnings == ()
    assert loaded.origins["providers.openai.api_key"] == "env OPENAI_API_KEY"


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}])
def test_nothing_set_is_answered_with_the_three_ways_to_start(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, environ)
    said = str(caught.value)
    assert all(part in said for part in ("OPENAI_API_KEY", "tollway.yaml", "tollway serve --demo"))


def test_the_file_in_that_answer_works() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {})
    lines = [line for line in str(caught.value).splitlines() if line.startswith("       ")]
    Path("tollway.yaml").write_text("\n".join(lines))
    assert load(None, KEY).config.models["*"].targets[0].provider == "openai"


@pytest.mark.parametrize("environ", [{"TOLLWAY_SERVER__HOST": "0.0.0.0"}, {"TOLLWAY_SERVER": '{"host": "::"}'}])
def test_beyond_loopback_keys_are_needed(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="TOLLWAY_KEYS="):
        load(None, KEY | environ)
    keys = '[{"name": "app", "key": "${APP_KEY}"}]'
    loaded = load(None, KEY | environ | {"TOLLWAY_KEYS": keys, "APP_KEY": "long-enough-0123456789"})
    assert loaded.config.auth.mode == "keys"
    assert loaded.warnings == ()


def test_a_host_flag_counts_too() -> None:
    with pytest.raises(ConfigError, match="TOLLWAY_KEYS="):
        load(None, KEY, {"server.host": "0.0.0.0"})


def test_keys_on_loopback_are_asked_for() -> None:
    config = load(None, KEY | {"TOLLWAY_KEYS": '[{"name": "app", "key": "x"}]'}).config
    assert config.auth.mode == "keys"


def test_an_explicit_mode_holds() -> None:
    assert load(None, KEY | {"TOLLWAY_AUTH__MODE": "forward"}).config.auth.mode == "forward"
    with pytest.raises(ConfigError, match="no key is configured"):
        load(None, KEY | {"TOLLWAY_AUTH__MODE": "keys"})


def test_overrides_apply_and_can_be_all_there_is() -> None:
    environ = {"TOLLWAY_PROVIDERS__LOCAL__USE": "openai", "TOLLWAY_PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1/v1"}
    alone = load(None, environ).config
    assert alone.models["*"].targets[0].provider == "local"
    both = load(None, KEY | environ)
    assert set(both.config.providers) == {"openai", "local"}
    assert both.config.models == {}


def test_a_wrong_variable_is_told_before_the_quick_start() -> None:
    with pytest.raises(ConfigError, match='did you mean "port"'):
        load(None, {"TOLLWAY_SERVER__PROT": "1"})


def test_the_search_order() -> None:
    for number, name in enumerate(("tollway.json", "tollway.toml", "tollway.yml", "tollway.yaml"), start=1):
        if name.endswith(".json"):
            text = '{"auth": {"mode": "open"}, "server": {"backlog": 1}}'
        elif name.endswith(".toml"):
            text = 'auth = {mode = "open"}\nserver = {backlog = 2}'
        else:
            text = FILE % number
        Path(name).write_text(text)
        loaded = load(None, KEY)
        assert (loaded.path, loaded.config.server.backlog) == (name, number)
    assert any(
        "tollway.yaml is used; tollway.yml, tollway.toml, tollway.json" in warning for warning in loaded.warnings
    )
    Path("named.yaml").write_text(FILE % 8)
    assert load(None, KEY | {"TOLLWAY_CONFIG": "named.yaml"}).config.server.backlog == 8
    Path("flag.yaml").write_text(FILE % 9)
    assert load("flag.yaml", KEY | {"TOLLWAY_CONFIG": "named.yaml"}).config.server.backlog == 9


def test_a_named_file_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: does not exist"):
        load(None, KEY | {"TOLLWAY_CONFIG": "missing.yaml"})
