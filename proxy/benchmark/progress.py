"""How far a run is, on stderr: a bar that is drawn again on a terminal, a line every few seconds elsewhere."""

import asyncio
import os
from collections.abc import Iterable
from typing import TextIO

from .asking import Clock
from .driving import Load, Tally
from .phases import Extent
from .statistics import percentile
from .timeline import Timeline

EVERY_DRAWN, EVERY_LINE = 0.2, 5.0
"""Seconds between two drawings, and between two lines."""

_WIDTH, _LEAST = 24, 5
"""Characters of the bar."""
_CLEAR = "\r\x1b[2K"


def width_of(out: TextIO) -> int:
    """Columns of the terminal behind ``out``; 80 where it does not say."""
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class Progress:
    """Looks at a load now and then; it never holds one up."""

    def __init__(
        self,
        load: Load,
        extent: Extent,
        sides: int,
        *,
        label: str,
        out: TextIO,
        drawn: bool,
        colour: bool,
        clock: Clock,
    ) -> None:
        """``extent``: of the measured phase. ``drawn``: is ``out`` a terminal?"""
        self._load = load
        self._extent = extent
        self._wanted = (extent.requests or 0) * sides
        self._label = label
        self._out = out
        self._drawn = drawn
        self._colour = colour
        self._clock = clock

    async def watch(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY_DRAWN if self._drawn else EVERY_LINE)
                self._write(self.line())
        finally:
            if self._drawn:
                self._out.write(_CLEAR)
                self._out.flush()

    def _write(self, line: str) -> None:
        """A line that is drawn again fits into one of the terminal's: what is wrapped cannot be cleared."""
        drawn = self._coloured(line[: width_of(self._out) - 1])
        self._out.write(f"{_CLEAR}{drawn}" if self._drawn else f"{line}\n")
        self._out.flush()

    def line(self) -> str:
        """What is told now."""
        tally = self._load.measured
        parts = []
        if tally.begun is None:
            parts.append("warm-up" if self._load.timelines else "starting")
        else:
            parts.append(f"{tally.ended:,}" + (f"/{self._wanted:,}" if self._wanted else ""))
        parts.append(f"{self._load.in_flight} in flight")
        if tally.ended:
            parts += [_live(tally.latest), f"{tally.failed:,} failed"]
        if tally.begun is not None:
            room = width_of(self._out) - len(self._label) - len("  ".join(parts))
            parts.insert(0, self._bar(self._share(tally), room))
        return f"{self._label}{'  '.join(parts)}"

    def _share(self, tally: Tally) -> float:
        """Of the measured phase that is behind us."""
        shares = []
        if self._wanted:
            shares.append(tally.ended / self._wanted)
        if self._extent.seconds and tally.begun is not None:
            shares.append((self._clock() - tally.begun) / self._extent.seconds)
        return min(max(shares, default=0.0), 1.0)

    def _bar(self, share: float, room: int) -> str:
        """As wide as there is room beside the figures, which say more."""
        width = min(room - len("[]  100%  ") - 1, _WIDTH)
        if not self._drawn or width < _LEAST:
            return f"{share:.0%}"
        full = round(share * width)
        return f"[{'#' * full}{'-' * (width - full)}] {share:4.0%}"

    def _coloured(self, line: str) -> str:
        """With its failures in red."""
        failed = self._load.measured.failed
        words = f"{failed:,} failed"
        return line.replace(words, f"\x1b[31m{words}\x1b[0m") if failed and self._colour else line


def _live(latest: Iterable[Timeline]) -> str:
    firsts = sorted(value for each in latest if each.good and (value := each.ttft) is not None)
    if firsts:
        return f"TTFT p50 {percentile(firsts, 50.0) * 1000:.0f} ms"
    whole = sorted(each.latency for each in latest if each.good)
    return f"end to end p50 {percentile(whole, 50.0) * 1000:.0f} ms" if whole else "no answer yet"
