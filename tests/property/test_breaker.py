"""The breaker of one target, whatever becomes of tries and in whatever order, against what was promised of it."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from proxy.health.breaker import JITTER, SILENCE, Breaker
from proxy.policy.routes import Breaker as Settings

STEPS = st.sampled_from([0.0, 0.125, 0.5, 1.0, 4.0, 11.0, 30.0, 61.0, 400.0])
SETTINGS = st.builds(
    Settings,
    consecutive=st.integers(1, 6),
    error_rate=st.sampled_from([0.25, 0.5, 1.0]),
    minimum=st.integers(1, 12),
    window=st.sampled_from([0.5, 3.0, 10.0, 90.0]),
    cooldown=st.sampled_from([1.0, 30.0]),
    longest=st.sampled_from([30.0, 300.0]),
)
Try = tuple[int, int, float]
"""The turn in which it began, its number as a probe (0: none), and when it began."""


class Tries(RuleBasedStateMachine):
    """Tries begin where the breaker lets them (or are let through by force) and end as they like."""

    tries: Bundle[Try] = Bundle("tries")

    @initialize(settings=SETTINGS, seed=st.integers(0, 9))
    def begin(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.breaker = Breaker(settings, Random(seed))
        self.now = 1000.0
        self.probe: tuple[int, float] | None = None
        """Who has the place, and since when; -1: another process's."""
        self.row = 0
        self.opened_at = 0.0
        self.openings = 0

    def open_now(self, before: int) -> bool:
        """Has it opened since ``before``? Then by how much must be right."""
        if self.breaker.turn == before:
            return False
        assert self.breaker.turn == before + 1
        self.openings = self.openings + 1
        cooldown = self.breaker.until - self.now
        least = min(self.settings.cooldown, self.settings.longest) * (1 - JITTER)
        assert least <= cooldown <= self.settings.longest
        self.opened_at = self.now
        self.probe = None
        self.row = 0
        return True

    @rule(seconds=STEPS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=tries)
    def ask(self) -> MultipleResults[Try] | Try:
        """A request comes by."""
        takes = self.breaker.takes(self.now)
        assert takes is (self.breaker.blocked_until(self.now) <= self.now)
        if not takes:
            assert self.breaker.until > 0
            assert self.now < self.breaker.until or self.probing()
            return multiple()
        number = 0
        if self.breaker.until:
            assert self.now >= self.breaker.until, "a call while it cools"
            assert not self.probing(), "a second probe"
            number = self.breaker.begin_probe(self.now)
            self.probe = (number, self.now)
        return (self.breaker.turn, number, self.now)

    @precondition(lambda self: self.breaker.until > 0)
    @rule(target=tries)
    def force(self) -> Try:
        """The last one of a route is asked although it is open."""
        return (self.breaker.turn, 0, self.now)

    @rule(ended=consumes(tries))
    def succeed(self, ended: Try) -> None:
        turn, probe, _ = ended
        current, was_open = turn == self.breaker.turn, self.breaker.until > 0
        closed = self.breaker.succeeded(turn, self.now)
        assert closed is (current and was_open), "a success from before the opening proves nothing"
        assert not (closed and self.breaker.until)
        if current:
            self.row = 0
        if closed:
            self.probe = None
        self.silence(probe)

    @rule(ended=consumes(tries))
    def fault(self, ended: Try) -> None:
        turn, probe, _ = ended
        before, until = self.breaker.turn, self.breaker.until
        opened = self.breaker.faulted(turn, probe, self.now)
        if turn != before:
            assert not opened
            assert (self.breaker.turn, self.breaker.until) == (before, until), "a late fault extended it"
        elif until:
            assert opened is (probe != 0)
        else:
            self.row += 1
            if self.row >= self.settings.consecutive:
                assert opened
        assert opened is self.open_now(before)
        self.silence(probe)

    @rule(ended=consumes(tries))
    def leave(self, ended: Try) -> None:
        """The client left, or made a mistake of its own: nothing is learnt."""
        before = (self.breaker.turn, self.breaker.until, self.breaker.times)
        self.silence(ended[1])
        assert (self.breaker.turn, self.breaker.until, self.breaker.times) == before

    @rule(seconds=st.floats(-10, 1e6), times=st.integers(0, 1000))
    def hear_open(self, seconds: float, times: int) -> None:
        before = self.breaker.turn
        if self.breaker.heard_open(self.now, seconds, times):
            self.probe = None
            self.row = 0
            self.opened_at = self.now
            assert self.breaker.turn == before + 1
        assert self.breaker.until <= self.now + self.settings.longest

    @rule()
    def hear_probe(self) -> None:
        if self.breaker.heard_probe(self.now):
            assert not self.probing()
            self.probe = (-1, self.now)

    def silence(self, probe: int) -> None:
        """The try is over, as its lease says at the end of each."""
        had = self.probe is not None and self.probe[0] == probe
        assert self.breaker.silent(probe) is had
        if had:
            self.probe = None

    def probing(self) -> bool:
        return self.probe is not None and self.now - self.probe[1] < SILENCE

    @invariant()
    def one_probe(self) -> None:
        assert self.breaker.probing(self.now) is self.probing()

    @invariant()
    def never_for_ever(self) -> None:
        """Whatever happened, after the longest cooldown and a silent probe it takes a try."""
        breaker = self.breaker
        assert breaker.until <= self.now + self.settings.longest
        assert breaker.takes(self.now + self.settings.longest + SILENCE)

    @invariant()
    def growth_is_bounded(self) -> None:
        assert 0 <= self.breaker.times <= 30


Tries.TestCase.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
TestBreaker = Tries.TestCase
