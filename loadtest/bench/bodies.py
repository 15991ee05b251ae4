"""Request bodies: chat completions whose prompt is English prose and code from Python's own help topics.

The mock upstream obeys two of the fields: `max_tokens` is the number of chunks, `seed` the microseconds between them.
"""

import json
from pathlib import Path
from pydoc_data.topics import topics

PROMPT_BYTES = 1000


def chat(*, chunks: int = 50, pace_us: int | None = None, prompt: int = PROMPT_BYTES) -> bytes:
    """A chat completion body with a prompt of so many bytes; streamed when `pace_us` (microseconds between chunks) is given."""
    text = "\n".join(topics[name] for name in sorted(topics))
    body: dict[str, object] = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": text[PROMPT_BYTES : PROMPT_BYTES + prompt]},
        ],
        "temperature": 0.2,
        "max_tokens": chunks,
    }
    if pace_us is not None:
        body |= {"seed": pace_us, "stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body, separators=(",", ":")).encode()


def write(folder: Path, name: str, body: bytes) -> Path:
    """Puts a body where the load generator can read it."""
    path = folder / f"{name}.json"
    path.write_bytes(body)
    return path
