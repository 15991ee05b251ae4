"""What is refused about routing when the configuration is loaded, each with its path and a way out."""

from pathlib import Path

import pytest

from proxy.config import ConfigError, Loaded, load

BASE = """
auth: {mode: open}
providers: {a: {use: openai, api_key: "${A}"}, b: {use: openai, api_key: "${A}"}}
"""


def loaded(text: str, folder: Path, *, base: str = BASE) -> Loaded:
    file = folder / "tollway.yaml"
    file.write_text(base + text)
    return load(str(file), {"A": "sk-a", "EMPTY": ""})


def problems(text: str, folder: Path, *, base: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(text, folder, base=base)
    return [f"{problem.path}: {problem}" for problem in caught.value.problems]


ONE = "targets: [{provider: a}]"


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (f"models: {{x: {{{ONE}, fallbacks: [x]}}}}", "models.x.fallbacks[0]", "in a circle (x → x)"),
        (
            f"models: {{x: {{{ONE}, fallbacks: [y]}}, y: {{{ONE}, fallbacks: [z]}}, z: {{{ONE}, fallbacks: [y]}}}}",
            "models.z.fallbacks[0]",
            "in a circle (y → z → y)",
        ),
        (
            f"models: {{x: {{{ONE}, fallbacks_for: {{context_length: [y]}}}}, "
            f"y: {{{ONE}, fallbacks_for: {{context_length: [x]}}}}}}",
            "models.y.fallbacks_for.context_length[0]",
            "in a circle (x → y → x)",
        ),
        (
            f"models: {{x: {{{ONE}, fallbacks_for: {{content_policy: [x]}}}}}}",
            "models.x.fallbacks_for.content_policy[0]",
            "in a circle",
        ),
        (f"models: {{large: {{{ONE}}}, x: {{{ONE}, fallbacks: [lagre]}}}}", "models.x.fallbacks[0]", 'mean "large"?'),
        (f"models: {{x: {{{ONE}, fallbacks: [c/x]}}}}", "models.x.fallbacks[0]", 'unknown model "c/x"'),
        (f'models: {{x: {{{ONE}, fallbacks: ["*"]}}, "*": {{{ONE}}}}}', "models.x.fallbacks[0]", 'not "*"'),
        (f"models: {{x: {{{ONE}, shadow: {{model: y, share: 0.1}}}}}}", "models.x.shadow.model", "unknown model"),
        (f"models: {{x: {{{ONE}, shadow: {{model: x, share: 0.1}}}}}}", "models.x.shadow.model", "the model itself"),
        (
            "models: {x: {policy: weighted, targets: [{provider: a, weight: 0}, {provider: b, weight: 0}]}}",
            "models.x.targets",
            "every weight is 0",
        ),
        (f"models: {{x: {{{ONE}, policy: best}}}}", "models.x.policy", "routing.scores"),
        (f"models: {{x: {{{ONE}, policy: balanced}}}}", "models.x.policy", "routing.scores"),
        ("routing: {auto: {policy: best}}", "routing.auto.policy", "routing.scores"),
        ("routing: {scores: /nowhere/scores.json}", "routing.scores", "cannot be read"),
        (f"models: {{x: {{{ONE}, policy: wieghted}}}}", "models.x.policy", 'did you mean "weighted"?'),
        (f"models: {{x: {{{ONE}, policy: random}}}}", "models.x.policy", "must be one of balanced, best"),
        (f"models: {{x: {{{ONE}, continue_streams: true}}}}", "models.x.continue_streams", "half-written"),
        (f"models: {{x: {{{ONE}, policy: sticky, sticky_by: users}}}}", "models.x.sticky_by", 'mean "user"?'),
        (f'models: {{x: {{{ONE}, policy: sticky, sticky_by: "header:"}}}}', "models.x.sticky_by", "header: and the name"),
        ('models: {x: {targets: []}}', "models.x.targets", "at least 1"),
        (f"models: {{x: {{{ONE}, hedge: {{after: 0}}}}}}", "models.x.hedge.after", "more than 0"),
        ("models: {x: {targets: [{provider: a, weight: -1}]}}", "models.x.targets[0].weight", "at least 0"),
    ],
)  # fmt: skip
def test_refused(text: str, path: str, words: str, tmp_path: Path) -> None:
    found = problems(text, tmp_path)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}: ")
    assert words in found[0]
    assert f"{path}: " in found[0].partition(": ")[2], "the path stands in what people read"


@pytest.mark.parametrize(
    ("provider", "path", "words"),
    [
        ('api_key: "${A}", api_keys: [x]', "providers.a.api_keys", "beside api_key"),
        ('api_keys: [" "]', "providers.a.api_keys[0]", "is empty"),
        ("api_keys: [x, y, x]", "providers.a.api_keys[2]", "the same key as api_keys[0]"),
        ('api_keys: [x, "${EMPTY}"]', "providers.a.api_keys[1]", "is empty"),
        ('api_keys: [x, "y\\nz"]', "providers.a.api_keys[1]", "control character"),
    ],
)
def test_keys_of_a_provider(provider: str, path: str, words: str, tmp_path: Path) -> None:
    base = f'auth: {{mode: open}}\nproviders: {{a: {{use: openai, base_url: "http://a", {provider}}}}}\n'
    found = problems("", tmp_path, base=base)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}: ")
    assert words in found[0]
    assert "x, y" not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        f"models: {{x: {{{ONE}, fallbacks: [y, a/z]}}, y: {{{ONE}, fallbacks: [z]}}, z: {{{ONE}}}}}",
        f"models: {{x: {{{ONE}, fallbacks: [y, z]}}, y: {{{ONE}, fallbacks: [z]}}, z: {{{ONE}}}}}",
        f'models: {{x: {{{ONE}, fallbacks: [any-name]}}, "*": {{{ONE}}}}}',
        # Small for the usual, large for long prompts, and back when the large one is down: no circle of one kind.
        f"models: {{s: {{{ONE}, fallbacks_for: {{context_length: [l]}}}}, l: {{{ONE}, fallbacks: [s]}}}}",
        f"models: {{x: {{{ONE}, policy: sticky, sticky_by: header:x-thread}}}}",
        "models: {x: {policy: weighted, targets: [{provider: a, weight: 0}, {provider: b}]}}",
        "models: {x: {targets: [{provider: a, continues: true}], continue_streams: true}}",
        "routing: {auto: {policy: lowest_cost}}",
    ],
)
def test_accepted_without_a_word(text: str, tmp_path: Path) -> None:
    assert [warning for warning in loaded(text, tmp_path).warnings if warning.startswith("models")] == []


def test_policies_by_scores_with_a_file_of_them(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text("{}")
    text = f"models: {{x: {{{ONE}, policy: best}}}}\nrouting: {{scores: {scores}, auto: {{policy: balanced, quality: 0.8}}}}"
    found = loaded(text, tmp_path)
    assert found.contents["routing.scores"]
    assert str(scores) in found.sources, "a change of the file is a change of the configuration"
    assert not [warning for warning in found.warnings if "routing" in warning]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (f"models: {{x: {{{ONE}, hedge: {{after: 1s}}}}}}", "models.x.hedge: has no effect with one target"),
        (
            f"models: {{x: {{{ONE}, slow_stream: {{tokens_per_second: 5}}}}}}",
            "models.x.slow_stream: has no effect with one target",
        ),
        (f"models: {{x: {{{ONE}, sticky_by: key}}}}", "models.x.sticky_by: has no effect without policy: sticky"),
        (
            f"models: {{x: {{{ONE}, fallbacks: [y, y]}}, y: {{{ONE}}}}}",
            "models.x.fallbacks[1]: names 'y' a second time",
        ),
        (
            "models: {x: {targets: [{provider: a, model: m}, {provider: a, model: m, weight: 2}]}}",
            "models.x.targets[1]: is the same place as targets[0]",
        ),
        (
            "models: {x: {targets: [{provider: a, queue: {wait: 1s}}]}}",
            "models.x.targets[0].queue: has no effect without concurrency",
        ),
        ("routing: {auto: {policy: balanced}}", "routing.auto.policy: is the same as priority without routing.scores"),
        ("routing: {auto: {quality: 0.5}}", "routing.auto.quality: has no effect without routing.scores"),
    ],
)
def test_warned(text: str, warned: str, tmp_path: Path) -> None:
    found = [line for line in loaded(text, tmp_path).warnings if line.startswith(("models", "routing"))]
    assert len(found) == 1, found
    assert found[0].startswith(warned)


def test_a_hedge_with_somewhere_to_go_is_not_warned_of(tmp_path: Path) -> None:
    text = f"models: {{x: {{{ONE}, hedge: {{}}, fallbacks: [y]}}, y: {{targets: [{{provider: a}}, {{provider: b}}], hedge: {{}}}}}}"
    assert not [line for line in loaded(text, tmp_path).warnings if line.startswith("models")]


def test_a_long_chain_is_followed_to_its_end(tmp_path: Path) -> None:
    chain = ", ".join(f"m{number}: {{{ONE}, fallbacks: [m{number + 1}]}}" for number in range(2000))
    found = problems(f"models: {{{chain}, m2000: {{{ONE}, fallbacks: [m0]}}}}", tmp_path)
    assert len(found) == 1
    assert found[0].startswith("models.m2000.fallbacks[0]: ")
    assert "(m0 → m1 → m2 → … → m1999 → m2000 → m0)" in found[0]
