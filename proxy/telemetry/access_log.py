"""One JSON line a request, written by a thread in batches: the loop only appends, a slow sink loses lines and counts them."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import IO

import orjson

from ..context import Attempt, RequestContext
from .attainment import judged

BATCH_AFTER = 0.2
"""Seconds that a line waits for company."""

BACKLOG = 10_000
"""Lines that may wait for the sink; more are dropped and counted."""

Line = dict[str, object]


def line_of(ctx: RequestContext, ended: float, now: float) -> Line:
    """The fields of one request. No bodies, no credentials; ``now`` is the wall clock at ``ended``."""
    target, usage, error, cached = ctx.target, ctx.usage, ctx.error, ctx.cached
    if cached is not None and ctx.outcome == "ok" and ctx.from_cache:
        usage = cached.usage
    waited = sum([seconds for name, seconds in ctx.timings if name == "upstream"])
    return {
        "at": now,
        "request_id": ctx.request_id,
        "trace_id": _trace_id(ctx.headers.get(b"traceparent")),
        "key": ctx.principal.name,
        "client": ctx.client,
        "method": ctx.method,
        "path": ctx.path[:512],
        "endpoint": ctx.endpoint.name,
        "route": ctx.route or None,
        "provider": target.provider if target is not None else None,
        "model": (target.model or None) if target is not None else None,
        "stream": ctx.request.stream is True,
        "status": ctx.status or (error.status if error is not None else 0),
        "outcome": ctx.outcome,
        "error": error.code or error.type if error is not None else None,
        "detail": (error.detail or None) if error is not None else None,
        "attempts": len(ctx.attempts),
        "route_policy": ctx.plan.policy if ctx.plan is not None else None,
        "tried": tried(ctx.attempts) if len(ctx.attempts) > 1 else None,
        "slo": judged(ctx) or None,
        "dropped": ctx.dropped or None,
        "rewritten": ctx.rewritten or None,
        "input_tokens": usage.input,
        "input_source": usage.input_source,
        "output_tokens": usage.output,
        "output_source": usage.output_source,
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
        "account": ctx.principal.account or None,
        "charge_usd": _dollars(ctx.settled.charge) if ctx.settled is not None else None,
        "cost_usd": _dollars(ctx.settled.cost) if ctx.settled is not None else None,
        "ending": ctx.settled.ending if ctx.settled is not None else None,
        "cache": cached.status if cached is not None else None,
        "cache_reason": (cached.reason or None) if cached is not None else None,
        "similarity": cached.similarity if cached is not None else None,
        "saved_usd": (_dollars(ctx.settled.saved) or None) if ctx.settled is not None else None,
        "limits": ctx.reservation.degraded if ctx.reservation is not None else None,
        "ttft_ms": _ms(ctx.first_token_at - ctx.started) if ctx.first_token_at else None,
        "duration_ms": _ms(ended - ctx.started),
        "upstream_ms": _ms(waited),
        "overhead_ms": _ms(ctx.attempts[0].started - ctx.started) if ctx.attempts else None,
    }


def tried(attempts: Sequence[Attempt]) -> list[dict[str, object]]:
    """Each try of a request that needed several, in the order in which they ended, the answer last."""
    return [
        {
            "provider": attempt.provider,
            "model": attempt.model,
            "key": attempt.key,
            "role": attempt.role,
            "status": attempt.status or None,
            "fault": attempt.fault.kind if attempt.fault is not None else None,
            "detail": (attempt.fault.detail or None) if attempt.fault is not None else None,
            "ms": _ms(attempt.ended - attempt.started) if attempt.ended else None,
        }
        for attempt in attempts
    ]


def _ms(seconds: float) -> float:
    """Milliseconds with three decimals; ``round`` takes twice as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def _dollars(micro_usd: int | None) -> float | None:
    return micro_usd / 1_000_000 if micro_usd is not None else None


def _trace_id(traceparent: bytes | None) -> str | None:
    """The W3C trace id, when the header has its form."""
    if traceparent is None or len(traceparent) < 55 or traceparent[2:3] != b"-":
        return None
    found = traceparent[3:35]
    return found.decode("ascii", "replace") if found.isalnum() else None


class AccessLog:
    """The sink: ``stdout``, ``stderr`` or a file path. Started by the first line, stopped by ``close``."""

    def __init__(self, sink: str, *, dropped: Callable[[int], None]) -> None:
        self._sink = sink
        self._dropped = dropped
        self._waiting: list[Line] = []
        # Two counters with one writer each: the loop and the thread never write the same one.
        self._handed_over = 0
        self._done = 0
        self._batches: SimpleQueue[list[Line] | None] = SimpleQueue()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def append(self, line: Line) -> None:
        """Keeps ``line`` for the next batch; drops it when the sink is too far behind."""
        if len(self._waiting) + self._handed_over - self._done >= BACKLOG:
            self._dropped(1)
            return
        self._waiting.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_AFTER, self._hand_over)

    def _hand_over(self) -> None:
        self._timer = None
        batch, self._waiting = self._waiting, []
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="tollway-access-log", daemon=True)
            self._thread.start()
        self._handed_over += len(batch)
        self._batches.put(batch)

    def close(self, timeout: float = 2.0) -> None:
        """Writes what waits and stops the thread; gives a stuck sink ``timeout`` seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._hand_over()
        if self._thread is not None:
            self._batches.put(None)
            self._thread.join(timeout)

    def _write_all(self) -> None:
        """The thread: batches to bytes to the sink until told to stop. A sink that fails loses the batch, not the gateway."""
        while (batch := self._batches.get()) is not None:
            try:
                data = b"".join([self._line(line) for line in batch])
                with self._open() as stream:
                    stream.write(data)
            except (OSError, ValueError):
                self._dropped(len(batch))
            finally:
                self._done += len(batch)

    def _line(self, line: Line) -> bytes:
        """One line; one that cannot be written is lost alone."""
        try:
            return _encoded(line)
        except (TypeError, ValueError):
            self._dropped(1)
            return b""

    def _open(self) -> IO[bytes]:
        if self._sink in ("stdout", "stderr"):
            fd = (sys.stdout if self._sink == "stdout" else sys.stderr).fileno()
            return os.fdopen(fd, "wb", closefd=False, buffering=0)
        # Opened for each batch, so that a rotated file is left alone and a new one is made.
        return open(self._sink, "ab", buffering=0)


def _encoded(line: Line) -> bytes:
    at = line.pop("at")
    assert isinstance(at, float)
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    try:
        return orjson.dumps({"time": time, **line}, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A lone surrogate, from a path or a model name.
        safe = {name: _printable(value) for name, value in line.items()}
        return orjson.dumps({"time": time, **safe}, option=orjson.OPT_APPEND_NEWLINE, default=str)


def _printable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
