"""A conversation is counted message by message: the next turn costs its new message, not the whole again."""

import json

import pytest

from proxy.tokens import text
from proxy.tokens.prompt import count_prompt


def body(messages: list[str]) -> bytes:
    roles = ("user", "assistant")
    return json.dumps(
        {"messages": [{"role": roles[turn % 2], "content": content} for turn, content in enumerate(messages)]}
    ).encode()


@pytest.mark.parametrize("length", [40, 3_000], ids=["short", "remembered by digest"])
def test_the_next_turn_counts_only_what_is_new(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    seen: list[str] = []
    encode = text._encode

    def spy(part: str, *args: object) -> object:
        seen.append(part)
        return encode(part, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(text, "_encode", spy)
    for memo in text.MEMOS.values():
        monkeypatch.setattr(memo, "_entries", type(memo._entries)())
        monkeypatch.setattr(memo, "bytes", 0)
    told = [f"message {turn} " + "word " * (length // 5) for turn in range(6)]
    first = count_prompt("chat", "gpt-4o", body(told[:5]))
    assert [part for part in seen if part in told] == told[:5]
    seen.clear()
    second = count_prompt("chat", "gpt-4o", body(told))
    assert seen == told[5:]
    assert first.source == second.source == "counted"
    seen.clear()
    assert count_prompt("chat", "gpt-4o", body(told)) == second
    assert seen == []
