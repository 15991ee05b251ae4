"""Usage and text of whole answers, in every shape that providers send."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.reply import text_of
from proxy.wire.usage import Usage, reported_in


@pytest.mark.parametrize(
    ("usage", "figures"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, (3, 4, 0, 0)),
        ({"prompt_tokens": 3}, (3, 0, 0, 0)),
        ({"prompt_tokens": 3, "completion_tokens": None}, (3, 0, 0, 0)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, 0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 6}}, (9, 8, 5, 6)),
        ({"input_tokens": 9, "output_tokens": 8, "input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 6}}, (9, 8, 5, 6)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": None}}, (9, 0, 0, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": 4}, None),
        ({"prompt_tokens": 1, "completion_tokens": -4}, None),
        ({"type": "duration", "seconds": 9}, None),
        ({}, None),
        (None, None),
    ],
)  # fmt: skip
def test_reported_usage(usage: object, figures: tuple[int, ...] | None) -> None:
    found = reported_in(orjson.dumps({"usage": usage}))
    if figures is None:
        assert found is None
        return
    assert found == Usage(
        input=figures[0], output=figures[1], cached=figures[2], reasoning=figures[3],
        input_source="reported", output_source="reported",
    )  # fmt: skip


@pytest.mark.parametrize("details", [{"cached_tokens": -5}, {"cached_tokens": 10**6}])
def test_details_never_exceed_what_they_are_part_of(details: dict[str, int]) -> None:
    found = reported_in(
        orjson.dumps({"usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": details}})
    )
    assert found is None or 0 <= found.cached <= found.input


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"{", b'{"usage":[]}', b'{"usage":{"prompt_tokens":"3"}}', b"\xff"]
)
def test_no_usage(body: bytes) -> None:
    assert reported_in(body) is None


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}, "ab"),
        ({"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}, "f{}"),
        ({"choices": [{"message": {"content": "a", "reasoning_content": "r", "refusal": None}}]}, "ar"),
        ({"choices": [{"text": "legacy"}]}, "legacy"),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}, {"type": "function_call", "name": "f", "arguments": "1"}]}, "hif1"),
        ({"choices": []}, ""),
        ({"choices": [{"message": None}]}, ""),
        ([], ""),
        ({"choices": 5}, ""),
        ({"output": [{"content": None}]}, ""),
    ],
)  # fmt: skip
def test_text_of_answers(reply: object, text: str) -> None:
    assert text_of(orjson.dumps(reply)) == text


@given(st.binary(max_size=60))
def test_no_bytes_raise(body: bytes) -> None:
    text_of(body)
    reported_in(body)


FIGURES = b'"usage":{"prompt_tokens":3,"completion_tokens":4}'


@pytest.mark.parametrize(
    ("body", "output"),
    [
        (b'{"choices":[{"message":{"content":"a"}}],%b}', 4),
        (b'{"choices":[],%b,"user":null,"metadata":{"a":[]}}', 4),
        (b'{%b,"choices":[{"text":"' + b"x" * 9000 + b'"}]}', 4),
        (b'{"choices":[{%b}]}', None),
        (b'{"choices":[{%b}],"usage":null}', None),
        (b'{"choices":[{"usage":{"prompt_tokens":9,"completion_tokens":9}}],%b}', 4),
        (b'{%b,"choices":[{"usage":{"prompt_tokens":9,"completion_tokens":9}}]}', 4),
        (b'{"content":"\\\\\\"usage\\":{}",%b}', 4),
        (b'{"object":"usage",%b,"kind":"usage"}', 4),
        (b'{"choices":[],%b', None),
    ],
)
def test_usage_is_that_of_the_answer_itself(body: bytes, output: int | None) -> None:
    found = reported_in(body.replace(b"%b", FIGURES))
    assert (found.output if found is not None else None) == output
