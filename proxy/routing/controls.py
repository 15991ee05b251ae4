"""What the ``x-tollway-`` headers of one request ask for. A value that cannot be read is refused; a name that is not known is told."""

import math
from collections.abc import Callable, Mapping
from typing import get_args

from msgspec import Struct

from ..context import Controls
from ..errors import InvalidRequest
from ..policy.routes import PolicyName, PriceCeiling, Slo
from ..policy.scopes import within

PREFIX = b"x-tollway-"

RESERVED = frozenset(("cache", "cache-ttl", "cache-namespace", "tags", "user", "session", "log"))
"""Names with another meaning than a choice of targets; ``meta-`` begins more of them."""

POLICIES: tuple[str, ...] = get_args(PolicyName)
MOST_RETRIES = 9
_MOST_DOLLARS = 1_000_000
_MOST_GLOBS = 32
_LONGEST_GLOBS = 512
"""Characters of all globs of a header: each one is compiled, at a cost that its length decides."""

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MOST_TOLD = 8

_TRUE = ("true", "1")
_FALSE = ("false", "0")


class Asked(Struct, frozen=True):
    """``controls`` as far as they are heeded, and ``ignored``: names with why, for the answer."""

    controls: Controls
    ignored: tuple[tuple[str, str], ...] = ()


def read_controls(headers: Mapping[bytes, bytes], permitted: tuple[str, ...]) -> Asked:
    """``permitted``: the key's globs over names without the prefix. Raises ``InvalidRequest`` with the header, the form and the fix."""
    values: dict[str, object] = {}
    ignored = []
    for header, raw in headers.items():
        if not header.startswith(PREFIX):
            continue
        name = header[len(PREFIX) :].decode("latin-1")
        if name in RESERVED or name.startswith("meta-"):
            continue
        read = READERS.get(header)
        if read is None:
            ignored.append((name, "unknown"))
        elif not within(permitted, name):
            ignored.append((name, "not permitted to this key"))
        else:
            values[name] = read(name, raw.decode("latin-1").strip())
    return Asked(_controls(values), tuple(ignored))


def warning(ignored: tuple[tuple[str, str], ...]) -> bytes:
    """The value of ``x-tollway-warning``."""
    told = [f"x-tollway-{name[:64]} ({why})" for name, why in ignored[:_MOST_TOLD]]
    if len(ignored) > _MOST_TOLD:
        told.append(f"and {len(ignored) - _MOST_TOLD} more")
    return f"ignored: {', '.join(told)}".encode("ascii", "replace")


def _controls(values: dict[str, object]) -> Controls:
    ceiling = (values.pop("max-input-price", None), values.pop("max-output-price", None))
    slo = (values.pop("slo-ttft-ms", None), values.pop("slo-cost-usd", None))
    # Whoever adapts the request looks at this one itself.
    values.pop("strict", None)
    fields = {_FIELDS.get(name, name.replace("-", "_")): value for name, value in values.items()}
    if ceiling != (None, None):
        fields["max_price"] = PriceCeiling(input=ceiling[0], output=ceiling[1])  # type: ignore[arg-type]
    if slo != (None, None):
        fields["slo"] = Slo(ttft=slo[0], cost_usd=slo[1])  # type: ignore[arg-type]
    return Controls(**fields)  # type: ignore[arg-type]


_FIELDS = {"timeout-ms": "timeout", "first-byte-timeout-ms": "first_byte"}


def _bad(name: str, form: str) -> InvalidRequest:
    return InvalidRequest(
        f"The header x-tollway-{name} has a value that cannot be read: write {form}, or leave the header out.",
        param=f"x-tollway-{name}",
        code="invalid_header",
    )


def _flag(name: str, value: str) -> bool:
    word = value.lower()
    if word not in _TRUE + _FALSE:
        raise _bad(name, "true or false")
    return word in _TRUE


def _whole(name: str, value: str, least: int, most: int, form: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 12 or not least <= int(value) <= most:
        raise _bad(name, form)
    return int(value)


def _milliseconds(most: int) -> Callable[[str, str], float]:
    def read(name: str, value: str) -> float:
        return _whole(name, value, 1, most, f"milliseconds from 1 to {most}") / 1000

    return read


def _retries(name: str, value: str) -> int:
    return _whole(name, value, 0, MOST_RETRIES, f"a whole number from 0 to {MOST_RETRIES}")


def _number(name: str, value: str, form: str) -> float:
    try:
        found = float(value)
    except ValueError:
        raise _bad(name, form) from None
    if not math.isfinite(found) or found < 0:
        raise _bad(name, form)
    return found


def _dollars(name: str, value: str, form: str) -> float:
    found = _number(name, value, form)
    if found > _MOST_DOLLARS:
        raise _bad(name, form)
    return found


def _moment(name: str, value: str) -> float:
    return _number(name, value, "unix seconds, such as 1767225600 or 1767225600.5")


def _price(name: str, value: str) -> float:
    return _dollars(name, value, "US dollars per million tokens, at most 1000000, such as 2.5")


def _cost(name: str, value: str) -> float:
    found = _dollars(name, value, "US dollars for one request, at most 1000000, such as 0.01")
    if found == 0:
        raise _bad(name, "US dollars for one request, more than 0, such as 0.01")
    return found


def _policy(name: str, value: str) -> str:
    if value not in POLICIES:
        raise _bad(name, f"one of {', '.join(POLICIES)}")
    return value


def _globs(name: str, value: str) -> tuple[str, ...]:
    globs = tuple(part.strip() for part in value.split(","))
    if (
        len(value) > _LONGEST_GLOBS
        or len(globs) > _MOST_GLOBS
        or not all(glob.removeprefix("!") and len(glob) <= 100 for glob in globs)
    ):
        raise _bad(
            name,
            f"at most {_MOST_GLOBS} names of {_LONGEST_GLOBS} characters in all with commas between them, * as in file names, ! before "
            "what is not wanted",
        )
    return globs


READERS: Mapping[bytes, Callable[[str, str], object]] = {
    b"x-tollway-dry-run": _flag,
    b"x-tollway-timeout-ms": _milliseconds(_DAY_MS),
    b"x-tollway-first-byte-timeout-ms": _milliseconds(_DAY_MS),
    b"x-tollway-deadline": _moment,
    b"x-tollway-retries": _retries,
    b"x-tollway-policy": _policy,
    b"x-tollway-providers": _globs,
    b"x-tollway-regions": _globs,
    b"x-tollway-max-input-price": _price,
    b"x-tollway-max-output-price": _price,
    b"x-tollway-slo-ttft-ms": _milliseconds(_HOUR_MS),
    b"x-tollway-slo-cost-usd": _cost,
    b"x-tollway-stable-only": _flag,
    b"x-tollway-hedge": _flag,
    b"x-tollway-trace": _flag,
    b"x-tollway-strict": _flag,
}
"""Header to what reads its value. A key's ``controls`` name them without the prefix."""
