"""What types cannot say: names that must exist, addresses, files, keys that would never match. One function a section."""

import ipaddress
import os
import re
import ssl
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from .checks_cache import CacheChecks
from .checks_policy import PolicyChecks
from .checks_routing import RoutingChecks
from .decode import Decoder
from .problems import Path, dotted, nearest
from .schema import Config
from .secrets import Secret
from .traffic import Provider

_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIGNALS = ("/v1/traces", "/v1/metrics", "/v1/logs")
"""What a collector's URL ends with for one signal."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FIXED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
_ORIGIN = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
SHORT_KEY = 16
"""Characters below which a key that is reachable from elsewhere draws a warning."""

ADMIN_KEY = "TOLLWAY_ADMIN_KEY"
"""The variable that stands in for ``admin.key``."""

LONGEST_SOCKET = 107
"""Bytes of a path that ``sockaddr_un`` can carry: unix(7), ``sun_path``."""


def is_loopback(host: str) -> bool:
    """May only this machine connect to a listener on ``host``?"""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Checks:
    """Checks over one decoded Config. Problems go to the decoder, the rest is in ``warnings`` and ``files``."""

    def __init__(
        self,
        config: Config,
        decoder: Decoder,
        providers: Collection[str],
        uses: Collection[str],
        environ: Mapping[str, str],
    ) -> None:
        self.warnings: list[str] = []
        self.files: dict[str, str] = {}
        self._config = config
        self._decoder = decoder
        self._providers = providers
        self._uses = uses
        self._environ = environ

    def run(self) -> None:
        """Every check, in the order of the file."""
        self._server()
        self._cors()
        self._auth()
        self._keys()
        for name, provider in self._config.providers.items():
            self._provider(name, provider)
        self._models()
        self._catalogue()
        self._successors()
        self._passthrough()
        self._telemetry()
        PolicyChecks(self._config, self._bad, self._warn).run()
        routing = RoutingChecks(
            self._config,
            providers=self._providers,
            bad=self._bad,
            warn=self._warn,
            readable=self._readable,
            given=self._given,
        )
        routing.run()
        CacheChecks(self._config, bad=self._bad, warn=self._warn, leads=routing.model, given=self._given).run()

    def _given(self, path: Path) -> bool:
        return dotted(path) in self._decoder.origins

    def _bad(self, path: Path, message: str, hint: str | None = None) -> None:
        self._decoder.problem(path, message, hint=hint)

    def _warn(self, path: Path, message: str) -> None:
        self.warnings.append(f"{dotted(path)}: {message}")

    @property
    def _near(self) -> bool:
        """May only this machine, or what shares the socket's folder, connect?"""
        return self._config.server.uds is not None or is_loopback(self._config.server.host)

    def _server(self) -> None:
        server = self._config.server
        hosts = (("host", server.host), ("health_host", server.health_host), ("admin_host", server.admin_host))
        for name, host in hosts:
            if host is not None and (not host or _CONTROL.search(host) or " " in host or "://" in host or "/" in host):
                self._bad(
                    ("server", name), "expected an address or host name to listen on, such as 127.0.0.1 or 0.0.0.0"
                )
        if server.health_port is None:
            if server.health_host is not None:
                self._warn(("server", "health_host"), "has no effect without server.health_port")
        elif server.health_port == server.port != 0 and server.uds is None:
            self._bad(("server", "health_port"), "is the same as server.port: choose another, or leave it out")
        if server.spool_dir is not None:
            folder = FilePath(server.spool_dir)
            if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
                self._bad(("server", "spool_dir"), f"{folder} is not a folder that can be written to")
        if server.body_idle_timeout > server.body_total_timeout:
            self._warn(
                ("server", "body_idle_timeout"), "is longer than server.body_total_timeout, which ends the read first"
            )
        if server.max_body > server.max_upload:
            self._warn(("server", "max_body"), "is larger than server.max_upload")
        self._admin_listener()
        self._tls()
        self._uds()

    def _admin_listener(self) -> None:
        server = self._config.server
        at: Path = ("server", "admin_port")
        if server.admin_port is None:
            if self._given(("server", "admin_host")):
                self._warn(("server", "admin_host"), "has no effect without server.admin_port")
            return
        others = {"server.port": server.port if server.uds is None else None, "server.health_port": server.health_port}
        for name, port in others.items():
            if server.admin_port == port:
                self._bad(at, f"is the same as {name}: choose another, or leave it out")
        keyless = self._config.admin.key is None and not self._environ.get(ADMIN_KEY)
        if keyless and not self._decoder.touched(("admin",)):
            self._bad(
                at,
                "there is no admin key, so that listener would refuse everybody: set admin.key, or TOLLWAY_ADMIN_KEY, "
                "or leave it out",
            )

    def _uds(self) -> None:
        server = self._config.server
        if server.uds is None:
            return
        at: Path = ("server", "uds")
        if not server.uds.startswith("/") or _CONTROL.search(server.uds) or server.uds.endswith("/"):
            self._bad(at, "expected the absolute path of the socket, such as /run/tollway/tollway.sock")
        elif len(server.uds.encode()) > LONGEST_SOCKET:
            self._bad(at, f"is longer than {LONGEST_SOCKET} bytes, which no socket's path may be: choose a shorter one")
        if server.tls is not None:
            self._bad(("server", "tls"), "is of no use on a Unix socket: remove it, or server.uds")
        for name in ("host", "port"):
            if self._given(("server", name)) and not (name == "host" and server.health_port is not None):
                self._warn(("server", name), "has no effect with server.uds")

    def _tls(self) -> None:
        tls = self._config.server.tls
        if tls is None:
            return
        readable = [
            self._readable(("server", "tls", name), text) for name, text in (("cert", tls.cert), ("key", tls.key))
        ]
        if not all(readable):
            return
        try:
            # The password callback keeps OpenSSL from asking on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, password=lambda: "")
        except (ssl.SSLError, ValueError, OSError):
            self._bad(("server", "tls"), "cert and key are not a PEM certificate and its unencrypted private key")

    def _readable(self, path: Path, name: str) -> bool:
        self.files[dotted(path)] = name
        try:
            if FilePath(name).is_dir() or (FilePath(name).exists() and not FilePath(name).is_file()):
                self._bad(path, f"{name!r} is not a file")
                return False
            with open(name, "rb") as stream:
                stream.read(1)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            self._bad(path, f"file {name!r} cannot be read: {said}")
            return False
        return True

    def _cors(self) -> None:
        for index, origin in enumerate(self._config.server.cors.origins):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                self._bad(
                    ("server", "cors", "origins", index),
                    'expected "*" or scheme://host[:port] without a path, such as https://app.example.com',
                )

    def _auth(self) -> None:
        config = self._config
        if config.auth.mode == "open" and not self._near:
            self._bad(
                ("auth", "mode"),
                "open lets everyone in who can reach the port, so server.host must be a loopback address: "
                "set server.host: 127.0.0.1 or server.uds, or auth.mode: keys with an entry under keys",
            )
        known = not self._decoder.touched(("keys",)) and not self._decoder.touched(("auth",))
        others = config.storage.type != "none" or config.auth.jwt is not None
        if config.auth.mode == "keys" and not config.keys and not others and known:
            self._bad(
                ("keys",),
                'auth.mode is "keys" and no key is configured, so nobody could call: add '
                'keys: [{name: app, key: "${APP_KEY}"}], or set auth.mode: open (loopback only) or forward',
            )
        if config.auth.mode != "keys" and config.keys:
            self._warn(("keys",), f'are not looked at while auth.mode is "{config.auth.mode}"')

    def _keys(self) -> None:
        names: dict[str, int] = {}
        values: dict[str, int] = {}
        for index, key in enumerate(self._config.keys):
            at: Path = ("keys", index)
            if key.name in names:
                self._bad((*at, "name"), f"the name is already used by keys[{names[key.name]}]")
            names.setdefault(key.name, index)
            text = key.key.reveal()
            if not text.strip():
                self._bad((*at, "key"), "the key is empty: is its variable or file empty?")
                continue
            if text in values:
                self._bad((*at, "key"), f"the same key as keys[{values[text]}]: each entry needs its own")
            values.setdefault(text, index)
            self._sendable((*at, "key"), key.key)
            if text != text.strip():
                self._warn((*at, "key"), "starts or ends with a space; HTTP clients cannot send that")
            if len(text) < SHORT_KEY and not self._near:
                self._warn(
                    (*at, "key"), f"is shorter than {SHORT_KEY} characters and the gateway listens beyond loopback"
                )
            for position, pattern in enumerate(key.models):
                if not pattern:
                    self._bad((*at, "models", position), "must not be empty")

    def _sendable(self, path: Path, secret: Secret) -> None:
        text = secret.reveal()
        if _CONTROL.search(text):
            self._bad(path, "holds a line break or control character, which no HTTP header can carry")

    def _provider(self, name: str, provider: Provider) -> None:
        at: Path = ("providers", name)
        if not _PROVIDER_NAME.fullmatch(name):
            self._bad(at, "a provider's name is made of letters, digits, dots, dashes and underscores")
        if provider.use not in self._uses:
            self._unknown_use((*at, "use"), provider.use)
        if provider.base_url is not None:
            problem = bad_url(provider.base_url, credentials=False)
            if problem:
                self._bad((*at, "base_url"), problem)
        if provider.api_key is not None:
            if not provider.api_key.reveal().strip():
                self._bad((*at, "api_key"), 'is empty: give a key, or "none" to send no credential')
            self._sendable((*at, "api_key"), provider.api_key)
        for header, value in provider.headers.items():
            if not _HEADER_NAME.fullmatch(header):
                self._bad((*at, "headers"), "a header's name may hold letters, digits and dashes only")
            elif header.casefold() in _FIXED_HEADERS:
                self._bad((*at, "headers", header), "is set by the gateway itself: remove it")
            else:
                self._sendable((*at, "headers", header), value)
        if provider.proxy is not None:
            problem = bad_url(provider.proxy.reveal(), credentials=True)
            if problem:
                self._bad((*at, "proxy"), problem)
        if provider.ca_file is not None and self._readable((*at, "ca_file"), provider.ca_file):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(provider.ca_file)
            except (ssl.SSLError, OSError):
                self._bad((*at, "ca_file"), f"{provider.ca_file!r} holds no PEM certificate")

    def _unknown_use(self, path: Path, use: str) -> None:
        shown = "" if path in self._decoder.expanded else f' "{use}"'
        near = nearest(use, self._uses) if shown else None
        known = "" if near is not None else f" (known: {', '.join(sorted(self._uses))})"
        self._bad(
            path,
            f"unknown provider{shown}{known}; an OpenAI-speaking server works with use: openai and its base_url",
            near,
        )

    def _unknown_provider(self, path: Path, name: str) -> None:
        known = ", ".join(sorted(self._providers)) or "none, add one under providers"
        shown = "" if path in self._decoder.expanded else f' "{name}"'
        self._bad(path, f"unknown provider{shown} (known: {known})", nearest(name, self._providers) if shown else None)

    def _models(self) -> None:
        for name, model in self._config.models.items():
            for index, target in enumerate(model.targets):
                if target.provider not in self._providers:
                    self._unknown_provider(("models", name, "targets", index, "provider"), target.provider)

    def _catalogue(self) -> None:
        section = self._config.catalogue
        for name, model in section.models.items():
            at: Path = ("catalogue", "models", name)
            use, slash, ident = name.partition("/")
            if not slash or not ident:
                self._bad(at, "a row is named provider/model, by the provider's kind: openai/gpt-4o")
            elif use not in self._uses:
                self._unknown_use(at, use)
            for field, text in (("deprecated", model.deprecated), ("shutdown", model.shutdown)):
                if text is not None and not _is_date(text):
                    self._bad((*at, field), "expected a date such as 2027-01-14")
            prices = model.prices
            if prices.above is not None and (prices.above_input is None or prices.above_output is None):
                self._bad((*at, "prices", "above"), "needs above_input and above_output")
        if section.refresh is not None:
            problem = bad_url(section.refresh.url, credentials=False)
            if problem:
                self._bad(("catalogue", "refresh", "url"), problem)

    def _successors(self) -> None:
        successors = self._config.successors
        for old in successors:
            seen, at = {old}, successors[old]
            while at in successors and at not in seen:
                seen.add(at)
                at = successors[at]
            if at in seen:
                self._bad(("successors", old), "leads back to itself: the last one of a chain must be served")

    def _passthrough(self) -> None:
        provider = self._config.passthrough.provider
        if provider is not None and provider not in self._providers:
            self._unknown_provider(("passthrough", "provider"), provider)
        if not self._providers:
            self._warn(("providers",), "none is configured: no request can be answered")
        elif provider is None:
            self._warn(
                ("passthrough", "provider"),
                "is not set, so paths that carry no model (files, batches, …) are answered with 404",
            )

    def _telemetry(self) -> None:
        telemetry = self._config.telemetry
        if not telemetry.prometheus:
            for name in ("metrics_key", "key_metrics"):
                if getattr(telemetry, name):
                    self._warn(("telemetry", name), "has no effect without telemetry.prometheus")
        if telemetry.compat_headers and not telemetry.gateway_headers:
            self._warn(
                ("telemetry", "compat_headers"), "says little without telemetry.gateway_headers, which it repeats"
            )
        self._collector()
        log = telemetry.access_log
        if log in ("stdout", "stderr", "off"):
            return
        if "/" not in log:
            choices = ("stdout", "stderr", "off")
            self._bad(
                ("telemetry", "access_log"),
                "expected stdout, stderr, off or the path of a file (with a /)",
                nearest(log, choices),
            )
        elif not FilePath(log).parent.is_dir():
            self._bad(("telemetry", "access_log"), "the file's folder does not exist")
        elif not os.access(log if os.path.exists(log) else FilePath(log).parent, os.W_OK):
            self._bad(
                ("telemetry", "access_log"),
                f"{log} cannot be written by this user: choose stdout, or a file in a folder that it may write to",
            )

    def _collector(self) -> None:
        """The OpenTelemetry collector's URL, which may be logged, and the headers that go there."""
        telemetry = self._config.telemetry
        if not telemetry.otlp:
            for name in ("otlp_headers", "trace_ratio"):
                if getattr(telemetry, name):
                    self._warn(("telemetry", name), "has no effect without telemetry.otlp")
            return
        parts = urlsplit(telemetry.otlp)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self._bad(("telemetry", "otlp"), "expected the base URL of a collector, such as http://127.0.0.1:4318")
        elif "@" in parts.netloc or parts.query:
            self._bad(
                ("telemetry", "otlp"), "must hold no credentials and no query: put a key into telemetry.otlp_headers"
            )
        elif parts.path.rstrip("/").endswith(_SIGNALS):
            self._bad(
                ("telemetry", "otlp"),
                "is the base URL, to which /v1/traces and /v1/metrics are added: leave that ending out",
            )
        for name, value in telemetry.otlp_headers.items():
            if not _HEADER_NAME.fullmatch(name) or _CONTROL.search(value.reveal()):
                self._bad(("telemetry", "otlp_headers"), f"{name[:40]!r} with its value is no header that can be sent")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2027-01-14")


def bad_url(text: str, *, credentials: bool) -> str | None:
    """What is wrong with an http(s) URL, without repeating it; ``credentials`` allows user:password@."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not a valid URL"
    if url.scheme not in ("http", "https"):
        return "must start with http:// or https://"
    if not host or _CONTROL.search(text) or any(character.isspace() for character in text) or "\\" in text:
        return "needs a host name, and no spaces"
    if not credentials and "@" in url.netloc:
        return "must not hold a user name or password: use api_key or headers"
    if url.query or url.fragment or "?" in text or "#" in text:
        return "must not hold a query (?) or fragment (#): clients' query strings are sent on by themselves"
    if _link_local(host):
        return "is a link-local address, where cloud metadata services live"
    return None


def _link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_link_local
    except ValueError:
        return False


def literal_secrets(config: Config, decoder: Decoder) -> Iterator[Path]:
    """Where a secret stands in the file itself instead of behind a reference."""
    for index, key in enumerate(config.keys):
        if key.key and ("keys", index, "key") not in decoder.expanded:
            yield ("keys", index, "key")
    single: tuple[tuple[Path, Secret | None], ...] = (
        (("admin", "key"), config.admin.key),
        (("storage", "pepper"), config.storage.pepper),
        (("telemetry", "metrics_key"), config.telemetry.metrics_key),
    )
    for path, secret in single:
        if secret is not None and path not in decoder.expanded:
            yield path
    for name, provider in config.providers.items():
        if provider.api_key is not None and ("providers", name, "api_key") not in decoder.expanded:
            yield ("providers", name, "api_key")
        for index in range(len(provider.api_keys)):
            if ("providers", name, "api_keys", index) not in decoder.expanded:
                yield ("providers", name, "api_keys", index)
