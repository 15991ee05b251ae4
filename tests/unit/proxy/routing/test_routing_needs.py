"""What a request needs, in each dialect; and what only looks as if it did."""

import json

import pytest

from proxy.policy.targets import AUDIO, JSON_SCHEMA, NEEDS, PDF, REASONING, TOOLS, VIDEO, VISION
from proxy.routing.needs import ALL, needs_of

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def parts(*content: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def items(*content: object) -> dict[str, object]:
    return {"input": [{"type": "message", "role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (parts({"type": "image_url", "image_url": {"url": "https://x"}}), VISION),
        (parts({"type": "image", "source": {"type": "url", "url": "https://x"}}), VISION),
        (items({"type": "input_image", "image_url": "https://x"}), VISION),
        ({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}, VISION),
        (parts({"type": "tool_result", "content": [{"type": "image", "source": {}}]}), VISION),
        ({"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]}, VISION),
        (parts({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}), AUDIO),
        ({"modalities": ["text", "audio"], "messages": []}, AUDIO),
        (parts({"type": "video_url", "video_url": {"url": "https://x"}}), VIDEO),
        (parts({"type": "file", "file": {"filename": "a.PDF", "file_id": "file-1"}}), PDF),
        (parts({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}}), PDF),
        (items({"type": "input_file", "file_url": "https://x/a"}), PDF),
        (parts({"type": "document", "source": {"type": "base64", "media_type": "application/pdf"}}), PDF),
        (parts({"type": "document", "source": {"type": "url", "url": "https://x"}}), PDF),
        ({"messages": [], "tools": [TOOL]}, TOOLS),
        ({"messages": [], "functions": [{"name": "f"}]}, TOOLS),
        ({"input": "x", "tools": [{"type": "web_search"}]}, TOOLS),
        ({"messages": [], "response_format": {"type": "json_schema", "json_schema": {}}}, JSON_SCHEMA),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}, JSON_SCHEMA),
        ({"messages": [], "output_config": {"format": {"type": "json_schema", "schema": {}}}}, JSON_SCHEMA),
        ({"messages": [], "reasoning_effort": "low"}, REASONING),
        ({"input": "x", "reasoning": {"effort": "high"}}, REASONING),
        ({"messages": [], "reasoning": {"max_tokens": 2000}}, REASONING),
        ({"messages": [], "thinking": {"type": "enabled", "budget_tokens": 1024}}, REASONING),
        ({**parts({"type": "image_url"}), "tools": [TOOL]}, VISION | TOOLS),
    ],
)
def test_what_is_needed(body: dict[str, object], needed: int) -> None:
    data = json.dumps(body).encode()
    assert needs_of(data) == needed
    assert needs_of(json.dumps(body, indent=2).encode()) == needed
    assert needs_of(data, ALL & ~needed) == 0, "what makes no difference is not looked for"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": 'an "image_url" and "tools" in a text'}]},
        {"messages": [], "tools": []},
        {"messages": [], "tools": None, "reasoning_effort": "none", "response_format": {"type": "json_object"}},
        {"messages": [], "reasoning": {"effort": "minimal"}, "thinking": {"type": "disabled"}},
        {"input": "x", "reasoning": {"summary": "auto"}},
        {"messages": [], "metadata": {"tools": "yes", "image_url": "x"}},
        parts({"type": "file", "file": {"filename": "notes.txt", "file_id": "file-1"}}),
        parts({"type": "file", "file": {"file_data": "data:text/plain;base64,AA=="}}),
        parts({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
        {"messages": "image_url", "input": 3, "tools": "image", "text": [], "thinking": "x"},
    ],
)
def test_what_only_looks_like_it(body: dict[str, object]) -> None:
    assert needs_of(json.dumps(body).encode()) == 0


def test_escapes_hide_nothing() -> None:
    body = rb'{"messages":[{"content":[{"type":"im\u0061ge_url"}]}],"t\u006fols":[{"type":"function"}]}'
    assert needs_of(body) == VISION | TOOLS
    assert needs_of(rb'{"messages":[{"content":"caf\u00e9"}]}') == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'"tools"', b'{"tools":[', b"\xff\x00tools"])
def test_other_bodies_need_nothing(body: bytes) -> None:
    assert needs_of(body) == 0


def test_a_deep_body_is_read() -> None:
    inner: object = {"type": "image"}
    for _ in range(60):
        inner = {"type": "tool_result", "content": [inner]}
    assert needs_of(json.dumps(parts(inner)).encode()) == VISION


def test_every_need_has_a_mark() -> None:
    assert sum(NEEDS) == ALL == 127
