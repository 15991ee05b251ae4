"""Text to tree: places kept, every kind of broken text refused with its place and without its content."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.document import MAX_NODES, Node, parse
from proxy.config.problems import ConfigError, Problem

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def value(node: Node) -> object:
    if isinstance(node.value, dict):
        return {name: value(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [value(child) for child in node.value]
    return node.value


def read(text: str, suffix: str = ".yaml") -> object:
    return value(parse(text, name="tollway", suffix=suffix))


def refused(text: str, suffix: str = ".yaml") -> Problem:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="tollway", suffix=suffix)
    (problem,) = caught.value.problems
    assert problem.where == "tollway"
    return problem


def test_scalars_follow_the_core_schema() -> None:
    text = "{a: off, b: no, c: true, d: ~, e: 0x1f, f: 0o17, g: 1e3, h: '1', i: 1:30, j: 2026-11-22, k: 012, l: Null, m: 1_000}"
    assert read(text) == {
        "a": "off",
        "b": "no",
        "c": True,
        "d": None,
        "e": 31,
        "f": 15,
        "g": 1000.0,
        "h": "1",
        "i": "1:30",
        "j": "2026-11-22",
        "k": 12,
        "l": None,
        "m": "1_000",
    }


def test_lines_are_those_of_the_keys() -> None:
    node = parse("a:\n  b: 1\n  c:\n    - x\n    - y\n", name="f", suffix=".yaml")
    assert isinstance(node.value, dict)
    a = node.value["a"]
    assert isinstance(a.value, dict)
    c = a.value["c"]
    assert isinstance(c.value, list)
    assert (a.line, a.value["b"].line, c.line, c.value[1].line) == (1, 2, 3, 5)


def test_json_has_lines_too() -> None:
    node = parse('{\n  "a": {\n    "b": [1,\n 2]}}', name="f", suffix=".json")
    assert isinstance(node.value, dict)
    a = node.value["a"]
    assert isinstance(a.value, dict)
    b = a.value["b"]
    assert isinstance(b.value, list)
    assert (a.line, b.line, [item.line for item in b.value]) == (2, 3, [3, 4])


def test_anchors_aliases_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nthree: *b\n'<<': plain"
    assert read(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"y": 3, "x": 1},
        "two": {"x": 1, "y": 2, "z": 4},
        "three": {"x": 1, "y": 2},
        "<<": "plain",
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "---\n...\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert read(text) == {}


def test_empty_json_and_toml() -> None:
    assert read("", ".json") == {}
    assert read("", ".toml") == {}


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "given twice in one mapping (first on line 1)", 3, 1),
        ("a: {b: 1, b: 2}", "given twice", 1, 11),
        ("a:\n\tb: 1\n", "indent with spaces", 2, 1),
        ("a:\n  b: 1\n c: 2\n", "not valid YAML", 3, 2),
        ("a: b: c\n", "mapping values are not allowed", 1, 5),
        ("a: [1, 2\n", "not valid YAML", 2, 1),
        ('a: "open\n', "not valid YAML", 2, 1),
        ("a: @key\n", "put quotes", 1, 4),
        ("a: *nothing\n", "no finished anchor", 1, 4),
        ("a: &x [*x]\n", "no finished anchor", 1, 8),
        ("a: !!python/object:os.system x\n", "tags are not supported", 1, 4),
        ("a: !secret x\n", "tags are not supported", 1, 4),
        ("a: !map {}\n", "tags are not supported", 1, 4),
        ("? [a]\n: 1\n", "plain word", 1, 3),
        ("? {a: 1}\n: 1\n", "plain word", 1, 3),
        ("a: {<<: 5}\n", "takes a mapping", 1, 9),
        ("a: 1\n---\nb: 2\n", "second document", 2, 1),
        ("a: \x01\n", "does not allow", 1, 4),
        ("[" * 65 + "]" * 65, "nested deeper than 64", 1, 65),
        ("[" * 500_000, "nested deeper than 64", 1, 65),
    ],
)
def test_broken_yaml_is_refused_at_its_place(text: str, said: str, line: int, column: int) -> None:
    problem = refused(text)
    assert said in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert f"more than {MAX_NODES} values" in refused("\n".join(lines)).message


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ('{"a": 1,}', "not valid JSON", 1),
        ('{\n"a": }', "not valid JSON", 2),
        ('{"a": 1}\nx', "not valid JSON: Extra data", 2),
        ('{"a": NaN}', "NaN", None),
        ('{"a": ' + "9" * 5000 + "}", "far too long", None),
        ('{"a": 1,\n "a": 2}', "given twice", 2),
        ('{"a": ' * 70 + "1" + "}" * 70, "nested deeper", None),
    ],
)
def test_broken_json_is_refused(text: str, said: str, line: int | None) -> None:
    problem = refused(text, ".json")
    assert said in problem.message
    assert line is None or problem.line == line


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("a = 1\na = 2", "not valid TOML", 2),
        ("a = ", "not valid TOML", 1),
        ("[a\n", "not valid TOML", 1),
        ("a = 1\nb = [1,\n", "not valid TOML", 3),
        ("a = " + "9" * 5000, "far too long", 1),
        ("a = " + "[" * 100_000, "nested too deep", 1),
        ("b = 1\na" + ".a" * 50_000 + " = 1", "nested deeper than 64 levels", 2),
        ("[a" + ".a" * 70 + "]", "nested deeper than 64 levels", 1),
    ],
)
def test_broken_toml_is_refused(text: str, said: str, line: int) -> None:
    problem = refused(text, ".toml")
    assert said in problem.message
    assert problem.line == line


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("key: *canary-secret", ".yaml"),
        ("key: !canary-secret x", ".yaml"),
        ("key: &canary-secret *canary-secret", ".yaml"),
        ("key: @canary-secret", ".yaml"),
        ("key: `canary-secret`", ".yaml"),
        ("key: %canary-secret: x", ".yaml"),
        ('key: "canary-secret', ".yaml"),
        ("key: 'canary-secret' x", ".yaml"),
        ('key: "canary\\qsecret"', ".yaml"),
        ("key: {canary-secret", ".yaml"),
        ("%TAG canary-secret", ".yaml"),
        ('{"key": "canary-secret', ".json"),
        ('{"key": canary-secret}', ".json"),
        ('{"key": "canary\tsecret"}', ".json"),
        ("key = canary-secret", ".toml"),
        ('key = "canary-secret', ".toml"),
        ("key = 'canary-secret' x", ".toml"),
    ],
)
def test_an_error_never_repeats_the_text(text: str, suffix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, name="tollway", suffix=suffix)
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_json_reads_as_json_does(document: dict[str, object]) -> None:
    assert read(json.dumps(document), ".json") == document


@given(st.text(max_size=200))
def test_any_text_is_a_tree_or_a_config_error(text: str) -> None:
    for suffix in (".yaml", ".json", ".toml"):
        with suppress(ConfigError):
            assert parse(text, name="f", suffix=suffix).origin == "f"
