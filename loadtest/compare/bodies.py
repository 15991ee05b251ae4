"""Request bodies of any prompt size, each with a place where the load generator puts a number that no other request has.

So every prompt is a new one: a cache misses, and what is remembered by prompt does not help. The prose is that of loadtest.bench.
"""

import json
from pydoc_data.topics import topics

MARK = "0123456789012345"
"""Stands once in a body: sixteen digits, as wide as the number that replaces them."""

KB = 1000


def chat(*, prompt: int = KB, chunks: int = 50, pace_us: int | None = None) -> bytes:
    """A chat completion with ``prompt`` bytes of user text; streamed when ``pace_us`` (microseconds between chunks) is given."""
    body: dict[str, object] = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": f"Question {MARK}: {prose(prompt - len(MARK) - 11)}"},
        ],
        "temperature": 0.2,
        "max_tokens": chunks,
    }
    if pace_us is not None:
        body |= {"seed": pace_us, "stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body, separators=(",", ":")).encode()


def prose(size: int) -> str:
    """``size`` characters of English and code, the same again where Python's help topics end."""
    text = "\n".join(topics[name] for name in sorted(topics)).encode("ascii", "replace").decode()
    return (text * (size // len(text) + 1))[:size]
