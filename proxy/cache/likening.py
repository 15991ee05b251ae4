"""Was something like it answered before? Asked by whoever leads, once nothing was stored under the very key."""

from ..context import RequestContext
from ..protocols import CacheEntry, Similar, Verdict
from .keeping import Inquiry, fresh
from .means import Caching


async def likened(
    caching: Caching, similar: Similar, ctx: RequestContext, inquiry: Inquiry
) -> tuple[CacheEntry, Verdict] | None:
    """The stored answer that may be given, and why; ``inquiry`` is told what was found. ``None`` for a refresh: it is only to be remembered."""
    question = caching.keys.question(ctx, inquiry.wanted, inquiry.keyed)
    if isinstance(question, str):
        inquiry.verdict = Verdict(kind="none", reason=question)
        return None
    inquiry.question = question
    if inquiry.wanted.status == "refresh":
        return None
    verdict = inquiry.verdict = await similar.find(question)
    if verdict.kind != "hit":
        caching.records.looked_up("semantic", "miss" if verdict.kind == "none" else verdict.kind)
        return None
    entry = await caching.store.get(verdict.key)
    if entry is not None and fresh(entry, inquiry.wanted, caching.wall):
        return entry, verdict
    if entry is None:
        similar.forget(question, verdict.key)
    inquiry.verdict = Verdict(kind="none", reason="gone" if entry is None else "age", similarity=verdict.similarity)
    caching.records.looked_up("semantic", "miss")
    return None
