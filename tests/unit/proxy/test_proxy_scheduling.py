"""Threads beside the loop's are put into the batch class, and the loop's own is left alone."""

import os
import sys
import threading

import pytest

from proxy.scheduling import yield_to_loop


@pytest.mark.skipif(sys.platform != "linux", reason="scheduling classes are Linux's")
def test_other_threads_yield_and_this_one_does_not() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        before = os.sched_getscheduler(0)
        assert yield_to_loop() >= 1
        assert thread.native_id is not None
        assert os.sched_getscheduler(thread.native_id) == os.SCHED_BATCH
        assert os.sched_getscheduler(0) == before
    finally:
        done.set()
        thread.join()


def test_a_system_without_classes_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "SCHED_BATCH", raising=False)
    assert yield_to_loop() == 0
