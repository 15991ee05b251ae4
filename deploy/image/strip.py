"""Cuts off shared objects what follows their last segment: symbols for debuggers, and the table that names sections.

The loader reads segments alone. Wheels carry 27 MB of the rest for the sidecar and 54 MB for the server; the build stage has
no binutils, and needs none for this.
"""

import struct
import sys
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
"""64 bits, little-endian: x86-64 and arm64 (elf(5): e_ident)."""

SEGMENT_TABLE, SECTION_TABLE = 32, 40
"""Offsets of e_phoff and e_shoff in the header, 8 bytes each."""

SEGMENT_SIZES = 54
"""Offset of e_phentsize and e_phnum, 2 bytes each."""

SECTION_COUNTS = 60
"""Offset of e_shnum and e_shstrndx, 2 bytes each."""


def stripped(data: bytes) -> bytes:
    """The file without what the loader never reads; other files as they are."""
    if not data.startswith(MAGIC):
        return data
    (table,) = struct.unpack_from("<Q", data, SEGMENT_TABLE)
    size, count = struct.unpack_from("<HH", data, SEGMENT_SIZES)
    end = table + size * count
    for index in range(count):
        offset, _, _, length = struct.unpack_from("<QQQQ", data, table + index * size + 8)
        end = max(end, offset + length)
    kept = bytearray(data[:end])
    struct.pack_into("<Q", kept, SECTION_TABLE, 0)
    struct.pack_into("<HH", kept, SECTION_COUNTS, 0, 0)
    return bytes(kept)


def main(folder: str) -> None:
    """Every file below ``folder``, in place, with its mode."""
    for path in Path(folder).rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                continue
        data = path.read_bytes()
        shorter = stripped(data)
        if len(shorter) < len(data):
            path.write_bytes(shorter)


if __name__ == "__main__":
    main(sys.argv[1])
