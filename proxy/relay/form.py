"""A multipart upload that is read only as far as its ``model`` field, then streamed on byte for byte.

What comes before the field is kept in memory up to ``SPOOL``, then in a temporary file. The scan goes on while the rest
streams, so that a second ``model`` cannot be smuggled behind the one that was checked.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..context import Receive, RequestContext
from ..errors import InvalidRequest, SpoolFailed
from .upload import BodyLimits, BodyUpload

SPOOL = 1024 * 1024
BLOCK = 256 * 1024
FIELD_LIMIT = 1024
HEADER_LIMIT = 16 * 1024
"""Bytes of one part's headers; more is refused."""


class FormScanner:
    """Watches a multipart body pass and notes ``model`` (with its byte span) and ``stream``. Raises ``InvalidRequest``."""

    def __init__(self, boundary: bytes) -> None:
        self.model: str | None = None
        self.span: tuple[int, int] | None = None
        self.stream = False
        self._base = 0
        self._chunk = b""
        self._name = b""
        self._header = b""
        self._value = b""
        self._headers_size = 0
        self._field: bytearray | None = None
        self._start = 0
        self._end = 0
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

    def feed(self, chunk: bytes) -> None:
        """The next piece of the body, in order."""
        self._chunk = chunk
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidRequest("The multipart body is malformed.", code="invalid_multipart") from error
        self._base += len(chunk)

    def _part_begin(self) -> None:
        self._name = b""
        self._headers_size = 0
        self._field = None

    def _grow_header(self, piece: bytes) -> bytes:
        self._headers_size += len(piece)
        if self._headers_size > HEADER_LIMIT:
            raise InvalidRequest("A part of the multipart body has oversized headers.", code="invalid_multipart")
        return piece

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += self._grow_header(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._grow_header(data[start:end])

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"")
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        if self._name in (b"model", b"stream"):
            if self._name == b"model" and self.span is not None:
                raise InvalidRequest(
                    "The field 'model' is given more than once.", param="model", code="duplicate_field"
                )
            self._field = bytearray()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            return
        # Bytes that looked like a boundary across two chunks come late, out of a buffer of the parser's own: they end
        # where the present chunk begins.
        at = self._base + start if data is self._chunk else self._base - (end - start)
        if not self._field:
            self._start = at
        self._field += data[start:end]
        self._end = at + end - start
        if len(self._field) > FIELD_LIMIT:
            raise InvalidRequest(f"The field {self._name.decode()!r} is too long.", param=self._name.decode())

    def _part_end(self) -> None:
        if self._field is None:
            return
        try:
            text = bytes(self._field).decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("The field 'model' is not valid UTF-8.", param="model") from error
        if self._name == b"model":
            self.model, self.span = text, (self._start, self._end)
        else:
            self.stream = text.strip().lower() == "true"
        self._field = None


class FormUpload(BodyUpload):
    """A multipart body: ``find_model`` first, then ``chunks`` from the first byte with the model renamed if asked."""

    def __init__(self, ctx: RequestContext, receive: Receive, limits: BodyLimits) -> None:
        super().__init__(ctx, receive, limits)
        _, options = parse_options_header(ctx.headers[b"content-type"])
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 200:
            raise InvalidRequest("The multipart content type names no boundary.", code="invalid_multipart")
        self._scanner = FormScanner(boundary)
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._file: IO[bytes] | None = None
        self._renamed: bytes | None = None

    @property
    def model(self) -> str | None:
        """The form's ``model``, once found."""
        return self._scanner.model

    @property
    def stream(self) -> bool:
        """Was ``stream`` true in a field before ``model``?"""
        return self._scanner.stream

    async def find_model(self) -> None:
        """Reads up to the end of the ``model`` field, or of the body."""
        while not self.finished and self._scanner.span is None:
            chunk = await self.next_chunk()
            self._scanner.feed(chunk)
            await self._keep(chunk)

    def rename(self, model: str) -> None:
        """Replaces the field's value as it passes."""
        span = self._scanner.span
        if span is None or span[0] == span[1]:
            return
        self._renamed = model.encode()
        if self.length is not None:
            self.length += len(self._renamed) - (span[1] - span[0])

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was kept, then the rest as it arrives."""
        at = 0
        async for block in self._blocks():
            piece = self._spliced(block, at)
            at += len(block)
            if piece:
                yield piece
        self.close()
        while not self.finished:
            chunk = await self.next_chunk()
            try:
                self._scanner.feed(chunk)
            except InvalidRequest as error:
                self._ctx.interrupt(error)
                raise
            if chunk:
                yield chunk

    def close(self) -> None:
        """Frees memory and disk."""
        self._kept.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _keep(self, chunk: bytes) -> None:
        self._kept.append(chunk)
        self._kept_size += len(chunk)
        if self._kept_size <= SPOOL:
            return
        try:
            await asyncio.to_thread(self._spill)
        except OSError as error:
            raise SpoolFailed(
                "The upload could not be stored while its 'model' field was looked for; send 'model' before the file.",
                detail=type(error).__name__,
            ) from error

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._limits.spool_dir, prefix="tollway-")
        self._file.write(b"".join(self._kept))
        self._kept.clear()
        self._kept_size = 0

    async def _blocks(self) -> AsyncIterator[bytes]:
        """Everything kept, in order: the file first, then memory."""
        if self._file is not None:
            await asyncio.to_thread(self._file.seek, 0)
            while block := await asyncio.to_thread(self._file.read, BLOCK):
                yield block
        for chunk in self._kept:
            yield chunk

    def _spliced(self, block: bytes, at: int) -> bytes:
        """``block``, which stands at offset ``at``, with its share of the model field replaced."""
        span = self._scanner.span
        if self._renamed is None or span is None:
            return block
        start, end = span[0] - at, span[1] - at
        if end <= 0 or start >= len(block):
            return block
        inserted = self._renamed if start >= 0 else b""
        return block[: max(start, 0)] + inserted + block[max(end, 0) :]
