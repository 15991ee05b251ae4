"""Which of a provider's keys is used: rests, growth, probes, what is left of limits, and who must not touch any of it."""

from collections import Counter

import pytest

from proxy.health.rests import HEALTHY
from proxy.policy.faults import Fault, FaultKind
from tests.unit.proxy.health.boards import A, B, Stand, candidate, heads

OTHER = candidate("a", "other")


def keys(stand: Stand, count: int, hint: str = "") -> list[int]:
    """Of so many tries, all closed at once."""
    found = []
    for _ in range(count):
        lease = stand.enter(A, hint=hint)
        found.append(lease.key)
        lease.close()
    return found


def fail_key(stand: Stand, key: int, kind: FaultKind, wait: float | None = None) -> None:
    lease = stand.enter(A, key=key)
    lease.failed(Fault(kind=kind, wait=wait))
    lease.close()


def say(stand: Stand, key: int, **figures: str) -> None:
    lease = stand.enter(A, key=key)
    lease.answered(200, heads(**figures))
    lease.close()


def test_keys_take_turns() -> None:
    assert Counter(keys(Stand({"a": 3}), 300)) == {0: 100, 1: 100, 2: 100}


def test_one_key_or_none() -> None:
    stand = Stand({"a": 2})
    assert stand.enter(A, key=1).key == 1
    assert stand.board.enter(A, key=2) is None
    fail_key(stand, 1, "credentials")
    assert stand.enter(A, key=1).key == 1, "nobody else can serve it"
    assert {stand.enter(A).key for _ in range(3)} == {0}


def test_a_bound_request_uses_its_key_though_others_would_do_better() -> None:
    stand = Stand({"a": 2})
    fail_key(stand, 1, "rate_limited")
    assert keys(stand, 4) == [0] * 4
    assert stand.enter(A, key=1).key == 1, "nobody else can serve it"


@pytest.mark.parametrize("kind", ["credentials", "quota"])
def test_a_refused_key_rests_for_all_models(kind: FaultKind) -> None:
    stand = Stand({"a": 2})
    stand.succeed(OTHER)
    fail_key(stand, 0, kind)
    assert keys(stand, 4) == [1] * 4
    assert stand.succeed(OTHER) == 1
    fail_key(stand, 1, kind)
    assert stand.ready(A, B) == ["b"]
    assert stand.ready(candidate("a", "never seen"), OTHER, B) == ["b"]
    assert stand.board.state(candidate("a", "never seen")) == "no_key"
    assert stand.board.back_in((A, OTHER)) == 60.0


def test_a_429_rests_the_key_for_its_model_alone() -> None:
    stand = Stand({"a": 2})
    fail_key(stand, 0, "rate_limited", wait=9.0)
    assert keys(stand, 4) == [1] * 4
    assert stand.enter(OTHER, key=0).key == 0
    fail_key(stand, 1, "rate_limited", wait=4.0)
    assert stand.ready(A, OTHER) == ["a"]
    assert stand.board.state(A) == "cooling"
    assert stand.board.back_in((A,)) == 4.0


@pytest.mark.parametrize(("wait", "rest"), [(0.0, 0.0), (0.5, 0.5), (300.0, 300.0), (1e9, 300.0), (-1.0, 0.0)])
def test_as_long_as_the_provider_asked(wait: float, rest: float) -> None:
    stand = Stand()
    stand.fail(A, "rate_limited", wait=wait)
    assert stand.board.back_in((A,)) == rest
    assert (stand.board.state(A) == "ready") is (rest == 0)


def test_a_guessed_rest_grows_from_one_second_to_thirty() -> None:
    stand, rests = Stand(), []
    for _ in range(7):
        stand.fail(A, "rate_limited")
        rests.append(stand.board.back_in((A,)))
        stand.clock.advance(rests[-1])
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_refused_key_rests_from_one_minute_to_five() -> None:
    stand, rests = Stand(), []
    for _ in range(5):
        stand.fail(A, "credentials")
        rests.append(stand.board.back_in((A,)))
        stand.clock.advance(rests[-1])
    assert rests == [60.0, 120.0, 240.0, 300.0, 300.0]


@pytest.mark.parametrize(("healthy", "rest"), [(HEALTHY - 1, 2.0), (HEALTHY, 1.0)])
def test_growth_is_forgotten_after_a_healthy_stretch(healthy: float, rest: float) -> None:
    stand = Stand()
    stand.fail(A, "rate_limited")
    stand.clock.advance(1.0)
    stand.succeed(A)
    stand.clock.advance(healthy)
    stand.fail(A, "rate_limited")
    assert stand.board.back_in((A,)) == rest


def test_refusals_of_tries_that_were_under_way_change_nothing() -> None:
    stand = Stand()
    leases = [stand.enter(A) for _ in range(10)]
    for lease in leases:
        lease.failed(Fault(kind="rate_limited"))
        stand.clock.advance(0.05)
    assert stand.board.back_in((A,)) == pytest.approx(0.5)
    assert stand.kinds() == ["rested"]


def test_a_success_that_began_before_the_rest_does_not_end_it() -> None:
    stand = Stand()
    early = stand.enter(A)
    stand.fail(A, "rate_limited", wait=9.0)
    early.answered(200, ())
    early.first_output(0.1)
    assert stand.board.state(A) == "cooling"


@pytest.mark.parametrize("kind", ["credentials", "rate_limited"])
def test_a_key_comes_back_by_one_probe(kind: FaultKind) -> None:
    stand = Stand({"a": 2})
    fail_key(stand, 0, kind, wait=5.0)
    stand.clock.advance(60.0)
    probe = stand.enter(A, key=0)
    assert keys(stand, 4) == [1] * 4, "the others wait for the probe"
    probe.answered(200, ())
    assert sorted(keys(stand, 4)) == [0, 0, 1, 1]
    assert stand.kinds() == ["rested", "probing", "freed"]


def test_a_probe_of_a_key_that_shows_nothing_gives_its_place_back() -> None:
    stand = Stand({"a": 1})
    stand.succeed(OTHER)
    stand.fail(A, "credentials")
    stand.clock.advance(60.0)
    probe = stand.enter(A)
    assert stand.ready(A, OTHER, B) == ["b"]
    assert stand.board.state(OTHER) == "probing"
    probe.close()
    assert stand.ready(A, OTHER, B) == ["a", "a", "b"]
    stand.clock.advance(1.0)
    stand.enter(OTHER)
    stand.clock.advance(61.0)
    assert stand.ready(A, OTHER, B) == ["a", "a", "b"], "a probe that hangs is not waited for"


def test_a_probe_that_was_given_up_does_not_give_the_next_ones_place_back() -> None:
    stand = Stand({"a": 1})
    stand.fail(A, "credentials")
    stand.clock.advance(60.0)
    lost = stand.enter(A)
    stand.clock.advance(61.0)
    stand.enter(A)
    lost.close()
    assert stand.ready(A, B) == ["b"]


def test_after_a_guessed_rest_a_lone_target_takes_everybody_while_one_probes() -> None:
    stand = Stand()
    stand.fail(A, "rate_limited", wait=5.0)
    stand.clock.advance(5.0)
    stand.enter(A)
    assert stand.ready(A, B) == ["b"]
    assert stand.ready(A) == ["a"]
    assert stand.board.enter(A) is not None


# ---- hints --------------------------------------------------------------------------------------------------------------


def test_equal_hints_get_the_same_key_while_it_is_usable() -> None:
    stand = Stand({"a": 4})
    before = {hint: set(keys(stand, 3, hint)) for hint in map(str, range(400))}
    assert all(len(found) == 1 for found in before.values())
    spread = Counter(found for (found,) in before.values())
    assert min(spread.values()) > 60, spread
    fail_key(stand, 2, "credentials")
    after = {hint: set(keys(stand, 1, hint)) for hint in before}
    assert all(after[hint] == before[hint] for hint in before if before[hint] != {2}), "only its own hints move"
    moved = Counter(found for hint in before if before[hint] == {2} for found in after[hint])
    assert set(moved) == {0, 1, 3}


def test_every_process_gives_a_hint_the_same_key() -> None:
    assert [keys(Stand({"a": 4}), 1, hint)[0] for hint in ("x", "y", "user-17", "\ud800")] == [3, 2, 1, 3]


# ---- limits -------------------------------------------------------------------------------------------------------------


def test_a_key_is_used_by_what_is_left_of_it() -> None:
    stand = Stand({"a": 3})
    for key, left in enumerate(("60", "30", "10")):
        say(
            stand, key, x_ratelimit_limit_tokens="100", x_ratelimit_remaining_tokens=left, x_ratelimit_reset_tokens="1m"
        )
    assert Counter(keys(stand, 400)) == {0: 240, 1: 120, 2: 40}
    stand.clock.advance(60.0)
    after = Counter(keys(stand, 300))
    assert max(after.values()) - min(after.values()) <= 2, "after the reset nothing is known"


def test_a_key_with_nothing_left_is_passed_over_until_its_reset() -> None:
    stand = Stand({"a": 2})
    say(stand, 0, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="20s")
    assert keys(stand, 4) == [1] * 4
    assert stand.enter(OTHER, key=0).key == 0, "limits are counted by model"
    stand.clock.advance(20.0)
    assert sorted(keys(stand, 4)) == [0, 0, 1, 1]
    assert stand.told == [], "nobody refused anything"


def test_a_target_with_nothing_left_is_the_last_choice_but_one() -> None:
    stand = Stand()
    say(stand, 0, anthropic_ratelimit_tokens_remaining="0", anthropic_ratelimit_tokens_reset="soon")
    assert stand.ready(A, B) == ["b"]
    assert stand.ready(A) == ["a"]
    assert stand.board.shown()[0].keys[0].reason == "limits"
    stand.clock.advance(5.0)
    assert stand.ready(A, B) == ["a", "b"]


def test_a_later_answer_corrects_an_earlier_one() -> None:
    stand = Stand()
    late = stand.enter(A)
    say(stand, 0, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="20s")
    assert stand.board.state(A) == "cooling"
    late.answered(200, heads(x_ratelimit_remaining_requests="3"))
    assert stand.board.state(A) == "ready"


def test_what_is_left_of_an_only_key_is_read_when_somebody_asks() -> None:
    stand = Stand()
    say(stand, 0, x_ratelimit_limit_tokens="100", x_ratelimit_remaining_tokens="60", x_ratelimit_reset_tokens="9s")
    stand.clock.advance(5.0)
    say(stand, 0)
    shown = stand.board.shown()[0].keys[0]
    assert (shown.left, shown.usable, shown.reason) == (0.6, True, ""), "the later answer said nothing of limits"
    stand.clock.advance(4.0)
    assert stand.board.shown()[0].keys[0].left == 1.0, "it counts from when it was said"


# ---- the client's own credentials -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["credentials", "quota", "rate_limited"])
def test_what_is_refused_to_a_clients_own_key_concerns_nobody_else(kind: FaultKind) -> None:
    stand = Stand(forwards={"a"})
    for _ in range(20):
        stand.fail(A, kind, wait=60.0)
    say(stand, 0, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="20s")
    assert stand.ready(A, B) == ["a", "b"]
    assert stand.told == []
    stand.open(A)
    assert stand.ready(A, B) == ["b"], "faults of the target are everybody's"
