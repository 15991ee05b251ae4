"""Prompts of a JSONL file: one object a line, with ``prompt``, ``messages`` or ``request``. A broken line is told of, the rest serves."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from ..wire.values import Json

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes."""

_LIMITS = ("max_tokens", "max_completion_tokens")


class Entry(Struct, frozen=True, kw_only=True):
    """``request``: fields of the chat request, its messages among them. ``output_tokens``: how long the answer may be."""

    request: dict[str, Json]
    output_tokens: int | None = None

    @property
    def limited(self) -> bool:
        """Does the request limit its answer itself?"""
        return any(name in self.request for name in _LIMITS)


class Broken(Struct, frozen=True, kw_only=True):
    """A line that is left out, counted from 1, and why."""

    line: int
    why: str


def read(lines: Iterable[bytes]) -> tuple[list[Entry], list[Broken]]:
    """The entries in their order, and the lines that are none. Empty lines are passed over."""
    entries: list[Entry] = []
    broken: list[Broken] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(_entry(line))
        except ValueError as error:
            broken.append(Broken(line=number, why=str(error)))
    return entries, broken


def _entry(line: bytes) -> Entry:
    """Raises ``ValueError`` with the reason in a few words."""
    if len(line) > LONGEST_LINE:
        raise ValueError("the line is longer than 16 MiB")
    try:
        found: Json = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    given = [name for name in ("prompt", "messages", "request") if found.get(name) is not None]
    if len(given) != 1:
        raise ValueError(
            "exactly one of prompt, messages and request is wanted, not " + (" and ".join(given) or "none")
        )
    return Entry(request=_request(given[0], found[given[0]]), output_tokens=_limit(found.get("output_tokens")))


def _request(kind: str, value: Json) -> dict[str, Json]:
    if kind == "prompt":
        if not isinstance(value, str) or not value:
            raise ValueError("prompt is not a text")
        return {"messages": [{"role": "user", "content": value}]}
    if kind == "messages":
        return {"messages": _messages(value)}
    if not isinstance(value, dict):
        raise ValueError("request is not an object")
    _messages(value.get("messages"))
    return value


def _messages(value: Json) -> Json:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) and "role" in item for item in value):
        raise ValueError("messages is not a list of objects with a role")
    return value


def _limit(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("output_tokens is not a whole number above 0")
    return value
