"""The extraction job of docs/examples: 50 documents under limits, resumed, asked again, stopped by the budget."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.processes import Gateway, Mock

from .conftest import EXAMPLES, POOR, Run, shown

pytestmark = pytest.mark.e2e

DOCUMENTS = [json.loads(line) for line in (EXAMPLES / "extraction/documents.jsonl").read_text().splitlines()]
Load = Callable[[str], Any]


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_batch_is_extracted_under_the_limit_and_resumed(run: Run, tmp_path: Path, examples: Gateway) -> None:
    results = tmp_path / "checkout/results.jsonl"
    assert run("extraction").stdout == shown("extraction")
    found = lines(results)
    assert len(DOCUMENTS) == 50
    assert sorted(str(each["id"]) for each in found) == [each["id"] for each in DOCUMENTS]
    assert all(each["supplier"] and isinstance(each["items"], list) for each in found)
    said = [json.loads(line) for line in examples.log().splitlines() if '"key":"extraction"' in line]
    refused = [each for each in said if each["status"] == 429]
    assert refused
    assert len([each for each in said if each["status"] == 200]) == 50
    assert any(each["attempts"] == 2 for each in said), "no document was answered by the second provider"

    # A crash in the middle of a line: that document is asked for again, the others are not.
    kept = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(kept[:48]) + kept[48][:20])
    assert run("extraction").stdout.startswith("50 documents, 48 of them done before\n2 extracted, 0 failed, 0 missing")
    assert {str(each["id"]) for each in lines(results)} == {each["id"] for each in DOCUMENTS}


async def test_an_answer_that_is_cut_is_asked_again_and_then_told(
    module: Load, tmp_path: Path, upstream: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    extract = module("extraction/extract.py")
    async with AsyncOpenAI(default_headers={"x-mock-finish": "length"}) as client:
        extract.client = client
        before = upstream.stats()["requests"]
        assert await extract.main(DOCUMENTS[:1], tmp_path / "results.jsonl") == 1
    answered = [each for each in upstream.requests() if each["number"] > before and each["status"] == 200]
    assert len(answered) == extract.TRIES
    printed = capsys.readouterr()
    assert "0 extracted, 1 failed, 1 missing, $0.000" in printed.out
    assert "$0.000000" not in printed.out
    assert printed.err.startswith("doc-01: ")


async def test_a_spent_budget_ends_the_job(module: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract = module("extraction/extract.py")
    async with AsyncOpenAI(api_key=POOR) as client:
        extract.client = client
        assert await extract.main(DOCUMENTS, tmp_path / "results.jsonl") == 50
    printed = capsys.readouterr()
    assert "0 extracted, 0 failed, 50 missing" in printed.out
    assert printed.err.startswith("stopped: ")
    assert len(printed.err.splitlines()) == 1
