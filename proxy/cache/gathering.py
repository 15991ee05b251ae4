"""Embeddings, input by input: what is known is not asked for again, and what is learnt is kept for each."""

from collections.abc import Sequence

from msgspec import structs

from ..context import Message, RequestContext, Send
from ..errors import UpstreamInvalid
from ..protocols import CacheEntry
from ..wire.usage import NO_USAGE, Usage, reported
from .flight import Flight
from .inputs import missing, parts, together
from .keeping import Inquiry, entry_of, fresh, unkept
from .means import Caching
from .recording import Recording

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer that is put together, or taken apart."""


class Vectors:
    """Implements ``Kind``."""

    def __init__(self, caching: Caching) -> None:
        self._caching = caching
        self._largest = caching.exact.max_entry

    async def stored(self, ctx: RequestContext, inquiry: Inquiry) -> CacheEntry | None:
        """The answer, where every input is known; ``inquiry`` is told which are."""
        caching, wanted = self._caching, inquiry.wanted
        keys = inquiry.inputs = caching.keys.inputs(ctx, wanted, inquiry.keyed)
        listed = await caching.store.get_many(keys) if keys else ()
        found = [entry if entry is not None and fresh(entry, wanted, caching.wall) else None for entry in listed]
        for entry in found:
            caching.records.looked_up("input", "miss" if entry is None else "hit")
        known = [entry for entry in found if entry is not None]
        if not _of_one_model(ctx, known, whole=len(known) == len(found)):
            # Vectors of different models mean nothing to each other: all are made anew.
            inquiry.found = ()
            return None
        inquiry.found = found
        if not found or len(known) < len(found):
            return None
        body = together(found, None, model=known[0].model)
        if not body:
            return None
        oldest = min(known, key=lambda entry: entry.stored_at)
        expires = min(entry.expires for entry in known)
        return structs.replace(oldest, form="json", body=body, expires=expires, usage=usage_of(found))

    def asked(self, flight: Flight, inquiry: Inquiry) -> tuple[Send, str, Usage]:
        """Only what is not known is asked for, where some is."""
        ctx, found = flight.ctx, inquiry.found
        known = [len(entry.body) for entry in found if entry is not None]
        if not known or max(known) * len(found) > LARGEST // 2:
            return flight.send, "", NO_USAGE
        ctx.body = missing(ctx.body, found)
        return Gathering(flight.send, inquiry).send, "partial", usage_of(found)

    async def keep(self, flight: Flight, inquiry: Inquiry) -> None:
        """Each input's vector, if there is one for each."""
        caching, wanted = self._caching, inquiry.wanted
        reason = unkept(flight)
        keys = inquiry.inputs or caching.keys.inputs(flight.ctx, wanted, inquiry.keyed)
        lacking = [key for key, entry in zip(keys, inquiry.found or [None] * len(keys), strict=True) if entry is None]
        if inquiry.answer is None:
            lacking = list(keys)
        made = [] if reason else parts(inquiry.answer or flight.recording.body, flight.ctx.body)
        if len(made) != len(lacking) or not made:
            caching.records.kept(reason or "incomplete")
            return
        entry = entry_of(flight, caching.wall(), wanted.ttl, wanted.tags)
        for key, (vector, usage) in zip(lacking, made, strict=True):
            if len(vector) > self._largest:
                caching.records.kept("oversize")
                continue
            await caching.store.put(key, structs.replace(entry, form="vector", body=vector, usage=usage))
            caching.records.kept("stored")


def _of_one_model(ctx: RequestContext, known: Sequence[CacheEntry], *, whole: bool) -> bool:
    """Have all that are known one maker, and, unless they are the whole answer, can only the same one make the rest?"""
    makers = {(entry.provider, entry.model) for entry in known}
    if whole or not makers:
        return len(makers) <= 1
    plan = ctx.plan
    if plan is None or plan.route.fallbacks or plan.route.on_context_length or plan.route.on_content_policy:
        return False
    return {(each.target.provider, each.target.model) for each in plan.candidates} == makers


def usage_of(found: Sequence[CacheEntry | None]) -> Usage:
    """Tokens that nobody has to embed again."""
    return reported(prompt=sum(entry.usage.input for entry in found if entry is not None), output=0)


class Gathering:
    """Takes the answer to what was not known, and passes on the whole. An error passes as it is."""

    __slots__ = ("_head", "_inquiry", "_recording", "_send")

    def __init__(self, send: Send, inquiry: Inquiry) -> None:
        self._send = send
        self._inquiry = inquiry
        self._recording = Recording(LARGEST)
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        """Holds everything until the end. Raises ``UpstreamInvalid`` where the rest is not what was asked for."""
        recording = self._recording
        if message["type"] == "http.response.start":
            recording.begin(message)
            if recording.status == 200:
                self._head = message
                return
        head = self._head
        if head is None:
            await self._send(message)
            return
        last = not message.get("more_body", False)
        recording.add(message.get("body", b""), last=last)
        if last:
            body = self._whole()
            own = [pair for pair in recording.headers if pair[0] not in (b"content-length", b"content-encoding")]
            own.append((b"content-length", b"%d" % len(body)))
            await self._send({"type": "http.response.start", "status": 200, "headers": own})
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _whole(self) -> bytes:
        inquiry, recording = self._inquiry, self._recording
        if recording.entire:
            inquiry.answer = recording.body
            body = together(inquiry.found, inquiry.answer, model="")
            if body:
                return body
        raise UpstreamInvalid("The provider's answer does not hold one vector for each input that it was asked for.")
