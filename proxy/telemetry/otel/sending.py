"""How an export travels: one POST, tried again for a while where the collector says so. Blocks, so only threads of our own call it."""

import gzip
import ssl
import threading
import time
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from .settings import Collector

_AGAIN = frozenset((429, 502, 503, 504))
"""Statuses after which the specification wants another try."""

SHORTEST_PAUSE, _FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0, 8.0
"""Seconds between tries, whatever the collector says."""
_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""


class _NoRedirects(HTTPRedirectHandler):
    """Headers that were meant for one collector do not go to another."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        return None


class Sender:
    """Sends to one collector. ``stopping`` ends waiting between tries."""

    def __init__(self, collector: Collector, *, agent: str, stopping: threading.Event) -> None:
        self._url = collector.url
        self._timeout = collector.timeout
        self._gzip = collector.gzip
        self._stopping = stopping
        self._headers = {"content-type": "application/x-protobuf", "user-agent": agent, **collector.headers}
        if self._gzip:
            self._headers["content-encoding"] = "gzip"
        self._opener = _opener(collector)

    def send(self, data: bytes) -> str:
        """Why it was not taken, "" where it was."""
        body = gzip.compress(data, 5) if self._gzip else data
        deadline, pause = time.monotonic() + self._timeout, _FIRST_PAUSE
        while True:
            left = deadline - time.monotonic()
            why, again, wanted = self._try(body, max(left, 0.1))
            if not why or not again:
                return why
            wait = max(wanted, SHORTEST_PAUSE) if wanted is not None else pause
            if wait >= deadline - time.monotonic() or self._stopping.wait(wait):
                return why
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _try(self, body: bytes, timeout: float) -> tuple[str, bool, float | None]:
        """Why not, whether another try may help, and the seconds before it that the collector wants."""
        # The scheme was checked with the configuration.
        request = Request(self._url, data=body, headers=self._headers, method="POST")  # noqa: S310
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                answer.read(_ANSWER)
        except HTTPError as error:
            with error:
                return f"it answered {error.code}", error.code in _AGAIN, _retry_after(error.headers)
        except URLError as error:
            reason = error.reason
            return f"it cannot be reached ({type(reason).__name__})", not isinstance(reason, ssl.SSLError), None
        except TimeoutError:
            return "it did not answer in time", False, None
        except (OSError, HTTPException, ValueError) as error:
            return f"its answer cannot be read ({type(error).__name__})", False, None
        return "", False, None


def _opener(collector: Collector) -> OpenerDirector:
    """Proxies come from the usual variables. Raises ``OSError`` where a certificate cannot be read."""
    context = ssl.create_default_context(cafile=collector.certificate)
    if collector.client_certificate is not None:
        context.load_cert_chain(collector.client_certificate, collector.client_key)
    return build_opener(_NoRedirects, HTTPSHandler(context=context))


def _retry_after(headers: Message) -> float | None:
    """Seconds; a date is not read, then our own pauses are made."""
    try:
        return min(max(float(headers.get("retry-after") or ""), 0.0), 3600.0)
    except ValueError:
        return None
