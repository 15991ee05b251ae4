"""Is this request to be answered from the cache? What the configuration, its key and its own headers say; ``off`` wins everywhere."""

from msgspec import Struct, structs

from ..context import CacheStatus, RequestContext
from ..policy.caching import Cache, ExactCache, KeyCache, ModelCache
from ..policy.scopes import within
from ..wire.endpoints import Endpoint
from .controls import Asked, read_asked
from .directives import Directives, read_directives

CACHED = frozenset(("chat", "completions", "responses", "messages", "embeddings"))
"""Endpoints, by name, whose answers are kept."""

_NO_ANSWERS = frozenset(("/responses/input_tokens", "/responses/compact"))
"""Paths of those endpoints that ask for something else."""

_PAIRS = 2048


class Wanted(Struct, frozen=True, kw_only=True):
    """What the cache is to do for one request.

    ``status``: ``miss``: look and keep; ``refresh``: only keep; ``bypass`` and ``disabled``: neither, and ``reason`` says why
    (``off``, ``no_store``; ``key_off``, ``model_off``, ``not_enabled``; of a refresh ``asked``, ``no_cache``, ``max_age``).
    ``exact`` and ``semantic``: which layers; ``ttl`` seconds that the answer is kept; ``max_age`` that it may be old.
    """

    status: CacheStatus
    reason: str = ""
    exact: bool = False
    semantic: bool = False
    ttl: float = 0.0
    max_age: float | None = None
    tools: bool = False
    """Are answers that call tools kept?"""
    max_temperature: float = 1.0
    threshold: float = 1.0
    """Cosine below which nothing is the same."""
    tags: tuple[str, ...] = ()
    namespace: str = ""


def answers(endpoint: Endpoint, path: str | None) -> bool:
    """Does this operation give answers that may be kept? ``path``: the one it stands under, without a prefix."""
    return endpoint.name in CACHED and path not in _NO_ANSWERS


class CacheRules:
    """One per configuration. What a model and a key have turned on is worked out once for each pair of them."""

    def __init__(self, *, settings: Cache) -> None:
        self._settings = settings
        self._exact = settings.exact if settings.exact is not None else ExactCache(enabled=False)
        self._kept: dict[tuple[int, int], tuple[ModelCache, KeyCache, Wanted]] = {}
        """By their places in memory: both are held, so that no other comes to lie there."""

    def wanted(self, ctx: RequestContext) -> Wanted:
        """For a request that has its plan. Raises ``InvalidRequest``; tells of headers that its key may not send."""
        plan = ctx.plan
        assert plan is not None
        model, key = plan.route.cache, ctx.principal.cache
        kept = self._kept.get((id(model), id(key)))
        usual = kept[2] if kept is not None else self._remembered(model, key)
        headers = ctx.headers
        if (
            b"x-tollway-cache" in headers
            or b"cache-control" in headers
            or b"x-tollway-cache-ttl" in headers
            or b"x-tollway-cache-namespace" in headers
            or b"x-tollway-tags" in headers
        ):
            return self._narrowed(ctx, usual)
        return usual

    def _remembered(self, model: ModelCache, key: KeyCache) -> Wanted:
        found = self._usual(model, key)
        if len(self._kept) >= _PAIRS:
            self._kept.clear()
        self._kept[id(model), id(key)] = (model, key, found)
        return found

    def _usual(self, model: ModelCache, key: KeyCache) -> Wanted:
        """Of a request that has no header for the cache."""
        exact, semantic = self._exact, self._settings.semantic
        similar = True in (model.semantic, key.semantic)
        if key.exact is False or model.exact is False:
            return Wanted(status="disabled", reason="key_off" if key.exact is False else "model_off")
        # What means the same includes what is the same: whoever turns the one on has the other.
        if not (exact.enabled or similar or True in (model.exact, key.exact)):
            return Wanted(status="disabled", reason="not_enabled")
        return Wanted(
            status="miss",
            exact=True,
            semantic=(similar or semantic.enabled) and False not in (model.semantic, key.semantic),
            ttl=min(exact.ttl if model.ttl is None else model.ttl, exact.max_ttl),
            tools=exact.tools if model.tools is None else model.tools,
            max_temperature=exact.max_temperature if model.max_temperature is None else model.max_temperature,
            threshold=max(semantic.threshold, model.threshold or 0.0),
        )

    def _narrowed(self, ctx: RequestContext, usual: Wanted) -> Wanted:
        """By the request's own headers. ``no-store`` is a wish for privacy, heeded whoever sends it; ``cache`` permits the others."""
        permitted = ctx.principal.controls
        asked, said, ignored = read_asked(ctx.raw_headers, permitted), Directives(), []
        if b"cache-control" in ctx.headers:
            lines = [value.decode("latin-1") for name, value in ctx.raw_headers if name == b"cache-control"]
            said = read_directives(",".join(lines))
            if not within(permitted, "cache"):
                if said.no_cache or said.max_age is not None:
                    ignored.append("cache-control")
                said = Directives(no_store=said.no_store)
        ignored += asked.ignored
        if ignored:
            told = ", ".join(f"{name} (not permitted to this key)" for name in ignored)
            ctx.response_headers.append((b"x-tollway-warning", f"ignored: {told}".encode()))
        if usual.status == "disabled":
            return usual
        status, reason = _status(asked, said)
        return structs.replace(
            usual,
            status=status,
            reason=reason,
            semantic=usual.semantic and asked.mode != "exact",
            ttl=usual.ttl if asked.ttl is None else min(asked.ttl, self._exact.max_ttl),
            max_age=said.max_age,
            tags=asked.tags,
            namespace=asked.namespace,
        )


def _status(asked: Asked, said: Directives) -> tuple[CacheStatus, str]:
    if asked.mode == "off":
        return "bypass", "off"
    if said.no_store:
        return "bypass", "no_store"
    if asked.mode == "refresh":
        return "refresh", "asked"
    if said.no_cache:
        return "refresh", "no_cache"
    return ("refresh", "max_age") if said.max_age == 0 else ("miss", "")
