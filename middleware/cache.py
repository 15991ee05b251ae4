"""Seventh link: was the same asked before, or is it being asked now? Then the answer is there, and nobody has to make it again.

It alone gives what is inside another ``send`` and ``receive``: what leaves is recorded on its way, and passed on at once.
"""

import logging
from functools import partial

from msgspec import structs
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from proxy.cache.asking import answers as answers  # noqa: PLC0414 - asked for here by the chain
from proxy.cache.attending import Attendance, Departure
from proxy.cache.flight import Flight
from proxy.cache.following import Following
from proxy.cache.gathering import LARGEST, Vectors
from proxy.cache.keeping import Answers, Inquiry, Kind, entry_of, fresh
from proxy.cache.lagging import Lagging
from proxy.cache.likening import likened
from proxy.cache.means import Caching
from proxy.cache.recording import Recording
from proxy.cache.replay import played
from proxy.cache.serving import AT_ONCE, EVENTS, Manner, serve_events, serve_json
from proxy.cache.sharing import suits
from proxy.cache.telling import say
from proxy.cache.unproven import Unproven
from proxy.cache.wishes import asks_usage
from proxy.context import SCOPE_KEY, Cached, Receive, RequestContext, Scope, Send
from proxy.errors import TollwayError
from proxy.protocols import CacheEntry, Clock, Tasks, Verdict
from proxy.relay.announcing import RelaySettings, own_headers
from proxy.services import Services
from proxy.wire.endpoints import EMBEDDINGS, Endpoint
from proxy.wire.usage import NO_USAGE

_log = logging.getLogger("tollway.cache")


class CacheMiddleware:
    """Answers from the store, from a request under way, or not at all; keeps what passes. Raises ``InvalidRequest``."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        caching: Caching,
        kind: Kind,
        limit: int,
        relay: RelaySettings,
        tasks: Tasks,
        clock: Clock,
    ) -> None:
        """``limit``: bytes of an answer that are recorded."""
        self.app = app
        self._caching = caching
        self._kind = kind
        self._relay = relay
        self._tasks = tasks
        self._clock = clock
        self._limit = limit
        self._flights = caching.flights
        self._manner = Manner(
            headers=self._headers,
            keepalive=relay.keepalive,
            pace=caching.exact.pace,
            status_header=caching.settings.status_header,
            clock=clock,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx: RequestContext = scope[SCOPE_KEY]
        begun = self._clock()
        inquiry = entry = None
        try:
            inquiry = self._inquiry(ctx)
            if inquiry is not None and inquiry.wanted.status == "miss":
                entry = await self._kind.stored(ctx, inquiry)
        except TollwayError:
            raise
        except Exception as error:  # noqa: BLE001 - a request that a provider can answer does not fail for the cache's sake
            self._broken(error)
            inquiry = None
        ctx.timings.append(("cache", self._clock() - begun))
        if inquiry is None:
            await self.app(scope, receive, send)
        elif entry is not None and (body := self._played(ctx, entry)) is not None:
            await self._serve(ctx, receive, send, entry, body, inquiry.keyed.key)
        elif (flight := self._flights.get(inquiry.keyed.key)) is None:
            await self._lead(scope, receive, send, ctx, inquiry, shared=True)
        elif inquiry.wanted.status == "refresh":
            await self._lead(scope, receive, send, ctx, inquiry, shared=False)
        else:
            await self._follow(flight, scope, receive, send, ctx, inquiry)

    # ---- the stored answer ------------------------------------------------------------------------------------------

    def _inquiry(self, ctx: RequestContext) -> Inquiry | None:
        """What is looked for; ``None``, and said why, where nothing is."""
        caching = self._caching
        wanted = caching.rules.wanted(ctx)
        status, reason = wanted.status, wanted.reason
        if status == "miss" or status == "refresh":
            keyed = caching.keys.keyed(ctx, wanted)
            if not keyed.reason:
                return Inquiry(wanted, keyed)
            status, reason = "bypass", keyed.reason
        ctx.decoded = None
        say(ctx, Cached(status=status, reason=reason), status_header=self._manner.status_header)
        caching.records.looked_up("exact", status)
        if status == "bypass":
            caching.records.bypassed(reason)
        return None

    def _played(self, ctx: RequestContext, entry: CacheEntry) -> bytes | None:
        """The stored answer in the form that is wanted, if it has one such."""
        stream = ctx.request.stream is True
        try:
            if isinstance(entry, Unproven) and not entry.fit:
                return None
            return played(entry, stream=stream, include_usage=stream and asks_usage(ctx))
        except Exception as error:  # noqa: BLE001 - as above: then it is a miss
            self._broken(error)
            return None

    async def _serve(
        self,
        ctx: RequestContext,
        receive: Receive,
        send: Send,
        entry: CacheEntry,
        body: bytes,
        key: bytes,
        verdict: Verdict | None = None,
    ) -> None:
        """Gives ``body``, which is ``entry`` as it is wanted. ``verdict``: it is only like what was asked for."""
        caching, manner = self._caching, self._manner
        now = caching.wall()
        cached = Cached(
            status="hit" if verdict is None else "semantic-hit",
            key=key.hex(),
            age=max(0.0, now - entry.stored_at),
            similarity=verdict.similarity if verdict is not None else None,
            usage=entry.usage,
            provider=entry.provider,
            model=entry.model,
        )
        caching.records.looked_up("exact" if verdict is None else "semantic", "hit")
        target = ctx.target
        if target is not None and (target.model != entry.model or target.provider != entry.provider):
            ctx.target = structs.replace(target, provider=entry.provider, model=entry.model)
        say(ctx, cached, status_header=manner.status_header, ttl=entry.expires - now)
        if ctx.meter is not None:
            ctx.meter.close()
        if ctx.request.stream is not True:
            kind = entry.content_type.encode("latin-1") if entry.form == "json" else b"application/json"
            await serve_json(ctx, send, body, kind, manner)
        elif len(body) <= AT_ONCE and not manner.pace:
            await serve_events(ctx, send, body, manner)
        else:
            await self._attended(ctx, receive, send, body)

    async def _attended(self, ctx: RequestContext, receive: Receive, send: Send, body: bytes) -> None:
        """A stream that leaves bit by bit, as long as its client is there."""
        departure = Departure(receive)
        attendance = self._attendance(ctx, departure)
        try:
            await serve_events(ctx, send, body, self._manner, attendance=attendance)
        finally:
            attendance.stop()
            departure.close()

    def _attendance(self, ctx: RequestContext, departure: Departure) -> Attendance:
        left = ctx.deadline - self._clock() if ctx.deadline else None
        return Attendance(ctx, departure, send_limit=self._relay.send_timeout, left=left)

    def _headers(self, ctx: RequestContext) -> list[tuple[bytes, bytes]]:
        """What we add to an answer that no provider was asked for."""
        headers = own_headers(ctx, self._relay, (), now=self._clock(), draining=self._tasks.draining)
        cached = ctx.cached
        if ctx.costing is not None and cached is not None and cached.usage.input_source == "reported":
            charge = ctx.costing(cached.usage)
            if charge is not None:
                headers.append((b"x-tollway-cost-usd", b"%d.%06d" % divmod(charge, 1_000_000)))
        return headers

    # ---- the one that is being made ---------------------------------------------------------------------------------

    async def _follow(
        self, flight: Flight, scope: Scope, receive: Receive, send: Send, ctx: RequestContext, inquiry: Inquiry
    ) -> None:
        """Gets the answer of whoever asks the same now."""
        departure = Departure(receive)
        try:
            await self._join(flight, scope, departure, send, ctx, inquiry)
        finally:
            departure.close()
            if ctx.meter is not None:
                ctx.meter.close()

    async def _join(
        self, first: Flight, scope: Scope, departure: Departure, send: Send, ctx: RequestContext, inquiry: Inquiry
    ) -> None:
        """Follows; where there is nothing to follow any more, the first who notices leads and the others follow that one."""
        flight: Flight | None = first
        while flight is not None:
            if not suits(flight, ctx, usage_known=self._relay.include_usage != "never"):
                break
            attendance = self._attendance(ctx, departure)
            try:
                following = Following(
                    flight,
                    ctx,
                    send,
                    attendance=attendance,
                    manner=self._manner,
                    entry=partial(entry_of, now=self._caching.wall()),
                )
                outcome = await following.run()
            finally:
                attendance.stop()
            if outcome == "served":
                self._caching.records.looked_up("exact", "shared")
                return
            if outcome == "found" and await self._alike(flight, departure.receive, send, ctx, inquiry):
                return
            if outcome == "alone":
                break
            flight = self._flights.get(flight.key)
        await self._lead(scope, departure.receive, send, ctx, inquiry, shared=flight is None)

    async def _alike(self, flight: Flight, receive: Receive, send: Send, ctx: RequestContext, inquiry: Inquiry) -> bool:
        """What the leader found, if this request may have it, too."""
        if flight.found is None or not inquiry.wanted.semantic:
            return False
        entry, verdict = flight.found
        if verdict.similarity is None or verdict.similarity < inquiry.wanted.threshold:
            return False
        body = self._played(ctx, entry) if fresh(entry, inquiry.wanted, self._caching.wall) else None
        if body is None:
            return False
        self._caching.records.looked_up("exact", "miss")
        await self._serve(ctx, receive, send, entry, body, verdict.key, verdict)
        return True

    # ---- a fresh one ------------------------------------------------------------------------------------------------

    async def _lead(
        self, scope: Scope, receive: Receive, send: Send, ctx: RequestContext, inquiry: Inquiry, *, shared: bool
    ) -> None:
        """Has the answer made. ``shared``: whoever asks the same meanwhile gets it as well."""
        key = inquiry.keyed.key
        flight = Flight(key, ctx, receive, send, Recording(self._limit), self._flights)
        if ctx.response_started:
            # As a follower it was given comments: the head has left.
            flight.recording.begin({"status": 200, "headers": [(b"content-type", EVENTS)]})
        if shared:
            self._flights[key] = flight
        self._caching.records.looked_up("exact", inquiry.wanted.status)
        try:
            if inquiry.wanted.semantic and await self._likened(flight, inquiry):
                return
            taking = self._asked(flight, inquiry)
            await self.app(scope, flight.receive, taking)
            flight.land()
            if self._caching.remote:
                # Nobody waits for a store that is elsewhere.
                self._tasks.spawn(self._keep(flight, inquiry))
            else:
                await self._keep(flight, inquiry)
            if flight.lagging is not None:
                await self._caught_up(flight, flight.lagging)
        except BaseException as error:
            flight.fail(error)
            raise
        finally:
            if flight.lagging is not None:
                flight.lagging.close()

    def _asked(self, flight: Flight, inquiry: Inquiry) -> Send:
        """Nothing is there: that is said, with what was near. What takes the answer."""
        ctx, wanted, verdict = flight.ctx, inquiry.wanted, inquiry.verdict
        taking: Send = flight.send
        reason, usage = "", NO_USAGE
        try:
            taking, reason, usage = self._kind.asked(flight, inquiry)
        except Exception as error:  # noqa: BLE001 - as above: then all of it is asked for
            self._broken(error)
        cached = Cached(status=wanted.status, reason=reason or wanted.reason, key=flight.key.hex(), usage=usage)
        if verdict is not None:
            reason = verdict.reason or ("" if verdict.kind == "none" else verdict.kind)
            cached = structs.replace(cached, reason=reason, similarity=verdict.similarity, guard=verdict.guard)
        say(ctx, cached, status_header=self._manner.status_header)
        return taking

    async def _keep(self, flight: Flight, inquiry: Inquiry) -> None:
        """After the last byte has left."""
        try:
            await self._kind.keep(flight, inquiry)
        except Exception as error:  # noqa: BLE001 - the answer has left
            self._broken(error)
        finally:
            # Only now: whoever asks finds it in the one place or in the other.
            flight.forget()

    async def _caught_up(self, flight: Flight, lagging: Lagging) -> None:
        """The leader's own client gets the rest, if it reads it."""
        departure = Departure(flight.receiving)
        attendance = lagging.attendance = self._attendance(flight.ctx, departure)
        try:
            await lagging.done()
        finally:
            attendance.stop()
            departure.close()

    # ---- one that is like it ----------------------------------------------------------------------------------------

    async def _likened(self, flight: Flight, inquiry: Inquiry) -> bool:
        """Was something like it answered before? Then that is given; ``inquiry`` is told what was found."""
        caching, ctx = self._caching, flight.ctx
        if caching.similar is None:
            return False
        begun, found = self._clock(), None
        try:
            found = await likened(caching, caching.similar, ctx, inquiry)
        except Exception as error:  # noqa: BLE001 - as above: then nothing is like it
            self._broken(error)
        ctx.timings.append(("semantic", self._clock() - begun))
        body = self._played(ctx, found[0]) if found is not None else None
        if found is None or body is None:
            return False
        entry, verdict = found
        flight.divert(entry, verdict)
        await self._serve(ctx, flight.receiving, flight.sending, entry, body, verdict.key, verdict)
        return True

    def _broken(self, error: Exception) -> None:
        self._caching.records.failed("bug")
        _log.error("the cache failed, the request goes on without it: %s", type(error).__name__)


def link(endpoint: Endpoint, path: str | None, services: Services) -> Middleware:
    """What the link is built from; only where there is a cache."""
    caching = services.cache
    assert caching is not None
    vectors, largest = endpoint is EMBEDDINGS, caching.exact.max_entry
    return Middleware(
        CacheMiddleware,
        caching=caching,
        kind=Vectors(caching) if vectors else Answers(caching),
        limit=max(largest, LARGEST) if vectors else largest,
        relay=services.relay,
        tasks=services.tasks,
        clock=services.clock,
    )
