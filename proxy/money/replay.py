"""What a journal says: its records, and what they add up to for each request."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from ..protocols import Entry, Hold
from .segments import records_in

HOLD, DISPATCHED, CHECKPOINT, SETTLED, RELEASED = 1, 2, 3, 4, 5
"""Kinds of record, the first element of each. A hold also says whether it was dispatched and how many tokens were delivered, so
that it can be written again in a later segment."""


class Open(Struct, gc=False):
    """A request under way: its hold as it was written last. ``segment``: the number of the file that has everything about it."""

    hold: Hold
    segment: int
    dispatched: bool = False
    output: int = 0


class Replayed(Struct):
    """A dead process's journal. ``entries`` were settled; ``open`` were neither settled nor released."""

    entries: dict[str, Entry]
    open: dict[str, Open]
    released: dict[str, Hold]


class _HoldRecord(Struct, array_like=True, tag=HOLD, tag_field="kind"):
    hold: Hold
    dispatched: bool
    output: int


class _Dispatched(Struct, array_like=True, tag=DISPATCHED, tag_field="kind"):
    ident: str


class _Checkpoint(Struct, array_like=True, tag=CHECKPOINT, tag_field="kind"):
    ident: str
    output: int


class _Settled(Struct, array_like=True, tag=SETTLED, tag_field="kind"):
    entry: Entry


class _Released(Struct, array_like=True, tag=RELEASED, tag_field="kind"):
    ident: str


_Record = _HoldRecord | _Dispatched | _Checkpoint | _Settled | _Released
_record = msgspec.msgpack.Decoder(_Record)
_settled = msgspec.msgpack.Decoder(_Settled)


def entry_in(payload: bytes) -> Entry:
    """The entry of a ``SETTLED`` record."""
    return _settled.decode(payload).entry


def replay(payloads: Iterable[bytes]) -> Replayed:
    """What records add up to. What cannot be read, or belongs to a hold that cannot, is passed over."""
    found = Replayed({}, {}, {})
    for payload in payloads:
        try:
            record = _record.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        _apply(found, record)
    return found


def _apply(found: Replayed, record: _Record) -> None:
    if isinstance(record, _HoldRecord):
        ident = record.hold.ident
        if ident not in found.entries and ident not in found.released:
            known = found.open.setdefault(ident, Open(record.hold, 0))
            known.hold = record.hold
            known.dispatched |= record.dispatched
            known.output = max(known.output, record.output)
    elif isinstance(record, _Settled):
        found.entries.setdefault(record.entry.ident, record.entry)
        found.open.pop(record.entry.ident, None)
    elif (open_ := found.open.get(record.ident)) is None:
        return
    elif isinstance(record, _Dispatched):
        open_.dispatched = True
    elif isinstance(record, _Checkpoint):
        open_.output = max(open_.output, record.output)
    else:
        del found.open[record.ident]
        found.released[record.ident] = open_.hold


def replay_folder(folder: Path) -> Replayed:
    """All segments of one process's folder, in the order they were written. Raises ``OSError``."""
    return replay(payload for path in segments_of(folder) for payload in records_in(path.read_bytes()))


def segments_of(folder: Path) -> list[Path]:
    """The files of a journal, oldest first."""
    return sorted(folder.glob("*.seg"))
