"""Admission of a request: one step over all its limits and budgets, a durable hold, and the meter of its stream."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from secrets import token_hex
from typing import NoReturn, Protocol

from ..context import Principal, Quote, RequestContext, StreamMeter, Target
from ..errors import LedgerUnavailable, TollwayError
from ..policy.rules import Charge, Denial, Reservation, Rule
from ..policy.targets import Plan
from ..protocols import Clock, Counter, Directory, Ledger, LimitStore, Pricing, Tasks
from ..wire.usage import Usage
from .asking import GENERATING, Asked, Calendar, asked, cost
from .capping import put_cap
from .headers import limit_headers
from .holding import AMPLE, Holding
from .leases import LEASE, Leases
from .moving import Moving, price_unknown
from .program import Program, Programs, program_of
from .refusal import refusal
from .socket_meter import SocketMeter
from .tries import tries_of
from .unseen import refuse_later, refuse_secrets, spends

_MODELS = 1000
"""Models, as clients name them, that are remembered."""


class Forecast(Protocol):
    """What answers of a route usually come to."""

    def p95(self, route: str) -> int | None:
        """Output tokens; ``None`` until enough answers are known."""

    def note(self, route: str, tokens: int) -> None:
        """One more answer."""


class WaitingRoom(Protocol):
    """Waiting instead of a refusal."""

    async def enter(
        self, tenant: str, denial: Denial, attempt: Callable[[], Awaitable[Reservation | Denial]]
    ) -> Reservation | Denial:
        """The outcome of the last attempt."""

    def ahead(self, wanted: Sequence[Charge]) -> Denial | None:
        """Do others wait for one of these rules? Then what they are waiting for."""

    def freed(self, reservation: Reservation | None = None) -> None:
        """What ``reservation`` held has been given back."""


class MakeMeter(Protocol):
    """Makes the meter of one stream."""

    def __call__(
        self,
        ctx: RequestContext,
        *,
        reserved: int | None,
        extend: Callable[[int], Awaitable[TollwayError | None]],
        ample: Callable[[int], int],
        checkpoint: Callable[[int], None] | None,
        spend: Callable[[int], None] | None,
    ) -> StreamMeter:
        """``reserved`` output tokens may leave; ``None``: only counted. ``ample``: how many, at least so many, may be asked for at once
        without anybody missing them, 0 where a limit is near."""


class Decisions(Protocol):
    """Is told what was decided, for metrics and alerts."""

    def decided(self, rule: Rule, result: str) -> None:
        """``denied``, or ``unavailable``: it could not be asked."""

    def held(self, reservation: Reservation, principal: Principal) -> None:
        """What is left after a hold: budgets that reach an alert, shadows that would have refused."""


class Shared:
    """What outlives a reload: the counters, the ledger, the waiting room."""

    def __init__(
        self,
        *,
        store: LimitStore,
        ledger: Ledger | None,
        forecast: Forecast,
        room: WaitingRoom | None,
        decisions: Decisions,
        wall: Clock,
        tasks: Tasks,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.forecast = forecast
        self.room = room
        self.decisions = decisions
        self.leases = Leases(store)
        self.calendar = Calendar(wall)
        self.wall = wall
        self.tasks = tasks
        self._born = token_hex(8)
        self._numbers = count()

    def ident(self) -> str:
        """32 hexadecimal digits that no other request has: of this process, and a number."""
        return self._born + next(self._numbers).to_bytes(8, "big").hex()


class Limiter:
    """Implements ``protocols.Admission``. One per generation of the configuration."""

    def __init__(
        self,
        shared: Shared,
        *,
        gateway: tuple[Rule, ...],
        models: Mapping[str, tuple[Rule, ...]],
        providers: Mapping[str, tuple[Rule, ...]],
        directory: Directory,
        pricing: Pricing,
        counter: Counter,
        meter: MakeMeter,
        hands_out: bool = False,
    ) -> None:
        """``hands_out``: may callers get credentials of the provider's own?"""
        self._shared = shared
        self._programs = Programs(gateway, dict(models))
        self._models = dict(models)
        self._limits = dict(providers)
        self._tried: dict[tuple[str, str], Program] = {}
        self._binds_tries = any(providers.values()) or any(models.values())
        """Are there limits that a single try may meet?"""
        self._directory = directory
        self._pricing = pricing
        self._counter = counter
        self._meter = meter
        self._hands_out = hands_out
        self._vocabularies: set[str] = set()
        """Models whose vocabulary has been asked for."""
        # A fallback may be known by a glob; looking that up is worth it only where one has limits.
        self._globs = any("*" in name for name in models)

    async def admit(self, ctx: RequestContext) -> None:
        """Before routing. Raises ``RateLimited``, ``BudgetExceeded``, ``PriceUnknown``, ``LimitsUnavailable`` or ``LedgerUnavailable``."""
        principal, ledger = ctx.principal, self._shared.ledger
        route, target = ctx.route, ctx.target
        if target is None:
            route, target = self._resolved(ctx)
        program = self._programs.of(principal.rules, route)
        if not program.rules and ledger is None:
            if principal.output_cap is not None:
                put_cap(ctx, None)
            return
        if not self._hands_out:
            refuse_secrets(ctx)
        if program.money and target is not None:
            target = self._answering(ctx, target)
        model = _public(ctx)
        quote = ctx.quote = self._pricing.quote(principal, model, target)
        if target is not None:
            ctx.costing = partial(self._costing, ctx, ctx.plan)
        priced = program.money or principal.plan.prepaid
        if priced:
            if not quote.known and target is not None and (target.model or spends(ctx)):
                raise price_unknown(target)
            refuse_later(ctx)
        ctx.ledger_id = self._shared.ident()
        want = asked(ctx, quote, self._shared.forecast.p95(route))
        holding = await self._reserve(ctx, program, want, quote, route) if program.rules else None
        try:
            if ledger is not None and target is not None:
                await self._hold(ctx, ledger, holding, want, quote, target, route, required=priced)
        except BaseException:
            if holding is not None:
                await holding.settle(ctx)
                ctx.settlers.remove(holding.settle)
            raise
        metered = holding if program.metered else None
        streams = ctx.request.stream is True and ctx.endpoint.dialect in GENERATING
        if target is not None and (priced or ledger is not None):
            # Without money and a ledger another target is like this one.
            ctx.retarget = Moving(
                ctx,
                planned=target,
                model=model,
                holding=holding,
                ledger=ledger if ctx.ledger_id else None,
                priced=priced,
                pricing=self._pricing,
                wall=self._shared.wall,
                watch=partial(self._watch, ctx, metered, ledger) if streams and metered is not None else None,
            )
        if principal.output_cap is not None or (holding is not None and program.hard and holding.short):
            put_cap(ctx, holding)
        if streams:
            if metered is not None or (ledger is not None and ctx.ledger_id):
                exact = (ledger is not None and ctx.ledger_id != "") or metered is None or not metered.ample(0)
                await self._vocabulary(ctx.request.model or "", exact=exact)
            self._watch(ctx, metered, ledger)
        elif ctx.endpoint.body == "socket" and holding is not None:
            noted = partial(ledger.checkpoint, ctx.ledger_id) if ledger is not None and ctx.ledger_id else None
            ctx.meter = SocketMeter(used=holding.used, costing=ctx.costing, checkpoint=noted)

    async def attempt(self, ctx: RequestContext, target: Target, model: str = "") -> None:
        """Before one try at one target. Raises ``RateLimited`` and its kin, or ``PriceUnknown``."""
        moving = ctx.retarget
        if moving is None and not self._binds_tries:
            return
        public = model or _public(ctx)
        if moving is not None:
            await moving(target, public)
        program = self._program(ctx, target, model)
        if program.rules:
            await self._reserve_more(ctx, target, program)
        if isinstance(moving, Moving):
            moving.arrived(target, public)

    def _program(self, ctx: RequestContext, target: Target, model: str) -> Program:
        """Limits that bind one try, besides those of the caller: the provider's, and those of a model that stands in."""
        named = model
        if model and model != ctx.route and model not in self._models and self._globs:
            found = self._directory.resolve(model)
            named = found[0] if found is not None else ""
        if named == ctx.route or named not in self._models:
            named = ""
        key = (target.provider, named)
        made = self._tried.get(key)
        if made is None:
            made = self._tried[key] = program_of((*self._limits.get(key[0], ()), *self._models.get(named, ())))
        return made

    async def _reserve_more(self, ctx: RequestContext, target: Target, program: Program) -> None:
        """In one step, so that nothing of a try is held that is not made."""
        shared, tries = self._shared, tries_of(ctx)
        await tries.over(ctx)
        want = asked(ctx, ctx.quote, shared.forecast.p95(ctx.route))
        ident = shared.ident()
        outcome = await shared.store.reserve(ident, program.charges(want, ctx.quote, shared.calendar), LEASE)
        if isinstance(outcome, Denial):
            self._refuse(outcome)
        if program.watched:
            shared.decisions.held(outcome, ctx.principal)
        shared.leases.add(outcome)
        tries.add(target, Holding(outcome, want, ctx.quote, shared.store, shared.leases))

    def _costing(self, ctx: RequestContext, plan: Plan | None, usage: Usage) -> int | None:
        """Micro-dollars to the customer at the target that answers; at the plan's share of it where the cache does. ``plan``: which the
        request was quoted by."""
        target, attempts = ctx.target, ctx.attempts
        if target is None:
            return None
        if attempts:
            model = attempts[-1].public or _public(ctx)
        elif ctx.from_cache:
            return self._pricing.cached(ctx)
        else:
            model = _public(ctx)
        if plan is not None and plan.chosen.target is target and plan.chosen.model == model:
            # The place that it was quoted for.
            return self._pricing.charge_at(ctx.quote, usage)
        return self._pricing.charge(ctx.principal, model, target, usage)

    def _resolved(self, ctx: RequestContext) -> tuple[str, Target | None]:
        """Route and target of a request that has not been routed."""
        model = ctx.request.model
        found = self._directory.resolve(model) if model is not None else None
        if found is None:
            need = ctx.endpoint.model
            carried = need == "hint" or (need == "optional" and model is None)
            return "", self._directory.passthrough() if carried else None
        return found

    def _answering(self, ctx: RequestContext, target: Target) -> Target:
        """The target, or what the configuration puts in a retired one's place: it is what will be paid for."""
        standing = self._directory.standing(target) if ctx.target is None else None
        if standing is None or standing.tier != "retired":
            return target
        instead = self._directory.successor(ctx.request.model or "", target)
        return target if instead is None else instead[2]

    async def _reserve(self, ctx: RequestContext, program: Program, want: Asked, quote: Quote, route: str) -> Holding:
        shared = self._shared
        outcome: Reservation | Denial | None
        wanted = program.charges(want, quote, shared.calendar)
        # Whoever comes now stands behind those who wait already.
        outcome = shared.room.ahead(wanted) if shared.room is not None else None
        if outcome is None:
            outcome = await shared.store.reserve(ctx.ledger_id, wanted, LEASE)
        if isinstance(outcome, Denial):
            if outcome.reason == "limit" and _by_tokens(outcome.rule):
                exact = await self._exact(ctx, want)
                if exact is not None:
                    want = asked(ctx, quote, shared.forecast.p95(route), exact_input=exact)
                    wanted = program.charges(want, quote, shared.calendar)
                    outcome = await shared.store.reserve(ctx.ledger_id, wanted, LEASE)
            if isinstance(outcome, Denial) and shared.room is not None and outcome.retry_after is not None:
                again = partial(shared.store.reserve, ctx.ledger_id, wanted, LEASE)
                outcome = await shared.room.enter(ctx.principal.tenant, outcome, again)
            if isinstance(outcome, Denial):
                self._refuse(outcome)
        if program.watched:
            shared.decisions.held(outcome, ctx.principal)
        ctx.reservation = outcome
        ctx.response_headers += limit_headers(outcome)
        shared.leases.add(outcome)
        holding = Holding(outcome, want, quote, shared.store, shared.leases)
        if ctx.endpoint.dialect in GENERATING and ctx.estimate.output:
            holding.bound = ctx.estimate.output
        # Where nobody bounds the answer, or the money does not reach to the bound, a cap is due.
        if program.hard:
            holding.short = not want.bounded or _shrunk(outcome, wanted)
        ctx.settlers.append(holding.settle)
        return holding

    async def _exact(self, ctx: RequestContext, want: Asked) -> int | None:
        """A count of the prompt where the estimate decided; ``None`` where it would not help."""
        if not ctx.body or want.input == 0:
            return None
        model = ctx.request.model or ""
        usage = await self._counter.usage(ctx.endpoint, model, ctx.body, "")
        return usage.input if usage.input < want.input else None

    async def _hold(
        self,
        ctx: RequestContext,
        ledger: Ledger,
        holding: Holding | None,
        want: Asked,
        quote: Quote,
        target: Target,
        route: str,
        *,
        required: bool,
    ) -> None:
        """Durable before anything is sent. Where no money hangs on it a full disk stops nobody."""
        held = holding.money if holding is not None else None
        if held is None:
            held = cost(quote, want.input, want.output)
        try:
            ledger.hold(
                self._pricing.hold(ctx, quote=quote, target=target, route=route, held=held, at=self._shared.wall())
            )
            if ledger.sync:
                await ledger.committed(ctx.ledger_id)
        except LedgerUnavailable:
            ledger.release(ctx.ledger_id)
            ctx.ledger_id = ""
            if required:
                raise
            return
        ctx.on_dispatch = partial(ledger.dispatched, ctx.ledger_id)

    async def _vocabulary(self, model: str, *, exact: bool) -> None:
        """Loaded with the first stream of a model, for a count when one ends. Where the stream is counted while it runs it is waited for:
        by estimates it would end at half of what it was granted, and be settled at twice."""
        if exact:
            await self._counter.ready(model)
        elif model not in self._vocabularies and len(self._vocabularies) < _MODELS:
            self._vocabularies.add(model)
            self._shared.tasks.spawn(self._counter.ready(model))

    def _watch(self, ctx: RequestContext, holding: Holding | None, ledger: Ledger | None) -> None:
        reserved = holding.output if holding is not None else None
        if reserved is None and (ledger is None or not ctx.ledger_id):
            return
        spend = partial(_spend, self._shared.tasks, holding) if holding is not None and reserved is not None else None
        moving = ctx.retarget if ledger is not None and ctx.ledger_id else None
        ctx.meter = self._meter(
            ctx,
            reserved=reserved,
            extend=holding.extend if holding is not None else _granted,
            ample=holding.ample if holding is not None else _any,
            checkpoint=moving.checkpoint if isinstance(moving, Moving) else None,
            spend=spend,
        )

    def _refuse(self, denial: Denial) -> NoReturn:
        self._shared.decisions.decided(denial.rule, "denied" if denial.reason == "limit" else "unavailable")
        raise refusal(denial)


def _public(ctx: RequestContext) -> str:
    """The public name that the request is served, and priced, under; what ``auto`` stands for."""
    return ctx.plan.chosen.model if ctx.plan is not None else ctx.request.model or ""


def _spend(tasks: Tasks, holding: Holding, tokens: int) -> None:
    tasks.spawn(holding.spend(tokens))


async def _granted(_: int) -> None:
    return None


def _any(_: int) -> int:
    return AMPLE


def _shrunk(reservation: Reservation, wanted: Sequence[Charge]) -> bool:
    """Was less money granted than the longest answer may cost?"""
    for grant, charge in zip(reservation.grants, wanted, strict=True):
        if grant.held < charge.amount and grant.rule.method == "money":
            return True
    return False


def _by_tokens(rule: Rule) -> bool:
    return rule.unit in ("tokens", "input_tokens", "micro_usd")
