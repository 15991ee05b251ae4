"""What may be answered from the cache, and how sure of it one has to be: the Structs that the configuration is written in."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Ttl = Annotated[float, Meta(ge=1, le=2_592_000, extra={"unit": "seconds"})]
Similarity = Annotated[float, Meta(ge=0.5, le=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Bytes = Annotated[int, Meta(ge=1024, le=1 << 40, extra={"unit": "bytes"})]
Rows = Annotated[int, Meta(ge=1, le=1_000_000)]


class ExactCache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The same question gets the same answer. ``ttl``: seconds that an answer is kept, unless the request says otherwise, up to ``max_ttl``.

    Answers above ``max_entry`` bytes are not kept, requests above ``max_prompt`` bytes not looked at. A request that sets a temperature above
    ``max_temperature`` is not cached; one that sets none is. ``tools``: are answers that call tools kept? ``pace``: tokens per second
    at which a stored stream is played, 0: at once. ``ignore``: top-level body fields that do not shape an answer; ``headers``:
    request headers that do, besides the usual ones.
    """

    enabled: bool = True
    ttl: Ttl = 3600.0
    max_ttl: Ttl = 86_400.0
    max_entry: Bytes = 2 * 1024 * 1024
    max_prompt: Bytes = 1024 * 1024
    max_temperature: Annotated[float, Meta(ge=0, le=2)] = 1.0
    tools: bool = False
    pace: Annotated[float, Meta(ge=0, le=100_000)] = 0.0
    ignore: tuple[str, ...] = ("metadata", "prompt_cache_key", "prompt_cache_retention")
    headers: tuple[str, ...] = ()


class SemanticCache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A question that means the same gets the same answer. ``enabled``: where neither model nor key says otherwise.

    ``embedder``: ``local``, or the public name of an embedding model. ``threshold``: cosine below which nothing is the same;
    ``max_false_hits``: the share of wrong answers among those served that is borne. ``mode: shadow`` serves fresh answers and scores
    what would have been served; ``record`` is a file of those pairs. ``timeout``: seconds that a lookup may take, embedding
    included. ``max_prompt``: characters of a last user turn beyond which it is not compared; ``max_turns``: messages of a
    conversation. ``max_entries`` of one partition, ``max_total`` of all.
    """

    enabled: bool = False
    embedder: str = "local"
    threshold: Similarity = 0.92
    max_false_hits: Share = 0.01
    mode: Literal["serve", "shadow"] = "serve"
    record: str | None = None
    timeout: Annotated[float, Meta(gt=0, le=10, extra={"unit": "seconds"})] = 0.25
    max_prompt: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    max_turns: Annotated[int, Meta(ge=1, le=1000)] = 9
    max_entries: Rows = 10_000
    max_total: Rows = 50_000
    index: Literal["auto", "memory", "state", "pgvector"] = "auto"


class Cache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Answers kept to be given again. Without ``exact`` nothing is, unless a model turns it on.

    ``store``: ``memory`` of each process, or the shared ``state``; ``auto``: the shared one where there is one. ``max_bytes``: of
    memory, in each process. ``share``: are answers kept apart by ``key``, or shared among the keys of an ``account``? ``groups``: name to
    accounts that share theirs. ``status_header``: is ``Cache-Status`` (RFC 9211) added?
    """

    exact: ExactCache | None = None
    semantic: SemanticCache = SemanticCache()
    store: Literal["auto", "memory", "state"] = "auto"
    max_bytes: Bytes = 64 * 1024 * 1024
    share: Literal["key", "account"] = "key"
    groups: dict[str, tuple[str, ...]] = {}
    status_header: bool = False


class ModelCache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a model does otherwise than the others. Unset: as ``cache`` says. ``threshold`` can only be higher than the shared one."""

    exact: bool | None = None
    semantic: bool | None = None
    ttl: Ttl | None = None
    tools: bool | None = None
    max_temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    threshold: Similarity | None = None


class KeyCache(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a key does otherwise than the others: ``false`` wins over whatever else turns it on."""

    exact: bool | None = None
    semantic: bool | None = None


NO_CACHE = Cache()
AS_THE_OTHERS = ModelCache()
AS_THE_OTHER_KEYS = KeyCache()
