"""The usage chunk of chat and completions streams: in the answer exactly where it is asked for, before the end."""

import re

from ...protocols import CacheEntry
from ...wire.sse import Framer
from ...wire.stream import read_chunk
from ...wire.usage import Usage
from ...wire.values import JsonObject
from .events import events_in
from .reading import SenselessError, documents, written

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
"""Only ever a member: inside a string its quotes would be escaped."""

_TAIL = 4096
"""Bytes in which usage nearly always is."""

_END = re.compile(rb"(?:^|(?<=\n)|(?<=\r))data:[ ]?\[DONE\]")


def with_usage(entry: CacheEntry) -> bytes:
    """The stream with its usage. Raises ``SenselessError`` when nobody knows it."""
    body = entry.body
    if entry.usage_event:
        return _before_end(body, entry.usage_event)
    if _USAGE.search(body, max(len(body) - _TAIL, 0)) or _USAGE.search(body):
        return body
    if entry.usage.output_source != "reported":
        raise SenselessError
    chunks = documents(body)
    first: JsonObject = next((chunk for chunk in chunks if chunk.get("id")), {})
    if not chunks:
        raise SenselessError
    head = {name: value for name, value in first.items() if name not in ("choices", "usage", "obfuscation")}
    told = written({**head, "choices": [], "usage": usage_object(entry.usage)})
    return _before_end(body, b"data: " + told + b"\n\n")


def without_usage(entry: CacheEntry) -> bytes:
    """The stream without chunks that only report usage; every other byte as it is."""
    body = entry.body
    if entry.usage_event:
        # The client that it was made for had not asked either: they were taken out on their way to it.
        return body
    if not _USAGE.search(body):
        return body
    if b"\r" in body:
        return b"".join([event for event in events_in(body) if not _is_bare(event)])
    kept: list[bytes] = []
    at = 0
    for match in _USAGE.finditer(body):
        before, after = body.rfind(b"\n\n", at, match.start()), body.find(b"\n\n", match.end())
        start, end = before + 2 if before >= 0 else at, after + 2 if after >= 0 else len(body)
        if match.start() >= at and _is_bare(body[start:end]):
            kept.append(body[at:start])
            at = end
    return b"".join([*kept, body[at:]]) if kept else body


def usage_object(usage: Usage) -> JsonObject:
    """``usage`` as chat and completions write it."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": usage.audio_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output},
    }


def _is_bare(event: bytes) -> bool:
    return any(read_chunk(payload).bare_usage for payload in Framer().feed(event.rstrip(b"\r\n") + b"\n\n"))


def _before_end(body: bytes, event: bytes) -> bytes:
    """``event`` before ``[DONE]``, or last where a host sends none."""
    event = event.rstrip(b"\r\n") + b"\n\n"
    end = _END.search(body, max(body.rfind(b"[DONE]") - 16, 0))
    if end is not None:
        whole = memoryview(body)
        return b"".join((whole[: end.start()], event, whole[end.start() :]))
    blank = b"" if not body or body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) else b"\n\n"
    return body + blank + event
