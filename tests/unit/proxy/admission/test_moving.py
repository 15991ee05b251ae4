"""A request that goes to another target than planned: enough money is held there, the journal knows, the client is told."""

import pytest
from msgspec import structs

from proxy.context import Attempt, RequestContext
from proxy.errors import BudgetExceeded
from proxy.policy.routes import Retry
from proxy.policy.rules import MICRO
from proxy.policy.targets import Candidate, Facts, Plan, Route
from proxy.policy.terms import Budget
from proxy.wire.endpoints import EMBEDDINGS
from proxy.wire.usage import Usage
from tests.support.fakes import TARGET

from .test_limiter import PRICE, Ledger, Made, request

DEAR = structs.replace(TARGET, provider="dear")
FREE = structs.replace(PRICE, input_price=0, output_price=0)
CHEAP_IN = structs.replace(PRICE, input_price=PRICE.input_price, output_price=10 * PRICE.output_price)
CHEAP_OUT = structs.replace(PRICE, input_price=10 * PRICE.input_price, output_price=PRICE.output_price)
"""1 and 2 micro-dollars a token at ``PRICE``; its longest answer has 1,000."""

BODY = b'{"model":"fast","messages":[]}'


async def held(made: Made, ctx: RequestContext) -> int:
    (level,) = await made.levels(*ctx.principal.rules)
    return level.held


def of(usd: float) -> Budget:
    return Budget(usd=usd / MICRO)


@pytest.mark.parametrize("dearest", [4000, 1000, 10])
async def test_without_a_cap_the_longest_answer_of_the_other_target_is_held(dearest: int) -> None:
    made, ctx = Made(), request(budget=of(20_000), body=BODY)
    made.pricing.others["dear"] = structs.replace(PRICE, max_output=dearest)
    await made.limiter.admit(ctx)
    assert (await held(made, ctx), ctx.body) == (100 + 2000, BODY)
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == max(2100, 100 + 2 * dearest)


async def test_what_the_budget_cannot_pay_is_not_tried() -> None:
    """A target whose answers are longer, and one of which nobody knows how long they are: nothing bounds an answer that is no stream."""
    for longest in (5001, 0):
        made, ctx = Made(), request(budget=of(10_100), body=BODY)
        made.pricing.others["dear"] = structs.replace(PRICE, max_output=longest)
        await made.limiter.admit(ctx)
        with pytest.raises(BudgetExceeded):
            await made.limiter.attempt(ctx, DEAR)
        assert await held(made, ctx) == 2100
        capped = request(budget=of(10_100), body=BODY, cap=500)
        await made.limiter.admit(capped)
        await made.limiter.attempt(capped, DEAR)


async def test_a_cap_that_was_put_in_bounds_every_target() -> None:
    """The budget pays for less than the longest answer: what it pays for is asked of the others too, and held at their price."""
    made, ctx = Made(usual=50), request(budget=of(500), body=BODY)
    made.pricing.others["dear"] = structs.replace(PRICE, max_output=0)
    await made.limiter.admit(ctx)
    assert (b'"max_completion_tokens":200' in ctx.body, await held(made, ctx)) == (True, 500)
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == 500
    made.pricing.others["dear"] = structs.replace(PRICE, max_output=4000)
    await made.limiter.attempt(ctx, structs.replace(DEAR, model="longer"))
    assert await held(made, ctx) == 500


async def test_a_free_target_in_front_of_a_dear_one_lets_nobody_past_the_budget() -> None:
    """What the first one gives away the second one charges for: the stream has a meter from then on."""
    made, ctx = Made(quote=FREE, usual=50), request(budget=of(250), stream=True, body=BODY)
    made.pricing.others["dear"] = PRICE
    await made.limiter.admit(ctx)
    assert (await held(made, ctx), made.meters) == (0, [])
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == 100 + 2 * 50
    assert [meter["reserved"] for meter in made.meters] == [50]
    plain = request(budget=of(250), body=BODY)
    await made.limiter.admit(plain)
    with pytest.raises(BudgetExceeded):
        await made.limiter.attempt(plain, DEAR)


async def test_a_stream_is_granted_less_at_a_dearer_target() -> None:
    made, ctx = Made(usual=50), request(budget=of(2100), stream=True, body=BODY)
    made.pricing.others["dear"] = structs.replace(PRICE, output_price=10 * PRICE.output_price)
    await made.limiter.admit(ctx)
    await made.limiter.attempt(ctx, DEAR)
    assert [meter["reserved"] for meter in made.meters] == [1000, 100]
    assert await held(made, ctx) == 2100


async def test_of_two_targets_at_once_the_dearer_price_holds_for_each_part() -> None:
    made, ctx = Made(quote=CHEAP_IN, usual=50), request(budget=of(100_000), stream=True, body=BODY, cap=40)
    made.pricing.others["dear"] = CHEAP_OUT
    await made.limiter.admit(ctx)
    assert await held(made, ctx) == 100 + 20 * 40
    ctx.attempts.append(Attempt(provider="local", model="small", started=0.0))
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == 1000 + 2 * 40
    assert made.meters[-1]["reserved"] == (1080 - 1000) // 20, (
        "as if the first target answered behind the second one's prompt"
    )


async def test_a_continued_stream_keeps_what_it_was_granted() -> None:
    made, ctx = Made(usual=50), request(budget=of(100_000), stream=True, body=BODY)
    made.pricing.others["dear"] = structs.replace(PRICE, output_price=10 * PRICE.output_price, max_output=100)
    await made.limiter.admit(ctx)
    ctx.attempts.append(Attempt(provider="local", model="small", started=0.0))
    ctx.committed = True
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == 100 + 20 * 1000
    assert len(made.meters) == 1


async def test_what_has_no_output_needs_none_held() -> None:
    made, ctx = Made(), request(budget=of(1000), body=BODY)
    ctx.endpoint = EMBEDDINGS
    made.pricing.others["dear"] = structs.replace(PRICE, input_price=3 * PRICE.input_price, max_output=0)
    await made.limiter.admit(ctx)
    await made.limiter.attempt(ctx, DEAR)
    assert await held(made, ctx) == 300


async def test_the_client_is_told_what_is_left_now() -> None:
    made, ctx = Made(), request(budget=of(10_000), body=BODY, cap=100)
    made.pricing.others["dear"] = structs.replace(PRICE, output_price=10 * PRICE.output_price)
    await made.limiter.admit(ctx)
    name = b"x-tollway-budget-remaining-usd"
    assert dict(ctx.response_headers)[name] == b"0.009700"
    await made.limiter.attempt(ctx, DEAR)
    assert [value for key, value in ctx.response_headers if key == name] == [b"0.007900"]


# ---- the key's cap --------------------------------------------------------------------------------------------------


def planned(*longest: int, fallbacks: tuple[str, ...] = ()) -> Plan:
    """A plan over targets with such maxima; the first is chosen."""
    candidates = tuple(
        Candidate(target=structs.replace(TARGET, model=f"m{place}"), model="fast", facts=Facts(max_output=each))
        for place, each in enumerate(longest)
    )
    route = Route(label="fast", candidates=candidates, fallbacks=fallbacks, retry=Retry())
    return Plan(route=route, candidates=candidates, chosen=candidates[0])


@pytest.mark.parametrize(
    ("plan", "sent"),
    [
        (planned(1000), None),
        (planned(1000, 1500), None),
        (planned(1000, 4000), 1000),
        (planned(1000, 0), 1000),
        (planned(1000, 700, 4000), 700),
        (planned(1000, fallbacks=("other",)), 1000),
    ],
)
async def test_a_keys_cap_binds_every_target_that_may_be_asked(plan: Plan, sent: int | None) -> None:
    """A target's own maximum makes it needless only where no other has a greater one."""
    made, ctx = Made(), request(key_cap=2000, body=BODY)
    ctx.plan, ctx.target, ctx.route = plan, plan.chosen.target, "fast"
    ctx.quote = PRICE
    ctx.principal = structs.replace(ctx.principal, rules=request(budget=of(100_000)).principal.rules)
    await made.limiter.admit(ctx)
    assert ctx.body == (BODY if sent is None else b'{"max_completion_tokens":%d,' % sent + BODY[1:])


# ---- what it comes to ------------------------------------------------------------------------------------------------


async def test_what_a_usage_comes_to_goes_by_the_quote_only_where_that_was_asked_for() -> None:
    """Where another target answers, or the same one under another name, its own price is looked up."""
    made, ctx, plan = Made(), request(budget=of(100_000), body=BODY), planned(1000, 1000)
    ctx.plan, ctx.target, ctx.route = plan, plan.chosen.target, "fast"
    await made.limiter.admit(ctx)
    costing, usage = ctx.costing, Usage(input=100, output=10)
    assert costing is not None
    assert costing(usage) == 7
    ctx.attempts.append(Attempt(provider="local", model="m0", started=0.0, public="fast"))
    assert costing(usage) == 7
    ctx.attempts[0].public = "spare"
    assert costing(usage) == 120
    ctx.attempts[0].public, ctx.target = "fast", plan.candidates[1].target
    assert costing(usage) == 120


# ---- the journal ----------------------------------------------------------------------------------------------------


def places(ledger: Ledger) -> list[str]:
    return [hold.provider for hold in ledger.moved]


async def test_a_target_that_is_passed_over_leaves_no_trace_in_the_journal() -> None:
    ledger = Ledger()
    made, ctx = Made(ledger=ledger), request(budget=of(2100), body=BODY, cap=1000)
    made.pricing.others["dear"] = structs.replace(PRICE, output_price=10 * PRICE.output_price)
    await made.limiter.admit(ctx)
    with pytest.raises(BudgetExceeded):
        await made.limiter.attempt(ctx, DEAR)
    assert places(ledger) == []


async def test_a_race_that_the_first_target_wins_is_settled_by_its_prices_if_the_process_dies() -> None:
    ledger = Ledger()
    made, ctx = Made(ledger=ledger), request(stream=True, body=BODY)
    await made.limiter.admit(ctx)
    first = Attempt(provider="local", model="small", started=0.0, public="fast")
    await made.limiter.attempt(ctx, TARGET, "fast")
    ctx.attempts.append(first)
    await made.limiter.attempt(ctx, DEAR, "fast")
    ctx.attempts[:] = [Attempt(provider="dear", model="small", started=1.0, public="fast"), first]
    ctx.target = TARGET
    assert places(ledger) == ["dear"]
    checkpoint = made.meters[-1]["checkpoint"]
    checkpoint(210)  # type: ignore[operator]
    checkpoint(420)  # type: ignore[operator]
    assert places(ledger) == ["dear", "local"]
    assert ledger.points == [(ctx.ledger_id, 210), (ctx.ledger_id, 420)]


async def test_going_back_to_the_planned_target_is_noted() -> None:
    """The first was at its limit, the second was asked in vain: the first is where the request is now."""
    ledger = Ledger()
    made, ctx = Made(ledger=ledger), request(body=BODY)
    await made.limiter.admit(ctx)
    for target in (DEAR, TARGET, TARGET):
        await made.limiter.attempt(ctx, target, "fast")
    assert places(ledger) == ["dear", "local"]
