"""Logs: no secrets, and no sink that can hold up or break the gateway."""

import asyncio
import logging
import logging.handlers
import os
from pathlib import Path
from queue import SimpleQueue

import orjson
import pytest

from proxy.context import Limits, RequestContext, Target
from proxy.errors import InvalidRequest
from proxy.telemetry import access_log
from proxy.telemetry.access_log import AccessLog, line_of
from proxy.telemetry.log import JsonFormatter
from proxy.telemetry.recorder import Recorder

SECRET = "sk-live-never-log-this"


def request(**more: object) -> RequestContext:
    ctx = RequestContext(request_id="r1", started=10.0, status=200, path="/chat/completions")
    for name, value in more.items():
        setattr(ctx, name, value)
    return ctx


def test_a_line_holds_no_credential_and_no_body() -> None:
    ctx = request(
        headers={b"authorization": SECRET.encode(), b"cookie": SECRET.encode()},
        raw_headers=[(b"authorization", SECRET.encode())],
        body=SECRET.encode(),
        query=b"key=" + SECRET.encode(),
        output_text=[SECRET],
        error=InvalidRequest(f"message {SECRET}"),
    )
    assert SECRET not in str(line_of(ctx, 11.0, 1.0))


def test_a_line_tells_how_it_went() -> None:
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ctx = request(
        target=Target(provider="local", model="small", limits=limits), route="fast", headers={b"traceparent": trace}
    )
    ctx.timings.append(("upstream", 0.25))
    line = line_of(ctx, 11.5, 1.0)
    assert line["duration_ms"] == 1500.0
    assert line["upstream_ms"] == 250.0
    assert (line["provider"], line["model"], line["route"], line["outcome"]) == ("local", "small", "fast", "ok")
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("trace", [b"", b"x", b"00-" + b"\xff" * 60, b"00-" + b"<script>" * 8])
def test_a_malformed_traceparent_is_no_trace(trace: bytes) -> None:
    assert line_of(request(headers={b"traceparent": trace}), 11.0, 1.0)["trace_id"] is None


async def test_lines_are_written_in_order(tmp_path: Path) -> None:
    dropped: list[int] = []
    log = AccessLog(str(tmp_path / "a.log"), dropped=dropped.append)
    for index in range(100):
        log.append(line_of(request(request_id=f"r{index}"), 11.0, 1_700_000_000.5))
    log.close()
    lines = [orjson.loads(line) for line in (tmp_path / "a.log").read_bytes().splitlines()]
    assert [line["request_id"] for line in lines] == [f"r{index}" for index in range(100)]
    assert lines[0]["time"] == "2023-11-14T22:13:20.500+00:00"
    assert dropped == []


@pytest.mark.parametrize("sink", ["/dev/full", "/nonexistent/folder/a.log"])
async def test_a_sink_that_fails_costs_its_lines_and_nothing_else(sink: str) -> None:
    dropped: list[int] = []
    log = AccessLog(sink, dropped=dropped.append)
    for _ in range(3):
        log.append(line_of(request(), 11.0, 1.0))
    log.close()
    assert sum(dropped) == 3


async def test_a_sink_that_blocks_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "BACKLOG", 10)
    monkeypatch.setattr(access_log, "BATCH_AFTER", 0.0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    dropped: list[int] = []
    log = AccessLog(str(pipe), dropped=dropped.append)
    for _ in range(25):
        log.append(line_of(request(), 11.0, 1.0))
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    log.close(timeout=0.05)
    assert loop.time() - began < 1.0, "a stuck sink does not hold up the stop"
    assert sum(dropped) == 15
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    await asyncio.sleep(0)
    assert log._thread is not None
    log._thread.join(2.0)
    os.close(reader)


async def test_a_line_that_cannot_be_encoded_does_not_stop_the_log(tmp_path: Path) -> None:
    dropped: list[int] = []
    log = AccessLog(str(tmp_path / "a.log"), dropped=dropped.append)
    log.append({**line_of(request(), 11.0, 1.0), "client": "\ud800"})
    log._hand_over()
    log.append(line_of(request(request_id="later"), 11.0, 1.0))
    log.close()
    assert b"later" in (tmp_path / "a.log").read_bytes()


test_a_line_that_cannot_be_encoded_does_not_stop_the_log.pytestmark = [  # type: ignore[attr-defined]
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
]


def record(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error) as caught:
        info = (type(caught), caught, caught.__traceback__)
    return logging.LogRecord("tollway.x", logging.ERROR, "f.py", 1, "it %s", ("broke",), info)


def test_the_formatter_names_an_exception_and_never_quotes_it() -> None:
    line = JsonFormatter().format(record(ValueError(SECRET)))
    assert SECRET not in line
    parsed = orjson.loads(line)
    assert (parsed["message"], parsed["exception"], parsed["level"]) == ("it broke", "ValueError", "error")


def test_nor_does_the_queue_behind_it() -> None:
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = logging.handlers.QueueHandler(queue)
    handler.setFormatter(JsonFormatter())
    handler.handle(record(ValueError(SECRET)))
    queued = queue.get()
    assert SECRET not in logging.StreamHandler().format(queued)
    assert "Traceback" not in queued.getMessage()


def test_a_bug_is_logged_by_type_and_place(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(metrics=None, access_log=None, wall=lambda: 0.0)
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        recorder.unexpected(request(), error)
    assert "KeyError" in caplog.text
    assert "test_telemetry_logs.py" in caplog.text
    assert SECRET not in caplog.text
    recorder.settler_failed("name", ValueError(SECRET))
    assert SECRET not in caplog.text
