"""What of a Responses body must not reach OpenAI itself."""

import json
from typing import Any

from proxy.translation.carried import public_id, seal
from proxy.translation.responses.native import native

CARRIED = public_id("call_1", {"google": {"thought_signature": "x" * 200}}, strict=False)


def items(*given: Any) -> list[Any]:
    return list(json.loads(native(json.dumps({"input": list(given)}).encode()))["input"])


def test_a_body_without_our_items_keeps_its_bytes() -> None:
    for item in (
        {"type": "reasoning", "encrypted_content": "gAAA"},
        {"role": "user", "content": "tollway1. and _tw1_"},
    ):
        body = json.dumps({"input": [item]}, indent=3).encode()
        assert native(body) is body


def test_reasoning_sealed_here_is_left_out() -> None:
    theirs = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    ours = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": seal({})}
    assert items(theirs, ours) == [theirs]


def test_call_ids_are_the_providers_own() -> None:
    assert len(CARRIED) > 64
    found = items(
        {"type": "function_call", "call_id": CARRIED, "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": CARRIED, "output": "1"},
    )
    assert [item["call_id"] for item in found] == ["call_1", "call_1"]


def test_what_is_no_responses_body_passes() -> None:
    for body in (b"tollway1.", b'{"input":"tollway1."}', b'["_tw1_"]', b'{"input":[1,"_tw1_"]}'):
        assert native(body) is body
