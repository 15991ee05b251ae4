"""Splices an output cap into a request's bytes: the key's own, or what a hard budget can pay for."""

from ..wire.endpoints import Endpoint
from ..wire.members import members

_NAMES: dict[str, tuple[bytes, ...]] = {
    "chat": (b"max_completion_tokens", b"max_tokens"),
    "completions": (b"max_tokens",),
    "responses": (b"max_output_tokens",),
    "messages": (b"max_tokens",),
}
"""Dialect to the members that cap its answers; the first is added where none stands."""


def with_output_cap(body: bytes, endpoint: Endpoint, cap: int) -> tuple[bytes, str]:
    """(``body`` with every cap that is larger, or absent, replaced by ``cap`` tokens; the member's name)."""
    names = _NAMES[endpoint.dialect]
    found = [member for member in members(body) if member.key in names]
    value = b"%d" % cap
    for member in reversed(found):
        given = body[member.start : member.end]
        if not given.isdigit() or int(given) > cap:
            body = body[: member.start] + value + body[member.end :]
    if found:
        return body, found[0].key.decode()
    at = body.index(b"{") + 1
    rest = body[at:].lstrip()
    comma = b"" if rest.startswith(b"}") else b","
    return body[:at] + b'"' + names[0] + b'":' + value + comma + body[at:], names[0].decode()
