"""Names: what they lead to, who may use them, and that refusals tell nothing."""

import pytest

from proxy.context import Limits, Principal, Target
from proxy.protocols import ModelEntry
from proxy.routing import directory as directory_module
from proxy.routing.directory import NAME_LIMIT, Directory

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def target(provider: str, model: str) -> Target:
    return Target(provider=provider, model=model, limits=LIMITS)


PROVIDERS = {"openai": target("openai", "*"), "local": target("local", "*")}
CATALOGUE = [ModelEntry("gpt-6", "openai"), ModelEntry("local/tiny", "local")]


def directory(models: dict[str, Target] | None = None, *, passthrough: str | None = None) -> Directory:
    usual = {"fast": target("local", "small"), "openai/own": target("local", "mine"), "*": target("openai", "*")}
    return Directory(
        models=usual if models is None else models, providers=PROVIDERS, catalogued=CATALOGUE, passthrough=passthrough
    )


def key(*models: str) -> Principal:
    return Principal(name="app", tenant="app", models=models)


@pytest.mark.parametrize(
    ("model", "route", "provider", "sent"),
    [
        ("fast", "fast", "local", "small"),
        ("openai/own", "openai/own", "local", "mine"),
        ("openai/gpt-6", "openai/*", "openai", "gpt-6"),
        ("local/a/b", "local/*", "local", "a/b"),
        ("gpt-6", "*", "openai", "gpt-6"),
        ("nobody/x", "*", "openai", "nobody/x"),
        ("openai/", "*", "openai", "openai/"),
        ("/x", "*", "openai", "/x"),
        ("FAST", "*", "openai", "FAST"),
    ],
)
def test_precedence(model: str, route: str, provider: str, sent: str) -> None:
    found = directory().resolve(model)
    assert found is not None
    assert (found[0], found[1].provider, found[1].model) == (route, provider, sent)
    assert directory().resolve(model) == found


@pytest.mark.parametrize("model", ["unknown", "", "x" * (NAME_LIMIT + 1), "fast "])
def test_without_a_wildcard_unknown_names_lead_nowhere(model: str) -> None:
    assert directory({"fast": target("local", "small")}).resolve(model) is None


def test_a_wildcard_takes_no_endless_names() -> None:
    assert directory().resolve("x" * (NAME_LIMIT + 1)) is None
    assert directory().resolve("") is None


@pytest.mark.parametrize(
    ("globs", "model", "allowed"),
    [
        (("*",), "anything", True),
        (("fast",), "fast", True),
        (("fast",), "faster", False),
        (("fast",), "FAST", False),
        (("gpt-*",), "gpt-6", True),
        (("gpt-*",), "xgpt-6", False),
        (("openai/*", "fast"), "openai/gpt", True),
        (("gpt-[56]",), "gpt-6", True),
        (("gpt-?",), "gpt-66", False),
        ((), "fast", False),
        (("fast",), "fast\n", False),
        (("*a",), "x\na", True),
        (("gpt-*",), "gpt-" + "x" * NAME_LIMIT, False),
    ],
)
def test_globs(globs: tuple[str, ...], model: str, allowed: bool) -> None:
    found = directory()
    assert found.allows(key(*globs), model) is allowed
    assert found.allows(key(*globs), model) is allowed


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "_CACHE", 50)
    found = directory()
    for index in range(500):
        found.resolve(f"m{index}")
        found.allows(key("m*"), f"m{index}")
    assert len(found._targets) <= 50
    assert len(found._allowed) <= 50
    assert found.resolve("fast") is not None


def test_entries_are_what_the_key_may_use() -> None:
    assert [entry.id for entry in directory().entries(key("*"))] == ["fast", "openai/own", "gpt-6", "local/tiny"]
    assert [entry.id for entry in directory().entries(key("f*", "gpt-6"))] == ["fast", "gpt-6"]
    assert directory().entries(key()) == []


@pytest.mark.parametrize("asked", ["secret", "secre", "fastt", "x" * 300, "zzzzz"])
def test_unknown_and_forbidden_read_alike(asked: str) -> None:
    with_it = directory({"fast": target("local", "small"), asked: target("local", "hidden")})
    without = directory({"fast": target("local", "small")})
    for principal in (key("fast"), key()):
        assert not with_it.allows(principal, asked)
        one, other = with_it.not_found(principal, asked), without.not_found(principal, asked)
        assert (one.message, one.code, one.param, one.status) == (other.message, other.code, other.param, other.status)


def test_close_names_are_only_those_the_key_may_use() -> None:
    models = {"secret-one": target("local", "a"), "open-one": target("local", "b")}
    message = directory(models).not_found(key("open-*"), "secret-on").message
    assert "secret-one" not in message
    assert "open-one" in directory(models).not_found(key("open-*"), "open-on").message


def test_long_names_are_shown_short() -> None:
    assert len(directory().not_found(key("*"), "x" * 100_000).message) < 500


@pytest.mark.parametrize(
    ("models", "transparent"),
    [
        ({"*": target("openai", "*")}, True),
        ({"*": target("openai", "one")}, False),
        ({"*": target("openai", "*"), "fast": target("local", "small")}, False),
        ({}, False),
    ],
)
def test_transparent(models: dict[str, Target], transparent: bool) -> None:
    assert directory(models).transparent is transparent


def test_passthrough() -> None:
    assert directory().passthrough() is None
    found = directory(passthrough="local").passthrough()
    assert found is not None
    assert (found.provider, found.model) == ("local", "")
