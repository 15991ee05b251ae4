"""Admission end to end over counters in memory: what is held, what is refused, what an ending gives back."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from msgspec import structs

from proxy.admission.holding import FAR
from proxy.admission.limiter import Limiter, Shared
from proxy.context import Attempt, Principal, Quote, RequestContext, Settled, StreamMeter, Target, TokenEstimate
from proxy.errors import BudgetExceeded, LedgerUnavailable, PermissionDenied, PriceUnknown, RateLimited, TollwayError
from proxy.limits.memory import MemoryLimitStore
from proxy.policy.rules import Charge, Denial, Level, Reservation, Rule, budget_rule, rules_of
from proxy.policy.terms import NO_LIMITS, Budget, Limits
from proxy.protocols import Entry, Hold, Standing
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import Endpoint
from proxy.wire.usage import Usage
from tests.support.clock import FakeClock
from tests.support.fakes import TARGET, FakeTasks

PRICE = Quote(input_price=1_000_000, output_price=2_000_000, known=True, max_output=1000)
UNKNOWN = Quote()


class Directory:
    """``named``: under which ``fast`` is configured."""

    def __init__(self, named: str = "fast") -> None:
        self._named = named

    def resolve(self, model: str) -> tuple[str, Target] | None:
        old = structs.replace(TARGET, model="old")
        return {"fast": (self._named, TARGET), "old": ("old", old)}.get(model)

    def passthrough(self) -> Target | None:
        return None

    def standing(self, target: Target) -> Standing | None:
        return Standing("retired") if target.model == "old" else None

    def successor(self, model: str, target: Target) -> tuple[str, str, Target] | None:
        return "fast", "fast", TARGET


class Pricing:
    def __init__(self, quote: Quote) -> None:
        self._quote = quote
        self.others: dict[str, Quote] = {}

    def quote(self, principal: Principal, model: str, target: Target | None) -> Quote:
        return self.others.get(target.provider, self._quote) if target is not None else UNKNOWN

    def hold(self, ctx: RequestContext, *, quote: Quote, target: Target, route: str, held: int, at: float) -> Hold:
        return Hold(
            ident=ctx.ledger_id, request_id=ctx.request_id, account=ctx.principal.account, key=ctx.principal.key, key_name="",
            endpoint=ctx.endpoint.name, route=route, provider=target.provider, model=target.model, held=held,
            input_tokens=ctx.estimate.likely, input_price=quote.input_price, output_price=quote.output_price,
            price_version="v1", at=at,
        )  # fmt: skip

    def charge(self, principal: Principal, model: str, target: Target, usage: Usage) -> int | None:
        return usage.input + 2 * usage.output

    def charge_at(self, quote: Quote, usage: Usage) -> int | None:
        return 7 if quote is self._quote else None

    def cached(self, ctx: RequestContext) -> int | None:
        return 1

    def version(self, principal: Principal) -> str:
        return "v1"

    def settled(self, ctx: RequestContext) -> Settled:
        raise NotImplementedError

    def entry(self, ctx: RequestContext, settled: Settled, at: float, ended: float) -> Entry:
        raise NotImplementedError


class Counter:
    """Counts a prompt as ``exact`` tokens."""

    def __init__(self, exact: int) -> None:
        self.exact = exact
        self.asked = 0
        self.made_ready: list[str] = []

    async def ready(self, model: str) -> None:
        self.made_ready.append(model)

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        self.asked += 1
        return Usage(input=self.exact, input_source="counted")


class Ledger:
    sync = False

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.holds: list[Hold] = []
        self.left: list[str] = []
        self.released: list[str] = []
        self.points: list[tuple[str, int]] = []
        self.moved: list[Hold] = []

    def hold(self, hold: Hold) -> None:
        if self.full:
            raise LedgerUnavailable("The disk is full.")
        self.holds.append(hold)

    def dispatched(self, ident: str) -> None:
        self.left.append(ident)

    def retarget(self, hold: Hold) -> None:
        self.moved.append(hold)

    def release(self, ident: str) -> None:
        self.released.append(ident)

    def checkpoint(self, ident: str, output_tokens: int) -> None:
        self.points.append((ident, output_tokens))


class Forecast:
    def __init__(self, usual: int | None = None) -> None:
        self.usual = usual

    def p95(self, route: str) -> int | None:
        return self.usual

    def note(self, route: str, tokens: int) -> None:
        raise NotImplementedError


class Decisions:
    def __init__(self) -> None:
        self.results: list[tuple[str, str]] = []

    def decided(self, rule: Rule, result: str) -> None:
        self.results.append((rule.name, result))

    def held(self, reservation: Reservation, principal: Principal) -> None:
        return None


class Room:
    """Lets one more try happen."""

    def __init__(self) -> None:
        self.tenants: list[str] = []
        self.denial: Denial | None = None

    async def enter(
        self, tenant: str, denial: Denial, attempt: Callable[[], Awaitable[Reservation | Denial]]
    ) -> Reservation | Denial:
        self.tenants.append(tenant)
        return await attempt()

    def ahead(self, wanted: Sequence[Charge]) -> Denial | None:
        return self.denial

    def freed(self, reservation: Reservation | None = None) -> None:
        return None


class Made:
    def __init__(
        self, *, quote: Quote = PRICE, ledger: Ledger | None = None, exact: int = 50, usual: int | None = None,
        room: Room | None = None, gateway: Limits = NO_LIMITS, models: Limits = NO_LIMITS, providers: Limits = NO_LIMITS,
        named: str = "fast",
    ) -> None:  # fmt: skip
        self.clock = FakeClock()
        self.store = MemoryLimitStore(self.clock, lambda: 1_795_392_000.0)
        self.ledger, self.decisions, self.tasks = ledger, Decisions(), FakeTasks()
        self.counter = Counter(exact)
        self.meters: list[dict[str, object]] = []
        shared = Shared(
            store=self.store, ledger=ledger, forecast=Forecast(usual), room=room, decisions=self.decisions,  # type: ignore[arg-type]
            wall=lambda: 1_795_392_000.0, tasks=self.tasks,
        )  # fmt: skip
        self.leases = shared.leases
        self.pricing = Pricing(quote)
        self.limiter = Limiter(
            shared,
            gateway=rules_of(gateway, "gateway", ""),
            models={named: rules_of(models, "model", named)},
            providers={"local": rules_of(providers, "provider", "local")},
            directory=Directory(named),  # type: ignore[arg-type]
            pricing=self.pricing,
            counter=self.counter,  # type: ignore[arg-type]
            meter=self._meter,
        )

    def _meter(self, ctx: RequestContext, **what: object) -> StreamMeter:
        self.meters.append(what)
        return object()  # type: ignore[return-value]

    async def levels(self, *rules: Rule) -> Sequence[Level]:
        return await self.store.levels([(rule, "2026-11" if rule.method == "money" else "") for rule in rules])


def request(
    limits: Limits = NO_LIMITS, *, budget: Budget | None = None, cap: int = 0, likely: int = 100, stream: bool = False,
    key_cap: int | None = None, model: str = "fast", body: bytes = b'{"model":"fast"}',
) -> RequestContext:  # fmt: skip
    rules = rules_of(limits, "key", "k")
    if budget is not None:
        rules += (budget_rule(budget, "key", "k", ledgered=False),)
    return RequestContext(
        request_id="r", body=body, request=RequestView(model=model, stream=stream or None),
        principal=Principal(name="k", tenant="t", key="k", account="t", rules=rules, output_cap=key_cap),
        estimate=TokenEstimate(likely, likely * 4, cap),
    )  # fmt: skip


async def end(made: Made, ctx: RequestContext, *, used: Usage, charge: int | None = 0) -> None:
    ctx.attempts.append(Attempt(provider="local", model="small", started=0.0, status=200))
    ctx.usage, ctx.settled = used, Settled(charge=charge, cost=0, ending="complete", count="reported")
    for settler in reversed(ctx.settlers):
        await settler(ctx)


async def test_without_limits_nothing_is_held_and_nothing_is_asked() -> None:
    made, ctx = Made(), request()
    await made.limiter.admit(ctx)
    assert (ctx.reservation, ctx.ledger_id, ctx.settlers, ctx.response_headers) == (None, "", [], [])


async def test_every_limit_is_held_until_the_end_and_settled_with_what_was_used() -> None:
    made = Made(gateway=Limits(rpm=10), models=Limits(concurrency=2))
    ctx = request(Limits(tpm=1000), cap=200)
    await made.limiter.admit(ctx)
    tpm, rpm, slots = (
        ctx.principal.rules[0],
        rules_of(Limits(rpm=10), "gateway", "")[0],
        rules_of(Limits(concurrency=2), "model", "fast")[0],
    )
    assert [(level.used, level.held) for level in await made.levels(tpm, rpm, slots)] == [(0, 300), (1, 0), (0, 1)]
    assert dict(ctx.response_headers)[b"x-ratelimit-remaining-tokens"] == b"700"
    assert len(made.leases) == 1
    await end(made, ctx, used=Usage(input=90, output=30))
    assert [(level.used, level.held) for level in await made.levels(tpm, rpm, slots)] == [(120, 0), (1, 0), (0, 0)]
    assert len(made.leases) == 0


async def test_a_request_that_reached_nobody_used_a_request_and_nothing_else() -> None:
    made, ctx = Made(), request(Limits(rpm=5, tpm=1000, concurrency=1), cap=200)
    await made.limiter.admit(ctx)
    for settler in ctx.settlers:
        await settler(ctx)
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(1, 0), (0, 0), (0, 0)]


async def test_refused_by_one_rule_nothing_of_the_others_is_held() -> None:
    made = Made(gateway=Limits(concurrency=1))
    await made.limiter.admit(request(Limits(rpm=5)))
    second = request(Limits(rpm=5))
    with pytest.raises(RateLimited, match="1 requests at once"):
        await made.limiter.admit(second)
    assert (await made.levels(second.principal.rules[0]))[0].used == 1
    assert second.settlers == []
    assert made.decisions.results == [("concurrency", "denied")]


async def test_the_prompt_is_counted_only_where_the_estimate_refuses() -> None:
    made = Made(exact=40)
    await made.limiter.admit(request(Limits(tpm=1000), likely=500, cap=100))
    assert made.counter.asked == 0
    ctx = request(Limits(tpm=1000), likely=500, cap=100)
    await made.limiter.admit(ctx)
    assert made.counter.asked == 1
    assert ctx.reservation is not None
    assert ctx.reservation.grants[0].held == 140


async def test_max_tokens_of_one_beside_a_larger_cap_does_not_cheat() -> None:
    made, ctx = Made(), request(Limits(tpm=1000), cap=5000)
    with pytest.raises(RateLimited, match="needs 1050 tokens and this key's limit is 1000"):
        await made.limiter.admit(ctx)


async def test_a_key_whose_money_counts_needs_a_price() -> None:
    made = Made(quote=UNKNOWN)
    with pytest.raises(PriceUnknown, match=r"catalogue\.models"):
        await made.limiter.admit(request(budget=Budget(usd=1)))
    await made.limiter.admit(request(Limits(rpm=5)))


async def test_a_model_nobody_serves_is_not_refused_for_its_price() -> None:
    await Made(quote=UNKNOWN).limiter.admit(request(budget=Budget(usd=1), model="nothing"))


async def test_a_budget_for_ten_admits_ten_and_pays_back_what_was_not_used() -> None:
    made = Made()
    # 100 tokens of prompt at 1 and 200 of output at 2 micro-dollars.
    contexts = [request(budget=Budget(usd=0.005), cap=200) for _ in range(11)]
    for ctx in contexts[:10]:
        await made.limiter.admit(ctx)
    with pytest.raises(BudgetExceeded, match=r"may cost 0\.0004"):
        await made.limiter.admit(contexts[10])
    await end(made, contexts[0], used=Usage(input=100, output=10), charge=120)
    level = (await made.levels(contexts[0].principal.rules[0]))[0]
    assert (level.used, level.held) == (120, 4500)


async def test_a_hard_budget_splices_what_it_can_pay_for() -> None:
    made, ctx = Made(usual=100), request(budget=Budget(usd=0.0011))
    await made.limiter.admit(ctx)
    # 1100 micro-dollars pay for 100 tokens of prompt and 500 of output.
    assert ctx.body == b'{"max_completion_tokens":500,"model":"fast"}'
    assert ctx.rewritten == ["max_completion_tokens"]


async def test_a_budget_that_can_pay_for_the_longest_answer_leaves_the_bytes_alone() -> None:
    made, ctx = Made(), request(budget=Budget(usd=10))
    await made.limiter.admit(ctx)
    assert ctx.body == b'{"model":"fast"}'
    soft = request(budget=Budget(usd=0.0011, hard=False))
    await Made().limiter.admit(soft)
    assert soft.body == b'{"model":"fast"}'


@pytest.mark.parametrize(
    ("cap", "body"), [(0, b'{"max_completion_tokens":30,"model":"fast"}'), (20, b'{"model":"fast"}')]
)
async def test_a_keys_own_cap_needs_no_limit(cap: int, body: bytes) -> None:
    ctx = request(key_cap=30, cap=cap)
    await Made().limiter.admit(ctx)
    assert ctx.body == body


async def test_the_hold_is_written_down_before_anything_leaves() -> None:
    ledger = Ledger()
    made, ctx = Made(ledger=ledger), request(budget=Budget(usd=1), cap=200)
    await made.limiter.admit(ctx)
    (hold,) = ledger.holds
    assert hold.ident == ctx.ledger_id
    assert len(hold.ident) == 32
    assert (hold.account, hold.key, hold.provider, hold.model, hold.held) == ("t", "k", "local", "small", 500)
    assert ledger.left == []
    assert ctx.on_dispatch is not None
    ctx.on_dispatch()
    assert ledger.left == [ctx.ledger_id]


async def test_the_ledgers_id_is_never_the_clients() -> None:
    ledger = Ledger()
    made = Made(ledger=ledger)
    for _ in range(2):
        await made.limiter.admit(request())
    first, second = ledger.holds
    assert first.request_id == second.request_id == "r"
    assert first.ident != second.ident


async def test_a_full_disk_stops_those_whose_money_counts_and_nobody_else() -> None:
    made = Made(ledger=Ledger(full=True))
    paying = request(Limits(concurrency=1), budget=Budget(usd=1), cap=200)
    with pytest.raises(LedgerUnavailable):
        await made.limiter.admit(paying)
    assert [(level.used, level.held) for level in await made.levels(*paying.principal.rules)] == [(0, 0), (0, 0)]
    assert (paying.settlers, len(made.leases)) == ([], 0)
    other = request()
    await made.limiter.admit(other)
    assert (other.ledger_id, other.on_dispatch) == ("", None)


async def test_a_stream_under_a_token_limit_is_metered_and_one_without_is_not() -> None:
    made = Made()
    plain, free, limited = (
        request(Limits(rpm=9)),
        request(Limits(rpm=5), stream=True),
        request(Limits(tpm=500), cap=50, stream=True),
    )
    for ctx in (plain, free, limited):
        await made.limiter.admit(ctx)
    assert plain.meter is None
    assert free.meter is None
    assert limited.meter is not None
    assert made.meters[0]["reserved"] == 50
    # Counted by estimates, it would end at half of its grant.
    assert made.counter.made_ready == ["fast"]


async def test_a_stream_far_from_its_limits_waits_for_no_vocabulary() -> None:
    made = Made()
    for _ in range(3):
        await made.limiter.admit(request(Limits(tpm=1_000_000, output_tpm=FAR * 600 + 150), cap=50, stream=True))
    ample: Callable[[int], int] = made.meters[-1]["ample"]  # type: ignore[assignment]
    assert made.counter.made_ready == []
    await made.tasks.finish()
    assert made.counter.made_ready == ["fast"], "once, for when one is needed"
    # A sixty-fourth of what is left, which is the least that any limit has.
    assert [ample(0), ample(100), ample(600), ample(601)] == [600, 600, 600, 0]


async def test_far_is_so_by_every_limit_that_binds_a_stream() -> None:
    for limits, budget, far in (
        (Limits(tpm=FAR * 200), None, False),
        (Limits(tpm=FAR * 200, soft=("tpm",), output_tpm=10**9), None, True),
        (Limits(tpm=FAR * 200, shadow=("tpm",), output_tpm=10**9), None, True),
        (Limits(input_tpm=1000, output_tpm=10**9), None, True),
        (Limits(tpm=10**9), Budget(usd=0.01), False),
        (Limits(tpm=10**9), Budget(usd=1000), True),
    ):
        made = Made()
        await made.limiter.admit(request(limits, budget=budget, cap=50, stream=True))
        ample: Callable[[int], int] = made.meters[0]["ample"]  # type: ignore[assignment]
        assert bool(ample(0)) is far, limits


async def test_a_soft_limit_does_not_bind_a_stream() -> None:
    made, ctx = Made(), request(Limits(tpm=500, soft=("tpm",)), cap=50, stream=True)
    await made.limiter.admit(ctx)
    assert ctx.meter is None


async def test_a_stream_in_a_ledger_is_counted_even_without_limits() -> None:
    made, ctx = Made(ledger=Ledger()), request(stream=True)
    await made.limiter.admit(ctx)
    assert made.meters[0]["reserved"] is None
    assert made.meters[0]["checkpoint"] is not None


async def test_a_stream_grows_its_hold_and_is_refused_at_the_limit() -> None:
    made, ctx = Made(usual=50), request(Limits(tpm=400, output_tpm=1000), stream=True)
    await made.limiter.admit(ctx)
    extend: Callable[[int], Awaitable[TollwayError | None]] = made.meters[0]["extend"]  # type: ignore[assignment]
    assert await extend(100) is None
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(0, 250), (0, 150)]
    refused = await extend(200)
    assert isinstance(refused, RateLimited)
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(0, 250), (0, 150)]


async def test_what_a_stream_delivered_is_used_while_it_runs() -> None:
    made, ctx = Made(usual=50), request(Limits(tpm=400), stream=True)
    await made.limiter.admit(ctx)
    spend: Callable[[int], None] = made.meters[0]["spend"]  # type: ignore[assignment]
    spend(20)
    spend(10)
    await made.tasks.finish()
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(130, 20)]
    await end(made, ctx, used=Usage(input=90, output=35))
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(130, 0)]


async def test_a_provider_has_limits_of_its_own_for_each_try() -> None:
    made, ctx = Made(providers=Limits(rpm=1)), request()
    await made.limiter.attempt(ctx, TARGET)
    with pytest.raises(RateLimited, match="this provider's limit of 1 requests per minute"):
        await made.limiter.attempt(ctx, TARGET)
    assert len(ctx.settlers) == 1


OTHER = structs.replace(TARGET, provider="dear")


async def test_a_dearer_target_needs_more_of_the_budget_to_be_held() -> None:
    made = Made(ledger=Ledger())
    made.pricing.others["dear"] = structs.replace(
        PRICE, input_price=3 * PRICE.input_price, output_price=3 * PRICE.output_price
    )
    ctx = request(budget=Budget(usd=1), cap=10)
    await made.limiter.admit(ctx)
    (before,) = await made.levels(*ctx.principal.rules)
    await made.limiter.attempt(ctx, TARGET)
    assert [level.held for level in await made.levels(*ctx.principal.rules)] == [before.held]
    await made.limiter.attempt(ctx, OTHER)
    assert [level.held for level in await made.levels(*ctx.principal.rules)] == [3 * before.held]
    ctx.attempts.append(Attempt(provider="dear", model="small", started=0.0))
    await made.limiter.attempt(ctx, TARGET)
    assert [level.held for level in await made.levels(*ctx.principal.rules)] == [3 * before.held]
    assert made.ledger is not None
    assert [(hold.provider, hold.ident) for hold in made.ledger.moved] == [
        ("dear", ctx.ledger_id),
        ("local", ctx.ledger_id),
    ]
    await end(made, ctx, used=Usage(input=1), charge=1)
    assert [(level.used, level.held) for level in await made.levels(*ctx.principal.rules)] == [(1, 0)]


async def test_a_target_that_the_budget_cannot_pay_for_is_not_tried() -> None:
    made = Made()
    made.pricing.others["dear"] = structs.replace(PRICE, output_price=1_000_000 * PRICE.output_price)
    ctx = request(budget=Budget(usd=1), cap=10)
    await made.limiter.admit(ctx)
    (before,) = await made.levels(*ctx.principal.rules)
    with pytest.raises(BudgetExceeded):
        await made.limiter.attempt(ctx, OTHER)
    assert [level.held for level in await made.levels(*ctx.principal.rules)] == [before.held]


async def test_a_target_whose_price_nobody_knows_is_not_tried_where_money_counts() -> None:
    made = Made()
    made.pricing.others["dear"] = UNKNOWN
    counted, free = request(budget=Budget(usd=1), cap=10), request(Limits(rpm=5))
    await made.limiter.admit(counted)
    await made.limiter.admit(free)
    with pytest.raises(PriceUnknown):
        await made.limiter.attempt(counted, OTHER)
    await made.limiter.attempt(free, OTHER)


async def test_a_fallback_counts_against_the_limits_of_its_own_model() -> None:
    made = Made(models=Limits(rpm=1))
    ctx, other = request(), request()
    ctx.route = other.route = "elsewhere"
    await made.limiter.attempt(ctx, TARGET, "fast")
    with pytest.raises(RateLimited, match="this model's limit of 1 requests per minute"):
        await made.limiter.attempt(other, TARGET, "fast")
    await made.limiter.attempt(other, TARGET, "elsewhere")


async def test_who_may_wait_tries_again_instead_of_being_refused() -> None:
    room = Room()
    made = Made(room=room)
    await made.limiter.admit(request(Limits(rpm=1)))
    with pytest.raises(RateLimited):
        await made.limiter.admit(request(Limits(rpm=1)))
    assert room.tenants == ["t"]


async def test_who_comes_now_stands_behind_those_who_wait() -> None:
    room = Room()
    room.denial = Denial(rules_of(Limits(rpm=9), "key", "k")[0], 1, 0, 0.5)
    made, ctx = Made(room=room), request(Limits(rpm=9))
    await made.limiter.admit(ctx)
    assert room.tenants == ["t"]
    assert ctx.reservation is not None


async def test_a_retired_model_is_quoted_at_the_price_of_what_answers_instead() -> None:
    asked: list[Target | None] = []
    made = Made()
    quote = made.limiter._pricing.quote
    made.limiter._pricing.quote = lambda principal, model, target: (
        asked.append(target),
        quote(principal, model, target),
    )[1]  # type: ignore[method-assign,func-returns-value]
    await made.limiter.admit(request(budget=Budget(usd=1), cap=10, model="old"))
    assert asked == [TARGET]


async def test_a_limited_key_is_given_no_credential_of_the_providers_own() -> None:
    ctx = request(Limits(rpm=5))
    ctx.path = "/realtime/client_secrets"
    with pytest.raises(PermissionDenied, match=r"passthrough\.admin"):
        await Made().limiter.admit(ctx)
    free = request()
    free.path = "/realtime/client_secrets"
    await Made().limiter.admit(free)
