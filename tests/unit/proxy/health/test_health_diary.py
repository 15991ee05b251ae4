"""Good news is worked out late, and nobody can tell: whoever asks, and whoever brings bad news, finds all of it known."""

import pytest

from proxy.health.diary import PAGE
from proxy.policy.faults import Fault
from tests.unit.proxy.health.boards import BREAKER, A, B, Stand, heads

OUT = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "20s"}


def waiting(stand: Stand) -> int:
    diary = stand.board._register.diary
    return len(diary.heads) + len(diary.outputs)


def test_a_lone_target_is_asked_without_a_look_at_what_it_said() -> None:
    stand = Stand()
    stand.succeed()
    assert waiting(stand) == 2
    assert stand.ready(A) == ["a"]
    assert waiting(stand) == 2
    assert stand.ready(A, B) == ["a", "b"]
    assert waiting(stand) == 0


def test_a_choice_knows_the_last_word() -> None:
    stand = Stand()
    lease = stand.enter(A)
    lease.answered(200, heads(x_ratelimit_remaining_requests="7"))
    lease.answered(200, heads(**OUT))
    lease.answered(200, ())
    assert stand.ready(A, B) == ["b"]


def test_figures_know_it_too() -> None:
    stand = Stand()
    for _ in range(20):
        stand.succeed(seconds=0.5)
    assert stand.board.ttft(A) == 0.5
    stand.succeed(seconds=2.0)
    assert stand.board.percentiles((A,), 0.99)[0] == pytest.approx(2.0, rel=0.2)
    stand.succeed(seconds=3.0)
    assert stand.board.shown()[0].ttft == 3.0


def test_faults_in_a_row_are_those_since_the_last_success() -> None:
    stand = Stand()
    for _ in range(BREAKER.consecutive - 1):
        stand.fail()
    stand.succeed()
    for _ in range(BREAKER.consecutive - 1):
        stand.fail()
    assert stand.board.state(A) == "ready"
    stand.fail()
    assert stand.board.state(A) == "open"


def test_who_waits_to_hear_of_it_hears_at_once() -> None:
    stand = Stand()
    stand.open()
    stand.clock.advance(BREAKER.longest)
    probe = stand.enter()
    stand.told.clear()
    probe.first_output(0.1)
    assert stand.kinds() == ["closed"]


@pytest.mark.parametrize("ending", ["output", "fault", "left"])
def test_a_page_is_never_much_more_than_full(ending: str) -> None:
    stand = Stand()
    most = 0
    for _ in range(5 * PAGE):
        lease = stand.enter()
        lease.answered(200, heads(x_ratelimit_remaining_requests="7"))
        if ending == "output":
            lease.first_output(0.1)
        elif ending == "fault":
            lease.failed(Fault(kind="client"))
        lease.close()
        most = max(most, waiting(stand))
    assert most <= 2 * PAGE
    assert stand.board.shown()[0].keys[0].left == 1.0
