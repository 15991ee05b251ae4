"""Datasets and results: lines that are broken, files that changed, and what a crash leaves behind."""

import json
from pathlib import Path

import pytest

from proxy.comparison.checks import Exact, Regex
from proxy.comparison.dataset import Dataset, read_dataset
from proxy.comparison.questions import Asking, questions
from proxy.comparison.results import Answer, Results, Taken, Vote
from proxy.comparison.spending import Price, Tariff


def dataset(folder: Path, *lines: object, **options: object) -> Dataset:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return read_dataset(file, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "is no object"),
        ('{"prompt": "\\ud800"}', "half of a character"),
        ("[" * 100_000, "nested too deeply"),
        ({"prompt": "a", "kind": "x"}, "has the field 'kind'"),
        ({"id": "a"}, "has no question"),
        ({"prompt": "a", "messages": []}, "has prompt and messages"),
        ({"prompt": " "}, "has a prompt that is no text"),
        ({"messages": ["a"]}, "messages that are no list of objects"),
        ({"messages": []}, "messages that are no list of objects"),
        ({"request": {"messages": [{"role": "user"}], "model": "x"}}, "'model' in its request"),
        ({"request": []}, "a request that is no object"),
        ({"prompt": "a", "system": 5}, "a system text that is no text"),
        ({"prompt": "a", "class": 5}, "a class that is no text"),
        ({"prompt": "a", "id": True}, "an id that is neither"),
        ({"prompt": "a", "check": {"exakt": "b"}}, "its check has no kind"),
        ({"prompt": "other", "id": "first"}, "the same id as line 1"),
    ],
)
def test_a_broken_line_is_told_with_its_number_and_the_rest_is_asked(tmp_path: Path, line: object, said: str) -> None:
    found = dataset(tmp_path, {"id": "first", "prompt": "a"}, "", line, {"id": "last", "prompt": "b"})
    assert [prompt.id for prompt in found.prompts] == ["first", "last"]
    assert [(each.line, said in each.why) for each in found.broken] == [(3, True)], found.broken


def test_bytes_that_are_no_text_are_a_broken_line(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n\xff\xfe\r\n{"prompt": "b"}\r\n')
    found = read_dataset(file)
    assert ([str(each) for each in found.broken], len(found.prompts)) == (["line 2: is not UTF-8"], 2)


def test_what_a_line_asks(tmp_path: Path) -> None:
    found = dataset(
        tmp_path,
        {"prompt": "a", "system": "s", "class": " facts ", "check": {"exact": "b"}},
        {"messages": [{"role": "user", "content": "c"}], "request": {"top_p": 0.5}},
        otherwise=Regex(regex="z"),
    )
    first, second = found.prompts
    assert first.request == {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}
    assert (first.kind, first.check) == ("facts", Exact(exact="b"))
    assert second.request == {"messages": [{"role": "user", "content": "c"}], "top_p": 0.5}
    assert (second.kind, second.check) == ("all", Regex(regex="z"))
    assert first.id != second.id, "lines without an id have one of their own"


def test_a_dataset_is_another_when_what_is_asked_is(tmp_path: Path) -> None:
    before = dataset(tmp_path, {"id": "a", "prompt": "x", "check": {"exact": "1"}})
    checked = dataset(tmp_path, {"id": "a", "prompt": "x", "check": {"exact": "2"}})
    asked = dataset(tmp_path, {"id": "a", "prompt": "y", "check": {"exact": "1"}})
    assert before.digest == checked.digest, "an answer can be graded anew without asking again"
    assert before.digest != asked.digest


def test_a_question_is_another_with_another_model_or_setting(tmp_path: Path) -> None:
    found = dataset(tmp_path, {"id": "a", "prompt": "x"}, {"id": "b", "prompt": "x", "request": {"seed": 1}})
    settings = [Asking(), Asking(temperature=0.5), Asking(seed=3), Asking(max_tokens=5)]
    keys = [each.key for asking in settings for each in questions(found, ["m", "n"], asking, {})]
    # The second prompt has a seed of its own, so Asking(seed=3) changes nothing for it.
    assert len(set(keys)) == len(keys) - 2
    whole = questions(found, ["m"], Asking(stream=False), {})
    assert [each.key for each in whole] == [each.key for each in questions(found, ["m"], Asking(), {})]


def test_a_question_is_bounded_by_bytes_and_its_cap(tmp_path: Path) -> None:
    found = dataset(tmp_path, {"prompt": "€" * 100, "request": {"max_completion_tokens": 7}})
    tariff = Tariff({"p/a": Price(2.0, 1.0), "p/b": Price(1.0, 10.0)})
    (question,) = questions(found, ["m"], Asking(max_tokens=1000), {"m": tariff})
    size = len(json.dumps(found.prompts[0].request, ensure_ascii=False).encode())
    assert size > 300
    assert question.bound == size * 2 + 7 * 10, "of two targets the dearest, of each price"
    assert "max_tokens" not in question.body
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}
    (shown,) = questions(dataset(tmp_path, {"messages": [picture]}), ["m"], Asking(), {"m": tariff})
    assert shown.bound > 20_000 * 2, "an address says nothing of a picture's size"


# ---- results ---------------------------------------------------------------------------------------------------------


def answer(key: str, **changes: object) -> Answer:
    return Answer(key=key, prompt="a", model="m", **changes)  # type: ignore[arg-type]


def test_results_are_there_again(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Results(file) as first:
        first.begin("digest", "prompts.jsonl")
        first.append(answer("1", text="x", cost=5))
        first.append(answer("2", error="timeout", cost=7))
        first.append(Vote(key="v", turn=0, passed=True, cost=11))
    with Results(file) as second:
        second.begin("digest", "prompts.jsonl")
        assert {key: found.error for key, found in second.answers.items()} == {"1": "", "2": "timeout"}
        assert (second.spent, second.judged, second.votes["v"][0].passed) == (23, 11, True)
        second.append(answer("2", text="y"))
        second.append(answer("2", error="late"))
    with Results(file) as third:
        assert third.answers["2"].text == "y", "a failure does not take an answer away"
    assert len(file.read_text().splitlines()) == 6, "the same dataset is noted once"


def test_a_line_that_a_crash_cut_short_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Results(file) as first:
        first.begin("digest", "p")
        first.append(answer("1"))
    whole = file.read_bytes()
    for cut in range(1, len(whole)):
        file.write_bytes(whole[:cut])
        with Results(file) as again:
            assert not again.answers
            again.begin("digest", "p")
            again.append(answer("2"))
        with Results(file) as last:
            assert (set(last.answers), last.unreadable) == ({"2"}, [])


def test_a_damaged_line_in_the_middle_is_told_and_the_rest_holds(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Results(file) as first:
        first.begin("digest", "p")
        first.append(answer("1"))
        first.append(answer("2"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"type": "answer", "key"\n' + lines[2])
    with Results(file) as again:
        assert (set(again.answers), again.unreadable) == ({"2"}, [2])


@pytest.mark.parametrize("data", [b'{"a": 1}\n', b"hello", b'{"type":"answer"}\n', b"\x00" * 100])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "r.jsonl"
    file.write_bytes(data)
    with pytest.raises(ValueError, match="not written by a comparison"):
        Results(file)
    assert file.read_bytes() == data


def test_one_run_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Results(file) as first:
        with pytest.raises(Taken):
            Results(file)
        first.begin("digest", "p")
    Results(file).close()


def test_a_file_nothing_was_written_to_is_not_left_behind(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    Results(file).close()
    assert not file.exists()
