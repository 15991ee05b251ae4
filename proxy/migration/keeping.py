"""What LiteLLM keeps, and where: its cache, its database, its Redis."""

from urllib.parse import quote

from ..config.problems import Path
from .deployments import Section
from .source import Leaf, Source

_GENERAL: Path = ("general_settings",)
_ROUTER: Path = ("router_settings",)
_LITELLM: Path = ("litellm_settings",)
_CACHE: Path = ("litellm_settings", "cache_params")
_SEMANTIC = {
    "redis-semantic": "redis_semantic_cache_embedding_model",
    "valkey-semantic": "valkey_semantic_cache_embedding_model",
    "qdrant-semantic": "qdrant_semantic_cache_embedding_model",
}
_ADA = "text-embedding-ada-002"
_LOWEST, _HIGHEST = 0.5, 1.0


class Keeping:
    """Adds ``cache``, ``storage`` and ``state`` to ``made``. ``models``: public names, of which one may embed."""

    def __init__(self, source: Source, models: dict[str, Section], made: Section) -> None:
        self._source = source
        self._models = models
        self._made = made

    def build(self) -> None:
        """The cache first: whether it is on decides whose Redis is meant."""
        self._cache()
        self._stores()

    # ---- cache ------------------------------------------------------------------------------------------------------

    def _cache(self) -> None:
        source, at = self._source, (*_LITELLM, "cache")
        switch = source.node(at)
        if switch is None or switch.value is not True:
            if switch is not None:
                source.take(at)
            if source.has(_CACHE):
                source.say("needless", _CACHE, "The cache is off.")
            return
        source.take(at)
        kind = source.text((*_CACHE, "type")) or "local"
        exact: Section = {"enabled": source.leaf(at, value=True)}
        ttl_at = source.first((*_CACHE, "ttl"), (*_CACHE, "default_in_redis_ttl"), (*_CACHE, "default_in_memory_ttl"))
        ttl = source.number(ttl_at) if ttl_at is not None else None
        if ttl_at is not None and ttl is not None:
            kept = min(2_592_000.0, max(1.0, ttl))
            exact["ttl"] = source.leaf(ttl_at, kept)
            exact["max_ttl"] = Leaf(max(kept, 86_400.0), ttl_at, switch)
            if kept != ttl:
                source.say("changed", ttl_at, "An answer is kept between a second and thirty days.")
        mode = (*_CACHE, "mode")
        if source.text(mode) == "default_off":
            source.lose(
                mode, "A request cannot turn the cache on, only off.", "models.<name>.cache.exact, keys[].cache.exact"
            )
        elif source.has(mode):
            source.say("needless", mode, "With a cache every answer that can be kept is.")
        cache: Section = {"exact": exact}
        if kind in _SEMANTIC:
            semantic = self._semantic(kind)
            if semantic:
                cache["semantic"] = semantic
        elif kind not in ("local", "redis"):
            source.lose((*_CACHE, "type"), f"Answers are not kept in {kind}, but in memory.", "state.type: redis")
        if source.has((*_CACHE, "type")) and not source.covered((*_CACHE, "type")):
            source.take((*_CACHE, "type"))
        self._made["cache"] = cache

    def _semantic(self, kind: str) -> Section:
        source, at = self._source, (*_CACHE, "type")
        named_at = (*_CACHE, _SEMANTIC[kind])
        embedder = source.text(named_at) or _ADA
        if embedder not in self._models:
            source.lose(
                named_at if source.has(named_at) else at,
                f"The embedding model {embedder} is no model of this file, so that nothing is compared.",
                "add it, and set cache.semantic.embedder; or embedder: local",
            )
            return {}
        place = named_at if source.has(named_at) else at
        semantic: Section = {
            "enabled": source.leaf(at, value=True),
            "embedder": source.leaf(place, embedder),
        }
        near = source.number((*_CACHE, "similarity_threshold"))
        if near is not None:
            held = min(_HIGHEST, max(_LOWEST, near))
            semantic["threshold"] = source.leaf((*_CACHE, "similarity_threshold"), held)
            if held != near:
                source.say("changed", (*_CACHE, "similarity_threshold"), "A threshold lies between 0.5 and 1.")
        return semantic

    # ---- stores -----------------------------------------------------------------------------------------------------

    def _stores(self) -> None:
        source = self._source
        url = source.refer((*_GENERAL, "database_url"))
        if url is not None:
            source.say(
                "changed",
                url.path,
                "The gateway keeps tables of its own there; keys, teams and spend of LiteLLM's are not read.",
                "run tollway migrate db once; make keys with tollway keys create",
            )
            self._made["storage"] = {"type": Leaf("postgres", url.path, url.node), "url": url}
        for place, prefix in ((_ROUTER, "redis_"), (_CACHE, "")):
            if "state" not in self._made:
                state = self._redis(place, prefix)
                if state is not None:
                    self._made["state"] = state
            else:
                for name in ("host", "port", "password", "url", "username", "ssl"):
                    at = (*place, prefix + name)
                    if source.has(at) and not source.covered(at):
                        source.lose(at, "The gateway has one shared state: that of router_settings.", "state.url")

    def _redis(self, place: Path, prefix: str) -> Section | None:
        source = self._source
        if place == _CACHE and source.text((*_CACHE, "type")) not in ("redis", "redis-semantic"):
            return None
        if place == _CACHE and "cache" not in self._made:
            return None
        whole = source.refer((*place, f"{prefix}url"))
        if whole is not None:
            return {"type": Leaf("redis", whole.path, whole.node), "url": whole}
        names = ("host", "port", "password", "username", "ssl")
        found = {name: source.refer((*place, prefix + name)) for name in names}
        if found["host"] is None and place == _ROUTER:
            return None
        at = (*place, f"{prefix}host") if found["host"] is not None else (*_CACHE, "type")
        parts = {name: _part(leaf) for name, leaf in found.items() if leaf is not None}
        if "host" not in parts:
            source.say("changed", at, "The address comes from REDIS_HOST, REDIS_PORT and REDIS_PASSWORD.", "state.url")
            for name, variable, default in (
                ("host", "REDIS_HOST", None),
                ("port", "REDIS_PORT", "6379"),
                ("password", "REDIS_PASSWORD", ""),
            ):
                parts.setdefault(name, str(source.variable(variable, at, default).value))
        if "${" in parts.get("password", ""):
            source.say(
                "changed",
                (*place, f"{prefix}password") if found["password"] is not None else at,
                "The password becomes part of a URL.",
                "if it has characters such as @ or /, put the whole URL into a variable: state.url",
            )
        scheme = "rediss" if parts.get("ssl", "").casefold() == "true" else "redis"
        credentials = f"{parts.get('username', '')}:{parts['password']}@" if "password" in parts else ""
        text = f"{scheme}://{credentials}{parts['host']}:{parts.get('port', '6379')}"
        node = source.node(at)
        assert node is not None
        return {"type": Leaf("redis", at, node), "url": Leaf(text, at, node)}


def _part(leaf: Leaf) -> str:
    """A part of a URL: plain text quoted, references as they are."""
    text = str(leaf.value)
    return text if text.startswith("${") else quote(text, safe=".:[]-_")
