"""What requests that belong together share: the value by which ``policy: sticky`` keeps them on one target."""

import re

from ..context import RequestContext
from ..wire.members import Member, members

LOOKED = 1024
"""Bytes of a prompt's beginning, and the most of any other value."""

_USERS = (b"user", b"safety_identifier")
_USER_GIVEN = re.compile(rb'"(?:user|safety_identifier)"\s*:')
_PROMPTS = (b"system", b"instructions", b"messages", b"input", b"prompt")


def shared(ctx: RequestContext, by: str) -> str:
    """The value that ``sticky_by`` names, the caller's tenant mixed in; "" where the request has none.

    ``user``: of the body, else the key. ``prompt``: how system text and messages begin.
    """
    principal = ctx.principal
    value = ""
    if by == "key":
        value = principal.key or principal.name
    elif by == "user":
        given = _member(ctx.body, _USERS) if _USER_GIVEN.search(ctx.body) is not None else ""
        value = given or principal.key or principal.name
    elif by == "session":
        value = _header(ctx, b"x-tollway-session")
    elif by == "prompt":
        value = _prompt(ctx.body)
    elif by.startswith("header:"):
        value = _header(ctx, by.removeprefix("header:").lower().encode())
    return f"{principal.tenant}\0{value}" if value else ""


def _header(ctx: RequestContext, name: bytes) -> str:
    return ctx.headers.get(name, b"")[:LOOKED].decode("latin-1")


def _found(body: bytes, names: tuple[bytes, ...]) -> list[Member]:
    """Members of the top level with one of ``names``, in the order of the names."""
    if not body.lstrip()[:1] == b"{":
        return []
    found = {member.key: member for member in members(body) if member.key in names}
    return [found[name] for name in names if name in found]


def _member(body: bytes, names: tuple[bytes, ...]) -> str:
    for member in _found(body, names):
        value = body[member.start : member.end]
        if value not in (b"null", b'""'):
            return value[:LOOKED].decode("utf-8", "replace")
    return ""


def _prompt(body: bytes) -> str:
    parts = [body[member.start : min(member.end, member.start + LOOKED)] for member in _found(body, _PROMPTS)]
    return b"".join(parts)[:LOOKED].decode("utf-8", "replace")
