"""A provider's state that the client has to hand back, inside a field that is opaque in the client's own dialect.

Chat's extension members (``thinking_blocks``, ``reasoning_details``, a call's ``extra_content``) have no place in Anthropic's
or OpenAI's answers; without them a follow-up turn fails. They travel in signatures, encrypted content and tool call ids.
"""

import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import blake2b

from ..wire.members import deeper_than
from ..wire.values import Json, JsonObject, dumps, obj, object_in, text

MARK = "tollway1."
"""Begins everything sealed here; no provider's base64 holds a full stop."""

ID_MARK = "_tw1_"
"""Parts a tool call's id from what it carries."""

DEPTH = 64
"""Levels that state may have."""

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def seal(state: JsonObject) -> str:
    """``state`` as a string that is never empty."""
    return MARK + _packed(state)


def unseal(value: str) -> JsonObject | None:
    """What ``seal`` took; ``None`` for a provider's own value, empty for one of ours that was damaged."""
    if not value.startswith(MARK):
        return None
    try:
        return _state(b64decode(value[len(MARK) :].encode(), b"-_")) or {}
    except (Error, ValueError):
        return {}


def _packed(state: JsonObject) -> str:
    """What no encoder writes, because it is nested absurdly deep, is left out: the answer matters more."""
    try:
        return urlsafe_b64encode(dumps(state)).decode()
    except (TypeError, RecursionError):
        return urlsafe_b64encode(b"{}").decode()


def _state(packed: bytes) -> JsonObject | None:
    """A client can write what it likes into such a field: it is held to the rule for whole bodies."""
    return None if deeper_than(packed, DEPTH) else object_in(packed)


def public_id(ident: str, extra: Json, *, strict: bool) -> str:
    """A tool call's id for the client, with the call's ``extra_content`` in it.

    ``strict``: only letters, digits, ``_`` and ``-`` (Anthropic's rule); an id with others is carried too.
    """
    state: JsonObject = {}
    shown = ident
    if strict and _UNSAFE.search(ident) is not None:
        shown = "call_" + blake2b(ident.encode("utf-8", "replace"), digest_size=9).hexdigest()
        state["id"] = ident
    if isinstance(extra, dict) and extra:
        state["extra"] = extra
    if not state:
        return ident
    return f"{shown}{ID_MARK}{_packed(state).rstrip('=')}"


def private_id(value: str) -> tuple[str, JsonObject]:
    """The provider's id in a client's, and the ``extra_content`` that came with it (empty: none)."""
    shown, mark, packed = value.partition(ID_MARK)
    if not mark:
        return value, {}
    try:
        state = _state(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except (Error, ValueError):
        state = None
    if state is None:
        return value, {}
    return text(state.get("id")) or shown, obj(state.get("extra"))
