"""Users who chat: true time to the first token, gaps between tokens and speed of streams, as entries of their own in Locust's statistics.

    locust -f loadtest/locust/locustfile.py --headless --users 10 --run-time 30s --csv chat

Locust's own figure of a streamed request is the time to its head. So the body is read line by line as it arrives (an iterator over it
would hand over blocks of 8 KiB), and `LLM/ttft`, `LLM/itl`, `LLM/e2e` and `LLM/tokens_per_s` are what came of that.
"""

import itertools
import os
import time
from argparse import ArgumentParser
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment
from sse_timing import Stream

URL = os.environ.get("TOLLWAY_URL", "http://127.0.0.1:8080/v1").rstrip("/")
KEY = os.environ.get("TOLLWAY_KEY", "")
MODEL = os.environ.get("MODEL", "gpt-4o-mini")
MAX_TOKENS = int(os.environ.get("MAX_TOKENS", "64"))
"""Of each answer: bounds what a load costs where tokens cost money."""
STREAMS = int(os.environ.get("STREAMS", "4"))
"""Streams for each plain answer."""
PAUSE = float(os.environ.get("PAUSE", "1"))
"""Seconds a user reads before asking again."""
RUN_TIME = os.environ.get("RUN_TIME", "1m")
"""Where the command line has no --run-time: no load is without an end."""
TTFT_P95_MS = float(os.environ.get("TTFT_P95_MS", "0"))
ITL_P95_MS = float(os.environ.get("ITL_P95_MS", "0"))
"""Locust exits with 1 if 95 of 100 are not below; 0: whatever they are."""

_numbers = itertools.count(1)
_RUN = f"{os.getpid()}-{time.time_ns()}"


def _fresh() -> str:
    """A prompt that nobody asked before, so that no cache has the answer."""
    return f"How long is the road to milestone {next(_numbers)} of journey {_RUN}?"


class Chatter(FastHttpUser):
    """Asks, reads the answer, pauses, asks again: a closed load, whose rate falls when answers are late."""

    host = URL
    wait_time = constant(PAUSE)
    network_timeout = 120.0
    connection_timeout = 10.0

    def _asked(self, *, stream: bool) -> dict[str, Any]:
        """What both kinds of request have in common."""
        body = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": _fresh()}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        # The lines are read as they come off the wire, so they must not be compressed.
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {KEY}"} if KEY else {})
        return {"json": body, "headers": headers, "stream": stream, "catch_response": True}

    @task(STREAMS)
    def stream(self) -> None:
        """One streamed answer, timed chunk by chunk."""
        asked = self._asked(stream=True)
        read = Stream(sent=time.perf_counter())
        with self.client.post("/chat/completions", name="chat (head of a stream)", **asked) as answer:
            if answer.status_code != 200:
                answer.failure(_refusal(answer))
                return
            self._read(answer, read)
            if read.fault:
                answer.failure(read.fault)
            else:
                self._report(read)

    def _read(self, answer: Any, read: Stream) -> None:
        try:
            while line := answer._response.readline(b"\n"):
                read.line(bytes(line), time.perf_counter())
        except FAILURE_EXCEPTIONS as broken:
            read.error = read.error or f"the stream broke off: {type(broken).__name__}"
        finally:
            # Back to the pool where it ended well: the next request of this user has its connection.
            answer.release()

    def _report(self, read: Stream) -> None:
        def entry(name: str, figure: float, length: int = 0) -> None:
            self.environment.events.request.fire(
                request_type="LLM", name=name, response_time=figure, response_length=length, exception=None, context={}
            )

        entry("ttft", 1000 * read.ttft)
        for gap in read.gaps:
            entry("itl", 1000 * gap)
        entry("e2e", 1000 * (read.ended - read.sent), read.tokens)
        if read.tokens_per_s:
            entry("tokens_per_s", read.tokens_per_s, read.tokens)

    @task(1)
    def plain(self) -> None:
        """One answer in a piece."""
        with self.client.post("/chat/completions", name="chat", **self._asked(stream=False)) as answer:
            if answer.status_code != 200:
                answer.failure(_refusal(answer))
            elif not _words(answer):
                answer.failure("there was no text")


def _words(answer: Any) -> str:
    """The text of a plain answer; "" if there is none."""
    try:
        return str(answer.json()["choices"][0]["message"]["content"] or "")
    except (ValueError, LookupError, TypeError):
        return ""


def _refusal(answer: Any) -> str:
    """A status with the error's own words, without what differs from one request to the next: Locust groups failures by their text."""
    if not answer.status_code:
        return f"no answer: {answer.error}"
    if answer.text is None:
        return f"status {answer.status_code}"
    return f"status {answer.status_code}: {answer.text.partition(' (request id')[0][:200]}"


@events.init_command_line_parser.add_listener
def _bound(parser: ArgumentParser, **_: Any) -> None:
    parser.set_defaults(run_time=RUN_TIME)


@events.init.add_listener
def _now(**_: Any) -> None:
    """Lets the run time begin now: gevent counts from its last look at the clock, before seconds of imports on a busy machine."""
    gevent.get_hub().loop.update_now()


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    """Thresholds. Locust itself exits with 1 after any failed request."""
    for name, most in (("ttft", TTFT_P95_MS), ("itl", ITL_P95_MS)):
        if not most:
            continue
        seen = environment.stats.get(name, "LLM")
        found = seen.get_response_time_percentile(0.95)
        if not seen.num_requests or found >= most:
            print(f"LLM/{name}: p95 is {found} ms of {seen.num_requests}, not below {most:g}")
            environment.process_exit_code = 1
