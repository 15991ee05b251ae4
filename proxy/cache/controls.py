"""The ``x-tollway-`` headers with which a request narrows what the cache does. A value that cannot be read is refused."""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from ..errors import InvalidRequest
from ..policy.scopes import within

MODES = ("off", "refresh", "exact", "semantic")
MOST_TAGS = 16
LONGEST_NAME = 64
"""Characters of a namespace or a tag."""

_TTL = re.compile(r"([0-9]{1,20})\s*([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PRINTABLE = re.compile(r"[ -~]{1,64}")


class Asked(Struct, frozen=True, kw_only=True):
    """``mode`` is one of ``MODES`` or ""; ``ttl`` in seconds; ``ignored``: names of headers that this key may not send."""

    mode: str = ""
    ttl: float | None = None
    namespace: str = ""
    tags: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read_asked(headers: Sequence[tuple[bytes, bytes]], permitted: tuple[str, ...]) -> Asked:
    """``headers`` line by line; ``permitted``: the key's globs over names without ``x-tollway-``.

    Raises ``InvalidRequest`` with the header, the form and the fix.
    """
    found: dict[str, object] = {}
    ignored = []
    for header, (control, field, read) in READERS.items():
        lines = [value.decode("latin-1").strip() for name, value in headers if name == header]
        if not lines:
            continue
        if within(permitted, control):
            found[field] = read(control, _one(control, lines))
        else:
            ignored.append(header.decode())
    return Asked(**found, ignored=tuple(ignored))  # type: ignore[arg-type]


def _one(control: str, lines: list[str]) -> str:
    """A list may stand on several lines; anything else that is said twice has to be the same."""
    if control == "tags":
        return ",".join(lines)
    if any(line != lines[0] for line in lines):
        raise InvalidRequest(
            f"The header x-tollway-{control} is there {len(lines)} times with different values: send it once.",
            param=f"x-tollway-{control}",
            code="invalid_header",
        )
    return lines[0]


def _bad(control: str, form: str) -> InvalidRequest:
    return InvalidRequest(
        f"The header x-tollway-{control} has a value that cannot be read: write {form}, or leave the header out.",
        param=f"x-tollway-{control}",
        code="invalid_header",
    )


def _mode(control: str, value: str) -> str:
    word = value.lower()
    if word not in MODES:
        raise _bad(control, "off, refresh, exact or semantic")
    return word


def _ttl(control: str, value: str) -> float:
    found = _TTL.fullmatch(value.lower())
    if found is None or int(found[1]) == 0:
        raise _bad(control, "seconds from 1 on, such as 600, or with a unit, such as 10m, 1h or 1d")
    return float(int(found[1]) * _UNITS[found[2]])


def _namespace(control: str, value: str) -> str:
    if _PRINTABLE.fullmatch(value) is None:
        raise _bad(control, f"1 to {LONGEST_NAME} printable ASCII characters")
    return value


def _tags(control: str, value: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    if len(tags) > MOST_TAGS or not all(_PRINTABLE.fullmatch(tag) for tag in tags):
        raise _bad(
            control,
            f"at most {MOST_TAGS} tags of 1 to {LONGEST_NAME} printable ASCII characters with commas between them",
        )
    return tags


READERS: Mapping[bytes, tuple[str, str, Callable[[str, str], object]]] = {
    b"x-tollway-cache": ("cache", "mode", _mode),
    b"x-tollway-cache-ttl": ("cache-ttl", "ttl", _ttl),
    b"x-tollway-cache-namespace": ("cache-namespace", "namespace", _namespace),
    b"x-tollway-tags": ("tags", "tags", _tags),
}
"""Header to the control's name, as a key's ``controls`` name it, the field of ``Asked``, and what reads the value."""
