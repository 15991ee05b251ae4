"""What of a Messages body must not reach Anthropic itself."""

import json
from typing import Any

from proxy.translation.carried import seal
from proxy.translation.messages.native import native

REAL = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
OURS = {"type": "thinking", "thinking": "Hm", "signature": seal({})}
TEXT = {"type": "text", "text": "so"}


def contents(*content: Any) -> list[Any]:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": list(content)}]
    return [each["content"] for each in json.loads(native(json.dumps({"messages": messages}).encode()))["messages"]]


def test_a_body_without_our_blocks_keeps_its_bytes() -> None:
    for content in (REAL, {"type": "text", "text": "about tollway1. signatures"}):
        body = json.dumps({"messages": [{"role": "assistant", "content": [content]}]}, indent=3).encode()
        assert native(body) is body


def test_our_blocks_are_left_out_and_others_stay() -> None:
    assert contents(OURS, REAL, TEXT)[1] == [REAL, TEXT]
    assert contents({"type": "redacted_thinking", "data": seal({"reasoning_details": []})}, TEXT)[1] == [TEXT]


def test_claudes_thinking_inside_ours_comes_back() -> None:
    assert contents({**OURS, "signature": seal({"thinking_blocks": [REAL]})}, TEXT)[1] == [REAL, TEXT]


def test_a_message_of_which_nothing_is_left_goes() -> None:
    assert contents(OURS) == ["x"]


def test_what_is_no_messages_body_passes() -> None:
    for body in (b"tollway1.", b'{"messages":"tollway1."}', b'["tollway1."]', b'{"messages":[1,"tollway1."]}'):
        assert native(body) is body
