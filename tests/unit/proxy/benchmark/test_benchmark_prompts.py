"""What is sent and where: bodies, data sets, URLs and headers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.benchmark import target
from proxy.benchmark.dataset import read
from proxy.benchmark.lengths import Lengths
from proxy.benchmark.prompts import Shape, Sided, Synthetic, Written

FIXED = Lengths("uniform", 40, 40)
SHAPE = Shape(model="m")


def synthetic(**changes: object) -> Synthetic:
    options: dict[str, object] = {"prompt": FIXED, "answer": FIXED, "seed": 1}
    return Synthetic(SHAPE, **{**options, **changes})  # type: ignore[arg-type]


def content(body: bytes) -> str:
    found = json.loads(body)["messages"][0]["content"]
    assert isinstance(found, str)
    return found


def test_a_body_is_a_chat_request() -> None:
    body = json.loads(synthetic().body(3, 0))
    assert (body["model"], body["stream"], body["max_tokens"]) == ("m", True, 40)
    assert body["stream_options"] == {"include_usage": True}
    assert len(body["messages"][0]["content"].split()) == 30 + 3


def test_every_request_has_a_prompt_of_its_own() -> None:
    prompts = synthetic()
    bodies = {prompts.body(number, side) for number in range(1500) for side in (0, 1)}
    assert len(bodies) == 3000
    assert len({len(prompts.body(7, side)) for side in (0, 1)}) == 1
    assert synthetic().body(7, 0) == prompts.body(7, 0)
    assert synthetic(seed=2).body(7, 0) != prompts.body(7, 0)
    assert synthetic(run=1).body(7, 0) != prompts.body(7, 0)


def test_a_few_prompts_again_and_again() -> None:
    prompts = synthetic(distinct=5)
    assert len({prompts.body(number, side) for number in range(100) for side in (0, 1)}) == 5


def test_lengths_are_drawn_from_the_seed() -> None:
    prompts = synthetic(prompt=Lengths("uniform", 20, 90), answer=Lengths("uniform", 5, 9))
    bodies = [prompts.body(number, 0) for number in range(200)]
    assert {json.loads(body)["max_tokens"] for body in bodies} == {5, 6, 7, 8, 9}
    for number, body in enumerate(bodies):
        assert len(content(body).split()) == (prompts.input_tokens(number) or 0) - 10 + 3


def test_fields_of_the_callers_win() -> None:
    shape = Shape(
        model="m", stream=False, limit_field="max_completion_tokens", extra={"temperature": 0, "model": "other"}
    )
    body = json.loads(shape.body({"messages": []}, 7))
    assert body == {"model": "other", "messages": [], "max_completion_tokens": 7, "stream": False, "temperature": 0}


def test_sides_may_name_the_model_differently() -> None:
    prompts = Sided([synthetic(), Synthetic(Shape(model="n"), prompt=FIXED, answer=FIXED, seed=1)])
    one, other = (json.loads(prompts.body(4, side)) for side in (0, 1))
    assert (one["model"], other["model"]) == ("m", "n")
    assert one["messages"][0]["content"].split("]")[1] == other["messages"][0]["content"].split("]")[1]


LINES = b"""\xef\xbb\xbf{"prompt": "Hello"}
{"messages": [{"role": "system", "content": "Be brief."}], "output_tokens": 9}

{"prompt": "broken
{"request": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "temperature": 1}, "class": "maths"}
[1, 2]
{"prompt": "a", "messages": [{"role": "user"}]}
{}
{"prompt": ""}
{"messages": []}
{"prompt": "a", "output_tokens": 0}
{"request": {"prompt": "x"}}
"prompt"
\xff\xfe
"""


def test_broken_lines_are_told_of_and_the_rest_serves() -> None:
    entries, broken = read(LINES.splitlines(keepends=True))
    assert [each.line for each in broken] == [4, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert all(each.why for each in broken)
    assert [entry.output_tokens for entry in entries] == [None, 9, None]
    bodies = [json.loads(Written(SHAPE, entries, answer=FIXED, seed=1).body(number, 0)) for number in range(4)]
    assert [body["max_tokens"] for body in bodies] == [40, 9, 3, 40]
    assert bodies[2]["temperature"] == 1
    assert bodies[3] == bodies[0]
    assert "class" not in bodies[2]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_line_breaks_the_reader(lines: list[bytes]) -> None:
    entries, broken = read(lines)
    assert len(entries) + len(broken) == sum(bool(line.strip()) for line in lines)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1/chat/completions"),
        ("https://x.example/api/openai", "https://x.example/api/openai/chat/completions"),
        ("https://x.example/v1/chat/completions?api-version=1", "https://x.example/v1/chat/completions?api-version=1"),
        ("http://[::1]:9/v1#top", "http://[::1]:9/v1/chat/completions"),
    ],
)
def test_urls_as_people_write_them(url: str, endpoint: str) -> None:
    assert target.endpoint(url) == endpoint


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x/", "http://", "http://a b/", "http://x:port/", "http://[::1/", "http://u:p@x/v1"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(target.BadTarget):
        target.endpoint(url)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:3/v1", True),
        ("http://gateway.localhost/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
        ("http://0.0.0.0/v1", False),
    ],
)
def test_what_is_this_machine(url: str, here: bool) -> None:
    assert target.loopback(url) is here


def test_headers() -> None:
    assert target.headers(["X-A=1", "x-b: 2:3", "x-c=a=b"]) == [("x-a", "1"), ("x-b", "2:3"), ("x-c", "a=b")]
    for text in ("x", "=1", "a b=1", "x=a\r\ny", "Host=x", "content-length: 3", "x=\u20ac"):
        with pytest.raises(target.BadTarget):
            target.headers([text])


def test_credentials_stay_with_the_server_they_are_for() -> None:
    given = [("api-key", "k"), ("x-a", "1")]
    assert target.with_key([("x-a", "1")], "sk-1") == [("authorization", "Bearer sk-1"), ("x-a", "1")]
    assert target.with_key(given, "sk-1") == given
    assert target.without_credentials(given) == [("x-a", "1")]
    assert target.with_key([], None) == []
    with pytest.raises(target.BadTarget, match="line breaks"):
        target.with_key([], "sk-1\n")
