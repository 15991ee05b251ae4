"""Reads an HTTP/1.1 request as the strictest server would: whatever two servers could understand differently is an error here."""

import re
from dataclasses import dataclass, field

_START = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[\x21-\x7e]*|\*) HTTP/1\.1")
_FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|)"
)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")


class Malformed(AssertionError):
    """What came is no request that every server reads alike."""


@dataclass(frozen=True)
class Request:
    """One request. ``raw`` is all of it as it came, ``end`` the offset behind it."""

    method: str
    target: str
    headers: list[tuple[str, bytes]]
    body: bytes
    raw: bytes = field(repr=False)
    end: int = field(repr=False)

    def all(self, name: str) -> list[bytes]:
        """Values of the headers of that (lower case) name."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> bytes | None:
        """The only value of ``name``."""
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None

    @property
    def framing(self) -> str:
        """``chunked``, the declared length, or ``""``."""
        if self.all("transfer-encoding"):
            return "chunked"
        return (self.header("content-length") or b"").decode()


def next_request(data: bytes, start: int = 0) -> Request | None:
    """The request that begins at ``start``; ``None``: it is not whole yet. Raises ``Malformed``."""
    stop = data.find(b"\r\n\r\n", start)
    if stop < 0:
        return None
    first, *lines = data[start:stop].split(b"\r\n")
    started = _START.fullmatch(first)
    if started is None:
        raise Malformed(f"start line {first!r}")
    headers = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise Malformed(f"header line {line!r}")
        headers.append((found[1].decode().lower(), found[2]))
    if [name for name, _ in headers].count("host") != 1:
        raise Malformed(f"not one host in {headers}")
    body_from = stop + 4
    whole = _body(data, body_from, headers)
    if whole is None:
        return None
    body, end = whole
    return Request(started[1].decode(), started[2].decode(), headers, body, data[start:end], end)


def _body(data: bytes, at: int, headers: list[tuple[str, bytes]]) -> tuple[bytes, int] | None:
    """(body, offset behind it); ``None``: it is not whole yet."""
    lengths = [value for name, value in headers if name == "content-length"]
    codings = [value for name, value in headers if name == "transfer-encoding"]
    if codings:
        if codings != [b"chunked"] or lengths:
            raise Malformed(f"framing {codings} and {lengths}")
        return _chunks(data, at)
    if len(lengths) > 1 or not all(re.fullmatch(rb"0|[1-9][0-9]*", each) for each in lengths):
        raise Malformed(f"content-length {lengths}")
    size = int(lengths[0]) if lengths else 0
    return (data[at : at + size], at + size) if len(data) >= at + size else None


def _chunks(data: bytes, at: int) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    while True:
        line = _SIZE.match(data, at)
        if line is None:
            if b"\r\n" in data[at:]:
                raise Malformed(f"chunk size {data[at : at + 40]!r}")
            return None
        size, begin = int(line[1], 16), line.end()
        if len(data) < begin + size + 2:
            return None
        if data[begin + size : begin + size + 2] != b"\r\n":
            raise Malformed(f"end of chunk {data[begin + size : begin + size + 40]!r}")
        at = begin + size + 2
        if not size:
            return b"".join(parts), at
        parts.append(data[begin : begin + size])
