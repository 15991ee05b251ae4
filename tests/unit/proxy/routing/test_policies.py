"""Policies: what each one chooses, that the same input gives the same choice, and what holds for all of them."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import get_args

import pytest

from proxy.policy.routes import PolicyName, Slo
from proxy.policy.targets import Asking, Candidate
from proxy.routing.policies import policies
from proxy.routing.scores import Score, Scores
from tests.unit.proxy.routing.candidates import FakeBoard, candidate

A, B, C = candidate("a"), candidate("b"), candidate("c")
NOTHING = Asking()
BOARD = FakeBoard()


def chosen(
    name: PolicyName,
    candidates: Sequence[Candidate],
    asking: Asking = NOTHING,
    board: FakeBoard = BOARD,
    *,
    scores: Scores | None = None,
    seed: int = 1,
    times: int = 1,
) -> Counter[str]:
    """How often each provider is chosen."""
    policy, rng = policies(scores)[name], Random(seed)
    return Counter(policy(candidates, asking, board, rng).target.provider for _ in range(times))


def scored(**scores: float) -> Scores:
    return Scores({f"{name}/m": {"general": Score(score=score, n=10)} for name, score in scores.items()})


# ---- what holds for all ---------------------------------------------------------------------------------------------


def test_there_is_one_for_each_name() -> None:
    assert set(policies(None)) == set(get_args(PolicyName))


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_the_same_input_gives_the_same_choice(name: PolicyName) -> None:
    candidates = [candidate(f"p{at}", prices=(1000 - at, 1, 1), weight=at % 3) for at in range(20)]
    board = FakeBoard(busy={f"p{at}": at % 4 for at in range(20)}, first={f"p{at}": 0.1 * at for at in range(20)})
    scores = scored(**{f"p{at}": (at % 5) / 5 for at in range(20)})
    asking = Asking(prompt=1000, output=100, sticky="somebody")
    runs = [
        [policies(scores)[name](candidates, asking, board, Random(seed)).place for seed in range(50)] for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert all(place in {each.place for each in candidates} for place in runs[0])


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_a_sole_candidate_is_chosen_whatever_its_weight(name: PolicyName) -> None:
    assert chosen(name, [candidate("only", weight=0)]) == {"only": 1}


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_a_weight_of_0_stands_by_while_another_has_weight(name: PolicyName) -> None:
    idle = candidate("idle", weight=0, prices=(0, 0, 0))
    candidates = [idle, candidate("x", prices=(9, 9, 9)), candidate("y", prices=(9, 9, 9))]
    board = FakeBoard(busy={"x": 5, "y": 5}, first={"x": 2.0, "y": 2.0, "idle": 0.001})
    found = chosen(
        name, candidates, Asking(prompt=10, sticky="s"), board, scores=scored(idle=1, x=0.5, y=0.5), times=200
    )
    assert "idle" not in found


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_where_all_weights_are_0_one_is_chosen_all_the_same(name: PolicyName) -> None:
    candidates = [candidate("x", weight=0), candidate("y", weight=0)]
    assert sum(chosen(name, candidates, Asking(sticky="s"), times=10).values()) == 10


# ---- one by one -----------------------------------------------------------------------------------------------------


def test_priority_takes_the_first() -> None:
    assert chosen("priority", [B, A, C], times=20) == {"b": 20}


def test_weighted_keeps_to_the_weights() -> None:
    candidates = [candidate("a", weight=1), candidate("b", weight=3), candidate("c", weight=6)]
    found = chosen("weighted", candidates, times=10_000)
    assert found["a"] == pytest.approx(1000, abs=120)
    assert found["b"] == pytest.approx(3000, abs=200)
    assert found["c"] == pytest.approx(6000, abs=200)
    idle = [candidate(name, weight=0) for name in "ab"]
    assert min(chosen("weighted", idle, times=1000)[name] for name in "ab") > 400


def test_least_busy_counts_requests_for_the_weight() -> None:
    board = FakeBoard(busy={"a": 2, "b": 3, "c": 4})
    assert chosen("least_busy", [A, B, C], board=board, times=10) == {"a": 10}
    heavy = [A, B, candidate("c", weight=4)]
    assert chosen("least_busy", heavy, board=board, times=10) == {"c": 10}


def test_least_busy_draws_lots_between_equals() -> None:
    found = chosen("least_busy", [A, B, C], board=FakeBoard(busy={"c": 1}), times=1000)
    assert "c" not in found
    assert min(found["a"], found["b"]) > 400


def test_lowest_latency_prefers_the_faster_of_two() -> None:
    board = FakeBoard(first={"a": 0.2, "b": 0.4})
    assert chosen("lowest_latency", [A, B], board=board, times=100) == {"a": 100}
    queued = FakeBoard(first={"a": 0.2, "b": 0.4}, busy={"a": 2})
    assert chosen("lowest_latency", [A, B], board=queued, times=100) == {"b": 100}


def test_lowest_latency_never_chooses_the_slowest_of_three_and_spreads_over_the_others() -> None:
    board = FakeBoard(first={"a": 0.2, "b": 0.3, "c": 4.0})
    found = chosen("lowest_latency", [A, B, C], board=board, times=900)
    assert "c" not in found
    # Two drawn of three: the fastest is among them two times out of three.
    assert found["a"] == pytest.approx(600, abs=60)


def test_lowest_latency_tries_what_it_does_not_know_once_and_does_not_flood_it() -> None:
    assert chosen("lowest_latency", [A, B], board=FakeBoard(first={"a": 0.2}), times=20) == {"b": 20}
    waiting = FakeBoard(first={"a": 0.2}, busy={"b": 1})
    assert chosen("lowest_latency", [A, B], board=waiting, times=20) == {"a": 20}
    both_busy = FakeBoard(first={"a": 0.2}, busy={"a": 3, "b": 1})
    assert chosen("lowest_latency", [A, B], board=both_busy, times=20) == {"b": 20}
    nothing_known = FakeBoard(busy={"a": 2, "b": 1})
    assert chosen("lowest_latency", [A, B], board=nothing_known, times=20) == {"b": 20}


def test_lowest_cost_counts_input_output_and_what_is_cached() -> None:
    talker = candidate("talker", prices=(1_000, 9_000, 1_000))
    reader = candidate("reader", prices=(4_000, 1_000, 100))
    both = [talker, reader]
    assert chosen("lowest_cost", both, Asking(prompt=1000, output=10)) == {"talker": 1}
    assert chosen("lowest_cost", both, Asking(prompt=1000, output=1000)) == {"reader": 1}
    assert chosen("lowest_cost", both, Asking(prompt=1000, output=10, cached=900)) == {"reader": 1}


def test_lowest_cost_puts_unknown_prices_last_and_keeps_the_order_of_equals() -> None:
    dear = candidate("dear", prices=(10**9, 10**9, -1))
    asking = Asking(prompt=10, output=10)
    assert chosen("lowest_cost", [A, dear], asking) == {"dear": 1}
    assert chosen("lowest_cost", [B, A], asking) == {"b": 1}
    same = [candidate("y", prices=(5, 5, 5)), candidate("x", prices=(5, 5, 5))]
    assert chosen("lowest_cost", same, asking) == {"y": 1}


def test_best_takes_the_highest_score_and_of_equals_the_cheapest() -> None:
    cheap, dear = candidate("cheap", prices=(1, 1, 1)), candidate("dear", prices=(9, 9, 9))
    asking = Asking(prompt=10, output=10)
    assert chosen("best", [cheap, dear], asking, scores=scored(cheap=0.7, dear=0.9)) == {"dear": 1}
    assert chosen("best", [dear, cheap], asking, scores=scored(cheap=0.9, dear=0.9)) == {"cheap": 1}
    assert chosen("best", [dear, cheap], asking, scores=scored(cheap=0.0)) == {"cheap": 1}


def test_best_goes_by_the_class_of_the_prompt() -> None:
    scores = Scores(
        {
            "a/m": {"general": Score(score=0.9, n=5), "code": Score(score=0.2, n=5)},
            "b/m": {"general": Score(score=0.5, n=5)},
        }
    )
    assert chosen("best", [A, B], Asking(kind="code"), scores=scores) == {"b": 1}
    assert chosen("best", [A, B], Asking(kind="math"), scores=scores) == {"a": 1}


def test_balanced_takes_the_cheapest_that_is_good_enough() -> None:
    prices = {"small": 1, "middle": 5, "large": 50}
    candidates = [candidate(name, prices=(price, price, price)) for name, price in prices.items()]
    scores = scored(small=0.5, middle=0.82, large=0.9)
    asking = Asking(prompt=10, output=10)
    assert chosen("balanced", candidates, asking, scores=scores) == {"middle": 1}
    strict = policies(scores, quality=1.0)["balanced"]
    assert strict(candidates, asking, BOARD, Random(1)).target.provider == "large"
    lax = policies(scores, quality=0.5)["balanced"]
    assert lax(candidates, asking, BOARD, Random(1)).target.provider == "small"


def test_quality_that_is_not_known_is_not_good_enough() -> None:
    unknown = candidate("unknown", prices=(0, 0, 0))
    known = candidate("known", prices=(9, 9, 9))
    assert chosen("balanced", [unknown, known], Asking(prompt=1), scores=scored(known=0.1)) == {"known": 1}


@pytest.mark.parametrize("name", ["best", "balanced"])
@pytest.mark.parametrize("scores", [None, scored(somebody=1.0)])
def test_without_any_score_the_first_named_is_taken(name: PolicyName, scores: Scores | None) -> None:
    cheap = candidate("cheap", prices=(0, 0, 0))
    assert chosen(name, [B, cheap], Asking(prompt=1), scores=scores) == {"b": 1}


# ---- sticky ---------------------------------------------------------------------------------------------------------


def homes(candidates: Sequence[Candidate], count: int = 6000) -> dict[str, str]:
    policy = policies(None)["sticky"]
    rng = Random(1)
    return {
        key: policy(candidates, Asking(sticky=key), BOARD, rng).target.provider
        for key in (f"user-{at}" for at in range(count))
    }


def test_sticky_shares_out_evenly_and_by_weight() -> None:
    even = Counter(homes([candidate(f"openai-{at}") for at in range(4)]).values())
    assert all(count == pytest.approx(1500, abs=150) for count in even.values())
    assert len(even) == 4
    weighted = Counter(homes([candidate("a", weight=1), candidate("b", weight=3)]).values())
    assert weighted["b"] == pytest.approx(4500, abs=150)


def test_when_a_target_goes_only_its_share_moves_and_evenly() -> None:
    for weights in ((1, 2, 1, 2, 1), (2, 1, 1, 1, 1)):
        candidates = [candidate(f"p{at}", weight=weight) for at, weight in enumerate(weights)]
        before, after = homes(candidates), homes(candidates[1:])
        moved = {key for key in before if before[key] != after[key]}
        assert moved == {key for key in before if before[key] == "p0"}
        assert len({after[key] for key in moved}) == 4


def test_sticky_does_not_depend_on_the_order_or_the_public_name() -> None:
    one = homes([candidate("a"), candidate("b"), candidate("c")], 300)
    other = homes([candidate("c", public="x"), candidate("a", public="x"), candidate("b", public="x")], 300)
    assert one == other


def test_sticky_is_the_same_in_another_process() -> None:
    script = (
        "from tests.unit.proxy.routing.test_policies import homes, candidate; import json;"
        "print(json.dumps(homes([candidate(n) for n in 'abc'], 50)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert other.stdout.strip() == str(homes([A, B, C], 50)).replace("'", '"')


def test_sticky_without_a_value_draws_lots_by_weight() -> None:
    found = chosen("sticky", [A, candidate("b", weight=3)], times=4000)
    assert found["b"] == pytest.approx(3000, abs=150)


# ---- under an SLO ---------------------------------------------------------------------------------------------------

CHEAP, MIDDLE, DEAR = (
    candidate(name, prices=(price, price, -1))
    for name, price in (("cheap", 1_000_000), ("middle", 3_000_000), ("dear", 9_000_000))
)
ALL = [DEAR, CHEAP, MIDDLE]


def under(slo: Slo, late: dict[str, float], candidates: Sequence[Candidate] = ALL) -> str:
    """1000 tokens at 1, 3 and 9 dollars a million: 0.001, 0.003 and 0.009 dollars."""
    found = chosen("priority", candidates, Asking(prompt=600, output=400, slo=slo), FakeBoard(late=late))
    return next(iter(found))


def test_the_cheapest_that_meets_the_percentile() -> None:
    late = {"cheap": 2.0, "middle": 0.7, "dear": 0.3}
    assert under(Slo(ttft=0.8), late) == "middle"
    assert under(Slo(ttft=2.0), late) == "cheap"
    assert under(Slo(ttft=0.5), late) == "dear"


def test_a_latency_that_is_not_known_counts_as_met() -> None:
    assert under(Slo(ttft=0.1), {"middle": 0.05}) == "cheap"


def test_what_was_measured_before_holds_until_the_gateway_knows_a_latency_itself() -> None:
    scores = Scores(
        {
            f"{name}/m": {"general": Score(score=0.5, n=9, ttft_p95=ttft)}
            for name, ttft in (("cheap", 2.0), ("middle", 0.7))
        }
    )

    def under_scores(late: dict[str, float], ttft: float) -> str:
        asking = Asking(prompt=1000, slo=Slo(ttft=ttft))
        board = FakeBoard(late=late)
        (found,) = chosen("priority", [CHEAP, MIDDLE, DEAR], asking, board, scores=scores)
        return found

    assert under_scores({}, 0.8) == "middle", "the cheap one was measured to be too slow"
    assert under_scores({"cheap": 0.5}, 0.8) == "cheap", "and it is not any more"
    assert under_scores({"middle": 0.9}, 0.8) == "dear", "of it nothing is known, which counts as met"
    assert under_scores({"dear": 9.0}, 0.1) == "middle", "nearest by what was measured"


def test_both_targets_hold_together() -> None:
    late = {"cheap": 2.0, "middle": 0.7, "dear": 0.3}
    assert under(Slo(ttft=0.8, cost_usd=0.004), late) == "middle"
    # The only one that is fast enough costs 0.009, nine times 0.001; the cheap one is four times as slow.
    assert under(Slo(ttft=0.5, cost_usd=0.001), late) == "middle"


def test_where_none_meets_the_nearest_is_taken() -> None:
    assert under(Slo(ttft=0.1), {"cheap": 2.0, "middle": 0.7, "dear": 0.9}) == "middle"
    assert under(Slo(cost_usd=0.0001), {}) == "cheap"
    assert under(Slo(ttft=0.1), {"a": 2.0, "b": 0.7}, [A, B]) == "b"


def test_a_price_that_is_not_known_does_not_meet_a_target_of_cost() -> None:
    assert under(Slo(cost_usd=0.02), {}, [A, DEAR]) == "dear"
    assert under(Slo(ttft=1.0), {}, [A, DEAR]) == "dear"
    assert under(Slo(cost_usd=0.02, ttft=1.0), {"a": 5.0, "b": 2.0}, [A, B]) == "b"


def plainly(candidates: Sequence[Candidate], late: dict[str, float], slo: Slo) -> str:
    """The rule, word by word; costs in dollars for 1000 tokens."""

    def missed(each: Candidate) -> tuple[float, float, float]:
        price = each.facts.input_price
        cost = price / 1e9 if price >= 0 else float("inf")
        slow = late.get(each.target.provider, 0.0) / slo.ttft if slo.ttft is not None else 0.0
        dear = cost / slo.cost_usd if slo.cost_usd is not None else 0.0
        return max(slow, dear), slow, cost

    met = [each for each in candidates if missed(each)[0] <= 1]
    best = min(met, key=lambda each: missed(each)[2]) if met else min(candidates, key=missed)
    return best.target.provider


def test_it_is_the_rule_whatever_the_figures() -> None:
    rng = Random(5)
    for _ in range(2000):
        priced = [rng.choice([None, 1, 2, 2, 4, 8]) for _ in range(rng.randint(2, 6))]
        several = [
            candidate(f"p{at}", prices=None if price is None else (price * 1_000_000, price * 1_000_000, -1))
            for at, price in enumerate(priced)
        ]
        late = {each.target.provider: rng.choice([0.25, 0.5, 1.0, 2.0]) for each in several if rng.random() < 0.8}
        slo = Slo(ttft=rng.choice([None, 0.125, 0.5, 1.0]), cost_usd=rng.choice([None, 0.0005, 0.002, 0.004]))
        assert under(slo, late, several) == plainly(several, late, slo), (slo, late, priced)


@pytest.mark.parametrize("name", get_args(PolicyName))
def test_it_rules_every_policy(name: PolicyName) -> None:
    found = chosen(name, ALL, Asking(prompt=10, slo=Slo(ttft=1.0)), FakeBoard(late={"cheap": 0.5}), times=20)
    assert found == {"cheap": 20}
