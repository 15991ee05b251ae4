"""Embeddings by input: what of a request is not known yet, the answer put together from both, and what each input of it came to.

Values are cut out of the bytes and into them as they are, so that a float or a base64 text stays as its provider wrote it.
"""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from ..protocols import CacheEntry
from ..wire.members import find, members
from ..wire.splice import replace
from ..wire.usage import NO_USAGE, Usage, reported, reported_in
from ..wire.values import UNREADABLE, count

_BYTES_PER_TOKEN = 4
"""Only shares of a total are made of it."""

_VECTOR = re.compile(rb'\[\s*[-0-9].*\]|"[^"\\]+"', re.DOTALL)
"""Numbers, or base64."""

_Object = dict[str, Raw]

_lists = msgspec.json.Decoder(list[Raw]).decode
_objects = msgspec.json.Decoder(_Object).decode
_values = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


# ---- what is asked --------------------------------------------------------------------------------------------------
def missing(ctx_body: bytes, found: Sequence[CacheEntry | None]) -> bytes:
    """The request for those inputs that were not found, every other byte as it was. The same body when that is all of them, or when
    its inputs are not as many as ``found``."""
    given = _given(ctx_body)
    member = find(ctx_body, b"input") if given and len(given) == len(found) and any(found) else None
    if given is None or member is None:
        return ctx_body
    rest = [raw for raw, entry in zip(given, found, strict=True) if entry is None]
    return replace(ctx_body, member, b"[" + b",".join(rest) + b"]")


def _given(body: bytes) -> list[bytes] | None:
    """The inputs of a request, as they are written: a text, or the tokens of one, is a list of itself. ``None``: not readable."""
    try:
        named = [member for member in members(body) if member.key == b"input"]
        if len(named) != 1:
            return None
        raw = body[named[0].start : named[0].end]
        if raw[:1] != b"[":
            return [raw] if raw[:1] == b'"' else None
        listed = [bytes(item) for item in _lists(raw)]
    except (*UNREADABLE, IndexError, ValueError, AssertionError):
        return None
    return [raw] if listed and listed[0][:1] not in b'"[' else listed


# ---- what is answered -----------------------------------------------------------------------------------------------
def together(found: Sequence[CacheEntry | None], answer: bytes | None, *, model: str) -> bytes:
    """The whole answer: vectors that were found and those of ``answer`` to the others, each under the index of its input, and the
    usage of all. ``model`` is named where nothing had to be asked. b"": ``answer`` is not one to what was missing."""
    asked = [index for index, entry in enumerate(found) if entry is None]
    whole: dict[str, object] = {"object": "list", "data": [], "model": model}
    fresh: list[_Object] | None = []
    if answer is not None:
        fresh = _rows(answer, len(asked))
        whole.update(_objects(answer) if fresh else {})
    if fresh is None or len(fresh) != len(asked):
        return b""
    rows = dict(zip(asked, fresh, strict=True))
    whole["data"] = [
        {"object": "embedding", "index": index, "embedding": Raw(entry.body)}
        if entry is not None
        else {**rows[index], "index": index}
        for index, entry in enumerate(found)
    ]
    known = sum(entry.usage.input for entry in found if entry is not None)
    usage = _with_more(answer, known)
    if usage is not None:
        whole["usage"] = usage
    return _encode(whole)


def _with_more(answer: bytes | None, tokens: int) -> dict[str, object] | None:
    """The usage of ``answer`` and of ``tokens`` beside it; ``None``: the provider reports none, so that nobody knows the whole."""
    if answer is None:
        return {"prompt_tokens": tokens, "total_tokens": tokens}
    try:
        usage = _objects(_objects(answer)["usage"])
        told = {name: count(_values(usage[name])) for name in ("prompt_tokens", "total_tokens") if name in usage}
    except (*UNREADABLE, KeyError, ValueError):
        return None
    return {**usage, **{name: figure + tokens for name, figure in told.items() if figure is not None}}


def parts(answer: bytes, asked: bytes) -> list[tuple[bytes, Usage]]:
    """What is kept of ``answer`` to the request ``asked``: for each input, in their order, the JSON value of its vector and its share
    of the tokens; the shares sum to what was reported. None when the vectors are not one for each input."""
    given = _given(asked)
    rows = _rows(answer, len(given)) if given else None
    if given is None or rows is None:
        return []
    vectors = [bytes(row["embedding"]) for row in rows]
    usage = reported_in(answer)
    if usage is None:
        return [(vector, NO_USAGE) for vector in vectors]
    shares = _apportioned(usage.input, [_weight(raw) for raw in given])
    return [(vector, reported(prompt=share, output=0)) for vector, share in zip(vectors, shares, strict=True)]


def _rows(answer: bytes, wanted: int) -> list[_Object] | None:
    """The entries of ``data`` by index; one without an index has that of its place. ``None``: they are not ``wanted`` vectors
    with an index each."""
    found: dict[int, _Object] = {}
    try:
        rows = [_objects(raw) for raw in _lists(_objects(answer)["data"])]
        for at, row in enumerate(rows):
            index = count(_values(row["index"])) if "index" in row else at
            if index is not None and _VECTOR.fullmatch(bytes(row["embedding"])):
                found[index] = row
    except (*UNREADABLE, KeyError, ValueError):
        return None
    if len(rows) != wanted or sorted(found) != list(range(wanted)):
        return None
    return [found[index] for index in range(wanted)]


# ---- shares ---------------------------------------------------------------------------------------------------------
def _weight(raw: bytes) -> int:
    """About how many tokens an input has; exactly, when they are what is given."""
    if raw[:1] == b"[":
        return max(raw.count(b",") + 1, 1)
    return max((len(raw) - 2) // _BYTES_PER_TOKEN, 1)


def _apportioned(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in whole shares by weight, by the largest remainder."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda at: (-(total * weights[at] % whole), at))
    for at in rest[: total - sum(shares)]:
        shares[at] += 1
    return shares
