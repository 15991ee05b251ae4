"""What a strict reader of HTTP/1.1 answers objects to in some bytes, in words: the reasons for which a lax one may differ from it.

Line ends before a status line, and anything at all for its reason, are nobody's problem.
"""

import re

_BLANK = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/(?:1\.[01]|0\.9|2\.0) ([0-9]{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_PREFIX = re.compile(rb"[\r\n]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
HEAD_LIMIT = 64 * 1024
INTERIM = 16


def objection(data: bytes) -> str:
    """Why ``data`` is no valid answer, or the beginning of one; "" when nothing speaks against it."""
    at, interim = 0, 0
    while True:
        prefix = _PREFIX.match(data, at)
        at = prefix.end() if prefix is not None else at
        blank = _BLANK.search(data, at)
        head = data[at : blank.end() if blank else len(data)]
        reason, status, codings = _head(head)
        if reason or blank is None:
            return reason
        at = blank.end()
        if status == 101:
            return "another protocol"
        if not 100 <= status <= 199:
            break
        interim += 1
        if interim > INTERIM:
            return "interim answers without end"
    if not codings or status in (204, 304):
        return ""
    return _chunks(data[at:])


def _head(head: bytes) -> tuple[str, int, list[bytes]]:
    """(objection, status, transfer codings) of one head, as far as it has come."""
    if re.search(rb"(?<!\r)\n", head):
        return "bare LF", 0, []
    if re.search(rb"\r(?!\n|$)", head):
        return "bare CR", 0, []
    if len(head) > HEAD_LIMIT:
        return "too large", 0, []
    *lines, rest = head.split(b"\r\n")
    if _CONTROL.search(rest) or any(_CONTROL.search(line) for line in lines[1:]):
        return "a control byte", 0, []
    if not lines:
        return "", 0, []
    if rest.startswith((b" ", b"\t")):
        return "a folded header", 0, []
    status = _STATUS.fullmatch(lines[0])
    if status is None:
        return "no status line", 0, []
    codings, lengths = [], 0
    for line in lines[1:]:
        if not line:
            break
        if line[:1] in b" \t":
            return "a folded header", 0, []
        found = _FIELD.fullmatch(line)
        if found is None:
            return "no header line", 0, []
        name, value = found[1].lower(), line[len(found[1]) + 1 :].strip(b" \t")
        lengths += name == b"content-length"
        if name == b"transfer-encoding":
            if line.endswith(b"\t"):
                return "a tab behind a transfer coding", 0, []
            codings.append(value.lower())
    if (
        not status[1].startswith(b"1")
        and codings
        and (codings != [b"chunked"] or lengths or lines[0].startswith(b"HTTP/1.0"))
    ):
        return "a transfer coding that is not chunked alone", 0, []
    return "", int(status[1]), codings


def _chunks(data: bytes) -> str:
    """What is wrong with a body in chunks."""
    at = 0
    while b"\n" in data[at:]:
        line = _SIZE.match(data, at)
        if line is None:
            return "a chunk's size"
        size, begin = int(re.split(rb"[;\r]", line[0], maxsplit=1)[0], 16), line.end()
        if not size:
            return _trailers(data[begin:])
        if not b"\r\n".startswith(data[begin + size : begin + size + 2]):
            return "a chunk's end"
        at = begin + size + 2
    rest = data[at:]
    return (
        ""
        if not rest or re.fullmatch(rb"[0-9A-Fa-f]{1,16}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?", rest)
        else "a chunk's size"
    )


def _trailers(data: bytes) -> str:
    if data.startswith(b"\r\n"):
        return ""
    blank = _BLANK.search(data)
    reason, _, _ = _head(b"HTTP/1.1 200\r\n" + data[: blank.end() if blank else len(data)])
    return f"trailers: {reason}" if reason else ""
