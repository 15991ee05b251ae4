"""What a request asks of limits and budgets."""

import pytest

from proxy.admission.asking import ASSUMED, Asked, Calendar, affordable, asked, cost
from proxy.admission.program import Programs, program_of
from proxy.context import Principal, Quote, RequestContext, TokenEstimate
from proxy.policy.rules import Rule, budget_rule, rules_of
from proxy.policy.terms import Budget, Limits
from proxy.wire.endpoints import CHAT, EMBEDDINGS

QUOTE = Quote(input_price=2_000_000, output_price=8_000_000, known=True, max_output=4096)


def context(*, cap: int = 0, key_cap: int | None = None, likely: int = 100) -> RequestContext:
    principal = Principal(name="a", tenant="a", output_cap=key_cap)
    return RequestContext(request_id="r", principal=principal, estimate=TokenEstimate(likely, likely * 3, cap))


@pytest.mark.parametrize(
    ("cap", "key_cap", "recent", "output", "paid", "least"),
    [
        (500, None, None, 500, 500, 500),
        (500, 200, None, 200, 200, 200),
        (500, None, 80, 80, 500, 500),
        (0, None, None, ASSUMED, 4096, ASSUMED),
        (0, 300, None, 300, 300, 300),
        (0, None, 80, 80, 4096, 80),
        (9_999_999, None, None, ASSUMED, 4096, 4096),
        (1, None, 700, 1, 1, 1),
    ],
)
def test_the_reservation_is_the_least_of_the_caps(
    cap: int, key_cap: int | None, recent: int | None, output: int, paid: int, least: int
) -> None:
    want = asked(context(cap=cap, key_cap=key_cap), QUOTE, recent)
    assert want == Asked(100, output, paid, least, bool(cap), True)


def test_without_a_known_maximum_the_usual_answer_is_assumed() -> None:
    want = asked(context(), Quote(known=True), None)
    assert (want.output, want.paid, want.least) == (ASSUMED, ASSUMED, ASSUMED)


def test_embeddings_have_no_output() -> None:
    ctx = context(cap=10)
    ctx.endpoint = EMBEDDINGS
    assert asked(ctx, QUOTE, 50) == Asked(100, 0, 0, 0, False, True)


def test_a_count_takes_the_place_of_the_estimate() -> None:
    assert asked(context(), QUOTE, None, exact_input=40).input == 40


def test_cost_is_exact_and_rounded_up_once() -> None:
    assert cost(Quote(input_price=1, output_price=1), 1, 0) == 1
    assert cost(Quote(input_price=400_000, output_price=600_000), 1, 1) == 1
    assert cost(QUOTE, 1000, 100) == 2000 + 800
    assert cost(Quote(), 10**9, 10**9) == 0


def test_what_an_amount_pays_for() -> None:
    assert affordable(QUOTE, 1000, 2800) == 100
    assert affordable(QUOTE, 1000, 1999) == 0
    assert affordable(Quote(input_price=5), 1000, 1) is None


class Clock:
    now = 1_795_392_000.0  # 2026-11-23 00:00 UTC, a Monday

    def __call__(self) -> float:
        return self.now


def by_name(rules: tuple[Rule, ...], want: Asked) -> dict[str, tuple[int, int, str]]:
    return {
        c.rule.name: (c.amount, c.least, c.window) for c in program_of(rules).charges(want, QUOTE, Calendar(Clock()))
    }


def test_each_rule_is_asked_for_its_own_unit() -> None:
    limits = Limits(rpm=10, tpm=10_000, input_tpm=10_000, output_tpm=10_000, concurrency=3)
    rules = (*rules_of(limits, "key", "k"), budget_rule(Budget(usd=1, per="day"), "key", "k", ledgered=False))
    want = Asked(100, 50, 400, 60, False, True)
    assert by_name(rules, want) == {
        "rpm": (1, 1, ""),
        "concurrency": (1, 1, ""),
        "tpm": (150, 150, ""),
        "input_tpm": (100, 100, ""),
        "output_tpm": (50, 50, ""),
        "budget.day": (200 + 3200, 200 + 480, "2026-11-23"),
    }


def test_an_answer_without_a_cap_shrinks_to_what_the_limit_can_hold() -> None:
    rules = rules_of(Limits(tpm=500, output_tpm=300), "key", "k")
    assert by_name(rules, Asked(100, 1024, 1024, 1024, False, True)) == {
        "tpm": (500, 500, ""),
        "output_tpm": (300, 300, ""),
    }


def test_a_client_that_asks_for_too_much_is_told_so() -> None:
    rules = rules_of(Limits(tpm=500), "key", "k")
    assert by_name(rules, Asked(100, 1000, 1000, 1000, True, True)) == {"tpm": (1100, 1100, "")}
    # A prompt that is too long by itself is too long, cap or not.
    assert by_name(rules, Asked(600, 1000, 1000, 1000, False, True)) == {"tpm": (1600, 1600, "")}


def test_the_calendar_follows_the_clock_in_both_directions() -> None:
    clock = Clock()
    calendar = Calendar(clock)
    assert (calendar.window("day"), calendar.window("week"), calendar.window("month"), calendar.window("total")) == (
        "2026-11-23", "2026-W48", "2026-11", "total",
    )  # fmt: skip
    clock.now -= 3600
    assert (calendar.window("day"), calendar.window("week"), calendar.window("month")) == (
        "2026-11-22", "2026-W47", "2026-11",
    )  # fmt: skip
    clock.now += 9 * 86_400
    assert (calendar.window("day"), calendar.window("month")) == ("2026-12-01", "2026-12")


def test_the_default_endpoint_generates() -> None:
    assert context().endpoint is CHAT


def test_what_a_program_is_asked_about_beside_its_charges() -> None:
    rates = rules_of(Limits(rpm=5, tpm=5, soft=("tpm",)), "key", "k")
    soft = budget_rule(Budget(usd=1, hard=False), "key", "k", ledgered=False)
    hard = budget_rule(Budget(usd=1, per="day", alerts=()), "key", "k", ledgered=False)
    shown = [
        (made.money, made.hard, made.watched, made.metered)
        for made in (program_of(rates), program_of((soft,)), program_of((hard,)), program_of(()))
    ]
    assert shown == [
        (False, False, False, False), (True, False, True, False), (True, True, False, True), (False, False, False, False),
    ]  # fmt: skip


def test_programs_are_put_together_once_for_a_caller_and_a_route() -> None:
    own = rules_of(Limits(rpm=1), "key", "k")
    fast, gateway = rules_of(Limits(rpm=2), "model", "fast"), rules_of(Limits(rpm=3), "gateway", "")
    programs = Programs(gateway, {"fast": fast})
    assert programs.of(own, "fast").rules == own + fast + gateway
    assert programs.of(own, "slow").rules == own + gateway
    assert programs.of(own, "fast") is programs.of(own, "fast")
    assert programs.of((), "fast").rules == fast + gateway
