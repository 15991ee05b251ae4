"""Embeddings by input: only what is missing is asked for, and everything comes together under the right index, byte for byte."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.inputs import missing, parts, together
from proxy.protocols import CacheEntry
from proxy.wire.usage import NO_USAGE, Usage, reported


def kept(vector: bytes, tokens: int = 2) -> CacheEntry:
    """The vector of one input."""
    usage = reported(prompt=tokens, output=0)
    return CacheEntry(endpoint="embeddings", form="vector", body=vector, stored_at=0.0, expires=1.0, usage=usage)


def answered(*rows: Any, usage: Any = None, **beside: Any) -> bytes:
    told = {"object": "list", "data": list(rows), "model": "m", **({} if usage is None else {"usage": usage}), **beside}
    return json.dumps(told).encode()


def row(index: Any, embedding: Any = "AAAA") -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


# ---- what is asked ----------------------------------------------------------------------------------------------------
BODY = b'{ "model":"m",  "input" : [ "a\\"]" , "b","\\u00e9"],"dimensions":8 }'


def test_only_the_inputs_are_touched() -> None:
    found = [None, kept(b"[1]"), None]
    assert missing(BODY, found) == b'{ "model":"m",  "input" : ["a\\"]","\\u00e9"],"dimensions":8 }'


def test_nothing_known_is_the_request_as_it_came() -> None:
    assert missing(BODY, [None, None, None]) is BODY


@pytest.mark.parametrize("given", [b"[[1,2],[3]]", b"[[1, 2], [3]]"])
def test_tokens_as_inputs(given: bytes) -> None:
    assert missing(b'{"input":%b}' % given, [kept(b"[1]"), None]) == b'{"input":[[3]]}'


@pytest.mark.parametrize("given", [b'"a"', b"[1,2]", b'["a"]'])
def test_one_input(given: bytes) -> None:
    body = b'{"input":%b}' % given
    assert missing(body, [None]) is body


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":["a"]}',
        b'{"input":5}',
        b'{"input":{}}',
        b'{"input":["a","b"],"input":["c","d"]}',
        b"{}",
        b"[",
        b"",
        b'{"input":["a","b"',
    ],
)
def test_what_does_not_fit_is_asked_as_it_came(body: bytes) -> None:
    assert missing(body, [None, kept(b"[1]")]) is body


# ---- what is answered -------------------------------------------------------------------------------------------------
def test_everything_known() -> None:
    body = together([kept(b"[1.50, -0.0]", 2), kept(b'"AACAPw=="', 3)], None, model="text-embed")
    assert b"[1.50, -0.0]" in body
    assert orjson.loads(body) == {
        "object": "list",
        "data": [row(0, [1.5, 0]), row(1, "AACAPw==")],
        "model": "text-embed",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }


def test_known_and_fresh_whatever_order_the_provider_sends() -> None:
    answer = (
        b'{"object":"list","odd":1.50,"data":[{"embedding":[1e-9,2.500],"index":1,"x":[1.0]},{"index":0,"embedding":"AAAA"}],'
        b'"model":"fresh","usage":{"prompt_tokens":7,"total_tokens":8,"odd":2.50}}'
    )
    body = together([None, kept(b"[0.10]", 5), None], answer, model="m")
    for exact in (b"[1e-9,2.500]", b"[0.10]", b'"odd":1.50', b'"odd":2.50', b'"x":[1.0]'):
        assert exact in body
    found = orjson.loads(body)
    assert [(each["index"], each["embedding"]) for each in found["data"]] == [(0, "AAAA"), (1, [0.1]), (2, [1e-9, 2.5])]
    assert found["data"][2]["x"] == [1.0]
    assert (found["model"], found["odd"]) == ("fresh", 1.5)
    assert found["usage"] == {"prompt_tokens": 12, "total_tokens": 13, "odd": 2.5}


def test_a_host_that_does_not_number_its_vectors() -> None:
    answer = b'{"data":[{"embedding":[1]},{"embedding":[2]}]}'
    found = orjson.loads(together([kept(b"[0]"), None, None], answer, model="m"))
    assert [(each["index"], each["embedding"]) for each in found["data"]] == [(0, [0]), (1, [1]), (2, [2])]
    assert "usage" not in found, "half of it is not the usage of the whole"


WRONG = [
    answered(row(0)),
    answered(row(0), row(1), row(2)),
    answered(row(0), row(0)),
    answered(row(0), row(1), row(1, None)),
    answered(row(1), row(2)),
    answered(row(0), row(-1)),
    answered(row(0), row("1")),
    answered(row(0), row(None)),
    answered(row(0), row(1, None)),
    answered(row(0), row(1, [])),
    answered(row(0), row(1, ["a"])),
    answered(row(0), row(1, "")),
    answered(row(0), row(1, {"a": 1})),
    answered(row(0), {"index": 1}),
    answered(row(0), 5),
    b'{"data":5}',
    b'{"error":{}}',
    b"[]",
    b"",
    b'{"data":[',
    b'{"data":"\xff"}',
]


@pytest.mark.parametrize("answer", WRONG, ids=range(len(WRONG)))
def test_an_answer_that_is_not_one_to_what_was_asked(answer: bytes) -> None:
    assert together([None, kept(b"[1]"), None], answer, model="m") == b""
    assert parts(answer, b'{"input":["a","b"]}') == []


def test_nothing_asked_but_something_missing() -> None:
    assert together([None, kept(b"[1]")], None, model="m") == b""


# ---- what is kept -----------------------------------------------------------------------------------------------------
def tokens(found: list[tuple[bytes, Usage]]) -> list[int]:
    return [usage.input for _, usage in found]


def test_each_vector_as_it_was_written_and_its_share() -> None:
    answer = (
        b'{"data":[{"index":1,"embedding": [2.50, 1e-9] },{"index":0,"embedding":"AA=="}],"usage":{"prompt_tokens":11}}'
    )
    found = parts(answer, b'{"input":["%b","%b"]}' % (b"x" * 40, b"y" * 4))
    assert [vector for vector, _ in found] == [b'"AA=="', b"[2.50, 1e-9]"]
    assert tokens(found) == [10, 1]
    assert found[0][1].input_source == "reported"


def test_tokens_as_inputs_weigh_what_they_are() -> None:
    answer = answered(row(0), row(1), usage={"prompt_tokens": 4, "total_tokens": 4})
    assert tokens(parts(answer, b'{"input":[[1,2,3],[9]]}')) == [3, 1]


@pytest.mark.parametrize("given", [b'"one text"', b"[1,2,3]", b'["one text"]', b"[[1,2,3]]"])
def test_a_single_input_has_all_of_it(given: bytes) -> None:
    assert tokens(parts(answered(row(0), usage={"prompt_tokens": 9}), b'{"input":%b}' % given)) == [9]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -5}, {"prompt_tokens": "9"}, 5])
def test_usage_that_nobody_knows(usage: Any) -> None:
    assert parts(answered(row(0, [1]), usage=usage), b'{"input":"a"}') == [(b"[1]", NO_USAGE)]
    found = orjson.loads(together([kept(b"[1]"), None], answered(row(0, [2]), usage=usage), model="m"))
    assert found.get("usage") == usage


@pytest.mark.parametrize("asked", [b"", b"{}", b'{"input":[]}', b'{"input":5}', b'{"input":["a","b"]}'])
def test_a_request_that_does_not_fit(asked: bytes) -> None:
    assert parts(answered(row(0)), asked) == []


@given(
    st.integers(0, 10**9),
    st.lists(st.text(max_size=30) | st.lists(st.integers(0, 9), min_size=1, max_size=9), min_size=1, max_size=20),
)
def test_shares_sum_to_the_whole_and_together_give_it_back(total: int, inputs: list[Any]) -> None:
    asked = orjson.dumps({"input": inputs, "model": "m"})
    answer = answered(
        *[row(at, [at]) for at in reversed(range(len(inputs)))], usage={"prompt_tokens": total, "total_tokens": total}
    )
    found = parts(answer, asked)
    assert len(found) == len(inputs)
    assert sum(tokens(found)) == total
    assert min(tokens(found)) >= 0
    entries = [kept(vector, usage.input) for vector, usage in found]
    assert orjson.loads(together(entries, None, model="m")) == {
        **orjson.loads(answer), "data": [row(at, [at]) for at in range(len(inputs))],
    }  # fmt: skip


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.randoms())
def test_any_mixture_is_the_answer_of_all(known: list[bool], random: Any) -> None:
    """Each input is its own vector; what is asked for is answered in any order."""
    body = orjson.dumps({"input": [f"text {at}" for at in range(len(known))]})
    found = [kept(b"[%d]" % at) if is_known else None for at, is_known in enumerate(known)]
    if all(known):
        return
    asked = orjson.loads(missing(body, found))["input"]
    rows = [row(at, [int(text.split()[1])]) for at, text in enumerate(asked)]
    random.shuffle(rows)
    whole = orjson.loads(together(found, answered(*rows), model="m"))
    assert whole["data"] == [row(at, [at]) for at in range(len(known))]
