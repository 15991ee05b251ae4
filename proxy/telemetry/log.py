"""The process log: one JSON line an event on stderr, written by a thread."""

import logging
import logging.handlers
import sys
from queue import SimpleQueue

import orjson


class JsonFormatter(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``, and what a record brings as ``fields``; an exception as its type only, since
    messages may hold secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> logging.handlers.QueueListener:
    """Routes every logger through a queue to stderr, ours from ``level`` on, others from warnings on. ``stop()`` the result at the end."""
    stderr = logging.StreamHandler(sys.stderr)
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = logging.handlers.QueueHandler(queue)
    # The queue's handler formats, so that a traceback never becomes part of the message.
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell statements with their values, or whole requests, when they are asked for more.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger("tollway").setLevel(level.upper())
    listener = logging.handlers.QueueListener(queue, stderr)
    listener.start()
    return listener
