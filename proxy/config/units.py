"""Durations and sizes as people write them: ``500ms``, ``2m``, ``64MiB``."""

import math
import re

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmg", start=1):
    _BYTES[f"{_letter}b"] = 1000**_power
    _BYTES[f"{_letter}ib"] = 1024**_power

_NUMBER = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)")

DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)?$"
SIZE_PATTERN = r"^[0-9]+(\.[0-9]+)?\s*([bB]|[kKmMgG][iI]?[bB])?$"


def seconds(text: str) -> float | None:
    """Seconds of ``1h``, ``2m``, ``5s``, ``500ms`` or a bare number; None when it is none of these."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].lower() not in _SECONDS:
        return None
    value = float(match[1]) * _SECONDS[match[2].lower()]
    return value if math.isfinite(value) else None


def size(text: str) -> int | None:
    """Bytes of ``64MiB``, ``512KB`` or a bare number; None when it is none of these or not whole."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or len(match[1]) > 20 or match[2].lower() not in _BYTES:
        return None
    value = float(match[1]) * _BYTES[match[2].lower()]
    if not math.isfinite(value) or value != int(value):
        return None
    return int(value) if "." in match[1] or "e" in match[1].lower() else int(match[1]) * _BYTES[match[2].lower()]
