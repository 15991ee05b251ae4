"""One copy at its shadow: one try, read to its end, booked. No retry, no queue, no probe."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from ..context import Attempt, RequestContext
from ..errors import (
    ClientError,
    GatewayDraining,
    NoHealthyTarget,
    RateLimited,
    RawHeaders,
    TollwayError,
    UpstreamCut,
    UpstreamTimeout,
)
from ..policy.faults import Fault
from ..policy.targets import Candidate
from ..protocols import (
    Admission,
    Board,
    Clock,
    Counter,
    Exchange,
    Lease,
    Prepared,
    Providers,
    Router,
    Settlement,
    Transport,
)
from .comparison import Side
from .expenses import Expenses
from .reading import Failed, Reading, Unread

FIRST_BYTE, FIRST_BYTE_OF_STREAM = 600.0, 60.0
"""Seconds, where the target sets no limit of its own."""

CANCELLED = "cancelled"


class Classify(Protocol):
    """Tells faults apart: the functions of ``failover.classify``. ``now``: unix seconds."""

    def of_error(self, error: TollwayError, *, now: float = 0.0) -> Fault:
        """Of a try that ended with an error."""

    def of_answer(self, status: int, headers: RawHeaders, body: bytes, *, now: float = 0.0) -> Fault | None:
        """Of an answer's status; ``None`` below 400."""

    def of_success(self, body: bytes) -> Fault | None:
        """Of an error inside a whole 200."""


class Means(Struct, frozen=True, kw_only=True):
    """What a try needs of its generation. ``account``: (provider, index of its key) to its name among ``providers``."""

    router: Router
    board: Board
    admission: Admission
    providers: Providers
    account: Callable[[str, int], str]
    classify: Classify
    counter: Counter
    settlement: Settlement
    expenses: Expenses
    clock: Clock
    wall: Clock
    """Unix seconds."""


class Skipped(Exception):
    """The copy was not sent; the text is its outcome in metrics."""


class Try:
    """One copy; made for it and thrown away with it."""

    def __init__(self, means: Means, copy: RequestContext) -> None:
        self._means = means
        self._copy = copy
        self._outcome = ""
        self._cost: int | None = None

    async def run(self) -> None:
        """Raises ``Skipped``. A cancellation (the process ends) is booked too, and told in ``side``."""
        candidate = self._candidate()
        lease = self._enter(candidate)
        try:
            prepared, transport = await self._prepare(candidate, lease)
            await self._send(candidate, lease, prepared, transport)
        finally:
            lease.close()
            await self._finish()

    def _enter(self, candidate: Candidate) -> Lease:
        """A place that nobody waits for: none in a queue, and not the probe of a target that failed. Raises ``Skipped``."""
        board = self._means.board
        lease = board.enter(candidate) if board.state(candidate) == "ready" else None
        if lease is None:
            raise Skipped("unready")
        if board.state(candidate) == "probing":
            # It was ready a moment ago, so this is the probe: without a word it is given back.
            lease.close()
            raise Skipped("unready")
        return lease

    def _candidate(self) -> Candidate:
        copy = self._copy
        try:
            plan = self._means.router.plan(copy)
        except NoHealthyTarget:
            raise Skipped("unready") from None
        except TollwayError:
            raise Skipped("refused") from None
        copy.plan, copy.route, copy.target = plan, plan.route.label, plan.chosen.target
        return plan.chosen

    async def _prepare(self, candidate: Candidate, lease: Lease) -> tuple[Prepared, Transport]:
        """The request as it will travel, admitted by the provider's own limits and booked. Raises ``Skipped``."""
        means, copy, target = self._means, self._copy, candidate.target
        provider, transport = means.providers[means.account(target.provider, lease.key)]
        if provider.forwards:
            # The account would be the client's own.
            raise Skipped("refused")
        try:
            await means.admission.attempt(copy, target)
            prepared = provider.prepare(copy, target, include_usage=_asks_for_usage(copy), now=int(means.wall()))
        except RateLimited:
            raise Skipped("limited_here") from None
        except ClientError:
            raise Skipped("refused") from None
        if not means.expenses.begin(copy, target):
            raise Skipped("unbooked")
        copy.attempts.append(
            Attempt(provider=target.provider, model=target.model, started=means.clock(), key=lease.key, role="shadow")
        )
        return prepared, transport

    # ---- the answer -------------------------------------------------------------------------------------------------

    async def _send(self, candidate: Candidate, lease: Lease, prepared: Prepared, transport: Transport) -> None:
        copy = self._copy
        try:
            await self._within_limits(candidate, lease, prepared, transport)
        except asyncio.CancelledError:
            copy.error, copy.outcome, self._outcome = GatewayDraining(), "rejected", CANCELLED
            raise
        except Unread:
            self._outcome = "unread"
        except Failed as failed:
            copy.outcome = "upstream_error"
            if failed.fault.action.billed:
                copy.error = UpstreamCut("The shadow's answer ended with an error.")
            self._failed(lease, failed.fault)
        except TollwayError as error:
            copy.error = error.with_traceback(None)
            copy.outcome = "timeout" if isinstance(error, UpstreamTimeout) else "upstream_error"
            self._failed(lease, self._means.classify.of_error(error, now=self._means.wall()))

    async def _within_limits(
        self, candidate: Candidate, lease: Lease, prepared: Prepared, transport: Transport
    ) -> None:
        limits, now = candidate.target.limits, asyncio.get_running_loop().time
        last = now() + limits.total
        first_byte = limits.first_byte or (FIRST_BYTE_OF_STREAM if self._copy.request.stream else FIRST_BYTE)
        try:
            async with asyncio.timeout_at(min(last, now() + first_byte)) as timer:
                reading = Reading(
                    self._copy,
                    prepared.translation,
                    clock=self._means.clock,
                    of_success=self._means.classify.of_success,
                    heard=lambda: timer.reschedule(min(last, now() + limits.idle)),
                )
                exchange = await transport.send(prepared.request, limits)
                await self._read(exchange, reading, lease)
        except TimeoutError:
            raise UpstreamTimeout("The shadow did not answer in time.") from None

    async def _read(self, exchange: Exchange, reading: Reading, lease: Lease) -> None:
        attempt, means = self._copy.attempts[-1], self._means
        self._copy.status = attempt.status = exchange.status
        lease.answered(exchange.status, exchange.headers)
        try:
            if 200 <= exchange.status < 300:
                await reading.answer(exchange, lambda: lease.first_output(means.clock() - attempt.started))
                self._outcome = "ok"
            else:
                body = await reading.error(exchange)
                fault = means.classify.of_answer(exchange.status, exchange.headers, body, now=means.wall())
                raise Failed(fault or Fault(kind="invalid", status=exchange.status))
        finally:
            if exchange.ended:
                exchange.release()
            else:
                exchange.abort()

    def _failed(self, lease: Lease, fault: Fault) -> None:
        attempt = self._copy.attempts[-1]
        attempt.fault, attempt.error, self._outcome = fault, fault.detail or fault.kind, fault.kind
        lease.failed(fault)

    # ---- afterwards -------------------------------------------------------------------------------------------------

    async def _finish(self) -> None:
        """Counts, books, gives back. After a cancellation nothing is counted: the process is ending."""
        copy, means = self._copy, self._means
        try:
            if copy.attempts:
                copy.attempts[-1].ended = means.clock()
                await self._book(copy)
        finally:
            for settler in reversed(copy.settlers):
                await settler(copy)

    async def _book(self, copy: RequestContext) -> None:
        means, attempt = self._means, copy.attempts[-1]
        try:
            if self._outcome != CANCELLED and means.settlement.needs_count(copy):
                text = "".join(copy.output_text)
                copy.usage = await means.counter.usage(copy.endpoint, attempt.model, copy.body, text)
        finally:
            self._cost = means.expenses.end(copy, attempt.ended)

    def side(self) -> Side | None:
        """What there is to compare once it has run; ``None``: it was not sent."""
        copy = self._copy
        if not copy.attempts or not self._outcome:
            return None
        attempt = copy.attempts[-1]
        return Side(
            provider=attempt.provider,
            model=attempt.model,
            outcome=self._outcome,
            status=copy.status,
            duration=attempt.ended - attempt.started,
            first=copy.first_token_at - attempt.started if copy.first_token_at else 0.0,
            output=copy.usage.output,
            cost=self._cost,
        )


def _asks_for_usage(copy: RequestContext) -> bool:
    """Is the usage chunk to be asked for? The client will never see it."""
    request = copy.request
    if request.stream is not True or copy.endpoint.dialect not in ("chat", "completions"):
        return False
    return request.stream_options is None or request.stream_options.include_usage is not True
