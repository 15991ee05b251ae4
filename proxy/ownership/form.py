"""A multipart upload whose fields are looked at as they pass: the ids in them, and in the lines of a batch's input file.

The first ``PEEK`` bytes are read before anything is sent, so that a small form is refused before its provider hears of it; of a
larger one the part that names somebody else's object never leaves, and a form without its end is no request.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..context import RequestContext, Upload
from ..errors import InvalidRequest, TollwayError
from .bodies import MOST, STRICT, names_in
from .naming import Named, prefixed

PEEK = 64 * 1024
FIELD = 1024 * 1024
"""Bytes of a field, or of a line of a batch's input, that are read; a longer one is refused."""

UNREADABLE = Named("", "file", "file")
"""Stands for what could not be read: nobody owns it."""

Check = Callable[[Sequence[Named]], Awaitable[None]]
"""Raises for an id that is not the caller's."""


class FormNames:
    """Collects the ids that a form names, while it is fed."""

    def __init__(self, boundary: bytes, *, uploads: bool) -> None:
        """``uploads``: a part with a file name is content, whatever its type; it is read only as a batch's input."""
        self._uploads = uploads
        self._found: list[Named] = []
        self._lines: list[Named] = []
        self._purpose: str | None = None
        self._header = self._value = b""
        self._name = ""
        self._kind = b""
        self._file = False
        self._data: bytearray | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
            },
        )

    def feed(self, chunk: bytes) -> list[Named]:
        """The ids that ``chunk`` completes. Raises ``InvalidRequest``."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidRequest("The multipart body is malformed.", code="invalid_multipart") from error
        found, self._found = self._found, []
        if self._purpose is not None and self._purpose.startswith("batch"):
            found += self._lines
            self._lines = []
        return found

    def _part_begin(self) -> None:
        self._name, self._kind, self._file, self._data = "", b"", False, None
        self._header = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._header.lower()
        if name == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            self._file = b"filename" in options
        elif name == b"content-type":
            self._kind = self._value.lower()
        elif name == b"content-transfer-encoding" and self._value.strip().lower() not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest("Send the parts of the form unencoded.", code="invalid_multipart")
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        lines = self._lined
        if lines or not self._file or (b"json" in self._kind and not self._uploads):
            self._data = bytearray()

    @property
    def _lined(self) -> bool:
        """May this part be the lines of a batch's input?"""
        return self._uploads and self._file and (self._purpose is None or self._purpose.startswith("batch"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._data is None:
            return
        self._data += data[start:end]
        if self._lined:
            *lines, rest = bytes(self._data).split(b"\n")
            self._data = bytearray(rest)
            for line in lines:
                self._read_line(line)
        if len(self._data) > FIELD:
            if self._lined and self._purpose is None:
                # Not known to be a batch's input, and not like one: a later purpose would tell, and is refused.
                self._lines.append(UNREADABLE)
                self._data = None
                return
            raise InvalidRequest(
                "A field or line of the form is too long to see which objects it names.", param=self._name
            )

    def _read_line(self, line: bytes) -> None:
        try:
            self._lines += names_in(line.strip(), "full")
        except InvalidRequest:
            if self._purpose is not None:
                raise
            self._lines.append(UNREADABLE)
        if len(self._lines) > MOST:
            self._lines = [UNREADABLE]

    def _part_end(self) -> None:
        if self._data is None:
            return
        data = bytes(self._data)
        if self._lined:
            self._read_line(data)
            return
        if self._name == "purpose":
            self._purpose = data.decode("utf-8", "replace").strip().lower()
        self._found += _in_field(self._name, data)


def _in_field(name: str, data: bytes) -> list[Named]:
    """The ids in one field: JSON is read as a body, else the whole value may be one."""
    if data.lstrip()[:1] in (b"{", b"["):
        return names_in(data, "full")
    text = data.decode("utf-8", "replace").strip()
    *_, last = [part for part in name.replace("]", "[").split("[") if part] or [""]
    if last in STRICT and text:
        return [Named(text, STRICT[last], name)]
    return [Named(text, "object", name)] if prefixed(text) else []


class WatchedForm:
    """An ``Upload`` around another. ``begin`` before anything is sent."""

    def __init__(self, ctx: RequestContext, inner: Upload, names: FormNames, check: Check) -> None:
        self._ctx = ctx
        self._inner = inner
        self._names = names
        self._check = check
        self._kept: list[bytes] = []
        self._source: AsyncIterator[bytes] | None = None

    @property
    def length(self) -> int | None:
        """As the inner one."""
        return self._inner.length

    @length.setter
    def length(self, value: int | None) -> None:
        self._inner.length = value

    @property
    def finished(self) -> bool:
        """Has the last byte been handed on?"""
        return self._inner.finished and not self._kept

    def rename(self, model: str) -> None:
        """As the inner one; what was read ahead is read again, renamed."""
        self._inner.rename(model)

    def close(self) -> None:
        """As the inner one."""
        self._kept.clear()
        self._inner.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; a part that names what is not the caller's ends the request instead."""
        source = self._source or self._inner.chunks()
        for chunk in self._kept:
            yield chunk
        self._kept.clear()
        async for chunk in source:
            try:
                await self._check(self._names.feed(chunk))
            except TollwayError as error:
                self._ctx.interrupt(error)
                raise
            yield chunk

    async def begin(self) -> None:
        """Reads and checks the first ``PEEK`` bytes. Raises what ``check`` raises."""
        self._source = self._inner.chunks()
        size = 0
        while size < PEEK:
            chunk = await anext(self._source, None)
            if chunk is None:
                return
            await self._check(self._names.feed(chunk))
            self._kept.append(chunk)
            size += len(chunk)


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary that a multipart content type names."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    return boundary if 1 <= len(boundary) <= 200 else None
