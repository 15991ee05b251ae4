"""``tollway migrate litellm`` as it is typed, and LiteLLM's file given to the loader as it is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.config import ConfigError, load

PLAIN = """\
model_list:
  - model_name: m
    litellm_params: {model: openai/gpt-4o, api_key: sk-plain-canary-of-the-file, temperature: 0.5}
general_settings: {master_key: os.environ/MASTER}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASTER", "sk-canary-of-the-environment")
    (tmp_path / "config.yaml").write_text(PLAIN)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["migrate", "litellm", *words])


def test_it_writes_a_private_file_that_check_accepts_and_reports_on_stderr(folder: Path) -> None:
    result = run("config.yaml", "-o", "new.yaml")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "config.yaml:3: model_list[0].litellm_params.temperature: Nothing is added" in result.stderr
    assert "canary" not in result.stderr
    assert (folder / "new.yaml").stat().st_mode & 0o777 == 0o600
    text = (folder / "new.yaml").read_text()
    assert "sk-plain-canary-of-the-file" in text
    assert "canary-of-the-environment" not in text
    checked = CliRunner().invoke(main, ["check", "--config", "new.yaml"])
    assert checked.exit_code == 0, checked.output


def test_it_writes_tollway_yaml_unless_told_otherwise_and_never_over_a_file(folder: Path) -> None:
    assert run("config.yaml").exit_code == 0
    before = (folder / "tollway.yaml").read_bytes()
    (folder / "config.yaml").write_text(PLAIN.replace("gpt-4o", "gpt-5"))
    again = run("config.yaml")
    assert again.exit_code == 1
    assert "tollway.yaml is there already" in again.stderr
    assert "--force" in again.stderr
    assert (folder / "tollway.yaml").read_bytes() == before
    (folder / "tollway.yaml").chmod(0o644)
    assert run("config.yaml", "--force").exit_code == 0
    assert b"gpt-5" in (folder / "tollway.yaml").read_bytes()
    assert (folder / "tollway.yaml").stat().st_mode & 0o777 == 0o600
    assert {file.name for file in folder.iterdir()} == {"config.yaml", "tollway.yaml"}


def test_a_dry_run_prints_and_writes_nothing(folder: Path) -> None:
    result = run("config.yaml", "--dry-run")
    assert result.exit_code == 0
    assert "# Made from config.yaml" in result.stdout
    assert [file.name for file in folder.iterdir()] == ["config.yaml"]


def test_strict_says_by_its_exit_code_that_something_was_left_behind(folder: Path) -> None:
    assert run("config.yaml", "--strict").exit_code == 2
    assert (folder / "tollway.yaml").exists()
    (folder / "config.yaml").write_text(PLAIN.replace(", temperature: 0.5", ""))
    assert run("config.yaml", "--strict", "--force").exit_code == 0


def test_the_report_as_json(folder: Path) -> None:
    report = json.loads(run("config.yaml", "--report", "json").stderr)
    assert report["carried"] == 4
    assert report["file"] == "tollway.yaml"
    assert [(row["kind"], row["path"], row["line"]) for row in report["findings"]] == [
        ("secret", "model_list[0].litellm_params.api_key", 3),
        ("not_carried", "model_list[0].litellm_params.temperature", 3),
        ("changed", "general_settings.master_key", 4),
    ]
    assert all(row["file"] == "config.yaml" and row["why"] for row in report["findings"])


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, (), "does not exist"),
        ("model_list: [", (), "config.yaml:2:1: not valid YAML"),
        ("providers: {}", (), "is no configuration of LiteLLM's"),
        ("model_list: []\ninclude: [nowhere.yaml]", (), "nowhere.yaml"),
        ("model_list: []\ninclude: nowhere.yaml", (), "expected a list of files"),
        (PLAIN, ("-o", "no/such/folder/x.yaml"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, text: str | None, words: tuple[str, ...], said: str) -> None:
    (folder / "config.yaml").unlink()
    if text is not None:
        (folder / "config.yaml").write_text(text)
    result = run("config.yaml", *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Fix: " in result.stderr
    assert not (folder / "tollway.yaml").exists()


# ---- read as it is --------------------------------------------------------------------------------------------------


def test_check_reads_the_file_itself_with_the_same_remarks(folder: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--config", "config.yaml"])
    assert result.exit_code == 0, result.output
    assert "config.yaml:3: model_list[0].litellm_params.temperature: Nothing is added" in result.stdout
    assert "m -> openai/gpt-4o" in result.stdout
    assert CliRunner().invoke(main, ["check", "--config", "config.yaml", "--strict"]).exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gpt-4o,", "gpt-4o, api_base: 'ftp://x',", "config.yaml:3: model_list[0].litellm_params.api_base: must start with"),
        ("gpt-4o,", "gpt-4o, rpm: many,", "config.yaml:3: model_list[0].litellm_params.rpm: expected a whole number"),
        ("/MASTER", "/NOT_THERE", "config.yaml:4: general_settings.master_key: environment variable NOT_THERE is not set"),
        ("gpt-4o,", "gpt-4o, max_parallel_requests: 0,", "litellm_params.max_parallel_requests: must be at least 1"),
    ],
)  # fmt: skip
def test_problems_are_named_by_the_other_gateways_keys(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "config.yaml").write_text(PLAIN.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load("config.yaml", {"MASTER": "sk-canary-of-the-environment"})
    assert said in str(raised.value)
    assert "canary" not in str(raised.value)


def test_included_files_are_watched_and_flags_go_before_the_file(folder: Path) -> None:
    (folder / "config.yaml").write_text(PLAIN + "include: [more.yaml]\n")
    (folder / "more.yaml").write_text("model_list: [{model_name: n, litellm_params: {model: groq/x, api_key: k}}]\n")
    loaded = load("config.yaml", {"MASTER": "sk-of-a-test", "TOLLWAY_SERVER__PORT": "9000"})
    assert {"config.yaml", "more.yaml"} <= set(loaded.sources)
    assert list(loaded.config.models) == ["m", "n"]
    assert loaded.config.server.port == 9000
    assert loaded.origins["models.n.targets[0].model"] == "more.yaml:1"
