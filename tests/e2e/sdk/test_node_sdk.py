"""The official Node SDK answers alike through the gateway and straight from the upstream."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import KEY, Mock, config_for, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FOLDER = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def node() -> str:
    """The ``node`` on the PATH, with the locked SDK installed. Missing: a failure under ``CI=true``, else a skip."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        reason = "NODE SDK NOT TESTED: node and npm are not on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    wanted = json.loads((FOLDER / "package-lock.json").read_text())["packages"]["node_modules/openai"]["version"]
    installed = FOLDER / "node_modules" / "openai" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=FOLDER, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="module")
def answers(node: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(through the gateway, direct): what the script printed."""
    mock = Mock()
    models = {"*": {"targets": [{"provider": "mock", "model": "*"}]}}
    try:
        with running(config_for(mock.url, models=models)) as gateway:
            yield _run(node, gateway.url, KEY), _run(node, mock.url, "sk-any")
    finally:
        mock.close()


def _run(node: str, url: str, key: str) -> dict[str, Any]:
    done = subprocess.run(
        [node, "check.mjs", url, key], cwd=FOLDER, capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_call_answers_alike(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    through, direct = answers
    assert through.keys() == direct.keys()
    assert len(direct) >= 25
    for name in direct:
        assert through[name] == direct[name], name


@pytest.mark.parametrize(
    ("name", "kind", "status", "code"),
    [
        ("bad request", "BadRequestError", 400, "context_length_exceeded"),
        ("rate limit", "RateLimitError", 429, "rate_limit_exceeded"),
        ("quota", "RateLimitError", 429, "insufficient_quota"),
        ("server error", "InternalServerError", 500, None),
        ("overloaded", "InternalServerError", 503, "server_is_overloaded"),
    ],
)
def test_errors(
    answers: tuple[dict[str, Any], dict[str, Any]], name: str, kind: str, status: int, code: str | None
) -> None:
    error = answers[0][name]
    assert (error["name"], error["status"], error["code"]) == (kind, status, code)
    assert error["requestID"]


def test_the_calls_did_something(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    through, _ = answers
    assert through["stream"][-1]["choices"][0]["finish_reason"] == "stop"
    assert len(through["stream tools"]["choices"][0]["message"]["tool_calls"]) == 2
    assert through["files"][2] is True
    assert through["stream error"]["name"] == "APIError"
    assert through["retries"]["choices"]


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()
