"""Regular expressions over the answers of strangers, with a limit on time: they run in a process that can be stopped.

Backtracking can take for ever, and a thread inside it cannot be interrupted. Run as a module this file is that process.
"""

import json
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

SECONDS = 2.0
"""For one pattern and one text; starting the process comes on top once."""

_START = 15.0
_ALONE = 30
"""Seconds after which the process ends itself in the middle of a pattern: whoever started it may be gone."""


class Overrun(Exception):
    """The pattern took longer than an answer is worth."""


class Matcher:
    """Looks for patterns in texts, one at a time. The process is started with the first."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def search(self, pattern: str, text: str, *, ignore_case: bool = False) -> bool:
        """Is the pattern found? Raises ``Overrun``."""
        with self._lock:
            process = self._process or self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"pattern": pattern, "text": text, "ignore_case": ignore_case}) + "\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], self._seconds)
            line = process.stdout.readline() if ready else ""
            if not line:
                self.stop()
                raise Overrun
            return line == "yes\n"

    def _started(self) -> subprocess.Popen[str]:
        found = subprocess.Popen(  # noqa: S603 - this interpreter, this file
            [sys.executable, "-I", __file__],
            # Ctrl-C is for the run, which ends this process itself.
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert found.stdout is not None
        select.select([found.stdout], [], [], _START)
        found.stdout.readline()
        self._process = found
        return found

    def stop(self) -> None:
        """Ends the process; the next search starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _found(asked: Mapping[str, str]) -> bool:
    return re.search(asked["pattern"], asked["text"], re.IGNORECASE if asked["ignore_case"] else 0) is not None


def _serve() -> None:
    """A line ``ready``, then for each line with a pattern and a text one that says yes or no."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        signal.alarm(_ALONE)
        sys.stdout.write("yes\n" if _found(json.loads(line)) else "no\n")
        signal.alarm(0)
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
