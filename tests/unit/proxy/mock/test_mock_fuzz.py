"""Whatever the body, a handler answers or refuses; it never breaks."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.mock.compose import example
from proxy.mock.controls import Controls
from proxy.mock.dialects import DIALECTS
from proxy.mock.flavours import FLAVOURS
from proxy.mock.reply import Call, Refused
from proxy.mock.routes import TABLES, find
from proxy.mock.store import Store
from proxy.mock.text import pieces_of, sentences, stream

NAMES = (
    "model messages role content tools tool_choice type function name parameters stop n stream stream_options text format "
    "include_usage max_tokens response_format json_schema schema input prompt voice instructions metadata store logprobs "
    "top_logprobs dimensions encoding_format background temperature output arguments tool_calls id tool_call_id items query "
    "file_id purpose bytes filename mime_type part_ids input_file_id endpoint completion_window training_file seed functions "
    "contents parts functionCall functionResponse functionDeclarations generationConfig thinkingConfig thoughtSignature "
    "tool_use tool_result tool_use_id input_schema thinking signature system toolConfig toolSpec inputSchema toolUse "
    "toolResult toolUseId inferenceConfig additionalModelRequestFields reasoningContent systemInstruction toolChoice "
    "stop_sequences output_config outputConfig textFormat structure jsonSchema p k documents texts source budget_tokens "
    "session reasoning order echo properties enum const anyOf $ref minItems minLength maxLength minimum maximum required"
).split()  # fmt: skip
WORDS = [
    "user",
    "assistant",
    "tool",
    "function",
    "object",
    "string",
    "array",
    "integer",
    "required",
    "auto",
    "json_schema",
]
LEAF = (
    st.none() | st.booleans() | st.integers(-3, 2000) | st.floats(allow_nan=False, width=32) | st.sampled_from(WORDS) | st.text(max_size=8)
)  # fmt: skip
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)
GOOD: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "x"}], "input": "x", "prompt": "x"}
GEMINI_GOOD: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
ANTHROPIC_GOOD: dict[str, Any] = {"max_tokens": 50}
BEDROCK_GOOD: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
POSTS = [
    (table, route.template.replace("{id}", "m").replace("{model}", "m"))
    for table, routes in TABLES.items()
    for route in routes
    if route.method == "POST" and (table != "openai" or "{" not in route.template) and "{project}" not in route.template
]


def answer(path: str, body: bytes, kind: str = "application/json", table: str = "openai") -> None:
    call = Call(
        method="POST",
        path=path,
        query_string="",
        headers={"content-type": kind, "anthropic-version": "2023-06-01"},
        body=body,
        length=len(body),
        controls=Controls(),
        store=Store(),
    )
    route, params = find("POST", path, table)
    call.params = tuple(params)
    try:
        reply = route.answer(call)
    except Refused as refused:
        reply = refused.reply()
    assert reply.status < 500
    for frame in reply.frames or ():
        assert isinstance(frame, bytes)
    if reply.content_type == "application/json" and reply.frames is None:
        orjson.loads(reply.body)


@pytest.mark.parametrize(("table", "path"), POSTS)
@settings(max_examples=120, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=6), good=st.booleans())
def test_no_body_breaks_a_handler(table: str, path: str, fields: dict[str, Any], good: bool) -> None:
    base = {"gemini": GEMINI_GOOD, "anthropic": ANTHROPIC_GOOD, "bedrock": BEDROCK_GOOD}.get(table, {})
    told = {name: value for name, value in GOOD.items() if table == "openai" or name in ("messages", "model")}
    sound = base if table in ("gemini", "bedrock") else {**told, **base}
    answer(path, orjson.dumps({**sound, **fields} if good else fields), table=table)


@pytest.mark.parametrize("name", [*FLAVOURS, "azure"])
@settings(max_examples=60, deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=5),
    controls=st.builds(
        Controls,
        tool_calls=st.sampled_from([None, 0, 2]),
        reasoning=st.sampled_from([None, 0, 3]),
        preface=st.sampled_from([None, 2]),
        usage=st.sampled_from([None, True, False]),
        novelty=st.booleans(),
    ),
    tools=st.sampled_from([None, "function", "custom"]),
    stream=st.booleans(),
)
def test_no_accent_breaks_an_answer(
    name: str, fields: dict[str, Any], controls: Controls, tools: str | None, stream: bool
) -> None:
    dialect = {**FLAVOURS, **DIALECTS}[name]
    offered = {"tools": [{"type": tools, tools: {"name": "look"}}]} if tools else {}
    body = orjson.dumps({**GOOD, **offered, "n": 2, **fields, "stream": stream})
    call = Call(
        method="POST",
        path="/chat/completions" if name != "azure" else "/openai/v1/chat/completions",
        query_string="",
        headers={},
        body=body,
        length=len(body),
        controls=replace(controls, flavour="" if name == "azure" else name),
        store=Store(),
    )
    try:
        dialect.enter(call)
        route, _ = find("POST", call.path, dialect.table)
        reply = dialect.leave(call, route.answer(call))
    except Refused as refused:
        reply = dialect.envelope(refused)
    assert reply.status < 500
    for frame in reply.frames or ():
        assert frame.endswith(b"\n\n")
    assert reply.frames is not None or orjson.loads(reply.body)


@pytest.mark.parametrize("path", ["/files", "/audio/transcriptions", "/images/edits", "/videos"])
@settings(max_examples=150, deadline=None)
@given(
    body=st.lists(
        st.sampled_from(
            [b"--b", b"\r\n", b"--", b"content-disposition: form-data; name=", b'"file"', b'; filename="a"', b"\r\n\r\n", b"x", b"\xff"]
        ),
        max_size=30,
    ).map(b"".join)
)  # fmt: skip
def test_no_form_breaks_a_handler(path: str, body: bytes) -> None:
    answer(path, body, "multipart/form-data; boundary=b")


@settings(max_examples=300, deadline=None)
@given(schema=VALUE, seed=st.integers(0, 1000))
def test_any_schema_gets_an_example(schema: Any, seed: int) -> None:
    if isinstance(schema, dict):
        orjson.dumps(example(schema, schema, stream(seed)))


@given(text=st.text())
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text


@given(seed=st.integers(0, 2**64 - 1), count=st.integers(0, 200))
def test_sentences_have_the_length_asked_for(seed: int, count: int) -> None:
    pieces = sentences(seed, count)
    assert len(pieces) == count
    assert pieces_of("".join(pieces)) == pieces
    assert count < 2 or "".join(pieces).endswith(".")
