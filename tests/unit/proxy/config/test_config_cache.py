"""What is refused about the cache when the configuration is loaded, each with its path and a way out."""

from pathlib import Path

import pytest

from proxy.config import ConfigError, Loaded, load
from proxy.config.checks_policy import caches, effective_state

BASE = """
auth: {mode: open}
providers: {a: {use: openai, api_key: "${A}"}}
"""
KEYS = """
keys: [{name: k, key: "${A}"}]
providers: {a: {use: openai, api_key: "${A}"}}
"""


def loaded(text: str, folder: Path, *, base: str = BASE) -> Loaded:
    file = folder / "tollway.yaml"
    file.write_text(base + text)
    return load(str(file), {"A": "sk-a-of-some-length"})


def problems(text: str, folder: Path, *, base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text, folder, base=base)
    return [f"{problem.path}: {problem}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("cache: {exact: {ttl: 0s}}", "cache.exact.ttl", "must be at least"),
        ("cache: {exact: {ttl: -1h}}", "cache.exact.ttl", ""),
        ("cache: {exact: {ttl: 9999d}}", "cache.exact.ttl", ""),
        ("cache: {exact: {ttl: 2d}}", "cache.exact.ttl", "longer than cache.exact.max_ttl"),
        ("cache: {exact: {max_temperature: 3}}", "cache.exact.max_temperature", "at most 2"),
        ("cache: {exact: {ignore: [user, messages]}}", "cache.exact.ignore[1]", "the same answer"),
        ("cache: {exact: {headers: ['x y']}}", "cache.exact.headers[0]", "no name of a header"),
        ("cache: {exact: {max_entry: 2MiB}, max_bytes: 1MiB}", "cache.exact.max_entry", "nothing would fit"),
        ("cache: {exact: {tlt: 1h}}", "cache.exact.tlt", 'did you mean "ttl"?'),
        ("cache: {store: state}", "cache.store", "no shared state"),
        ("cache: {groups: {g: [x]}}", "cache.groups", "no accounts with auth.mode: open"),
        ("cache: {semantic: {enabled: true, threshold: 0.2}}", "cache.semantic.threshold", "at least 0.5"),
        ("cache: {semantic: {enabled: true, threshold: 92}}", "cache.semantic.threshold", "at most 1"),
        ("cache: {semantic: {enabled: true, threshold: .nan}}", "cache.semantic.threshold", ""),
        ("cache: {semantic: {max_false_hits: 0}}", "cache.semantic.max_false_hits", ""),
        ("cache: {semantic: {enabled: true, embedder: nobody}}", "cache.semantic.embedder", "unknown model"),
        ("cache: {semantic: {enabled: true, index: state}}", "cache.semantic.index", "no shared state"),
        ("cache: {semantic: {enabled: true, index: pgvector}}", "cache.semantic.index", "storage.type: postgres"),
        (
            "cache: {semantic: {enabled: true, max_entries: 1000, max_total: 10}}",
            "cache.semantic.max_entries",
            "more than cache.semantic.max_total",
        ),
        (
            "cache: {semantic: {enabled: true, record: /no/such/folder/pairs.jsonl}}",
            "cache.semantic.record",
            "does not exist",
        ),
        (
            "cache: {exact: {enabled: false}, semantic: {enabled: true}}",
            "cache.semantic.enabled",
            "cache.exact.enabled: false turns off",
        ),
        (
            "models: {x: {targets: [{provider: a}], cache: {threshold: 0.8}}}",
            "models.x.cache.threshold",
            "is below cache.semantic.threshold (0.92)",
        ),
        (
            "models: {x: {targets: [{provider: a}], cache: {ttl: 2d}}}",
            "models.x.cache.ttl",
            "longer than cache.exact.max_ttl",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(text: str, path: str, words: str, tmp_path: Path) -> None:
    found = problems(text, tmp_path)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}: ")
    assert words in found[0]


def test_an_account_shares_with_one_group(tmp_path: Path) -> None:
    found = problems("cache: {groups: {one: [x, y], two: [z, x]}}", tmp_path, base=KEYS)
    assert len(found) == 1
    assert found[0].startswith("cache.groups.two[1]: ")
    assert "in the group 'one' already" in found[0]


def test_forwarded_credentials_cannot_pay_for_embeddings(tmp_path: Path) -> None:
    base = 'auth: {mode: forward}\nproviders: {a: {use: openai, base_url: "http://127.0.0.1:1"}}\n'
    found = problems("cache: {semantic: {enabled: true, embedder: a/e}}", tmp_path, base=base)
    assert any("use embedder: local" in problem for problem in found), found


def test_the_contracts_own_example_turns_the_exact_cache_on(tmp_path: Path) -> None:
    config = loaded("cache: {exact: {ttl: 1h}, semantic: {enabled: false}}", tmp_path).config
    assert config.cache.exact is not None
    assert config.cache.exact.ttl == 3600
    assert not config.cache.semantic.enabled
    assert caches(config)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cache: {}",
        "cache: {exact: {enabled: false}}",
        "models: {x: {targets: [{provider: a}], cache: {exact: false}}}",
    ],
)
def test_nothing_is_cached_unless_somebody_says_so(text: str, tmp_path: Path) -> None:
    assert not caches(loaded(text, tmp_path).config)


@pytest.mark.parametrize(
    "text",
    [
        "models: {x: {targets: [{provider: a}], cache: {exact: true}}}",
        "cache: {semantic: {enabled: true}}",
        "models: {x: {targets: [{provider: a}], cache: {semantic: true}}}",
    ],
)
def test_a_model_alone_can_turn_it_on(text: str, tmp_path: Path) -> None:
    assert caches(loaded(text, tmp_path).config)


def test_workers_share_what_they_cache(tmp_path: Path) -> None:
    assert effective_state(loaded("server: {workers: 2}\ncache: {exact: {}}", tmp_path).config) == "embedded"
    assert (
        effective_state(loaded("server: {workers: 2}\ncache: {exact: {}, store: memory}", tmp_path).config) == "memory"
    )
    assert effective_state(loaded("cache: {exact: {}}", tmp_path).config) == "memory"


def test_a_low_threshold_is_warned_of(tmp_path: Path) -> None:
    warnings = loaded("cache: {semantic: {enabled: true, threshold: 0.6}}", tmp_path).warnings
    assert any("cache.semantic.threshold" in each and "calibrate" in each for each in warnings)


def test_an_empty_section_is_warned_of(tmp_path: Path) -> None:
    loading = loaded("cache:\n  exact:\n", tmp_path)
    assert not caches(loading.config)
    assert any("write `exact: {}`" in each for each in loading.warnings), loading.warnings


def test_where_keys_are_stored_they_may_turn_it_on_for_themselves(tmp_path: Path) -> None:
    stored = f"storage: {{type: sqlite, path: {tmp_path}/t.db}}\n"
    assert caches(loaded(stored + "cache: {exact: {enabled: false}}", tmp_path).config)
    assert not caches(loaded(stored, tmp_path).config)


def test_a_member_of_a_group_that_nobody_is_is_warned_of(tmp_path: Path) -> None:
    groups = "cache: {exact: {}, groups: {g: [k, nobody]}}\n"
    warnings = loaded(groups, tmp_path, base=KEYS).warnings
    assert [each for each in warnings if "cache.groups.g[1]" in each and "shares nothing" in each]
    assert not [each for each in warnings if "cache.groups.g[0]" in each]
    stored = f"storage: {{type: sqlite, path: {tmp_path}/t.db}}\n"
    warnings = loaded(stored + groups.replace("[k,", "[acc_1,"), tmp_path, base=KEYS).warnings
    assert [each for each in warnings if "cache.groups" in each] == [
        "cache.groups.g[1]: 'nobody' is no account of this file; those of the database go by their id, acc_…"
    ]


def test_an_embedder_of_two_models_is_warned_of(tmp_path: Path) -> None:
    text = "models: {{e: {{targets: [{{provider: a, model: one}}, {{provider: b, model: {}}}]}}}}\n"
    base = BASE.replace('"${A}"}}', '"${A}"}, b: {use: openai, api_key: "${A}"}}')
    semantic = "cache: {semantic: {enabled: true, embedder: e}}\n"
    told = [each for each in loaded(text.format("two") + semantic, tmp_path, base=base).warnings if "embedder" in each]
    assert len(told) == 1
    assert "different models" in told[0]
    same = loaded(text.format("one") + semantic, tmp_path, base=base).warnings
    assert not [each for each in same if "embedder" in each]
