"""Chat requests over the standard library's HTTP. A thread keeps its connection from question to question."""

import http.client
import json
import ssl
import threading
import time
from urllib.parse import quote, urlsplit

from ..wire.values import JsonObject, object_in, objects, text
from .reading import MOST, Reading, Reply

_DRAIN = 0.5
"""Seconds that the end of a stream may take after its last event."""


class Endpoint:
    """Where the gateway is. Raises ``ValueError`` for a URL that is none."""

    def __init__(self, url: str, key: str | None, *, timeout: float) -> None:
        """``timeout``: seconds for one whole answer."""
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an http or https URL; write it like http://127.0.0.1:8080/v1")
        self.url = url
        self._host, self._secure, self._prefix = parts.hostname, parts.scheme == "https", parts.path.rstrip("/")
        self._timeout = timeout
        self._threads = threading.local()
        self._open: set[http.client.HTTPConnection] = set()
        self._headers = {"content-type": "application/json", "user-agent": "tollway-compare", "x-tollway-cache": "off"}
        if key:
            self._headers["authorization"] = f"Bearer {key}".encode().decode("latin-1")

    def ask(self, body: JsonObject, headers: dict[str, str] | None = None) -> Reply:
        """One try of one chat request, streamed or not as ``body`` says. Any end is a reply; nothing is raised."""
        begun = time.monotonic()
        data = json.dumps(body).encode()
        try:
            answer = self._send("POST", f"{self._prefix}/chat/completions", data, headers or {})
        except TimeoutError:
            return self._lost("timeout", f"no answer within {self._timeout:g} s", begun)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return self._lost("unreachable", f"{type(error).__name__}: {error}", begun)
        return self._read(answer, begun)

    def listed(self) -> list[str] | None:
        """The names of the models that the gateway lists; ``None``: it lists none."""
        try:
            answer = self._send("GET", f"{self._prefix}/models", None, {})
            found = object_in(answer.read(MOST)) if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            self._drop()
        names = [text(each.get("id")) for each in objects((found or {}).get("data"))]
        return [name for name in names if name] or None

    def close(self) -> None:
        """Closes the connections of all threads."""
        while self._open:
            self._open.pop().close()

    # ---- the connection ---------------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        kept = getattr(self._threads, "connection", None)
        connection: http.client.HTTPConnection = kept or self._connection()
        self._threads.connection = connection
        sent = {**self._headers, **headers}
        try:
            connection.request(method, quote(path, safe="/%:@~"), data, sent)
            return connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._drop()
            if kept is None:
                raise
            # It had been closed while it was idle: nothing was answered on it.
            self._threads.connection = connection = self._connection()
            connection.request(method, quote(path, safe="/%:@~"), data, sent)
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError):
            self._drop()
            raise

    def _connection(self) -> http.client.HTTPConnection:
        found = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        if self._secure:
            context = ssl.create_default_context()
            found = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        self._open.add(found)
        return found

    def _drop(self) -> None:
        connection = getattr(self._threads, "connection", None)
        self._threads.connection = None
        if connection is not None:
            self._open.discard(connection)
            connection.close()

    # ---- the answer -------------------------------------------------------------------------------------------------

    def _lost(self, error: str, detail: str, begun: float) -> Reply:
        self._drop()
        return Reply(error=error, detail=detail[:300], passing=True, seconds=time.monotonic() - begun)

    def _read(self, answer: http.client.HTTPResponse, begun: float) -> Reply:
        reading = Reading(answer, begun, begun + self._timeout)
        try:
            found = reading.reply()
        except TimeoutError:
            found = reading.broken("timeout", f"not whole within {self._timeout:g} s")
        except (OSError, http.client.HTTPException, ValueError) as error:
            found = reading.broken("cut", f"the answer broke off ({type(error).__name__})")
        if found.error or not (answer.isclosed() or self._drained(answer)):
            self._drop()
        return found

    def _drained(self, answer: http.client.HTTPResponse) -> bool:
        """After the last event only framing is left: it is read, so that the connection can be used again. Is it at its end?"""
        sock = self._threads.connection.sock
        try:
            sock.settimeout(_DRAIN)
            answer.read(1024)
            sock.settimeout(self._timeout)
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return answer.isclosed()
