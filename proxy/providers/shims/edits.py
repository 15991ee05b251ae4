"""What has to change in a request's top-level members, and how it is cut into the client's bytes."""

from ...wire.members import members
from ...wire.values import Json, dumps


class Edits:
    """Changes to members: values set or replaced, names replaced, members removed. False when there is none."""

    __slots__ = ("instruction", "names", "raw_messages", "removed", "values")

    def __init__(self) -> None:
        self.values: dict[str, Json] = {}
        """By the name that travels."""
        self.names: dict[str, str] = {}
        self.removed: set[str] = set()
        self.instruction = ""
        """What has to be said to the model in words, because no parameter says it."""
        self.raw_messages: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.names or self.removed or self.raw_messages is not None)


def spliced(body: bytes, edits: Edits) -> bytes:
    """``body`` with ``edits`` cut in: members that stay keep their bytes, their order and the space around them."""
    if not edits:
        return body
    new = {name: dumps(value) for name, value in edits.values.items()}
    if edits.raw_messages is not None:
        new["messages"] = edits.raw_messages
    at = start = body.index(b"{") + 1
    pieces: list[bytes] = []
    placed: set[str] = set()
    for member in members(body):
        name = member.key.decode("utf-8", "replace")
        head, value = body[at : member.start], body[member.start : member.end]
        at = member.end
        if name in edits.removed:
            continue
        if name in edits.names:
            name = edits.names[name]
            head = b"," + dumps(name) + b":"
        if name in new:
            value = new[name]
            placed.add(name)
        pieces.append(head + value if pieces else head.lstrip(b", \t\r\n") + value)
    for name, value in new.items():
        if name not in placed:
            pieces.append((b"," if pieces else b"") + dumps(name) + b":" + value)
    return b"".join((body[:start], *pieces, body[at:]))
