"""Each row of the policy: what the customer pays, what it cost the operator, from which count; and the page that prints it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from proxy.context import Attempt, RequestContext
from proxy.errors import (
    BudgetExceeded,
    ClientGone,
    DeadlineExceeded,
    GatewayDraining,
    InternalError,
    InvalidRequest,
    RateLimited,
    TollwayError,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamDropped,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnavailable,
)
from proxy.money.endings import ENDINGS, ending_of
from proxy.money.recovery import recovered
from proxy.money.replay import Open
from proxy.policy.faults import Fault, FaultKind
from proxy.policy.terms import ListPrice, Plan
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import EMBEDDINGS, IMAGES, PASSTHROUGH, SPEECH
from proxy.wire.usage import NO_USAGE, Usage, reported

from .made import COUNTED, HOLD, MODEL, TARGET, context, pricing

PROMPT, ESTIMATED, ANSWER, CUT = 2000, 1800, 1000, 400
"""Micro-dollars: 1,000 tokens of prompt (900 as estimated), 100 of a whole answer, 40 of a cut one."""

How = Callable[[RequestContext], None]


def failed(error: TollwayError, *, outcome: str, tokens: bool = False, sent: bool = True) -> How:
    """A stream that ``error`` ended; ``tokens``: after the first."""

    def apply(ctx: RequestContext) -> None:
        ctx.request = RequestView(model="public", stream=True)
        ctx.error = error
        ctx.outcome = outcome  # type: ignore[assignment]
        ctx.committed = tokens
        ctx.first_token_at = 5.0 if tokens else 0.0
        ctx.usage = COUNTED if tokens else NO_USAGE
        if not sent:
            ctx.attempts.clear()

    return apply


def status(code: int) -> How:
    def apply(ctx: RequestContext) -> None:
        ctx.status = ctx.attempts[-1].status = code
        ctx.outcome = "upstream_error"
        ctx.usage = NO_USAGE

    return apply


def whole(ctx: RequestContext) -> None:
    pass


def counted(ctx: RequestContext) -> None:
    ctx.usage = COUNTED


def between(kind: FaultKind, error: TollwayError | None = None, *, outcome: str = "client_closed") -> How:
    """The try failed, and the request ended before there was another."""

    def apply(ctx: RequestContext) -> None:
        failed(error or GONE, outcome=outcome)(ctx)
        ctx.attempts[-1].fault = Fault(kind=kind)

    return apply


def error_in_200(ctx: RequestContext) -> None:
    ctx.outcome = "upstream_error"
    ctx.attempts[-1].fault = Fault(kind="error_event", status=200)
    ctx.usage = structs.replace(ctx.usage, output=0)


def slow(ctx: RequestContext) -> None:
    """Slower than another target might have been, and delivered whole because there was none."""
    ctx.attempts[-1].fault = Fault(kind="slow", status=200)


GONE = ClientGone("x")
ROWS: list[tuple[How, str, int, int, str]] = [
    (whole, "complete", PROMPT + ANSWER, PROMPT + ANSWER, "reported"),
    (slow, "complete", PROMPT + ANSWER, PROMPT + ANSWER, "reported"),
    (counted, "complete", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(GONE, outcome="client_closed"), "client_left_early", ESTIMATED, ESTIMATED, "estimated"),
    (failed(GONE, outcome="client_closed", tokens=True), "client_left", PROMPT + CUT, PROMPT + CUT, "counted"),
    (between("server_error"), "client_left_between", 0, 0, "estimated"),
    (between("dropped"), "client_left_between", 0, ESTIMATED, "estimated"),
    (between("server_error", DeadlineExceeded("x"), outcome="timeout"), "timeout_early", 0, 0, "estimated"),
    (between("timeout", DeadlineExceeded("x"), outcome="timeout"), "timeout_early", 0, ESTIMATED, "estimated"),
    (error_in_200, "upstream_cut_early", 0, PROMPT, "reported"),
    (status(500), "upstream_error", 0, 0, "estimated"),
    (status(400), "upstream_error", 0, 0, "estimated"),
    (failed(UpstreamUnavailable("x"), outcome="upstream_error"), "upstream_error", 0, 0, "estimated"),
    (failed(UpstreamTlsFailed("x"), outcome="upstream_error"), "upstream_error", 0, 0, "estimated"),
    (failed(UpstreamAuthFailed("x"), outcome="upstream_error"), "upstream_error", 0, 0, "estimated"),
    (failed(UpstreamRejected("x", status=429), outcome="upstream_error"), "upstream_error", 0, 0, "estimated"),
    (failed(UpstreamDropped("x"), outcome="upstream_error"), "upstream_cut_early", 0, ESTIMATED, "estimated"),
    (failed(UpstreamInvalid("x"), outcome="upstream_error"), "upstream_cut_early", 0, ESTIMATED, "estimated"),
    (failed(UpstreamCut("x"), outcome="upstream_error"), "upstream_cut_early", 0, ESTIMATED, "estimated"),
    (failed(UpstreamCut("x"), outcome="upstream_error", tokens=True), "upstream_cut", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(UpstreamUnavailable("x"), outcome="upstream_error", tokens=True), "upstream_cut", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(UpstreamTimeout("x"), outcome="timeout"), "timeout_early", 0, ESTIMATED, "estimated"),
    (failed(UpstreamTimeout("x"), outcome="timeout", tokens=True), "timeout", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(RateLimited("x"), outcome="rejected", tokens=True), "limit", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(BudgetExceeded("x"), outcome="rejected", tokens=True), "limit", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(GatewayDraining(), outcome="rejected"), "drained_early", 0, ESTIMATED, "estimated"),
    (failed(GatewayDraining(), outcome="rejected", tokens=True), "drained", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(InternalError(), outcome="internal_error"), "failed_early", 0, ESTIMATED, "estimated"),
    (failed(InvalidRequest("x"), outcome="rejected"), "failed_early", 0, ESTIMATED, "estimated"),
    (failed(InternalError(), outcome="internal_error", tokens=True), "failed", PROMPT + CUT, PROMPT + CUT, "counted"),
    (failed(RateLimited("x"), outcome="rejected", sent=False), "refused", 0, 0, "estimated"),
    (failed(GONE, outcome="client_closed", sent=False), "refused", 0, 0, "estimated"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "ending", "charge", "cost", "count"), ROWS, ids=[f"{row[1]}-{i}" for i, row in enumerate(ROWS)]
)
def test_each_ending_is_charged_by_its_row(how: How, ending: str, charge: int, cost: int, count: str) -> None:
    prices = pricing()
    ctx = context(prices)
    how(ctx)
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost, settled.count) == (ending, charge, cost, count)


def test_an_answer_of_our_own_costs_nothing() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.attempts.clear()
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost) == ("answered_here", 0, 0)


def test_every_ending_is_tested() -> None:
    tested = {row[1] for row in ROWS} | {"answered_here", "cached"}
    assert set(ENDINGS) - tested == {"recovered", "recovered_early"}


@pytest.mark.parametrize(
    ("output", "ending", "charge", "cost"), [(0, "recovered_early", 0, 200), (30, "recovered", 500, 500)]
)
def test_a_killed_process_charges_what_was_noted(output: int, ending: str, charge: int, cost: int) -> None:
    found = recovered(Open(HOLD, 0, True, output), 7.0)
    assert (found.ending, found.charge, found.cost, found.count) == (ending, charge, cost, "estimated")
    assert "recovered" in found.flags


def test_an_answer_that_is_no_stream_counts_as_delivered_once_it_has_begun() -> None:
    ctx = context(pricing())
    failed(UpstreamCut("x"), outcome="upstream_error")(ctx)
    ctx.committed, ctx.endpoint, ctx.request = True, PASSTHROUGH, RequestView()
    assert ending_of(ctx).name == "upstream_cut"


def test_a_cancelled_task_is_a_client_that_left() -> None:
    ctx = context(pricing())
    ctx.outcome = "client_closed"
    assert ending_of(ctx).name == "client_left"


# ---- attempts -------------------------------------------------------------------------------------------------------


def test_failed_attempts_cost_the_operator_only() -> None:
    prices = pricing()
    ctx = context(prices)
    lost = Attempt(provider="openai", model="m", started=0, maybe_billed=True)
    refused = Attempt(provider="openai", model="m", started=0, status=503)
    ctx.attempts[:0] = [lost, refused]
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (PROMPT + ANSWER, PROMPT + ANSWER + PROMPT)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.attempts, row.flags) == (3, ("retried",))


def test_a_last_attempt_that_may_be_billed_counts_once() -> None:
    prices = pricing()
    ctx = context(prices)
    failed(UpstreamDropped("x"), outcome="upstream_error")(ctx)
    ctx.attempts[-1].maybe_billed = True
    assert prices.settled(ctx).cost == ESTIMATED
    ctx.error = UpstreamUnavailable("x")
    assert prices.settled(ctx).cost == ESTIMATED


def test_an_attempt_without_a_price_makes_the_cost_unknown() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.attempts.insert(0, Attempt(provider="other", model="?", started=0, maybe_billed=True))
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (PROMPT + ANSWER, None)
    assert prices.entry(ctx, settled, 1.0, 2.0).unpriced


def test_the_loser_of_a_race_costs_what_it_had_used() -> None:
    prices = pricing()
    ctx = context(prices)
    usual = prices.settled(ctx)
    assert usual.charge is not None
    loser = Attempt(provider="openai", model="m", started=0, role="hedge", usage=ctx.usage, maybe_billed=True)
    ctx.attempts.insert(0, loser)
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (usual.charge, 2 * usual.charge)
    assert prices.entry(ctx, settled, 1.0, 2.0).flags == ("hedged",)


def race(ctx: RequestContext, *, dear: str = "big") -> Attempt:
    """Beside the first try there is another, at a model of twenty times its price."""
    beside = Attempt(provider="openai", model=dear, started=0, role="hedge", maybe_billed=True)
    ctx.attempts.append(beside)
    return beside


def test_a_client_that_leaves_a_race_pays_for_the_prompt_once_at_the_first_targets_price() -> None:
    prices = pricing(MODEL, structs.replace(MODEL, id="big", input_price=20 * 2_000_000))
    ctx = context(prices)
    failed(GONE, outcome="client_closed")(ctx)
    race(ctx).usage = ctx.attempts[0].usage = Usage(input=900)
    settled = prices.settled(ctx)
    assert (settled.ending, settled.charge, settled.cost) == ("client_left_early", ESTIMATED, 21 * ESTIMATED)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.provider, row.model, row.upstream_id, row.flags) == ("openai", "m", "up_1", ("hedged",))


def test_each_try_is_paid_at_its_own_targets_price() -> None:
    """The target chosen last was never asked: the entry tells of the one that was."""
    prices = pricing(MODEL, structs.replace(MODEL, id="big", input_price=20 * 2_000_000))
    ctx = context(prices)
    between("dropped")(ctx)
    ctx.target = structs.replace(TARGET, model="big")
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (0, ESTIMATED)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.model, row.attempts) == ("m", 1)


@pytest.mark.parametrize(("status", "cost"), [(0, ESTIMATED), (200, ESTIMATED), (503, 0)])
def test_a_try_that_was_left_at_work_may_be_billed(status: int, cost: int) -> None:
    """A continuation that was under way when the client left; and a refusal, which nobody bills."""
    prices = pricing()
    ctx = context(prices)
    failed(GONE, outcome="client_closed", tokens=True)(ctx)
    usual = prices.settled(ctx).cost
    assert usual is not None
    ctx.attempts.insert(0, Attempt(provider="openai", model="m", started=0, status=status))
    assert prices.settled(ctx).cost == usual + (PROMPT if cost else 0)


def test_the_last_part_of_a_continued_answer_costs_what_it_was_sent() -> None:
    """The customer pays the prompt once and the whole answer; the operator pays both parts, the first answer again as a prompt."""
    prices = pricing()
    ctx = context(prices)
    whole = prices.settled(ctx)
    ctx.attempts[-1].usage = structs.replace(ctx.usage, input=2 * ctx.usage.input)
    ctx.attempts[-1].role = "continuation"
    settled = prices.settled(ctx)
    assert settled.charge == whole.charge
    assert settled.cost == PROMPT + PROMPT + ANSWER
    assert prices.entry(ctx, settled, 1.0, 2.0).flags == ("continued",)


# ---- plans and prices -----------------------------------------------------------------------------------------------


def test_the_plan_decides_the_charge_and_not_the_cost() -> None:
    prices = pricing()
    marked = prices.settled(context(prices, plan=Plan(markup=12.5)))
    assert (marked.charge, marked.cost) == (3375, 3000)
    listed = prices.settled(context(prices, plan=Plan(prices={"pub*": ListPrice(input=1, output=1)})))
    assert (listed.charge, listed.cost) == (1100, 3000)


def test_a_request_is_settled_at_the_prices_it_was_admitted_with() -> None:
    old, new = pricing(), pricing(structs.replace(MODEL, input_price=8_000_000))
    ctx = context(old)
    assert new.settled(ctx).charge == PROMPT + ANSWER
    assert new.entry(ctx, new.settled(ctx), 1.0, 2.0).price_version == old.version(ctx.principal)
    ctx.quote = new.quote(ctx.principal, "public", TARGET)
    assert new.settled(ctx).charge == 8000 + ANSWER


def test_another_target_than_was_quoted_is_charged_by_its_own_price() -> None:
    prices = pricing(MODEL, structs.replace(MODEL, id="big", input_price=20_000_000))
    ctx = context(prices)
    ctx.target = structs.replace(TARGET, model="big")
    assert prices.settled(ctx).charge == 20_000 + ANSWER


def test_an_unknown_price_is_none_and_the_entry_says_so() -> None:
    prices = pricing()
    ctx = context(prices, target=structs.replace(TARGET, model="?"))
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (None, None)
    row = prices.entry(ctx, settled, 1.0, 2.0)
    assert (row.charge, row.cost, row.unpriced, row.flags) == (0, 0, True, ("unpriced",))


def test_what_is_billed_by_the_piece_is_not_free() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.endpoint, ctx.usage, ctx.estimate = IMAGES, NO_USAGE, type(ctx.estimate)()
    assert prices.settled(ctx).charge is None
    ctx.usage = reported(prompt=10, output=0)
    assert prices.settled(ctx).charge == 20
    ctx.endpoint, ctx.usage = SPEECH, NO_USAGE
    free = structs.replace(TARGET, provider="mine", model="x")
    own = pricing(free=("mine",))
    ctx.target, ctx.quote = free, own.quote(ctx.principal, "public", free)
    assert own.settled(ctx).charge == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_looking_something_up_is_free(method: str) -> None:
    prices = pricing()
    ctx = context(prices, target=structs.replace(TARGET, model="?"))
    ctx.method = method
    settled = prices.settled(ctx)
    assert (settled.charge, settled.cost) == (0, 0)


# ---- entries --------------------------------------------------------------------------------------------------------


def test_an_entry_has_everything() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.route = "fast"
    ctx.usage = reported(prompt=1000, output=100, cached=10, cache_write=5, reasoning=7)
    row = prices.entry(ctx, prices.settled(ctx), 1.0, 2.0)
    assert structs.asdict(row) == {
        "ident": "0" * 32, "request_id": "req_1", "upstream_id": "up_1", "account": "acc_1", "key": "key_1", "key_name": "app",
        "endpoint": "chat", "route": "fast", "provider": "openai", "model": "m", "outcome": "ok", "ending": "complete",
        "count": "reported", "flags": (), "input_tokens": 1000, "output_tokens": 100, "cached_tokens": 10, "cache_write_tokens": 5,
        "reasoning_tokens": 7, "attempts": 1, "held": 0, "charge": 2988, "cost": 2988, "unpriced": False,
        "price_version": prices.version(ctx.principal), "at": 1.0, "ended": 2.0,
        "cache": "", "saved": 0, "saved_cost": 0, "saved_input": 0, "saved_output": 0,
    }  # fmt: skip


def test_missing_usage_is_marked_where_an_answer_should_report_it() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.usage = COUNTED
    assert prices.entry(ctx, prices.settled(ctx), 1.0, 2.0).flags == ("usage_missing",)
    ctx.endpoint = EMBEDDINGS
    assert prices.entry(ctx, prices.settled(ctx), 1.0, 2.0).flags == ("usage_missing",)
    ctx.endpoint = PASSTHROUGH
    assert prices.entry(ctx, prices.settled(ctx), 1.0, 2.0).flags == ()


def test_long_names_are_cut() -> None:
    prices = pricing()
    ctx = context(prices)
    ctx.request_id = ctx.attempts[-1].upstream_id = "x" * 1_000_000
    row = prices.entry(ctx, prices.settled(ctx), 1.0, 2.0)
    assert len(row.request_id) == len(row.upstream_id) == 256


def test_a_hold_has_plain_prices_and_the_quote_the_dearest() -> None:
    tiered = structs.replace(MODEL, tier_above=800, tier_input_price=4_000_000, tier_output_price=20_000_000)
    prices = pricing(tiered)
    ctx = context(prices)
    held = prices.hold(ctx, quote=ctx.quote, target=TARGET, route="fast", held=5, at=9.0)
    assert (held.input_price, held.output_price) == (4_000_000, 20_000_000), "900 tokens are above the tier"
    ctx.estimate = structs.replace(ctx.estimate, likely=100)
    held = prices.hold(ctx, quote=ctx.quote, target=TARGET, route="fast", held=5, at=9.0)
    assert (held.input_price, held.output_price) == (2_000_000, 10_000_000)
    assert held.price_version == prices.version(ctx.principal)
    assert prices.cost(held, COUNTED) == 2 * (PROMPT + CUT)


# ---- the page -------------------------------------------------------------------------------------------------------


def test_the_page_prints_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settlement.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines() if line[:3] == "| `"
    ]
    printed = [row for row in rows if row[0].strip("`") in ENDINGS and len(row) == 5]
    expected = [
        (f"`{each.name}`", each.when, each.customer, each.operator, each.why + ("" if each.entry else " No entry."))
        for each in ENDINGS.values()
    ]
    assert printed == expected


def test_the_page_explains_every_flag() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settlement.md").read_text(encoding="utf-8")
    source = (Path(__file__).parents[3] / "proxy" / "money" / "pricing.py").read_text(encoding="utf-8")
    known = {"usage_missing", "usage_absurd", "unpriced", "retried", "hedged", "continued"}
    roles = re.findall(r'\("(?:hedge|continuation)", "(\w+)"\)', source)
    assert {*re.findall(r'append\("(\w+)"\)', source), *roles} == known
    assert {flag for flag in (*known, "recovered", "shadow") if f"| `{flag}` |" not in page} == set()
