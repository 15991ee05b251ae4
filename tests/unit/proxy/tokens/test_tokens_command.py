"""``tollway tokens``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.tokens import tokens

CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}


def run(*arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(tokens, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def counted(*arguments: str, stdin: bytes | None = None) -> dict[str, object]:
    code, output = run(*arguments, "--output", "json", stdin=stdin)
    assert code == 0, output
    result: dict[str, object] = json.loads(output)
    return result


def test_a_chat_body_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(CHAT))
    result = counted(str(file))
    assert (
        result | {"model": "gpt-4", "kind": "chat", "total": 8, "source": "counted", "encoding": "cl100k_base"}
        == result
    )
    code, table = run(str(file))
    assert code == 0
    assert table.splitlines()[-1].split() == ["total", "8"]


def test_plain_text_from_standard_input() -> None:
    result = counted("-", stdin=b"Hello world")
    assert result | {"kind": "text", "total": 2, "encoding": "o200k_base", "source": "counted"} == result
    code, table = run("-", stdin=b"Hello world")
    assert code == 0
    assert "counted" in table


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"input": "Hello world"}, "responses"),
        ({"input": "Hello world", "model": "text-embedding-3-small"}, "embeddings"),
        ({"prompt": "Hello world"}, "completions"),
        ({"hello": "world"}, "text"),
    ],
)
def test_what_a_body_is_for_is_seen(body: dict[str, object], kind: str) -> None:
    assert counted("-", stdin=json.dumps(body).encode())["kind"] == kind


def test_options_overrule() -> None:
    stdin = json.dumps(CHAT).encode()
    assert counted("-", "--model", "gpt-4o", stdin=stdin)["encoding"] == "o200k_base"
    assert counted("-", "--encoding", "o200k_base", stdin=stdin)["encoding"] == "o200k_base"
    assert counted("-", "--as", "text", stdin=stdin)["kind"] == "text"
    assert counted("-", "--model", "claude-opus-5", stdin=stdin)["source"] == "estimated"


@pytest.mark.parametrize("data", [b"", b"\xff\xfe text", b"{}", b'{"messages": "not a list"}'])
def test_odd_input_is_counted_somehow(data: bytes) -> None:
    assert isinstance(counted("-", stdin=data)["total"], int)


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("/no/such/file",), None, "Cannot read /no/such/file: No such file or directory"),
        (("-",), b'{"messages": [', "Standard input is not valid JSON"),
        (("-",), b'{"messages": [', "--as text"),
        (("-", "--as", "chat"), b"[1]", "A request body is a JSON object"),
        (("-", "--encoding", "p50k_base"), b"x", "Invalid value for '--encoding'"),
    ],
)
def test_errors_say_what_happened_and_the_fix(arguments: tuple[str, ...], stdin: bytes | None, says: str) -> None:
    code, output = run(*arguments, stdin=stdin)
    assert code != 0
    assert says in output
