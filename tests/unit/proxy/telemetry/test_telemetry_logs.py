"""Logs: no secrets, and no sink that can hold up or break the gateway."""

import asyncio
import logging
import logging.handlers
import os
from pathlib import Path
from queue import SimpleQueue

import orjson
import pytest
from msgspec.structs import fields

from proxy.context import Attempt, Cached, Limits, Principal, RequestContext, Settled, Target
from proxy.errors import InvalidRequest
from proxy.policy.faults import Fault
from proxy.policy.rules import Reservation
from proxy.telemetry import access_log, lines
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.lines import Kind, Line
from proxy.telemetry.log import JsonFormatter, configure
from proxy.telemetry.recorder import Recorder
from proxy.wire.chat import RequestView
from proxy.wire.usage import Usage
from tests.support import logged

SECRET = "sk-live-never-log-this"
_LINE = [each.name for each in fields(Line)]
_AT = _LINE.index("endpoint")
FIELDS = [*_LINE[:_AT], *(each.name for each in fields(Kind)), *_LINE[_AT + 1 :]]


def written(ctx: RequestContext, now: float = 1.0) -> bytes:
    return logged.written(ctx, 11.0, now)


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
    assert SECRET not in str(logged.told(ctx, 11.0, 1.0))


def test_a_line_tells_how_it_went() -> None:
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ctx = request(
        target=Target(provider="local", model="small", limits=limits), route="fast", headers={b"traceparent": trace}
    )
    ctx.timings.append(("upstream", 0.25))
    line = logged.told(ctx, 11.5, 1.0)
    assert line.duration_ms == 1500.0
    assert line.upstream_ms == 250.0
    assert (line.provider, line.model, line.route, line.outcome) == ("local", "small", "fast", "ok")
    assert line.trace_id == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("trace", [b"", b"x", b"00-" + b"\xff" * 60, b"00-" + b"<script>" * 8])
def test_a_malformed_traceparent_is_no_trace(trace: bytes) -> None:
    assert logged.told(request(headers={b"traceparent": trace}), 11.0, 1.0).trace_id is None


async def test_lines_are_written_in_order(tmp_path: Path) -> None:
    dropped: list[int] = []
    log = AccessLog(str(tmp_path / "a.log"), dropped=dropped.append)
    for index in range(100):
        log.append(written(request(request_id=f"r{index}"), 1_700_000_000.5))
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
        log.append(written(request()))
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
        log.append(written(request()))
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


@pytest.mark.parametrize("odd", ["\ud800", "a\udfffb"])
def test_a_line_with_what_json_cannot_say_says_the_nearest(odd: str) -> None:
    ctx = request(path=odd, client=odd, dropped=[odd, "seed"])
    line = orjson.loads(written(ctx))
    nearest = odd.encode("utf-8", "replace").decode()
    assert (line["path"], line["client"], line["dropped"]) == (nearest, nearest, [nearest, "seed"])
    assert list(line) == FIELDS


def test_a_count_beyond_all_measure_is_written_too() -> None:
    line = orjson.loads(written(request(usage=Usage(input=1 << 80))))
    assert line["input_tokens"] in (1 << 80, str(1 << 80), float(1 << 80))


def test_a_field_has_what_its_name_says() -> None:
    """Lines are made field by field without their names, so each is looked at here."""
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    fault = Fault(kind="server_error", detail="503")
    ctx = request(
        principal=Principal(name="app", tenant="t", account="acme"),
        client="10.0.0.7",
        path="/chat/completions" + "x" * 600,
        route="fast",
        target=Target(provider="local", model="small", limits=limits),
        request=RequestView(stream=True),
        status=200,
        outcome="timeout",
        error=InvalidRequest("no", code="odd", detail="at 3"),
        plan=None,
        dropped=["seed"],
        rewritten=["model"],
        usage=Usage(
            input=1, output=2, cached=3, cache_write=4, reasoning=5, input_source="reported", output_source="counted"
        ),
        settled=Settled(charge=7, cost=1_500_000, ending="complete", count="counted", saved=9),
        cached=Cached(status="miss", reason="new", similarity=0.5),
        reservation=Reservation(ident="i", grants=[], degraded="open"),
        first_token_at=10.125,
        timings=[("auth", 1.0), ("upstream", 0.25), ("upstream", 0.5)],
        attempts=[
            Attempt(
                provider="far", model="big", started=10.0625, ended=10.1, status=503, role="first", fault=fault, key=1
            ),
            Attempt(provider="local", model="small", started=10.1, status=200, role="failover"),
        ],
        headers={b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    )
    assert orjson.loads(written(ctx, 1_700_000_000.0625)) == {
        "time": "2023-11-14T22:13:20.062+00:00",
        "request_id": "r1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "key": "app",
        "client": "10.0.0.7",
        "method": "POST",
        "path": "/chat/completions" + "x" * 495,
        "endpoint": "chat",
        "route": "fast",
        "provider": "local",
        "model": "small",
        "stream": True,
        "status": 200,
        "outcome": "timeout",
        "error": "odd",
        "detail": "at 3",
        "attempts": 2,
        "route_policy": None,
        "tried": [
            {"provider": "far", "model": "big", "key": 1, "role": "first", "status": 503, "fault": "server_error", "detail": "503", "ms": 37.5},
            {"provider": "local", "model": "small", "key": 0, "role": "failover", "status": 200, "fault": None, "detail": None, "ms": None},
        ],
        "slo": None,
        "dropped": ["seed"],
        "rewritten": ["model"],
        "input_tokens": 1,
        "input_source": "reported",
        "output_tokens": 2,
        "output_source": "counted",
        "cached_tokens": 3,
        "cache_write_tokens": 4,
        "reasoning_tokens": 5,
        "account": "acme",
        "charge_usd": 7e-06,
        "cost_usd": 1.5,
        "ending": "complete",
        "cache": "miss",
        "cache_reason": "new",
        "similarity": 0.5,
        "saved_usd": 9e-06,
        "limits": "open",
        "ttft_ms": 125.0,
        "duration_ms": 1000.0,
        "upstream_ms": 750.0,
        "overhead_ms": 62.5,
    }  # fmt: skip


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


def test_lines_of_requests_that_ended_alike_say_each_its_own() -> None:
    """What is kept of the first must not be told of another, however little they differ."""
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    small, large = (Target(provider="local", model=model, limits=limits) for model in ("small", "large"))
    alike = {"route": "fast", "target": small}
    others: list[dict[str, object]] = [
        {"target": large},
        {"target": None},
        {"route": ""},
        {"request": RequestView(stream=True)},
        {"status": 502},
        {"outcome": "client_closed"},
        {"error": InvalidRequest("no", code="too_odd")},
        {"dropped": ["seed"]},
        {"rewritten": ["model"]},
        {"attempts": [Attempt(provider="local", model="small", started=10.0)]},
        {"attempts": [Attempt(provider="local", model=name, started=10.0) for name in "ab"]},
    ]
    seen = set()
    for _ in range(2):
        usual = logged.told(request(**alike), 11.0, 1.0)
        for own in others:
            line = logged.told(request(**alike | own), 11.0, 1.0)
            fields_apart = {name for name in FIELDS if getattr(line, name) != getattr(usual, name)}
            seen.add(frozenset(fields_apart))
    assert seen == {
        frozenset({"model"}),
        frozenset({"provider", "model"}),
        frozenset({"route"}),
        frozenset({"stream"}),
        frozenset({"status"}),
        frozenset({"outcome"}),
        frozenset({"error"}),
        frozenset({"dropped"}),
        frozenset({"rewritten"}),
        frozenset({"attempts", "overhead_ms"}),
        frozenset({"attempts", "overhead_ms", "tried"}),
    }
    assert len(lines._kinds) <= lines._REMEMBERED


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", {"ours debug", "ours info", "ours warning", "theirs warning"}),
        ("info", {"ours info", "ours warning", "theirs warning"}),
        ("warning", {"ours warning", "theirs warning"}),
        ("error", set()),
    ],
)
def test_libraries_tell_no_details_at_any_level(
    level: str, shown: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Database drivers tell statements with their values, and clients whole requests, to whoever asks for ``debug``."""
    root, ours = logging.getLogger(), logging.getLogger("tollway")
    before = root.handlers[:], root.level, ours.level
    try:
        listener = configure(level)
        for name, words in (("tollway.app", "ours"), ("aiosqlite", "theirs"), ("botocore.auth", "theirs")):
            for at in ("debug", "info", "warning"):
                getattr(logging.getLogger(name), at)("%s %s", words, at)
        listener.stop()
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line["message"] for line in lines} == shown
