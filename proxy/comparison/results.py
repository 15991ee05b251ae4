"""The file of results: a line for each answer and each vote of the judge, written through to the disk before the next is asked.

A line that a crash cut short is cut off when the file is opened again; what it told is asked anew.
"""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec
from msgspec import Struct

VERSION = 1

Source = Literal["charged", "tokens", "bound", "unknown"]


class Opening(Struct, frozen=True, kw_only=True, tag="comparison"):
    """Which dataset the lines after it are about."""

    version: int
    dataset: str
    name: str
    created: str


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """What a model answered, or why it did not (``error``). ``key`` stands for the model and the whole request.

    Times in seconds, ``cost`` in micro-dollars and where it is from: ``charged`` by the gateway, ``tokens`` times prices,
    the ``bound`` that was held for an answer that broke off, or ``unknown``.
    """

    key: str
    prompt: str
    model: str
    place: str = ""
    text: str = ""
    error: str = ""
    detail: str = ""
    finish: str = ""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cost: int = 0
    cost_from: Source = "tokens"
    ttft: float | None = None
    seconds: float = 0.0
    tries: int = 1


class Vote(Struct, frozen=True, kw_only=True, tag="vote"):
    """What the judge said of one answer, once. ``key`` stands for the judge, the check and the answer; ``cost`` in micro-dollars."""

    key: str
    turn: int
    passed: bool | None
    why: str = ""
    cost: int = 0


Line = Opening | Answer | Vote
_DECODER = msgspec.json.Decoder(Line)
_BEGIN = b'{"type":"comparison",'
"""Of every file, even of one whose first line a crash cut short."""


class Taken(Exception):
    """Another run is writing to the file."""


class Results:
    """The file, opened for one run. Raises ``OSError`` and ``Taken`` when it is opened, ``ValueError`` for a file of something else."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.datasets: list[str] = []
        self.answers: dict[str, Answer] = {}
        """The latest of each key; an answer stays when a later try has failed."""
        self.votes: dict[str, dict[int, Vote]] = {}
        self.spent = 0
        """Micro-dollars of all lines, those included that nobody asks for any more."""
        self.judged = 0
        """The judge's part of it."""
        self.unreadable: list[int] = []
        """Numbers of lines that are damaged."""
        self._file = open(path, "ab+")
        try:
            self._lock()
            self._read()
        except (OSError, Taken, ValueError):
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Taken from None

    def _read(self) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        for number, line in enumerate(lines, 1):
            try:
                found = _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.unreadable.append(number)
                continue
            self._take(found)
        if data and not self.datasets and not _BEGIN.startswith(data[: len(_BEGIN)]):
            raise ValueError("it was not written by a comparison")
        if whole < len(data):
            self._file.truncate(whole)

    def _take(self, line: Line) -> None:
        match line:
            case Opening():
                if line.version != VERSION:
                    raise ValueError(f"it has version {line.version}, and this Tollway reads version {VERSION}")
                self.datasets.append(line.dataset)
            case Answer():
                self.spent += line.cost
                known = self.answers.get(line.key)
                if known is None or known.error or not line.error:
                    self.answers[line.key] = line
            case Vote():
                self.spent += line.cost
                self.judged += line.cost
                self.votes.setdefault(line.key, {})[line.turn] = line

    def begin(self, dataset: str, name: str) -> None:
        """Notes whose answers follow, unless the last opening says the same."""
        if self.datasets[-1:] != [dataset]:
            created = datetime.now(UTC).isoformat(timespec="seconds")
            self.append(Opening(version=VERSION, dataset=dataset, name=name, created=created))

    def append(self, line: Line) -> None:
        """Writes it through to the disk; to be called by one thread at a time. Raises ``OSError``: the disk is full."""
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._take(line)

    def close(self) -> None:
        """Lets others have the file; one to which nothing was written is removed."""
        empty = self._file.seek(0, os.SEEK_END) == 0
        self._file.close()
        if empty:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Results":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
