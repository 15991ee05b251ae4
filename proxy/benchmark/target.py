"""Where requests go and with which headers: URLs as people write them, and what must not be sent to whom."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..wire.headers import CREDENTIALS

_PATH = "/chat/completions"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = frozenset(("host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"))

Headers = list[tuple[str, str]]


class BadTarget(ValueError):
    """The text says what is wrong, and how it is written."""


def endpoint(url: str) -> str:
    """The URL of chat completions: a base URL as SDKs take it (``/v1`` when it has no path), or the whole one. Raises ``BadTarget``."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or any(letter in url.strip() for letter in ' \t\r\n"<>')
    ):
        raise BadTarget(f"{url!r} is not an http or https URL: write it like http://127.0.0.1:8080/v1")
    if parts.username or parts.password:
        raise BadTarget("the URL holds credentials: give the key with --key or TOLLWAY_KEY")
    path = parts.path.rstrip("/")
    if not path.endswith(_PATH):
        path = (path or "/v1") + _PATH
    return parts._replace(path=path, fragment="").geturl()


def loopback(url: str) -> bool:
    """Does it lead to this machine?"""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def headers(texts: Iterable[str]) -> Headers:
    """From ``name=value`` or ``name: value``. Raises ``BadTarget``."""
    found = []
    for text in texts:
        name, mark, value = (
            (part.strip() for part in re.split(r"([:=])", text, maxsplit=1))
            if re.search("[:=]", text)
            else (text, "", "")
        )
        if not mark or not _NAME.fullmatch(name):
            raise BadTarget(f"{text!r} is no header: write it like x-tollway-cache=off")
        if name.lower() in _FRAMING:
            raise BadTarget(f"the header {name.lower()} is the client's own business")
        if not all(" " <= letter <= "\xff" and letter != "\x7f" for letter in value):
            raise BadTarget(f"the value of the header {name} holds a character that cannot be sent")
        found.append((name.lower(), value))
    return found


def with_key(given: Sequence[tuple[str, str]], key: str | None) -> Headers:
    """``key`` as a bearer, unless the headers bring credentials of their own. Raises ``BadTarget``."""
    if key is None or any(name.encode() in CREDENTIALS for name, _ in given):
        return list(given)
    if not key.strip() or not all("!" <= letter <= "~" for letter in key):
        raise BadTarget("the key holds a character that cannot be sent: look for line breaks and spaces")
    return [("authorization", f"Bearer {key}"), *given]


def without_credentials(given: Sequence[tuple[str, str]]) -> Headers:
    """For another server than the one that the credentials are meant for."""
    return [(name, value) for name, value in given if name.encode() not in CREDENTIALS]
