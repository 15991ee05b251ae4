"""A changed configuration on trial: some requests get it, the others the old one, and what they come to decides which one stays."""

from collections.abc import Callable
from random import Random
from typing import Protocol

from msgspec import Struct

from ..context import RequestContext
from ..policy.routes import Canary as Rule
from ..protocols import Clock
from .arm import Arm, Result
from .verdict import Figures, Verdict, verdict

WORD = "canary"
"""What words to other workers begin with."""


class CanaryRecords(Protocol):
    """Where it shows. Never blocks, never raises."""

    def began(self, share: float, seconds: float) -> None:
        """A trial has begun."""

    def judged(self, arm: str, result: str) -> None:
        """A request counted."""

    def ended(self, verdict: str, said: str) -> None:
        """It is over: promoted, superseded, or taken back; ``said`` gives the figures."""


class Trial:
    """One trial: two arms, and the share of requests that the new one gets."""

    def __init__(self, rule: Rule, digest: str, *, begun: float, random: Random, records: CanaryRecords) -> None:
        """``digest`` tells the changed configuration from others."""
        self.rule = rule
        self.digest = digest
        self.begun = begun
        self.base = Arm("base")
        self.trial = Arm("trial")
        self.told: Verdict = ""
        """What another worker found."""
        self._random = random
        self._records = records

    def choose(self) -> bool:
        """Is the next request the trial's? Each is drawn for itself: whoever meets a bad trial tries again and mostly meets the base."""
        return self._random.random() < self.rule.share

    def note(self, arm: Arm, ctx: RequestContext) -> None:
        """A request of ``arm`` has ended."""
        result: Result = arm.note(ctx)
        if result:
            self._records.judged(arm.name, result)


class Ended(Struct, frozen=True):
    """A trial is over. ``kept``: is the new configuration everybody's now? ``said``: why, in a sentence."""

    kept: bool
    said: str


class Canary:
    """The trials of one process, one at a time."""

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        records: CanaryRecords,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        """``clock``: monotonic seconds."""
        self._clock = clock
        self._random = random
        self._records = records
        self.tell = tell
        """Says a word to the other workers, which they give to ``heard``."""
        self.trial: Trial | None = None
        self.refusal = ""
        """Why the configuration of the file is not in use; empty when it is, or may yet be."""

    def begin(self, rule: Rule, digest: str) -> Trial:
        """The configuration ``digest`` goes on trial; one that is on trial has been overtaken."""
        self.end()
        self._records.began(rule.share, rule.seconds)
        self.trial = Trial(rule, digest, begun=self._clock(), random=self._random, records=self._records)
        return self.trial

    def end(self) -> None:
        """Another configuration takes the place of the one on trial, or of the one that was taken back."""
        if self.trial is not None:
            self._records.ended("superseded", "another configuration came")
        self.trial, self.refusal = None, ""

    def look(self) -> Ended | None:
        """Called again and again: has the trial ended?"""
        trial = self.trial
        if trial is None:
            return None
        base, new = trial.base.figures(), trial.trial.figures()
        own = verdict(trial.rule, base=base, trial=new, elapsed=self._clock() - trial.begun)
        # What was seen here to be bad is not made good by what another saw.
        found = trial.told or own if own in ("", "promoted") else own
        if not found:
            return None
        if not trial.told:
            self.tell(f"{WORD} {trial.digest} {found}")
        self.trial = None
        said = _said(found, base, new)
        self.refusal = "" if found == "promoted" else said
        self._records.ended(found, said)
        return Ended(found == "promoted", said)

    def heard(self, word: str) -> None:
        """A word of another worker: what it found holds here too, where the same configuration is on trial."""
        kind, _, rest = word.partition(" ")
        digest, _, found = rest.partition(" ")
        if kind == WORD and self.trial is not None and digest == self.trial.digest:
            self.trial.told = "promoted" if found == "promoted" else "elsewhere"


def _said(found: Verdict, base: Figures, trial: Figures) -> str:
    figures = (
        f"{trial.errors} of {trial.requests} requests failed ({base.errors} of {base.requests} without it), "
        f"p95 to the first output {trial.p95:.3f} s ({base.p95:.3f} s)"
    )
    match found:
        case "promoted":
            return f"the changed configuration proved itself and is in use: {figures}"
        case "failing":
            why = "none of its first requests was answered"
        case "errors":
            why = "it failed too often"
        case "latency":
            why = "it was too slow"
        case _:
            why = "another worker found it wanting"
    return f"the changed routing was tried and taken back, {why}: {figures}. Change the file to try again."
