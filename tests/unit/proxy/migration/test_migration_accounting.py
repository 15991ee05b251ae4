"""Nothing is dropped in silence: every key of a file is carried over, and then it counts, or it is in the report."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import ConfigError, load
from proxy.config.document import Node, plain
from proxy.config.load import read
from proxy.config.problems import Path as Keys
from proxy.migration import Migration, migrate
from proxy.migration.reasons import reason_of

CORPUS = sorted((Path(__file__).parents[3] / "e2e/migrate/configs").glob("*.yaml"))


def migrated(root: Node, file: Path = CORPUS[0]) -> Migration:
    return migrate(root, file=file, read=read)


def of(file: Path) -> Migration:
    return migrated(read(file), file)


def replaced(node: Node, path: Keys, value: object) -> Node:
    """The tree with one leaf changed."""
    if not path:
        assert value is None or isinstance(value, str | int | float | bool)
        return Node(value, node.origin, node.line)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        assert isinstance(node.value, list)
        items = [replaced(item, rest, value) if index == step else item for index, item in enumerate(node.value)]
        return Node(items, node.origin, node.line)
    assert isinstance(node.value, dict)
    children = {name: replaced(child, rest, value) if name == step else child for name, child in node.value.items()}
    return Node(children, node.origin, node.line)


def others(value: object) -> Iterator[object]:
    """Values that mean something else."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        yield value * 2 + 0.25
        yield 0
    else:
        yield f"{value}x"
        yield f"os.environ/OTHER_{len(str(value))}"


def said(found: Migration) -> str:
    """Everything that comes out."""
    return found.text("config.yaml") + "\n".join(map(str, found.findings))


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 7


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_every_leaf_is_carried_over_or_reported(file: Path) -> None:
    found = of(file)
    leaves = list(found.source.leaves())
    told = [finding.path for finding in found.findings]
    assert leaves
    for path in leaves:
        reported = any(path[: len(one)] == one for one in told)
        assert found.source.kept(path) or reported, path
    for finding in found.findings:
        assert finding.line is not None
        assert finding.why.endswith(".")


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_what_counts_as_carried_over_changes_what_comes_out(file: Path) -> None:
    """A key that was taken and then forgotten would leave the output as it is, whatever its value."""
    found = of(file)
    reported = [finding.path for finding in found.findings]
    idle = []
    for path in list(found.source.leaves()):
        if any(path[: len(one)] == one for one in reported):
            continue
        node = found.source.node(path)
        assert node is not None
        changed = (migrated(replaced(found.source.root, path, value)) for value in others(node.value))
        if all(said(other) == said(found) for other in changed):
            idle.append(path)
    assert idle == []


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_the_written_file_is_what_the_loader_makes_of_the_old_one(file: Path, tmp_path: Path) -> None:
    found = of(file)
    out = tmp_path / "tollway.yaml"
    out.write_text(found.text(file.name))
    environ = {name: f"sk-{name}" for name in re.findall(r"\$\{(\w+)\}", out.read_text())}
    assert load(str(out), environ).config == load(str(file), environ).config
    assert of(file).text(file.name) == out.read_text()


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_no_secret_is_in_the_report_and_no_variable_is_resolved(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set(re.findall(r"os\.environ/(\w+)", file.read_text()))
    for name in names:
        monkeypatch.setenv(name, f"canary-{name}")
    found = of(file)
    assert "canary-" not in said(found)
    assert "sk-plain" not in "\n".join(map(str, found.findings))


# ---- files that nobody wrote ----------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "model_name", "litellm_params", "model", "api_key", "api_base", "rpm", "tpm", "weight", "order", "timeout", "type",
        "model_info", "base_model", "fallbacks", "default_fallbacks", "context_window_fallbacks", "model_group_alias",
        "num_retries", "routing_strategy", "allowed_fails", "cooldown_time", "cache", "cache_params", "ttl", "host", "a", "b",
        "master_key", "database_url", "max_budget", "budget_duration", "redis_host", "callbacks", "include2", "extra_headers",
        "input_cost_per_token", "vertex_credentials", "api_version", "similarity_threshold", "max_request_size_mb",
    ]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.floats(-1, 1e7, allow_nan=False),
    st.sampled_from(
        ["openai/gpt-4o", "azure/x", "a", "b", "*", "openai/*", "os.environ/A", "redis", "simple-shuffle", "", "${x"]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["a", "b", "*", "openai/*", "claude-*"]),
        "litellm_params": st.fixed_dictionaries(
            {
                "model": st.sampled_from(
                    ["openai/gpt-4o", "azure/x", "openai/*", "bedrock/eu-west-1/y", "nobody/z", "claude-x"]
                )
            },
            optional=dict.fromkeys(
                ("api_key", "api_base", "rpm", "weight", "order", "timeout", "api_version", "num_retries"), SCALARS
            ),
        ),
    },
    optional={"model_info": TREES, "a": TREES},
)
FILES = st.fixed_dictionaries(
    {"model_list": st.one_of(st.lists(ENTRIES, max_size=4), TREES)},
    optional=dict.fromkeys(
        ("router_settings", "litellm_settings", "general_settings", "environment_variables", "credential_list", "b"),
        TREES,
    ),
)


@settings(max_examples=150, deadline=None)
@given(FILES)
def test_any_file_is_accounted_for(tree: dict[str, object]) -> None:
    root = plain(tree, origin="config.yaml")
    found = migrated(root)
    told = [finding.path for finding in found.findings]
    for path in found.source.leaves():
        assert found.source.kept(path) or any(path[: len(one)] == one for one in told), path
    assert found.text("config.yaml") == migrated(root).text("config.yaml")


@given(st.lists(st.one_of(NAMES, st.integers(0, 3)), min_size=1, max_size=6))
def test_there_is_a_reason_for_every_path(path: list[str | int]) -> None:
    part, kind, why, _ = reason_of(tuple(path))
    assert tuple(path[: len(part)]) == part
    assert part
    assert kind in ("not_carried", "needless")
    assert why.endswith(".")


def test_two_dialects_in_one_file_are_refused() -> None:
    with pytest.raises(ConfigError, match="one dialect"):
        migrated(plain({"model_list": [], "providers": {}}, origin="config.yaml"))
