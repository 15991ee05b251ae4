"""Request paths: which part of the surface they are on, and whether two parsers could read them differently."""

import re
from urllib.parse import unquote, unquote_to_bytes

from ..errors import NotFound
from .endpoints import FAMILIES

LIMIT = 2048
"""Bytes of a path that is carried upstream."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f\\#?]")


def carried(method: str, raw: bytes) -> None:
    """Raises ``NotFound`` unless ``raw`` (encoded, without the query) may travel to a provider.

    ``/v1/*``, ``/openai/*`` and ``/native/*`` always; without a prefix only OpenAI's own path families.
    """
    shown = raw[:200].decode("latin-1")
    path = raw
    for prefix in (b"/openai/v1/", b"/v1/", b"/openai/", b"/native/"):
        if path.startswith(prefix):
            path = path[len(prefix) - 1 :]
            break
    else:
        family = path.split(b"/", 2)[1:2]
        if not family or family[0].decode("latin-1") not in FAMILIES:
            raise NotFound(f"Invalid URL ({method} {shown}).")
    if raw.startswith(b"/native/") and path.count(b"/") < 2:
        raise NotFound(f"Invalid URL ({method} {shown}): write /native/<provider>/<the provider's own path>.")
    if path.startswith(b"/v1/"):
        raise NotFound(f"Invalid URL ({method} {shown}): /v1 stands twice; the base URL already ends with /v1.")
    if path.endswith(b"/"):
        raise NotFound(f"Invalid URL ({method} {shown}): remove the trailing slash.")
    plain = unquote_to_bytes(path)
    segments = plain.split(b"/")[1:]
    if (
        len(path) > LIMIT
        or b" " in path
        or _CONTROL.search(plain) is not None
        or any(part in (b"", b".", b"..") for part in segments)
    ):
        raise NotFound(f"Invalid URL ({method} {shown}): the path has an empty, relative or control part.")


def model_in(path: str) -> str:
    """The model that a native path names (``/v1beta/models/gemini-x:generateContent``, ``/model/<id or ARN>/converse``), else empty."""
    for part, rest in zip(path.split("/"), path.split("/")[1:], strict=False):
        if part == "models":
            return unquote(rest).partition(":")[0]
        if part == "model":
            return unquote(rest)
    return ""
