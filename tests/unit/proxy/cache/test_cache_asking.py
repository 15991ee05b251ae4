"""Who turns the cache on and off, and what a request's own headers may narrow."""

import time
from typing import Any

import pytest
from msgspec import structs

from proxy.cache.asking import CacheRules, answers
from proxy.cache.directives import Directives, read_directives
from proxy.context import RequestContext
from proxy.errors import InvalidRequest
from proxy.policy.caching import Cache, ExactCache, KeyCache, ModelCache, SemanticCache
from proxy.wire.endpoints import SURFACE
from tests.unit.proxy.cache.asked import APP, ON, asked, planned

BOTH = Cache(exact=ExactCache(), semantic=SemanticCache(enabled=True))


def wanted(ctx: RequestContext, settings: Cache = ON) -> Any:
    return CacheRules(settings=settings).wanted(ctx)


def with_headers(**headers: str) -> RequestContext:
    """``x_tollway_cache="off"`` and the like."""
    return asked(
        headers=[(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    )


def test_operations_that_answer() -> None:
    found = {path for _, path, endpoint in SURFACE if answers(endpoint, path)}
    assert found == {"/chat/completions", "/completions", "/responses", "/messages", "/embeddings"}


ONS = [
    # (settings, model, key) → status, reason, semantic
    (Cache(), {}, {}, "disabled", "not_enabled", False),
    (Cache(exact=ExactCache(enabled=False)), {}, {}, "disabled", "not_enabled", False),
    (Cache(semantic=SemanticCache(enabled=True)), {}, {}, "disabled", "not_enabled", False),
    (ON, {}, {}, "miss", "", False),
    (Cache(), {"exact": True}, {}, "miss", "", False),
    (Cache(), {}, {"exact": True}, "miss", "", False),
    (ON, {"exact": False}, {"exact": True}, "disabled", "model_off", False),
    (ON, {"exact": True}, {"exact": False}, "disabled", "key_off", False),
    (BOTH, {}, {}, "miss", "", True),
    (ON, {"semantic": True}, {}, "miss", "", True),
    (Cache(), {"semantic": True}, {}, "miss", "", True),
    (Cache(), {}, {"semantic": True}, "miss", "", True),
    (BOTH, {"semantic": False}, {"semantic": True}, "miss", "", False),
    (BOTH, {"semantic": True}, {"semantic": False}, "miss", "", False),
    (BOTH, {"semantic": True, "exact": False}, {}, "disabled", "model_off", False),
]


@pytest.mark.parametrize(("settings", "model", "key", "status", "reason", "semantic"), ONS)
def test_off_wins_then_anyone_turns_it_on(
    settings: Cache, model: dict[str, Any], key: dict[str, Any], status: str, reason: str, semantic: bool
) -> None:
    principal = structs.replace(APP, cache=KeyCache(**key))
    found = wanted(asked(plan=planned(cache=ModelCache(**model)), principal=principal), settings)
    assert (found.status, found.reason, found.semantic) == (status, reason, semantic)
    assert found.exact is (status == "miss")


def test_a_model_has_values_of_its_own() -> None:
    exact = ExactCache(ttl=60, max_ttl=600, tools=True, max_temperature=0.5)
    settings = Cache(exact=exact, semantic=SemanticCache(threshold=0.9))
    usual = wanted(asked(), settings)
    assert (usual.ttl, usual.tools, usual.max_temperature, usual.threshold) == (60, True, 0.5, 0.9)
    own = ModelCache(ttl=7200, tools=False, max_temperature=0.0, threshold=0.95)
    found = wanted(asked(plan=planned(cache=own)), settings)
    assert (found.ttl, found.tools, found.max_temperature, found.threshold) == (600, False, 0.0, 0.95)
    assert wanted(asked(plan=planned(cache=ModelCache(threshold=0.6))), settings).threshold == 0.9


def test_a_plain_request_is_worked_out_once_for_its_model_and_key() -> None:
    rules, plan = CacheRules(settings=ON), planned()
    first = rules.wanted(asked(plan=plan))
    assert rules.wanted(asked(plan=plan)) is first
    other = rules.wanted(asked(plan=planned(cache=ModelCache(ttl=5))))
    assert other.ttl == 5
    for _ in range(5000):
        rules.wanted(asked(plan=planned(cache=ModelCache(ttl=9))))
    assert len(rules._kept) <= 2048


MODES = [
    ({"x_tollway_cache": "off"}, "bypass", "off"),
    ({"x_tollway_cache": " OFF "}, "bypass", "off"),
    ({"x_tollway_cache": "refresh"}, "refresh", "asked"),
    ({"x_tollway_cache": "exact"}, "miss", ""),
    ({"x_tollway_cache": "semantic"}, "miss", ""),
    ({"cache_control": "no-store"}, "bypass", "no_store"),
    ({"cache_control": "no-cache"}, "refresh", "no_cache"),
    ({"cache_control": "max-age=0"}, "refresh", "max_age"),
    ({"cache_control": "max-age=30"}, "miss", ""),
    ({"cache_control": "no-cache, no-store"}, "bypass", "no_store"),
    ({"x_tollway_cache": "off", "cache_control": "no-cache"}, "bypass", "off"),
    ({"x_tollway_cache": "exact", "cache_control": "no-store"}, "bypass", "no_store"),
]


@pytest.mark.parametrize(("headers", "status", "reason"), MODES)
def test_headers_narrow(headers: dict[str, str], status: str, reason: str) -> None:
    found = wanted(with_headers(**headers), BOTH)
    assert (found.status, found.reason) == (status, reason)
    assert found.semantic is (headers.get("x_tollway_cache") != "exact")


@pytest.mark.parametrize(
    "headers", [{"x_tollway_cache": "semantic"}, {"x_tollway_cache": "exact"}, {"x_tollway_cache_ttl": "5"}]
)
def test_headers_turn_nothing_on(headers: dict[str, str]) -> None:
    assert wanted(with_headers(**headers), ON).semantic is False
    assert wanted(with_headers(**headers), Cache()).status == "disabled"


TTLS = [
    ("1", 1),
    ("600", 600),
    ("90s", 90),
    ("10m", 600),
    ("1H", 3600),
    ("1d", 86_400),
    ("2 d", 86_400),
    ("9" * 20, 86_400),
    ("9" * 20 + "d", 86_400),
]


@pytest.mark.parametrize(("value", "seconds"), TTLS)
def test_a_ttl_up_to_the_longest(value: str, seconds: float) -> None:
    assert wanted(with_headers(x_tollway_cache_ttl=value)).ttl == seconds


def test_namespace_and_tags() -> None:
    found = wanted(with_headers(x_tollway_cache_namespace="blue team", x_tollway_tags=" a, b c ,a,d"))
    assert (found.namespace, found.tags) == ("blue team", ("a", "b c", "d"))
    assert wanted(with_headers(x_tollway_tags=",".join(f"{at:064}" for at in range(16)))).tags[15] == f"{15:064}"


BAD = [
    ("cache", "on"), ("cache", ""), ("cache", "off,refresh"), ("cache", "true"),
    ("cache-ttl", ""), ("cache-ttl", "0"), ("cache-ttl", "-1"), ("cache-ttl", "1.5"), ("cache-ttl", "1w"), ("cache-ttl", "nan"),
    ("cache-ttl", "1e9"), ("cache-ttl", "9" * 21), ("cache-ttl", "0d"), ("cache-ttl", "\xb2"),
    ("cache-namespace", ""), ("cache-namespace", "x" * 65), ("cache-namespace", "caf\xe9"), ("cache-namespace", "a\tb"),
    ("tags", ""), ("tags", "a,,b"), ("tags", "a,"), ("tags", "x" * 65), ("tags", ",".join(map(str, range(17)))), ("tags", "\xe9"),
]  # fmt: skip


@pytest.mark.parametrize(("control", "value"), BAD)
@pytest.mark.parametrize("settings", [ON, Cache()])
def test_what_cannot_be_read_is_refused_with_the_fix(control: str, value: str, settings: Cache) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wanted(asked(headers=[(f"x-tollway-{control}".encode(), value.encode("latin-1"))]), settings)
    assert caught.value.param == f"x-tollway-{control}"
    assert caught.value.code == "invalid_header"
    assert "write " in caught.value.message
    assert "leave the header out" in caught.value.message


def test_a_key_decides_what_is_heeded() -> None:
    headers = [
        (b"x-tollway-cache", b"off"), (b"x-tollway-cache-ttl", b"nonsense"), (b"x-tollway-cache-namespace", b"n"),
        (b"x-tollway-tags", b"t"), (b"cache-control", b"no-cache"),
    ]  # fmt: skip
    ctx = asked(principal=structs.replace(APP, controls=("tags", "timeout-ms")), headers=headers)
    found = wanted(ctx)
    assert (found.status, found.ttl, found.namespace, found.tags) == ("miss", 3600, "", ("t",))
    assert ctx.response_headers == [
        (
            b"x-tollway-warning",
            b"ignored: cache-control (not permitted to this key), x-tollway-cache (not permitted to this key), "
            b"x-tollway-cache-ttl (not permitted to this key), x-tollway-cache-namespace (not permitted to this key)",
        )
    ]


def test_no_store_is_heeded_from_any_key() -> None:
    ctx = asked(principal=structs.replace(APP, controls=()), headers=[(b"cache-control", b"no-store")])
    assert wanted(ctx).status == "bypass"
    assert ctx.response_headers == []


def test_every_line_of_cache_control_counts() -> None:
    lines = [(b"cache-control", b"no-store"), (b"cache-control", b"max-age=5")]
    for headers in (lines, lines[::-1]):
        found = wanted(asked(headers=headers))
        assert (found.status, found.max_age) == ("bypass", 5)


DIRECTIVES = [
    ("", Directives()),
    ("no-store", Directives(no_store=True)),
    ("NO-STORE,No-Cache", Directives(no_store=True, no_cache=True)),
    (" max-age = 30 ", Directives(max_age=30)),
    ('max-age="30"', Directives(max_age=30)),
    ("max-age=30, max-age=10", Directives(max_age=10)),
    ("Max-Age=60;no-cache", Directives(no_cache=True, max_age=60)),
    ("max-age=99999999999999999999999999", Directives(max_age=2.0**31)),
    ("max-age=9999999999", Directives(max_age=2.0**31)),
    ("max-age=-1", Directives(max_age=0)),
    ("max-age=soon", Directives(max_age=0)),
    ("max-age", Directives(max_age=0)),
    ("max-age=", Directives(max_age=0)),
    ("max-age=1.5", Directives(max_age=0)),
    ("max-age=\xb2", Directives(max_age=0)),
    ("max-stale=5, only-if-cached, min-fresh=3, x=y, ,, =", Directives()),
    ('x="a, no-store", no-cache="b, max-age=3"', Directives(no_cache=True)),
    ('x="a \\", no-store", no-cache', Directives(no_cache=True)),
    ('"no-store"', Directives()),
    ('x="no-store', Directives()),
    ("x-no-store, no-store-x", Directives()),
]


@pytest.mark.parametrize(("value", "found"), DIRECTIVES)
def test_directives_are_read_loosely(value: str, found: Directives) -> None:
    assert read_directives(value) == found


def test_hostile_directives_take_no_time() -> None:
    began = time.perf_counter()
    for value in (
        '"' + "\\" * 60_000,
        "max-age=" * 8000,
        "=" * 60_000,
        'a="' * 20_000,
        "a" + " " * 60_000,
        "a " * 30_000,
    ):
        read_directives(value)
    assert time.perf_counter() - began < 2, "what backtracks takes minutes"


def repeated(*lines: tuple[str, str]) -> RequestContext:
    return asked(headers=[(name.encode(), value.encode()) for name, value in lines])


def test_tags_may_stand_on_several_lines() -> None:
    assert wanted(repeated(("x-tollway-tags", "a, b"), ("x-tollway-tags", "c"))).tags == ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x-tollway-cache", ("off", "exact")),
        ("x-tollway-cache", ("exact", "off")),
        ("x-tollway-cache-ttl", ("10", "20")),
        ("x-tollway-cache-namespace", ("a", "b")),
    ],
)
def test_what_is_said_twice_and_differently_is_refused(name: str, values: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest) as raised:
        wanted(repeated(*((name, value) for value in values)))
    assert "2 times with different values: send it once" in raised.value.message
    assert wanted(repeated((name, values[0]), (name, values[0]))) == wanted(repeated((name, values[0])))
