"""Every fenced block of every page is run, loaded or compiled, here or by a test that is named, or is listed with a reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import orjson
import pytest
import trustme
import yaml

from proxy import accounts
from proxy.cli import printed
from tests.support.processes import Mock

from .blocks import ROOT, Block, Command, blocks_of, commands_of, pages
from .classes import BEFORE, BEGUN_WITHOUT_FILE, COMPILED, ELSEWHERE, NOT_HERE, PARSED, PARTS, SESSIONS, SHOWN, reason
from .configurations import VARIABLES, completed, is_foreign, is_ours
from .session import Session, parsed

SHELLS = ("sh", "bash", "console")


def blocks(*languages: str) -> list[Block]:
    return [block for page in pages() for block in blocks_of(page) if block.language in languages]


def commands() -> Iterator[tuple[Block, Command]]:
    for block in blocks(*SHELLS):
        for command in commands_of(block):
            yield block, command


def test_every_block_is_of_a_kind_that_something_looks_after() -> None:
    known = {*SHELLS, *SHOWN, "yaml", "json", "python"}
    assert [block.place for page in pages() for block in blocks_of(page) if block.language not in known] == []


def test_every_command_is_run_or_listed_with_a_reason() -> None:
    loose = [
        f"{block.place}: {command.text}"
        for block, command in commands()
        if block.page not in SESSIONS and block.page not in ELSEWHERE and reason(command) is None
    ]
    assert loose == []


def test_the_lists_name_what_is_there() -> None:
    assert set(SESSIONS) <= set(pages())
    assert not set(SESSIONS) & ELSEWHERE.keys()
    for page, tests in ELSEWHERE.items():
        assert (ROOT / page).is_file()
        for test in tests:
            assert (ROOT / test).is_file(), test
    reasons = " ".join([*NOT_HERE.values(), *PARSED.values(), *PARTS.values()])
    for path in re.findall(r"tests/[\w/]+(?:\.py)?", reasons):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", ELSEWHERE)
def test_a_test_of_its_own_reads_the_page(page: str) -> None:
    folder, name = page.rsplit("/", 1)
    for test in ELSEWHERE[page]:
        sources = [ROOT / test, *(ROOT / test).parent.glob("conftest.py")]
        text = "".join(file.read_text() for file in sources)
        assert name in text or f'"{folder.rsplit("/", 1)[1]}"' in text, test


def test_every_command_of_ours_can_be_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [(block, command) for block, command in commands() if command.ours]
    assert len(found) > 80
    for block, command in found:
        for file in re.findall(r"[\w/.-]+\.(?:csv|jsonl?|txt|ya?ml)\b", command.text):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).touch()
        try:
            parsed([word for word in command.words[1:] if word != "…"])
        except click.ClickException as error:
            raise AssertionError(f"{block.place}: {command.text}: {error.format_message()}") from error


@pytest.mark.parametrize("page", SESSIONS)
def test_the_commands_of_the_page_work_as_pasted(
    page: str, mock: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(printed, "on_terminal", lambda: True)
    session = Session(tmp_path, mock, with_file=page not in BEGUN_WITHOUT_FILE)
    try:
        for text in BEFORE.get(page, ()):
            session.run(Command(text=text))
        for block in blocks_of(page):
            if block.language == "yaml":
                session.show(block)
            elif block.language == "python" and "https://" not in block.text:  # nobody here has that certificate
                session.program(block)
            elif block.language in SHELLS:
                for command in commands_of(block):
                    if reason(command) is None:
                        session.run(command)
    finally:
        session.close()
    assert session.ran, "nothing of it is run: it belongs in another list"


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: f"{block.page}:{block.number}")
def test_the_configurations_load(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_ours(block.text) and not is_foreign(block.text):
        known = block.page in ELSEWHERE or block.text.splitlines()[0] in PARTS
        assert known, f"{block.place}: no configuration of ours, no page with its own test, no part of a file"
        return
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores.yaml").write_text('{"version": 1, "generated": "2026-11-20T10:00:00Z", "scores": {}}')
    (tmp_path / "batch-key").write_text("sk-tw-of-a-file")
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    text = block.text if is_foreign(block.text) else yaml.safe_dump(completed(block.text), sort_keys=False)
    text = text.replace("/run/secrets/", f"{tmp_path}/").replace("/etc/tollway/", f"{tmp_path}/")
    (tmp_path / "tollway.yaml").write_text(text)
    loaded = accounts.load_checked(str(tmp_path / "tollway.yaml"), VARIABLES)
    assert loaded.config.providers


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: f"{block.page}:{block.number}")
def test_json_is_json(block: Block) -> None:
    """A document, or one a line; ``…`` stands for what was left out."""
    text = re.sub(r"(?<=[\[{,:])\s*…\s*(?=[\]},])", ' "…"', block.text)
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        for document in re.sub(r"\n +", " ", text).splitlines():
            assert orjson.loads(document)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: f"{block.page}:{block.number}")
def test_programs_compile(block: Block) -> None:
    """Those of sessions are run as well."""
    assert block.page in SESSIONS or block.page in COMPILED, f"{block.place} is run by nothing"
    compile(block.text, block.place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_what_is_listed_is_still_on_a_page() -> None:
    """A list that nobody needs any more hides what is added later."""
    for start in PARSED:
        assert any(command.begins(start) for _, command in commands()), start
