"""Amazon's event stream (application/vnd.amazon.eventstream), written frame by frame.

Source: the Smithy specification of the encoding. All integers are big-endian, checksums are CRC-32.
"""

import struct
from zlib import crc32

import orjson

_STRING = 7
_PRELUDE = 12


def message(headers: tuple[tuple[str, str], ...], payload: bytes) -> bytes:
    """Return one frame with text headers."""
    packed = b"".join(_header(name.encode(), value.encode()) for name, value in headers)
    return _framed(packed, payload)


def event(name: str, document: object) -> bytes:
    """Return an event of type `name` with a JSON payload."""
    headers = ((":message-type", "event"), (":event-type", name), (":content-type", "application/json"))
    return message(headers, orjson.dumps(document))


def exception(name: str, document: object) -> bytes:
    """Return a modelled exception, which ends a stream."""
    headers = ((":message-type", "exception"), (":exception-type", name), (":content-type", "application/json"))
    return message(headers, orjson.dumps(document))


def failure(code: str, text: str) -> bytes:
    """Return an unmodelled error, which ends a stream and has no payload."""
    return message(((":message-type", "error"), (":error-code", code), (":error-message", text)), b"")


def replaced(frame: bytes, old: bytes, new: bytes) -> bytes:
    """Return `frame` with `old` replaced in its payload; lengths and checksums are those of the new one."""
    if old not in frame:
        return frame
    end = _PRELUDE + int.from_bytes(frame[4:8], "big")
    return _framed(frame[_PRELUDE:end], frame[end:-4].replace(old, new))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value


def _framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", _PRELUDE + len(headers) + len(payload) + 4, len(headers))
    body = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return body + struct.pack(">I", crc32(body))
