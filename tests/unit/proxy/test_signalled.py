"""The event that a signal handler may set."""

import subprocess
import sys
import threading
import time

import pytest

from proxy.signalled import SignalledEvent

STORM = """
import signal, sys, threading, time
from threading import Event
from proxy.signalled import SignalledEvent

event = {event}()
signal.signal(signal.SIGALRM, lambda *_: event.set())
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
stop = False
def others():
    while not stop:
        event.set()
        time.sleep(0)
thread = threading.Thread(target=others, daemon=True)
thread.start()
for _ in range(20_000):
    event.wait()
    event.clear()
stop = True
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""


def storm(event: str, *, seconds: float) -> bool:
    """Does a thread that waits again and again survive signals, and sets by another thread, at any moment?"""
    try:
        done = subprocess.run(
            [sys.executable, "-c", STORM.format(event=event)], capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout == "done\n"


def test_a_signal_at_any_moment_is_heard_and_holds_nobody() -> None:
    assert storm("SignalledEvent", seconds=60)


def test_it_is_an_event_like_any() -> None:
    event = SignalledEvent()
    assert not event.is_set()
    assert event.wait(0.01) is False
    threading.Timer(0.05, event.set).start()
    begun = time.monotonic()
    assert event.wait(10) is True
    assert time.monotonic() - begun < 5
    assert event.is_set()
    assert event.wait() is True
    event.clear()
    assert event.wait(0.01) is False


@pytest.mark.slow
def test_the_standard_one_does_not_bear_it() -> None:
    assert not storm("Event", seconds=20)
