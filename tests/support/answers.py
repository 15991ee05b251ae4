"""Answers of an upstream for hypothesis and for plain chance: valid ones, and valid ones with something done to them, in pieces."""

import random
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st


@dataclass(frozen=True)
class Said:
    """What an upstream says to one request, segment by segment, and how its connection ends then (``""``: it does not)."""

    pieces: tuple[bytes, ...]
    end: str = ""
    method: str = "POST"

    @property
    def data(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


STATUS = [
    b"200 OK",
    b"200",
    b"201 Created",
    b"204 No Content",
    b"304 Not Modified",
    b"404 \xe9",
    b"429 Slow",
    b"500 X",
    b"503 ",
]
HEADERS = [
    b"content-type: application/json", b"X-A:  spaced \t", b"x-b:", b"x-c: \xff\x80", b"retry-after: 5", b"set-cookie: a=b; c",
    b"content-encoding: gzip", b"connection: keep-alive", b"connection: close", b"x-d: " + b"d" * 3000, b"date: now",
]  # fmt: skip
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"]
ENDS = ["", "fin", "half", "reset"]
SPOILS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b"0", b"5", b"fffffffff", b"-1", b"\xff", b"HTTP/1.1 200 OK\r\n",
    b"content-length: 3\r\n", b"Content-Length: 7\r\n", b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip\r\n", b"\r\n\r\n",
    b"0\r\n\r\n", b"x: y\r\n", b" folded\r\n", b"1" * 40, b"a" * 300,
]  # fmt: skip
"""What is put in, or in the place of something."""


def build(chance: random.Random, *, spoilt: int) -> Said:
    """A valid answer, with ``spoilt`` things done to it."""
    status = chance.choice(STATUS)
    head = [b"HTTP/1." + chance.choice([b"1", b"1", b"1", b"0"]) + b" " + status]
    head += chance.sample(HEADERS, chance.randrange(4))
    body = bytes(chance.choices(b"abc{}\r\n0:", k=chance.choice([0, 1, 5, 40, 3000])))
    without = status[:3] in (b"204", b"304")
    framing = chance.choice(["sized", "chunked", "end"])
    if head[0][:8] == b"HTTP/1.0" and framing == "chunked":
        framing = "sized"
    if without:
        body, framing = b"", "none"
    end = chance.choice(ENDS) if framing != "end" else chance.choice(["fin", "half"])
    if framing == "sized":
        head.insert(chance.randrange(1, len(head) + 1), b"Content-Length: %d" % len(body))
        data = body
    elif framing == "chunked":
        head.insert(chance.randrange(1, len(head) + 1), b"Transfer-Encoding: chunked")
        data = _chunked(chance, body)
    else:
        data = body
    whole = (
        b"".join(chance.choices(INTERIM, k=chance.choice([0, 0, 0, 1, 2]))) + b"\r\n".join(head) + b"\r\n\r\n" + data
    )
    for _ in range(spoilt):
        whole = _spoil(chance, whole)
    return Said(_pieces(chance, whole), end)


def _chunked(chance: random.Random, body: bytes) -> bytes:
    parts, at = [], 0
    while at < len(body):
        size = chance.randrange(1, len(body) - at + 1)
        extension = chance.choice([b"", b"", b";a=b", b';c="d e"'])
        parts.append(b"%x%b\r\n%b\r\n" % (size, extension, body[at : at + size]))
        at += size
    return b"".join(parts) + b"0\r\n" + chance.choice([b"", b"", b"x-sum: 1\r\n"]) + b"\r\n"


def _spoil(chance: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    # Near the head, mostly: that is where meaning is dense.
    at = chance.randrange(min(len(data), chance.choice([30, 200, len(data)])) + 1)
    match chance.randrange(5):
        case 0:
            data[at:at] = chance.choice(SPOILS)
        case 1:
            del data[at : at + chance.choice([1, 1, 2, 10])]
        case 2:
            data[at : at + 1] = bytes([chance.randrange(256)])
        case 3:
            length = chance.randrange(1, 40)
            data[at:at] = data[at : at + length]
        case _:
            del data[at:]
    return bytes(data)


def _pieces(chance: random.Random, whole: bytes) -> tuple[bytes, ...]:
    count = chance.choice([0, 1, 1, 2, 5])
    marks = sorted({0, len(whole), *(chance.randrange(len(whole) + 1) for _ in range(count))})
    return tuple(whole[one:two] for one, two in pairwise(marks))


def said(*, spoilt: int = 0) -> st.SearchStrategy[Said]:
    """Answers with up to ``spoilt`` things done to them. Drawn by seed: to draw every choice would take longer than the tests do."""
    return st.builds(
        lambda seed, count: build(random.Random(seed), spoilt=count), st.integers(0, 1 << 40), st.integers(0, spoilt)
    )
