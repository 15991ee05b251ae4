"""The admin API of a running gateway, over HTTP."""

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from . import Failure

PREFIX = "/admin/v1"
SECONDS = 30.0
"""Of silence."""

LARGEST = 64 * 1024 * 1024
"""Bytes of an answer."""


class Remote:
    """One connection after another; ``url`` with or without the API's own path."""

    far = True

    def __init__(self, url: str, key: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failure(f"{url!r} is not an http or https URL.", fix="write it like http://127.0.0.1:8080")
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._host, self._port, self._tls = parts.hostname, port, parts.scheme == "https"
        self._path = parts.path.rstrip("/").removesuffix(PREFIX)
        self._key = key

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """(status, body). Raises ``Failure``."""
        sent = {**headers, "user-agent": "tollway-cli", "accept": "application/json"}
        if body:
            sent["content-type"] = "application/json"
        try:
            sent["authorization"] = f"Bearer {self._key}".encode().decode("latin-1")
            connection = self._connection()
            try:
                connection.request(method, self._path + target, body or None, sent)
                answer = connection.getresponse()
                return answer.status, answer.read(LARGEST)
            finally:
                connection.close()
        except (ValueError, UnicodeError):
            raise Failure(
                "The admin key or another header holds a character that cannot be sent.",
                fix="look for line breaks and unusual letters in TOLLWAY_ADMIN_KEY and --idempotency-key",
            ) from None
        except http.client.HTTPException as error:
            raise Failure(
                f"What answers at {self._url} broke off or does not speak HTTP ({type(error).__name__}).",
                fix="check the URL: https where the gateway has TLS, http where it has not",
            ) from None
        except OSError as error:
            raise self._unreachable(error) from None

    def close(self) -> None:
        """Nothing is kept."""

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=SECONDS, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)

    def _unreachable(self, error: OSError) -> Failure:
        match error:
            case ConnectionRefusedError():
                return Failure(
                    f"Nothing listens at {self._url}.",
                    fix="start the gateway with tollway serve, or name another address with --url",
                )
            case TimeoutError():
                return Failure(f"{self._url} was silent for {SECONDS:g} s.", fix="look at the gateway's log")
            case socket.gaierror():
                return Failure(f"The host of {self._url} has no address.", fix="check the URL")
            case ssl.SSLCertVerificationError():
                return Failure(
                    f"The certificate of {self._url} is not trusted: {error.verify_message}.",
                    fix="put its authority into a file and export SSL_CERT_FILE",
                )
            case ssl.SSLError():
                return Failure(f"{self._url} does not speak TLS.", fix="use http:// for a gateway without TLS")
            case _:
                said = error.strerror or type(error).__name__
                return Failure(f"{self._url} cannot be reached: {said}.", fix="check the URL")
