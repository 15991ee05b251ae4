"""W3C trace context: which trace a request belongs to, read strictly, and how we say so to a provider."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

PARENT, STATE = b"traceparent", b"tracestate"

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/]{0,240}(?:@[a-z][a-z0-9_\-*/]{0,13})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}")

_LONGEST = 512
"""Characters of a tracestate that is kept."""

_MEMBERS = 32

SAMPLED = 0x01
_KEPT = 0x03
"""Flags that are handed on: sampled, and that the trace id is random (level 2 of the recommendation)."""


class Parent(Struct, frozen=True):
    """The caller's span. ``flags`` as it sent them; ``state`` its tracestate, "" where there is none that can be read."""

    trace_id: int
    span_id: int
    flags: int
    state: str = ""

    @property
    def sampled(self) -> bool:
        """Does the caller record this trace?"""
        return bool(self.flags & SAMPLED)


def parent_of(headers: Mapping[bytes, bytes], raw: Sequence[tuple[bytes, bytes]]) -> Parent | None:
    """Whose child a request is; ``None`` where it does not say, or not as the recommendation has it. ``raw``: pairs as received."""
    value = headers.get(PARENT)
    if value is None:
        return None
    found = _PARENT.fullmatch(value)
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    trace_id, span_id = int(trace, 16), int(span, 16)
    if version == b"ff" or (version == b"00" and rest is not None) or not trace_id or not span_id:
        return None
    states = []
    if len(raw) != len(headers):
        if sum(name == PARENT for name, _ in raw) > 1:
            return None
        states = [value for name, value in raw if name == STATE]
    elif STATE in headers:
        states = [headers[STATE]]
    return Parent(trace_id, span_id, int(flags, 16), _state_in(states) if states else "")


def _state_in(values: Sequence[bytes]) -> str:
    """Several headers are one list; one that cannot be read is none."""
    text = b",".join(values).decode("latin-1")
    members = [member.strip(" \t") for member in text.split(",")]
    sane = len(text) <= _LONGEST and len(members) <= _MEMBERS and all(map(_MEMBER.fullmatch, filter(None, members)))
    return text if sane else ""


def handed_on(flags: int) -> int:
    """The flags of a recorded child."""
    return flags & _KEPT | SAMPLED


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """The header that names one of our spans."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
