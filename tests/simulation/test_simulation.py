"""The figures that routing promises, over scripted upstreams: one of three failing, all failing, rests, recovery, hedging."""

from random import Random

import pytest

from proxy.policy.faults import Fault
from proxy.policy.routes import Hedge, PolicyName

from .world import Answer, Script, World

RATE = 200.0
POLICIES: tuple[PolicyName, ...] = ("weighted", "priority", "least_busy", "lowest_latency")

FAULTS: dict[str, Answer] = {
    "5xx": Answer(0.02, Fault(kind="server_error", status=500)),
    "429 with Retry-After": Answer(0.02, Fault(kind="rate_limited", status=429, wait=20.0)),
    "429": Answer(0.02, Fault(kind="rate_limited", status=429)),
    "connect refused": Answer(0.001, Fault(kind="connect")),
    "timeout": Answer(1.0, Fault(kind="timeout")),
    "credentials refused": Answer(0.02, Fault(kind="credentials", status=401)),
}


def well(now: float, rng: Random) -> Answer:
    """Some 0.2 s."""
    return Answer(0.1 + 0.2 * rng.random())


def failing(answer: Answer, begin: float, end: float = float("inf")) -> Script:
    """As ``answer`` from ``begin`` to ``end``, else well."""
    return lambda now, rng: answer if begin <= now < end else well(now, rng)


def one_of_three(fault: str, policy: PolicyName, *, seconds: float, seed: int = 1) -> World:
    """The first of three fails from 5 s on."""
    world = World({"a": failing(FAULTS[fault], 5.0), "b": well, "c": well}, policy=policy, seed=seed)
    world.run(seconds, rate=RATE).sound()
    return world


def promised(world: World) -> None:
    assert world.errors(after=7.0) < 0.005
    assert world.attempts <= 1.2


@pytest.mark.parametrize(("fault", "policy"), [*zip(FAULTS, (*POLICIES, *POLICIES), strict=False)])
def test_one_of_three_targets_fails(fault: str, policy: PolicyName) -> None:
    promised(one_of_three(fault, policy, seconds=20.0))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_of_three_targets_fails_for_long(fault: str, policy: PolicyName) -> None:
    """Over 60 s, with three dice: 36 000 requests each, 864 000 in all."""
    for seed in (1, 2, 3):
        promised(one_of_three(fault, policy, seconds=60.0, seed=seed))


@pytest.mark.parametrize("fault", FAULTS)
def test_all_targets_fail(fault: str) -> None:
    script = failing(FAULTS[fault], 2.0)
    world = World({"a": script, "b": script, "c": script}).run(12.0, rate=RATE)
    world.sound()
    assert world.attempts <= 1.2
    assert world.errors(after=6.0) == 1.0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_all_targets_fail_for_long(fault: str) -> None:
    """Over 60 s: 48 000 requests each."""
    for policy in POLICIES:
        script = failing(FAULTS[fault], 1.0)
        world = World({"a": script, "b": script, "c": script}, policy=policy).run(60.0, rate=RATE)
        world.sound()
        assert world.attempts <= 1.2


@pytest.mark.parametrize("fault", ["5xx", "429 with Retry-After", "connect refused"])
def test_a_cooling_target_sees_nothing_but_a_probe(fault: str) -> None:
    world = World({"a": failing(FAULTS[fault], 1.0), "b": well, "c": well}).run(50.0, rate=100.0)
    world.sound()
    rested = world.called("a", 2.0, 50.0)
    # Rests of 20 s (asked for) or of 30 s and then 60 s (give or take a fifth): one try after each.
    assert 1 <= len(rested) <= 2
    assert rested[0] > 19.0


def test_a_probe_is_alone_even_when_it_takes_long() -> None:
    slow = Answer(0.9, Fault(kind="server_error", status=500))
    world = World({"a": failing(slow, 1.0), "b": well}).run(60.0, rate=100.0)
    world.sound()
    later = world.called("a", 4.0, 60.0)
    assert len(later) == 1


def test_a_target_that_recovers_gets_its_share_again() -> None:
    world = World({"a": failing(FAULTS["5xx"], 2.0, 10.0), "b": well, "c": well}).run(60.0, rate=RATE)
    world.sound()
    assert len(world.called("a", 3.0, 20.0)) <= 1
    share = len(world.called("a", 45.0, 60.0)) / sum(len(world.called(each, 45.0, 60.0)) for each in "abc")
    assert 0.28 < share < 0.39
    assert world.errors(after=4.0) == 0.0


def test_no_error_when_targets_recover_one_after_the_other() -> None:
    """Each fails in turn for a while: there are always two."""
    scripts = {
        name: failing(FAULTS["5xx"], begin, begin + 4.0) for name, begin in (("a", 2.0), ("b", 8.0), ("c", 14.0))
    }
    world = World(scripts, policy="least_busy").run(20.0, rate=RATE)
    world.sound()
    assert world.errors() < 0.005


# ---- hedging --------------------------------------------------------------------------------------------------------


def bimodal(now: float, rng: Random) -> Answer:
    """Every 33rd first token takes 5 s."""
    return Answer(5.0) if rng.random() < 0.03 else well(now, rng)


def hedged(seconds: float, hedge: Hedge | None, *, seed: int = 1) -> World:
    world = World({"a": bimodal, "b": bimodal}, hedge=hedge, seed=seed).run(seconds, rate=50.0)
    world.sound()
    return world


def pays(seconds: float, *, seed: int = 1) -> None:
    plain, raced = hedged(seconds, None, seed=seed), hedged(seconds, Hedge(after=1.0), seed=seed)
    assert plain.percentile(0.99) == 5.0
    assert raced.percentile(0.99) < 0.4 * plain.percentile(0.99)
    assert 0.02 < raced.hedges <= 0.05
    assert raced.attempts <= 1.05


def test_hedging_pays() -> None:
    pays(60.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hedging_pays_for_long() -> None:
    """60 000 requests with each of two dice."""
    for seed in (1, 2):
        pays(600.0, seed=seed)


@pytest.mark.parametrize(
    "brownout",
    [Answer(3.0), Answer(1.5, Fault(kind="overloaded", status=503))],
    ids=["all slow", "all slow and failing"],
)
def test_a_brownout_turns_hedging_off(brownout: Answer) -> None:
    scripts = {name: failing(brownout, 10.0) for name in "ab"}
    world = World(scripts, hedge=Hedge(after=1.0)).run(40.0, rate=50.0)
    world.sound()
    late = [each for each in world.ended if each.began > 20.0]
    assert sum(each.hedged for each in late) / len(late) < 0.01
    assert world.hedges <= 0.05


def test_the_live_percentile_hedges_within_its_allowance() -> None:
    world = hedged(60.0, Hedge())
    assert 0.0 < world.hedges <= 0.05
    assert world.percentile(0.99) < 5.0
