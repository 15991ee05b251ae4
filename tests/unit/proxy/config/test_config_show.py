"""Masked values, leaves and differences."""

from collections.abc import Callable

from proxy.config import Loaded
from proxy.config.problems import dotted, nearest
from proxy.config.show import Change, changed, leaves, masked

LoadText = Callable[..., Loaded]

TEXT = """\
keys: [{name: a, key: nightingale-0123456789-0123456789, models: []}]
providers: {"p.q": {use: openai, api_key: nightingale-0123456789-0123456789, headers: {x: nightingale}}}
"""


def test_everything_is_shown_and_secrets_are_masked(load_text: LoadText) -> None:
    shown = masked(load_text(TEXT).config)
    assert isinstance(shown, dict)
    assert "nightingale" not in str(shown)
    (key,) = shown["keys"]
    assert {name: key[name] for name in ("name", "key", "models", "passthrough", "stability", "budget")} == {
        "name": "a", "key": "***6789", "models": [], "passthrough": None, "stability": "any", "budget": None,
    }  # fmt: skip
    assert shown["timeouts"] == {"connect": 5.0, "first_byte": None, "idle": 120.0, "total": 1800.0}


def test_leaves_have_paths_as_errors_write_them(load_text: LoadText) -> None:
    names = {dotted(path) for path, _ in leaves(load_text(TEXT).config)}
    assert {"server.port", "keys[0].key", "keys[0].models", 'providers["p.q"].headers.x', "models"} <= names


def test_no_difference(load_text: LoadText) -> None:
    config = load_text(TEXT).config
    assert changed(config, config) == Change()


def test_differences_are_sorted_by_what_they_need(load_text: LoadText) -> None:
    old = load_text(TEXT).config
    new = load_text(TEXT.replace("name: a", "name: b") + "server: {port: 1}\ntelemetry: {log_level: debug}\n").config
    assert changed(old, new) == Change(hot=("keys[0].name",), restart=("server.port", "telemetry.log_level"))
    assert changed(old, old, {"server.tls.cert": "1"}, {"server.tls.cert": "2"}) == Change(restart=("server.tls.cert",))


def test_paths() -> None:
    assert dotted(()) == ""
    assert dotted(("models", 'a"b', "targets", 0, "provider")) == 'models["a\\"b"].targets[0].provider'
    assert dotted(("models", "*")) == 'models["*"]'


def test_nearest() -> None:
    assert nearest("opnai", ["groq", "OpenAI"]) == "OpenAI"
    assert nearest("zzz", ["groq", "openai"]) is None
