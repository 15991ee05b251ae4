"""Names: what they lead to, who may use them, and that refusals tell nothing."""

from datetime import date

import pytest

from proxy.context import Limits, Principal, Target
from proxy.policy.routes import Retry
from proxy.policy.targets import TOOLS, Candidate, Facts, Route
from proxy.protocols import ModelEntry, Standing
from proxy.routing import directory as directory_module
from proxy.routing.directory import NAME_LIMIT, Directory

LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def target(provider: str, model: str) -> Target:
    return Target(provider=provider, model=model, limits=LIMITS)


def route(name: str, *targets: Target) -> Route:
    return Route(label=name, candidates=tuple(Candidate(target=each, model=name) for each in targets))


def routes(models: dict[str, Target]) -> dict[str, Route]:
    return {name: route(name, each) for name, each in models.items()}


PROVIDERS = {"openai": target("openai", "*"), "local": target("local", "*")}
CATALOGUE = [ModelEntry("gpt-6", "openai"), ModelEntry("local/tiny", "local")]


def directory(models: dict[str, Target] | None = None, *, passthrough: str | None = None) -> Directory:
    usual = {"fast": target("local", "small"), "openai/own": target("local", "mine"), "*": target("openai", "*")}
    return Directory(
        models=routes(usual if models is None else models),
        providers=PROVIDERS,
        catalogued=CATALOGUE,
        passthrough=passthrough,
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
        found.candidate(target("openai", f"m{index}"))
    assert len(found._routes) <= 50
    assert len(found._others) <= 50
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


GONE = Standing("retired", 1, date(2025, 7, 28), "new")
OLD = Standing("deprecated", 1, date(2027, 1, 14), "new")
STANDINGS = {"gone": GONE, "older": GONE, "old": OLD, "early": Standing("preview")}
ALL = {name: target("openai", name) for name in ("gone", "older", "old", "early", "new")}


def standing(given: Target) -> Standing | None:
    return STANDINGS.get(given.model)


def with_lives(**successors: str) -> Directory:
    return Directory(
        models=routes(ALL),
        providers=PROVIDERS,
        catalogued=[ModelEntry("openai/gone", "openai"), ModelEntry("openai/new", "openai")],
        passthrough=None,
        successors=successors,
        standing=standing,
        about=lambda given: {"context": len(given.model)},
    )


def test_bare_names_come_before_prefixes_and_after_models() -> None:
    bare = {
        "gpt-6": target("openai", "gpt-6"),
        "local/x": target("openai", "local/x"),
        "fast": target("openai", "fast"),
    }
    found = Directory(
        models=routes({"fast": target("local", "small")}),
        providers=PROVIDERS,
        catalogued=(),
        passthrough=None,
        bare=bare,
    )
    for name, route, provider, sent in (
        ("gpt-6", "openai/*", "openai", "gpt-6"),
        ("local/x", "openai/*", "openai", "local/x"),
        ("fast", "fast", "local", "small"),
        ("local/y", "local/*", "local", "y"),
    ):
        resolved = found.resolve(name)
        assert resolved is not None
        assert (resolved[0], resolved[1].provider, resolved[1].model) == (route, provider, sent)
    assert found.resolve("gpt-7") is None


def test_retired_models_are_listed_only_with_a_successor() -> None:
    assert [entry.id for entry in with_lives().entries(key("*"))] == ["old", "early", "new", "openai/new"]
    listed = [entry.id for entry in with_lives(gone="new").entries(key("*"))]
    assert listed == ["gone", "old", "early", "new", "openai/gone", "openai/new"]


def test_keys_for_stable_models_see_only_those() -> None:
    careful = Principal(name="app", tenant="app", models=("*",), stable_only=True)
    assert [entry.id for entry in with_lives(gone="new").entries(careful)] == ["new", "openai/new"]


def test_entries_say_what_is_known() -> None:
    assert [entry.about for entry in with_lives().entries(key("new"))] == [{"context": 3}]


@pytest.mark.parametrize(
    ("successors", "found"),
    [
        ({}, None),
        ({"gone": "new"}, "new"),
        ({"gone": "older", "older": "new"}, "new"),
        ({"gone": "older"}, None),
        ({"gone": "older", "older": "gone"}, None),
        ({"gone": "nobody"}, None),
        ({"gone": "openai/other"}, "openai/other"),
        ({"gone": "old"}, "old"),
    ],
)
def test_successors(successors: dict[str, str], found: str | None) -> None:
    instead = with_lives(**successors).successor("gone", target("openai", "gone"))
    assert (instead[0] if instead is not None else None) == found
    by_target = with_lives(**successors).successor("alias", target("openai", "gone"))
    assert by_target == instead


def test_a_retired_model_is_told_with_date_and_successor() -> None:
    error = with_lives().retired("gone", GONE)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "2025-07-28" in error.message
    assert "`new`" in error.message
    assert "None" not in with_lives().retired("gone", Standing("retired")).message


def test_a_list_in_another_shape_is_not_passed() -> None:
    everything = {"*": target("openai", "*")}
    kept = Directory(models=routes(everything), providers=PROVIDERS, catalogued=(), passthrough=None, lists=False)
    assert not kept.transparent


# ---- several targets ------------------------------------------------------------------------------------------------

POOL = route("pool", target("openai", "gone"), target("local", "*"), target("openai", "old"))


def with_pool(**more: object) -> Directory:
    return Directory(
        models={"pool": POOL, "*": route("*", target("openai", "*"), target("local", "*"))},
        providers=PROVIDERS,
        catalogued=(),
        passthrough="openai",
        standing=standing,
        **more,  # type: ignore[arg-type]
    )


def test_every_target_of_a_route_is_there_in_its_order() -> None:
    found = with_pool().route("pool")
    assert found is not None
    assert [each.place for each in found.candidates] == ["openai/gone", "local/pool", "openai/old"]
    assert {each.model for each in found.candidates} == {"pool"}
    resolved = with_pool().resolve("pool")
    assert resolved == ("pool", POOL.candidates[0].target)


def test_names_behind_a_wildcard_have_routes_of_their_own() -> None:
    found = with_pool().route("gpt-9")
    assert found is not None
    assert found.label == "*"
    assert [(each.place, each.model) for each in found.candidates] == [
        ("openai/gpt-9", "gpt-9"),
        ("local/gpt-9", "gpt-9"),
    ]


def test_a_route_is_the_same_object_until_the_day_changes() -> None:
    days = [1]
    found = with_pool(today=lambda: days[0], facts=lambda each: Facts(context=days[0]))
    first = found.route("pool")
    assert found.route("pool") is first
    assert first is not None
    days[0] = 2
    second = found.route("pool")
    assert second is not None
    assert second is not first
    assert (first.candidates[0].facts.context, second.candidates[0].facts.context) == (1, 2)


def test_facts_are_filled_in_and_a_region_of_its_own_stays() -> None:
    own = Candidate(target=target("openai", "m"), model="pool", facts=Facts(region="eu"))
    found = Directory(
        models={"pool": Route(label="pool", candidates=(own, Candidate(target=target("local", "m"), model="pool")))},
        providers=PROVIDERS,
        catalogued=(),
        passthrough=None,
        facts=lambda each: Facts(lacks=TOOLS, region="us"),
    ).route("pool")
    assert found is not None
    assert [each.facts for each in found.candidates] == [
        Facts(lacks=TOOLS, region="eu"),
        Facts(lacks=TOOLS, region="us"),
    ]


def test_routes_that_nobody_configured_retry_as_is_usual() -> None:
    found = with_pool(retry=Retry(attempts=7)).route("local/x")
    assert found is not None
    assert (found.label, found.retry.attempts) == ("local/*", 7)


def test_a_target_that_no_route_names() -> None:
    found = with_pool(facts=lambda each: Facts(context=8))
    asked = target("local", "x")
    candidate = found.candidate(asked)
    assert (candidate.place, candidate.model, candidate.facts.context) == ("local/x", "x", 8)
    assert found.candidate(asked) is candidate
    other = Target(provider="local", model="x", limits=Limits(connect=9.0, first_byte=None, idle=1.0, total=1.0))
    assert found.candidate(other).target.limits.connect == 9.0


def test_a_model_is_listed_while_one_of_its_targets_lives() -> None:
    assert [entry.id for entry in with_pool().entries(key("pool"))] == ["pool"]
    careful = Principal(name="app", tenant="app", models=("*",), stable_only=True)
    assert [entry.id for entry in with_pool().entries(careful)] == ["pool"]
    gone = Directory(
        models={"pool": route("pool", target("openai", "gone"), target("openai", "older"))},
        providers=PROVIDERS,
        catalogued=(),
        passthrough=None,
        standing=standing,
    )
    assert gone.entries(key("*")) == []


def test_a_successor_is_its_first_living_target() -> None:
    found = with_pool(successors={"lost": "pool"}).successor("lost", target("openai", "lost"))
    assert found is not None
    assert (found[0], found[1], found[2].provider) == ("pool", "pool", "local")


def test_several_providers_behind_the_wildcard_are_not_transparent() -> None:
    many = {"*": route("*", target("openai", "*"), target("local", "*"))}
    assert not Directory(models=many, providers=PROVIDERS, catalogued=(), passthrough=None).transparent
