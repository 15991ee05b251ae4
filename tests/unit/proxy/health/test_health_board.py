"""Who takes requests now: targets that are given up, rest, are full or are the last of their route."""

import pytest
from msgspec import structs

from proxy.health.changes import Change
from proxy.health.register import Register
from proxy.policy.faults import ACTIONS, Fault, FaultKind
from proxy.policy.routes import Breaker
from proxy.protocols import Board, Lease
from tests.unit.proxy.health.boards import ALL, BREAKER, A, B, C, Stand, candidate


def test_it_is_a_board_and_gives_leases() -> None:
    board: Board = Stand().board
    lease: Lease | None = board.enter(A)
    assert lease is not None


def test_where_all_is_well_the_candidates_come_back_as_they_are() -> None:
    stand = Stand()
    stand.succeed(A)
    assert stand.board.ready(ALL) is ALL
    assert [stand.board.state(each) for each in ALL] == ["ready"] * 3
    assert stand.board.back_in(ALL) == 0.0


def test_a_target_that_fails_is_left_out_until_one_probe_has_shown_that_it_is_well() -> None:
    stand = Stand()
    stand.open(B)
    assert stand.ready() == ["a", "c"]
    assert stand.board.enter(B) is None
    stand.clock.advance(stand.board.back_in((B,)))
    assert stand.ready() == ["a", "b", "c"]
    assert stand.board.state(B) == "ready"
    probe = stand.enter(B)
    assert (stand.board.state(B), stand.ready()) == ("probing", ["a", "c"])
    assert stand.board.enter(B) is None
    probe.first_output(0.1)
    assert (stand.board.state(B), stand.ready()) == ("ready", ["a", "b", "c"])
    probe.close()
    assert stand.kinds() == ["opened", "probing", "closed"]


def test_a_probe_that_fails_opens_it_for_longer() -> None:
    stand = Stand()
    stand.open(B)
    first = stand.board.back_in((B,))
    stand.clock.advance(first)
    stand.fail(B, "timeout")
    assert stand.board.back_in((B,)) > first * 1.2
    assert stand.ready() == ["a", "c"]
    last = stand.told[-1]
    assert (last.kind, last.reason, last.times) == ("opened", "timeout", 2)


@pytest.mark.parametrize("kind", [None, "client", "rate_limited", "context_length"])
def test_a_probe_that_shows_nothing_gives_its_place_back(kind: FaultKind | None) -> None:
    stand = Stand({"b": 2})
    stand.open(B)
    stand.clock.advance(stand.board.back_in((B,)))
    probe = stand.enter(B)
    if kind is not None:
        probe.failed(Fault(kind=kind))
    assert stand.board.enter(B) is None
    probe.close()
    assert stand.board.enter(B) is not None
    assert stand.kinds()[-2:] == ["unproved", "probing"]


def test_only_faults_of_the_target_open_it() -> None:
    for kind, action in ACTIONS.items():
        stand = Stand({"a": 1})
        for _ in range(30):
            stand.board.ready((A,))
            lease = stand.board.enter(A)
            if lease is not None:
                lease.failed(Fault(kind=kind, status=404))
                lease.close()
        assert (stand.board.state(A) == "open") is action.counts, kind
        assert stand.board.inflight(A) == 0


@pytest.mark.parametrize(("model", "status"), [("m", 0), ("", 404), ("", 403)])
def test_a_request_for_what_a_target_does_not_have_says_nothing_of_it(model: str, status: int) -> None:
    """Of an operation that the provider has not nothing was sent; a path without a model misses none."""
    stand, target = Stand({"a": 1}), candidate("a", model)
    for _ in range(30):
        lease = stand.enter(target)
        lease.failed(Fault(kind="model_missing", status=status))
        lease.close()
    assert stand.board.state(target) == "ready"


def test_the_clients_mistakes_change_nothing_at_all() -> None:
    stand = Stand()
    for kind, action in ACTIONS.items():
        if not action.counts and not action.cools:
            for _ in range(100):
                stand.fail(A, kind)
    assert stand.board.ready(ALL) is ALL
    assert stand.told == []


def test_a_try_counts_once() -> None:
    stand = Stand()
    lease = stand.enter(A)
    for _ in range(20):
        lease.failed(Fault(kind="connect"))
    lease.first_output(0.1)
    assert stand.board.state(A) == "ready"
    assert stand.board.ttft(A) == 0.0
    for _ in range(3):
        lease.close()
    assert stand.board.inflight(A) == 0


def test_answers_that_break_off_after_their_first_output_count_by_their_share() -> None:
    stand = Stand()
    for _ in range(10):
        lease = stand.enter(A)
        lease.first_output(0.1)
        lease.failed(Fault(kind="cut"))
        lease.close()
    assert stand.board.state(A) == "open"


# ---- the last one -------------------------------------------------------------------------------------------------------


def test_of_targets_with_faults_the_first_to_come_back_is_left() -> None:
    stand = Stand()
    for each in (B, A, C):
        stand.open(each)
        stand.clock.advance(8.0)
    assert stand.ready() == ["b"]
    assert stand.board.enter(A) is None
    for _ in range(50):
        assert stand.ready() == ["b"]
        stand.fail(B)
    assert stand.board.back_in(ALL) <= 12.0, "its cooldown is not made longer by it"


def test_a_lone_target_is_never_ejected_and_its_first_success_closes_it() -> None:
    stand = Stand()
    stand.open(A)
    for _ in range(20):
        assert stand.board.enter(A) is None or stand.ready(A) == ["a"]
        assert stand.ready(A) == ["a"]
        stand.fail(A)
    assert stand.ready(A) == ["a"]
    stand.succeed(A)
    assert stand.board.state(A) == "ready"


def test_a_lone_target_takes_everybody_while_one_probes() -> None:
    stand = Stand()
    stand.open(A)
    stand.clock.advance(stand.board.back_in((A,)))
    stand.enter(A)
    assert stand.board.state(A) == "probing"
    assert stand.ready(A) == ["a"]
    assert stand.board.enter(A) is not None


def test_what_is_left_for_one_route_is_left_for_that_route_alone() -> None:
    stand = Stand()
    stand.open(A)
    lone = candidate("a", queue=1.0)
    assert stand.ready(lone) == ["a"]
    assert stand.board.enter(A) is None
    assert stand.board.enter(lone) is not None
    stand.clock.advance(1.1)
    assert stand.board.enter(lone) is None, "ready was asked long ago"


def test_the_last_one_is_excluded_when_its_provider_asked() -> None:
    stand = Stand()
    stand.fail(A, "rate_limited", wait=7.0)
    assert stand.board.state(A) == "cooling"
    assert stand.ready(A) == []
    assert stand.board.enter(A) is None
    assert stand.board.back_in((A,)) == 7.0
    assert stand.ready() == ["b", "c"]


@pytest.mark.parametrize("kind", ["credentials", "quota"])
def test_the_last_one_is_left_though_its_only_key_was_refused(kind: FaultKind) -> None:
    """The next refusal says more than we could; with another target nobody asks it again."""
    stand = Stand()
    stand.fail(A, kind)
    assert stand.board.state(A) == "no_key"
    assert stand.ready() == ["b", "c"]
    assert stand.board.enter(A) is None, "ready did not leave it"
    assert stand.ready(A) == ["a"]
    assert stand.board.enter(A) is not None


def test_where_nothing_rests_nothing_does() -> None:
    stand = Stand(breaker=Breaker(enabled=False))
    for _ in range(30):
        stand.fail(A, "server_error")
    stand.fail(A, "rate_limited", wait=7.0)
    stand.fail(A, "credentials")
    assert stand.ready() == ["a", "b", "c"]
    assert stand.board.enter(A) is not None


def test_faults_and_a_rest_together_leave_the_one_that_has_faults_alone() -> None:
    stand = Stand()
    stand.fail(A, "rate_limited", wait=1.0)
    stand.open(B)
    assert stand.ready(A, B) == ["b"]


def test_a_lone_target_without_a_retry_after_keeps_being_asked() -> None:
    stand = Stand()
    for _ in range(20):
        assert stand.ready(A) == ["a"]
        stand.fail(A, "rate_limited")
    assert stand.ready(A, B) == ["b"], "with another one it rests"


def test_nothing_is_left_of_nothing() -> None:
    stand = Stand()
    stand.open(A)
    assert list(stand.board.ready(())) == []
    assert stand.board.back_in(()) == 0.0


# ---- what is known ------------------------------------------------------------------------------------------------------


def test_figures_of_targets() -> None:
    stand = Stand()
    stand.succeed(A, 0.5)
    stand.enter(A)
    stand.open(B)
    first, second, third = stand.board.figures(ALL)
    assert (first.place, first.state, first.ttft, first.inflight) == ("a/m", "ready", 0.5, 1)
    assert (second.state, third.ttft, third.inflight) == ("open", 0.0, 0)
    for _ in range(30):
        stand.succeed(A, 0.5)
    assert stand.board.percentile(A, 0.95) == pytest.approx(0.5, rel=0.19)
    assert stand.board.percentile(C, 0.95) is None


def test_what_is_shown_to_the_operator() -> None:
    stand = Stand({"a": 2, "b": 1})
    stand.open(B)
    stand.fail(A, "credentials")
    lease = stand.enter(candidate("a", "other", capacity=1))
    assert lease.key == 1
    a, other, b = stand.board.shown()
    assert [(each.provider, each.model, each.state) for each in (a, other, b)] == [
        ("a", "m", "ready"),
        ("a", "other", "full"),
        ("b", "m", "open"),
    ]
    assert [(key.usable, key.reason) for key in a.keys] == [(False, "credentials"), (True, "")]
    assert a.keys[0].back_in == 60.0
    assert (b.reason, b.openings) == ("server_error", 1)
    assert (other.inflight, other.back_in, b.back_in > 20) == (1, 0.0, True)


def test_names_are_bounded_and_what_is_in_use_or_unwell_is_kept() -> None:
    stand = Stand({"a": 1, "b": 1}, limit=50)
    stand.open(B)
    held = stand.enter(candidate("a", "held"))
    for number in range(500):
        stand.succeed(candidate("a", f"m{number}"))
        if number % 7 == 0:
            stand.succeed(A)
    shown = {(each.provider, each.model) for each in stand.board.shown()}
    assert len(shown) == 50
    assert {("b", "m"), ("a", "held"), ("a", "m")} <= shown
    assert stand.board.state(B) == "open"
    assert stand.board.percentile(A, 0.5) is not None, "it was in use all the time"
    held.close()


def test_when_all_are_unwell_one_is_forgotten_all_the_same() -> None:
    stand = Stand({"a": 1}, limit=5)
    for number in range(40):
        stand.open(candidate("a", f"m{number}"))
    assert len(stand.board.shown()) == 5
    assert stand.ready(*(candidate("a", f"m{number}") for number in range(35))) == ["a"] * 35, "forgotten is well"


# ---- reloads ------------------------------------------------------------------------------------------------------------


def test_a_reload_keeps_what_is_known() -> None:
    stand = Stand()
    stand.open(A)
    stand.succeed(B, 0.5)
    stand.fail(C, "credentials")
    stand.board.use(BREAKER, provider_keys={"a": 2, "b": 1, "c": 2})
    assert stand.board.ttft(B) == 0.5
    assert stand.board.state(A) == "open"
    assert stand.succeed(C) == 1, "its new key"
    assert [key.usable for key in stand.board.shown()[2].keys] == [False, True]


def test_a_provider_that_was_changed_begins_anew() -> None:
    stand = Stand()
    late = stand.enter(A)
    stand.open(A)
    stand.fail(C, "credentials")
    stand.board.use(BREAKER, provider_keys={"a": 1, "b": 1, "c": 1}, changed={"a", "c"})
    assert stand.board.ready(ALL) is ALL
    for _ in range(10):
        late.failed(Fault(kind="connect"))
    late.close()
    assert stand.board.inflight(A) == 0
    assert stand.board.ready(ALL) is ALL


def test_fewer_keys_and_providers_that_are_gone() -> None:
    stand = Stand({"a": 3, "b": 1})
    leases = [stand.enter(A) for _ in range(3)]
    stand.succeed(B)
    stand.open(B)
    stand.board.use(Breaker(consecutive=1), provider_keys={"a": 1})
    for lease in leases:
        lease.failed(Fault(kind="credentials"))
        lease.close()
    assert stand.board.state(A) == "no_key"
    assert [(each.provider, len(each.keys)) for each in stand.board.shown()] == [("a", 1)]
    stand.clock.advance(60.0)
    stand.fail(A)
    assert stand.board.state(A) == "open", "one fault is enough now"


def test_words_said_again_and_again_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a whole key each makes every target of its provider be looked at: once for what is new."""
    stand, looks, refresh = Stand({"a": 1}), list[str](), Register.refresh_provider

    def counted(register: Register, provider: str, now: float) -> None:
        looks.append(provider)
        refresh(register, provider, now)

    monkeypatch.setattr(Register, "refresh_provider", counted)
    rested = Change(kind="rested", provider="a", model="", key=0, seconds=200.0, reason="credentials")
    for change in (rested, rested, structs.replace(rested, seconds=1.0), structs.replace(rested, kind="unproved")):
        stand.board.heard(change)
    assert looks == ["a"]
    stand.clock.advance(250.0)
    for _ in range(3):
        stand.board.heard(structs.replace(rested, kind="probing"))
    assert looks == ["a", "a"]
    for _ in range(3):
        stand.board.heard(structs.replace(rested, kind="freed"))
    assert looks == ["a", "a", "a"]
