"""What becomes of an answer that has left: stored, where it is whole, good, and its model's own; and compared, where that was due."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct

from ..context import RequestContext, Send
from ..protocols import CacheEntry, Clock, Question, Verdict
from ..wire.usage import NO_USAGE, Usage
from .asking import Wanted
from .flight import Flight
from .judging import unfit
from .keys import Keyed
from .means import Caching
from .replay import said
from .unproven import LONG, Unproven, promising, unproven
from .wishes import USAGE_CHUNKS


class Inquiry(Struct, eq=False):
    """What is asked of the cache for one request; ``question`` and ``verdict`` once something like it was looked for."""

    wanted: Wanted
    keyed: Keyed
    question: Question | None = None
    verdict: Verdict | None = None
    inputs: Sequence[bytes] = ()
    """Of embeddings: a key for each input, and what was stored under it."""
    found: Sequence[CacheEntry | None] = ()
    answer: bytes | None = None
    """What the provider said to those that were not found, where it was not asked for all."""


class Kind(Protocol):
    """What is kept of an operation's answers, and how it is found again."""

    def stored(self, ctx: RequestContext, inquiry: Inquiry) -> Awaitable[CacheEntry | None]:
        """The answer, if there is one that this request may have."""

    def asked(self, flight: Flight, inquiry: Inquiry) -> tuple[Send, str, Usage]:
        """A miss is about to be sent: what takes its answer, why it is sent although something was found, and what that saves."""

    async def keep(self, flight: Flight, inquiry: Inquiry) -> None:
        """The answer has left: it is kept if it may be."""


class Answers:
    """Whole answers of a model that writes. Implements ``Kind``."""

    def __init__(self, caching: Caching) -> None:
        self._caching = caching
        self._get = caching.store.get

    def stored(self, ctx: RequestContext, inquiry: Inquiry) -> Awaitable[CacheEntry | None]:
        """The one under its key."""
        if inquiry.wanted.max_age is None:
            return self._get(inquiry.keyed.key)
        return self._young(inquiry)

    async def _young(self, inquiry: Inquiry) -> CacheEntry | None:
        entry = await self._get(inquiry.keyed.key)
        return entry if entry is not None and fresh(entry, inquiry.wanted, self._caching.wall) else None

    def asked(self, flight: Flight, inquiry: Inquiry) -> tuple[Send, str, Usage]:
        """All of it is asked for; the usage chunk, too, whoever wants it."""
        ctx = flight.ctx
        # Whatever is like it was looked for: a prompt decoded need not lie beside the prompt until its answer is there.
        inquiry.keyed.document = None
        ctx.keep_usage = ctx.request.stream is True and ctx.endpoint.dialect in USAGE_CHUNKS
        return flight.send, "", NO_USAGE

    async def keep(self, flight: Flight, inquiry: Inquiry) -> None:
        """Stores it, and has it compared with what would have been given, where that was due."""
        caching, wanted, question = self._caching, inquiry.wanted, inquiry.question
        reason = unkept(flight)
        if reason:
            caching.records.kept(reason)
            return
        entry = entry_of(flight, caching.wall(), wanted.ttl, wanted.tags)
        here = not caching.remote and question is None
        if here and len(entry.body) > LONG and promising(entry, tools=wanted.tools):
            entry = unproven(entry, tools=wanted.tools)
        else:
            reason = unfit(entry.endpoint, entry.form, entry.body, tools=wanted.tools)
            if reason:
                caching.records.kept(reason)
                return
        if question is not None and inquiry.verdict is not None:
            await self._learn(question, inquiry.verdict, entry)
        await caching.store.put(flight.key, entry)
        caching.records.kept("stored")
        if question is not None and caching.similar is not None:
            caching.similar.remember(question, flight.key, entry.expires)

    async def _learn(self, question: Question, verdict: Verdict, made: CacheEntry) -> None:
        similar = self._caching.similar
        if similar is None or (verdict.kind != "explore" and verdict.kind != "shadow"):
            return
        near = await self._caching.store.get(verdict.key)
        if near is None or (isinstance(near, Unproven) and not near.fit):
            similar.forget(question, verdict.key)
        else:
            similar.learn(question, verdict, said(near), said(made))


def fresh(entry: CacheEntry, wanted: Wanted, wall: Clock) -> bool:
    """Is it as young as this request wants it?"""
    return wanted.max_age is None or wall() - entry.stored_at <= wanted.max_age


def entry_of(flight: Flight, now: float, ttl: float = 0.0, tags: tuple[str, ...] = ()) -> CacheEntry:
    """The answer of a flight that has landed. ``now`` in unix seconds, ``ttl`` seconds that it is good for."""
    ctx, recording = flight.ctx, flight.recording
    target = ctx.target
    return CacheEntry(
        endpoint=ctx.endpoint.name,
        form=recording.form,
        body=recording.body,
        stored_at=now,
        expires=now + ttl,
        content_type=recording.content_type.decode("latin-1"),
        usage_event=ctx.withheld,
        usage=ctx.usage,
        provider=target.provider if target is not None else "",
        model=target.model if target is not None else "",
        public=ctx.request.model or "",
        tenant=ctx.principal.tenant,
        tags=tags,
    )


def unkept(flight: Flight) -> str:
    """Why the answer is not stored, whatever it says; "": it may be."""
    ctx, recording = flight.ctx, flight.recording
    if recording.status != 200:
        return "status"
    if ctx.error is not None:
        return "error"
    if recording.blind:
        return "encoding"
    if recording.gone or recording.size > recording.limit:
        return "oversize"
    if not recording.whole:
        return "incomplete"
    return made_otherwise(ctx)


def made_otherwise(ctx: RequestContext) -> str:
    """Another model's answer, whatever made it answer (a fallback, a hedge that won), or one in several parts."""
    plan, target = ctx.plan, ctx.target
    if len(ctx.attempts) > 1:
        for attempt in ctx.attempts:
            if attempt.role == "continuation":
                return "spliced"
    elif plan is not None and target is plan.chosen.target and plan.chosen in plan.candidates:
        return ""
    if plan is None or target is None:
        return ""
    place = (target.provider, target.model)
    own = any((each.target.provider, each.target.model) == place for each in plan.candidates)
    return "" if own else "fallback"
