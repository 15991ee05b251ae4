"""A run: threads that ask what is missing, wait when they are told to, and write down each answer before they ask the next.

It ends when all is asked, the budget is used up, it is stopped, or nothing more can come of it (``failure``).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from ..wire.values import JsonObject
from .asking import Endpoint
from .checks import Judged
from .judging import Bench, vote_in
from .questions import Question, bound_of
from .reading import Reply
from .results import Answer, Results, Source, Vote
from .spending import Purse, Tariff

NEVER = 5
"""A model that has answered nothing is given up after so many questions in a row, and one that has after ``_AGAIN``."""

_AGAIN = 25
_WAIT = 0.5
"""Seconds before a second try; doubled for each further one."""

_LONGEST = 30.0
_ASKED = 900.0
"""Seconds that a gateway may ask to wait; beyond it the question counts as failed."""

_LIMITED = 20
"""Tries of a question that meets rate limits with a time to wait, which are nobody's fault."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far a run is. ``total``: questions of this run; ``waits``: seconds until a rate limit ends, for all models."""

    total: int
    done: int
    failed: int
    spent: int
    waits: float


class _Job(Struct, kw_only=True):
    """A question on its way. ``answer`` is there when only the judge is missing."""

    question: Question
    answer: Answer | None = None
    tries: int = 0
    limited: int = 0
    due: float = 0.0


class _Model(Struct, kw_only=True):
    rests: float = 0.0
    answered: bool = False
    failures: int = 0


class Run:
    """One run over ``questions``; those that have an answer already only go to the judge, if they need one."""

    def __init__(
        self,
        questions: Iterable[Question],
        *,
        endpoint: Endpoint,
        results: Results,
        purse: Purse,
        tariffs: Mapping[str, Tariff | None],
        bench: Bench | None = None,
        concurrency: int = 4,
        retries: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._results = results
        self._purse = purse
        self._tariffs = tariffs
        self._bench = bench
        self._retries = retries
        self._clock = clock
        self._jobs = deque(self._wanted(questions))
        self._total = len(self._jobs)
        self._models = {job.question.model: _Model() for job in self._jobs}
        self._busy = self._done = self._failed = 0
        self._stopped = threading.Event()
        self._given_up = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(concurrency, self._total))]
        self.failure: str = ""
        """Why nothing more can be asked."""
        self.given_up: dict[str, str] = {}
        """Models that are not asked any more, with their last error."""

    def _wanted(self, questions: Iterable[Question]) -> Iterable[_Job]:
        for question in questions:
            answer = self._results.answers.get(question.key)
            if answer is None or answer.error:
                yield _Job(question=question)
            elif self._undecided(question, answer):
                yield _Job(question=question, answer=answer)

    def _undecided(self, question: Question, answer: Answer) -> bool:
        check = question.prompt.check
        if self._bench is None or not isinstance(check, Judged):
            return False
        key = self._bench.key(check, question.prompt.request, answer.text)
        return self._bench.verdict(check, self._results.votes.get(key, {})) is None

    # ---- from outside -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Asks nothing more; what is under way is waited for, as it is paid for."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def give_up(self) -> None:
        """Waits for nothing more: connections and the file may be closed under the threads."""
        self._given_up = True
        self.stop()

    def wait(self, seconds: float) -> bool:
        """Waits at most so long. Is it over?"""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def progress(self) -> Progress:
        """How far it is now."""
        with self._changed:
            now = self._clock()
            rests = [self._models[job.question.model].rests - now for job in self._jobs]
            return Progress(
                total=self._total,
                done=self._done,
                failed=self._failed,
                spent=self._purse.spent,
                waits=max(min(rests), 0.0) if rests and not self._busy else 0.0,
            )

    # ---- which is next ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._next()) is not None:
            finished = False
            try:
                finished = self._answered(job) and self._decided(job)
            except OSError as error:
                self._fail(f"{self._results.path} cannot be written any more ({error.strerror})")
            except Exception:
                # Given up: what it read from or wrote to was closed under it.
                if not self._given_up:
                    raise
            finally:
                # Whatever happens here, the others must not wait for it.
                with self._changed:
                    self._busy -= 1
                    self._done += finished
                    self._changed.notify_all()

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._stopped.is_set() and (self._jobs or self._busy):
                now, soonest = self._clock(), float("inf")
                for job in self._jobs:
                    due = max(job.due, self._models[job.question.model].rests)
                    if due <= now:
                        self._jobs.remove(job)
                        self._busy += 1
                        return job
                    soonest = min(soonest, due)
                self._changed.wait(soonest - now if soonest < float("inf") else None)
            self._changed.notify_all()
            return None

    def _again(self, job: _Job, wait: float) -> None:
        with self._changed:
            job.due = self._clock() + wait
            self._jobs.appendleft(job)

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.stop()

    # ---- one question -----------------------------------------------------------------------------------------------

    def _answered(self, job: _Job) -> bool:
        """Asks, unless it has been. Is the question through, with an answer or a failure for good?"""
        if job.answer is not None:
            return True
        question = job.question
        reply = self._asked(question.body, question.bound)
        if reply is None:
            return False
        job.tries += 1
        failed = bool(reply.error) or reply.fallback
        again = failed and self._waits(job, reply)
        line = self._line(job, reply)
        if not again or line.cost:
            self._append(line)
        if not failed:
            job.answer = line
        self._count(question.model, reply, failed=failed, again=again)
        return not again

    def _asked(self, body: JsonObject, bound: int) -> Reply | None:
        """One try, within the purse; ``None``: there is not enough left, or the run was stopped."""
        if not self._purse.hold(bound):
            self.stop()
            return None
        if self._stopped.is_set():
            self._purse.settle(bound, 0)
            return None
        cost = bound
        try:
            reply = self._endpoint.ask(body)
            cost, _ = self._cost(str(body["model"]), reply, bound)
        finally:
            self._purse.settle(bound, cost)
        return reply

    def _waits(self, job: _Job, reply: Reply) -> bool:
        """Puts the question back for another try, if one may do better."""
        if not reply.passing or self._stopped.is_set():
            return False
        if reply.wait is not None and reply.status in (429, 503):
            if reply.wait > _ASKED or job.limited >= _LIMITED:
                return False
            job.limited += 1
            with self._changed:
                model = self._models[job.question.model]
                model.rests = max(model.rests, self._clock() + reply.wait)
            self._again(job, reply.wait)
            return True
        if job.tries - job.limited > self._retries:
            return False
        self._again(job, min(_WAIT * 2 ** (job.tries - job.limited - 1), _LONGEST))
        return True

    def _line(self, job: _Job, reply: Reply) -> Answer:
        question, usage = job.question, reply.usage
        cost, source = self._cost(question.model, reply, question.bound)
        error, detail = reply.error, reply.detail
        if reply.fallback and not error:
            error, detail = "fallback", f"another model answered in its place: {reply.place or 'it is not known which'}"
        return Answer(
            key=question.key,
            prompt=question.prompt.id,
            model=question.model,
            place=reply.place,
            text="" if error else reply.text,
            error=error,
            detail=detail,
            finish=reply.finish,
            prompt_tokens=usage.prompt if usage is not None else None,
            output_tokens=usage.output if usage is not None else None,
            cost=cost,
            cost_from=source,
            ttft=reply.ttft,
            seconds=reply.seconds,
            tries=job.tries,
        )

    def _cost(self, model: str, reply: Reply, bound: int) -> tuple[int, Source]:
        """(micro-dollars, where they are from) of one try."""
        tariff = self._tariffs.get(model)
        if reply.charged is not None:
            return reply.charged, "charged"
        if not reply.begun:
            return 0, "tokens"
        if tariff is None:
            return 0, "unknown"
        if reply.usage is None or reply.fallback:
            return bound, "bound"
        return tariff.at(reply.place).of(reply.usage.prompt, reply.usage.output), "tokens"

    def _count(self, name: str, reply: Reply, *, failed: bool, again: bool) -> None:
        """A key that is refused ends the run, a model that fails on and on is left alone."""
        with self._changed:
            model = self._models[name]
            if not failed:
                model.answered, model.failures = True, 0
                return
            if again:
                return
            self._failed += 1
            model.failures += 1
            if model.failures >= (_AGAIN if model.answered else NEVER):
                self.given_up.setdefault(name, f"{reply.error or 'fallback'}: {reply.detail}".rstrip(": "))
                self._jobs = deque(job for job in self._jobs if job.question.model != name)
        if reply.status == 401:
            self._fail(f"the key is refused: {reply.detail}")

    def _append(self, line: Answer | Vote) -> None:
        with self._changed:
            self._results.append(line)

    # ---- the judge --------------------------------------------------------------------------------------------------

    def _decided(self, job: _Job) -> bool:
        """Takes votes until they decide. Is there nothing more to do for the question?"""
        check, answer, bench = job.question.prompt.check, job.answer, self._bench
        if bench is None or answer is None or not isinstance(check, Judged):
            return True
        request = job.question.prompt.request
        key = bench.key(check, request, answer.text)
        while bench.verdict(check, votes := self._results.votes.get(key, {})) is None:
            turn = len(votes)
            body = bench.body(check, request, answer.text, turn)
            reply = self._voted(body)
            if reply is None or (reply.error and not reply.begun):
                return False
            # What broke off has cost something, so it counts as a vote: one that nobody could read.
            passed, why = (None, reply.detail) if reply.error else vote_in(reply.text)
            cost, _ = self._cost(bench.model, reply, bound_of(body, self._tariffs.get(bench.model)))
            self._append(Vote(key=key, turn=turn, passed=passed, why=why, cost=cost))
        return True

    def _voted(self, body: JsonObject) -> Reply | None:
        """The judge's reply, after as many tries as a question gets; ``None``: stopped, or the budget is used up."""
        bound, tries, limited = bound_of(body, self._tariffs.get(str(body["model"]))), 0, 0
        while (reply := self._asked(body, bound)) is not None:
            if not reply.error or reply.begun or not reply.passing:
                break
            if reply.wait is not None and reply.wait <= _ASKED and limited < _LIMITED:
                limited, wait = limited + 1, reply.wait
            elif tries < self._retries:
                wait, tries = min(_WAIT * 2**tries, _LONGEST), tries + 1
            else:
                break
            if self._stopped.wait(wait):
                return None
        return reply
