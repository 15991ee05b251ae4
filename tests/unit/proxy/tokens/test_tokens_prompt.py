"""Whole requests: the chat formula, each endpoint's shapes, and bodies nobody expected."""

import base64
import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokens_corpus import ALL
from tokens_reference import count

from proxy.tokens.estimate import estimate_prompt
from proxy.tokens.prompt import PromptCount, count_prompt

Json = dict[str, object] | list[object] | str | int | float | bool | None


def counted(body: object, endpoint: str = "chat", model: str = "gpt-4o") -> PromptCount:
    result = count_prompt(endpoint, model, json.dumps(body).encode())
    parts = result.text + result.tools + result.response_format + result.images + result.audio + result.files
    assert result.total == parts + result.overhead
    return result


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1024, 1024)
IMAGE = "data:image/png;base64," + base64.b64encode(PNG + bytes(500)).decode()


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_a_role_is_one_token(role: str) -> None:
    assert count(role) == 1
    assert count(role, "cl100k_base") == 1


@pytest.mark.parametrize(
    ("model", "name"), [("gpt-4o", "o200k_base"), ("gpt-4", "cl100k_base"), ("gpt-oss-20b", "o200k_base")]
)
def test_chat_formula(model: str, name: str) -> None:
    messages = [{"role": "user" if i % 2 else "assistant", "content": text} for i, text in enumerate(ALL.values())]
    messages[0] |= {"role": "system", "name": "example_user"}
    result = counted({"messages": messages}, model=model)
    contents = sum(count(text, name) for text in ALL.values())
    assert result.total == 3 + 4 * len(messages) + contents + count("example_user", name) + 1
    assert (result.source, result.messages) == ("counted", len(messages))
    assert result.encoding == ("o200k_harmony" if model == "gpt-oss-20b" else name)


def test_hello_is_eight_tokens() -> None:
    assert counted({"messages": [{"role": "user", "content": "Hello"}]}).total == 8


def test_content_parts_are_summed() -> None:
    parts = [
        {"type": "text", "text": "Hello"},
        {"type": "text", "text": " world"},
        {"type": "refusal", "refusal": "No"},
    ]
    assert counted({"messages": [{"role": "user", "content": parts}]}).total == 7 + 1 + 1 + 1


def test_tool_calls_and_results() -> None:
    arguments = '{"city":"Bern"}'
    messages = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "12 degrees"},
    ]
    result = counted({"messages": messages})
    assert result.text == 1 + 1 + count("f") + count(arguments) + count("12 degrees")
    assert result.overhead == 3 + 3 + 3 + 8 + 4


def test_tools_schema_and_choice_have_parts_of_their_own() -> None:
    tools = [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}},
        }
    ]
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    body = {
        "messages": [{"role": "user", "content": "x"}],
        "tools": tools,
        "tool_choice": "none",
        "response_format": wanted,
    }
    result = counted(body)
    assert (
        result.tools
        == count("namespace functions {\n\ntype f = (_: {\na?: string,\n}) => any;\n\n} // namespace functions") + 9
    )
    assert result.response_format == count('{"type":"object"}') + 20
    assert result.overhead == 3 + 3 + 1
    with_system = counted(body | {"messages": [{"role": "system", "content": "x"}]})
    assert with_system.tools == result.tools - 4


def test_images_count_by_their_size_and_not_as_text() -> None:
    image = {"type": "image_url", "image_url": {"url": IMAGE}}
    result = counted({"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]})
    assert (result.images, result.images_estimated, result.source) == (765, 0, "counted")
    assert result.text == 1 + count("What?")

    low = {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}
    remote = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    result = counted({"messages": [{"role": "user", "content": [low, remote]}]})
    assert (result.images, result.images_estimated, result.source) == (85 + 1445, 1, "estimated")


def test_audio_and_files_are_estimated_apart() -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 64_000, "format": "pcm16"}}
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 100_000}}
    known = {"type": "file", "file": {"file_id": "file-1"}}
    result = counted({"messages": [{"role": "user", "content": [audio, file, known]}]})
    assert result.audio == 11
    assert result.files == pytest.approx(100_000 * 3 / 16 + 3000, rel=0.01)
    assert (result.text, result.source) == (1, "estimated")


def test_other_families_get_their_margin() -> None:
    body = {"messages": [{"role": "user", "content": ALL["english"] * 10}]}
    ours = counted(body)
    claude = counted(body, model="claude-opus-4-7")
    assert claude.source == "estimated"
    assert claude.text == pytest.approx(ours.text * 1.6, abs=1)
    tools = counted(body | {"tools": [{"type": "function", "function": {"name": "f"}}]}, model="claude-opus-4-7")
    assert tools.overhead == claude.overhead + 346


def test_responses_as_text_and_as_items() -> None:
    plain = counted({"input": "Hello", "instructions": "Be brief"}, "responses")
    assert plain.total == 3 + (3 + 1 + 2) + (3 + 1 + 1)
    assert plain.source == "counted"
    items = [
        {"role": "user", "content": "Hello"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hello"}, {"type": "input_image", "image_url": IMAGE}],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "12 degrees"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "12 degrees"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hello"}]},
    ]
    result = counted({"input": items}, "responses")
    assert result.images == 765
    assert result.text == 3 + 2 + count("f") + count("{}") + 2 * (1 + count("12 degrees"))
    assert result.overhead == 3 + 2 * 3 + 8 + 2 * (3 + 4) + 3
    assert result.source == "counted"


@pytest.mark.parametrize(
    "extra",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "p"}},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"type": "reasoning", "encrypted_content": "A" * 400}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
        {
            "input": [
                {
                    "type": "computer_call_output",
                    "output": {"type": "computer_screenshot", "image_url": "https://example.com"},
                }
            ]
        },
        {"tools": [{"type": "web_search"}]},
    ],
)
def test_what_lies_elsewhere_makes_an_estimate(extra: dict[str, object]) -> None:
    assert counted({"input": "Hello"}, "responses").source == "counted"
    result = counted({"input": "Hello"} | extra, "responses")
    assert result.source == "estimated"
    assert result.total > 0


@pytest.mark.parametrize(
    ("given_input", "tokens", "inputs"),
    [("Hello world", 2, 1), (["Hello", "Hello world"], 3, 2), ([1, 2, 3], 3, 1), ([[1, 2], [3]], 3, 2), ([], 0, 0)],
)
def test_embeddings_and_completions_have_no_overhead(given_input: object, tokens: int, inputs: int) -> None:
    for endpoint, key, model in (
        ("embeddings", "input", "text-embedding-3-small"),
        ("completions", "prompt", "davinci-002"),
    ):
        result = counted({key: given_input}, endpoint, model)
        assert (result.total, result.messages, result.overhead) == (tokens, inputs, 0)
        assert (result.source, result.encoding) == ("counted", "cl100k_base")


def test_other_endpoints_have_no_prompt() -> None:
    assert counted({"input": "Hello"}, "moderations").total == 0


def test_an_encoding_asked_for_keeps_the_models_images() -> None:
    body = json.dumps(
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}]}
    ).encode()
    result = count_prompt("chat", "gpt-6", body, encoding="cl100k_base")
    assert (result.images, result.encoding) == (1229, "cl100k_base")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"messages":3}',
        b'{"messages":[3]}',
        b'{"messages":[{"role":7}]}',
        b'{"messages":[{"role":"user","content":{"a":1}}]}',
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b'\xef\xbb\xbf{"messages":[]}',
        '{"messages":[]}'.encode("utf-16"),
        b'{"messages":[],"tools":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages":[{"content":' + b"[" * 100_000,
        b'{"messages":[{"content":[{"image_url":{"url":3,"detail":5}}]}]}',
        b'{"messages":[],"a":NaN}',
    ],
)
def test_bodies_of_the_wrong_shape_are_estimated(body: bytes) -> None:
    result = count_prompt("chat", "gpt-4o", body)
    assert result.source == "estimated"
    assert result.total == result.text == estimate_prompt(body).likely


_KEYS = st.sampled_from(
    "messages role content name type text image_url url detail input_audio data format file file_data file_id tool_calls "
    "function custom arguments input output instructions tools functions tool_choice response_format json_schema schema "
    "properties parameters required enum items anyOf description prompt suffix summary encrypted_content conversation x".split()
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.sampled_from(
        [
            "user",
            "function",
            "object",
            "array",
            "string",
            "none",
            "json_schema",
            "message",
            "reasoning",
            "input_image",
            IMAGE,
        ]
    )
)
_ANY: st.SearchStrategy[Json] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6), max_leaves=30
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["chat", "responses", "completions", "embeddings", "tokens"]),
    st.dictionaries(_KEYS, _ANY, max_size=8),
)
def test_no_json_raises(endpoint: str, body: dict[str, Json]) -> None:
    result = count_prompt(endpoint, "gpt-4o", json.dumps(body).encode("utf-8", "surrogatepass"))
    assert result.total >= 0


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": _ANY}), min_size=1, max_size=3),
    _ANY,
    _ANY,
    st.sampled_from(["claude-opus-5", "gpt-4o"]),
)
def test_no_content_tool_or_format_raises(messages: list[object], tool: Json, schema: Json, model: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    counted({"messages": messages, "tools": [tool], "tool_choice": tool, "response_format": wanted}, model=model)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(body: bytes) -> None:
    for endpoint in ("chat", "responses", "completions", "embeddings"):
        assert count_prompt(endpoint, None, body).total >= 0


def test_one_request_is_tokenised_only_up_to_a_limit() -> None:
    text = ALL["english"] * 8000
    assert 1_300_000 < len(text) < 2_000_000
    result = counted({"messages": [{"role": "user", "content": f"{number} {text}"} for number in range(4)]})
    # Two are counted, the others estimated, on the safe side.
    assert result.source == "estimated"
    assert result.text > 4 * count(text[:20_000]) * len(text) / 20_000 * 0.99
