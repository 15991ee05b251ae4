"""A provider's list against ours: every form it comes in, every way it can be wrong, and a million rows of it."""

import resource
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from proxy.money.exports import BadRow, Field, Format, Row, UnknownColumns, format_of, rows_of
from proxy.money.reconcile import Difference, Finding, Totals, compare
from proxy.protocols import Entry

from .made import entry

DOLLAR = 10**12
"""``Row.cost`` of a dollar."""


def rows(text: str, form: Format = "csv", columns: dict[Field, str] | None = None) -> list[Row | BadRow]:
    return list(rows_of(text.splitlines(keepends=True), form, columns))


FULL = Row(2, "up_1", "gpt", 100, 20, 5, 4 * DOLLAR // 10_000)


@pytest.mark.parametrize(
    "text",
    [
        "request_id,model,input_tokens,output_tokens,cached_tokens,cost\nup_1,gpt,100,20,5,0.0004\n",
        "\ufeffRequest ID;Model;Prompt Tokens;Completion Tokens;Cached Tokens;Amount (USD)\nup_1;gpt;100;20;5;$0.0004\n",
        'ID\tmodel\tusage.prompt_tokens\tusage.completion_tokens\tusage.prompt_tokens_details.cached_tokens\ttotal cost\n"up_1"\tgpt\t100\t20\t5\t4e-4\n',
        "note,response_id,model_name,n_context_tokens_total,n_generated_tokens_total,cached_input_tokens,amount\n,up_1,gpt,100.0,20,5,.0004\n",
    ],
)
def test_csv_is_read_by_the_names_that_columns_usually_have(text: str) -> None:
    assert rows(text) == [FULL]


@pytest.mark.parametrize(
    ("text", "form", "line"),
    [
        ('\n{"id":"up_1","model":"gpt","usage":{"prompt_tokens":100,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":5}},"cost":0.0004}\n', "jsonl", 2),
        ('[{"request_id":"up_1","model":"gpt","input_tokens":100,"output_tokens":20,"cached_tokens":5,"cost_usd":"0.0004"}]', "json", 1),
        ('{"object":"list","data":[{"id":"up_1","model":"gpt","input_tokens":100,"output_tokens":20,"cached_tokens":5,"amount":{"value":0.0004}}]}', "json", 1),
    ],
)  # fmt: skip
def test_json_is_read_nested_or_flat(text: str, form: Format, line: int) -> None:
    (found,) = rows(text, form)
    assert found == structs.replace(FULL, line=line)


def test_columns_can_be_named() -> None:
    text = "trace,what,tok\nup_1,gpt,7\n"
    with pytest.raises(UnknownColumns, match="trace, what, tok"):
        rows(text)
    assert rows(text, columns={"id": "Trace", "input_tokens": "tok"}) == [Row(2, "up_1", "", 7)]
    with pytest.raises(UnknownColumns, match="nothing"):
        rows(text, columns={"id": "nothing"})
    named = rows('{"a":{"b":"up_1"},"id":"other"}', "jsonl", {"id": "a.b"})
    assert named == [Row(1, "up_1")]


@pytest.mark.parametrize(
    "cells",
    [
        ",gpt,1,1", "up_1,gpt,-1,1", "up_1,gpt,NaN,1", "up_1,gpt,inf,1", "up_1,gpt,1.5,1", "up_1,gpt,many,1", "up_1,gpt,1e400,1",
        "up_1,gpt,1,9999999999999", "x" * 300 + ",gpt,1,1", "up_1,gpt,1,1,-0.1", "up_1,gpt,1,1,1e9", "up_1,gpt,1,1,1e-999999",
    ],
)  # fmt: skip
def test_a_bad_row_is_named_by_its_line_and_the_next_is_read(cells: str) -> None:
    found = rows(f"id,model,input_tokens,output_tokens,cost\n{cells}\nup_2,gpt,1,1,\n")
    assert isinstance(found[0], BadRow)
    assert found[0].line == 2
    assert found[1] == Row(3, "up_2", "gpt", 1, 1)


def test_bad_json_rows_too() -> None:
    found = rows('{"id":\n[1]\n"x"\n{"id":true,"input_tokens":true}\n{"id":"up_1"}\n' + "[" * 5000 + "\n", "jsonl")
    assert [type(each) for each in found] == [BadRow, BadRow, BadRow, BadRow, Row, BadRow]
    for text in ("{", "[", "nonsense", '{"rows":[]}'):
        with pytest.raises(UnknownColumns):
            rows(text, "json")
    assert [type(each) for each in rows("[1]", "json")] == [BadRow]


def test_an_empty_file_has_no_columns() -> None:
    with pytest.raises(UnknownColumns):
        rows("")
    assert rows("", "jsonl") == []


def test_short_rows_and_huge_cells() -> None:
    found = rows('id,input_tokens\nup_1\n"' + "x" * 200_000 + '",1\nup_2,3\n')
    assert found[0] == Row(2, "up_1")
    assert isinstance(found[1], BadRow)
    assert found[-1] == Row(4, "up_2", "", 3)


@pytest.mark.parametrize(
    ("name", "begin", "form"),
    [
        ("usage.csv", b"id,model", "csv"),
        ("usage.ndjson", b"", "jsonl"),
        ("usage", b" [", "json"),
        ("usage.txt", b'{"id":1}\n{"id":2}', "jsonl"),
        ("usage.json", b'{"data":[]}', "json"),
        ("usage", b'\xef\xbb\xbf{\n "data": []}', "json"),
    ],
)
def test_the_form_is_told_by_name_and_beginning(name: str, begin: bytes, form: Format) -> None:
    assert format_of(name, begin) == form


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["csv", "json", "jsonl"]))
def test_any_text_is_read_or_refused_in_words(text: str, form: Format) -> None:
    try:
        found = rows(text, form)
    except UnknownColumns:
        return
    assert all(isinstance(each, Row | BadRow) for each in found)


# ---- comparing ------------------------------------------------------------------------------------------------------


def theirs(number: int, **changes: object) -> Row:
    values = {"model": "m", "input_tokens": 100, "output_tokens": 20, "cached_tokens": 0, "cost": 400 * 10**6}
    return Row(number + 1, f"up_{number}", **{**values, **changes})  # type: ignore[arg-type]


def run(rows_: Iterable[Row | BadRow], ours: Iterable[Entry]) -> tuple[list[Finding], Totals]:
    totals = Totals.empty()
    return list(compare(rows_, ours, totals)), totals


def test_what_agrees_is_counted_and_not_told() -> None:
    findings, totals = run([theirs(1), theirs(2)], [entry(2), entry(1)])
    assert findings == []
    assert (totals.matched, totals.differing) == (2, 0)
    assert totals.ours == totals.theirs == {"input_tokens": 200, "output_tokens": 40, "cached_tokens": 0, "cost": 800}


def test_every_kind_of_finding() -> None:
    read: list[Row | BadRow] = [theirs(1, output_tokens=30, cost=500 * 10**6), BadRow(3, "no request id"), theirs(7)]
    findings, totals = run(read, [entry(1), entry(2), structs.replace(entry(3), upstream_id="")])
    assert findings == [
        Finding("bad_row", line=3, problem="no request id"),
        Finding("only_theirs", "up_7", 8, "m"),
        Finding("differs", "up_1", 2, differences=(Difference("output_tokens", 20, 30), Difference("cost", 400, 500))),
        Finding("only_ours", "up_2"),
    ]
    assert (totals.differing, totals.only_theirs, totals.only_ours, totals.bad_rows, totals.uncompared) == (
        1,
        1,
        1,
        1,
        1,
    )


def test_differences_are_absolute_and_in_percent() -> None:
    more, less, none = Difference("cost", 400, 500), Difference("cost", 400, 300), Difference("cached_tokens", 0, 3)
    assert (more.absolute, more.percent) == (100, 25.0)
    assert (less.absolute, less.percent) == (-100, -25.0)
    assert (none.absolute, none.percent) == (3, None)


def test_what_the_export_does_not_say_is_not_compared() -> None:
    findings, _ = run([Row(2, "up_1", input_tokens=100)], [entry(1)])
    assert findings == []


@pytest.mark.parametrize(
    ("cost", "differs"), [(399_000_001, False), (400_000_000, False), (399_000_000, True), (401_000_000, True)]
)
def test_our_rounding_up_is_no_difference(cost: int, differs: bool) -> None:
    findings, _ = run([theirs(1, cost=cost)], [entry(1)])
    assert bool(findings) is differs


def test_lines_of_one_request_are_added_up() -> None:
    first = theirs(1, output_tokens=None, cost=300 * 10**6)
    second = Row(9, "up_1", output_tokens=20, cost=100 * 10**6)
    findings, totals = run([first, second], [entry(1)])
    assert findings == []
    assert totals.matched == 1
    twice, _ = run([theirs(1), theirs(1)], [entry(1)])
    assert twice[0].differences[0] == Difference("input_tokens", 100, 200)


def test_the_largest_figures_do_not_overflow() -> None:
    most = theirs(1, cost=10**6 * DOLLAR)
    findings, _ = run([most] * 20, [entry(1)])
    assert findings[0].kind == "differs"


def test_a_hundred_thousand_rows_are_read_as_they_come() -> None:
    """Theirs are a generator and are never held; a tenth of a million takes a tenth of the memory of a million."""
    count = 100_000
    lines = (f"up_{number},100,20\n" if number else "id,input_tokens,output_tokens\n" for number in range(count + 1))
    mine = (entry(number) for number in range(1, count + 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals = Totals.empty()
    assert sum(1 for _ in compare(rows_of(lines, "csv"), mine, totals)) == 0
    assert totals.matched == count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "KiB"
