"""What a comparison comes to: quality with intervals, cost, times and errors of each model, by class, and who is beaten by nobody."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ..benchmark.statistics import Summary, summarise
from ..routing.kinds import kind_of
from .checks import Judged
from .dataset import Dataset, Prompt
from .grading import Verdict, grade
from .intervals import Gap, Placed, front, gap, wilson
from .judging import Bench
from .matching import Matcher
from .questions import Question
from .results import Answer, Results
from .spending import MICRO

PERCENTS = (50.0, 95.0, 99.0)
_TRUNCATED = "length"


class Quality(Struct, frozen=True, kw_only=True):
    """``share`` of ``graded`` answers that passed, with its 95 % interval; ``None`` and nothing known where none was graded."""

    graded: int
    passed: int
    share: float | None
    low: float
    high: float


class Graded(Struct, frozen=True, kw_only=True):
    """One question, how it went and how it was judged; ``kind`` is the class that routing would give the prompt."""

    prompt: Prompt
    model: str
    answer: Answer | None
    verdict: Verdict
    kind: str


class Model(Struct, frozen=True, kw_only=True):
    """Of one model. Times in seconds, of answers; ``cost_per_1000`` in US dollars, ``None`` where the price is not known.

    ``places``: which targets answered, with how many answers; ``errors``: codes of questions that failed; ``unasked``: questions
    that were not asked, or were under way when the run ended; ``empty``: answers without any text.
    """

    model: str
    places: dict[str, int]
    prompts: int
    answered: int
    unasked: int
    errors: dict[str, int]
    details: dict[str, str]
    ungraded: int
    doubts: dict[str, int]
    truncated: int
    empty: int
    quality: Quality
    classes: dict[str, "Class"]
    cost: float
    cost_per_1000: float | None
    output_tokens: float | None
    ttft: Summary | None
    seconds: Summary | None


class Class(Struct, frozen=True, kw_only=True):
    """Of one model in one class of prompts. Seconds and US dollars."""

    prompts: int
    answered: int
    errors: dict[str, int]
    quality: Quality
    ttft_p95: float | None
    seconds_p95: float | None
    cost_per_1000: float | None


class Comparison(Struct, frozen=True, kw_only=True):
    """The whole. ``spent``: US dollars of all that the results file tells, ``judged`` the judge's part of it.

    ``fronts``: against ``cost`` and ``seconds_p95``, the models to which no other is at least as good in both and better in one.
    """

    dataset: str
    digest: str
    generated: str
    prompts: int
    broken: list[str]
    judge: str
    spent: float
    judged: float
    models: list[Model]
    classes: list[str]
    gaps: list[Gap]
    fronts: dict[str, list[str]]
    notes: list[str]

    @property
    def unasked(self) -> int:
        """Questions without an answer and without an error of their own."""
        return sum(model.unasked for model in self.models)

    @property
    def failed(self) -> int:
        """Questions that failed for good."""
        return sum(sum(model.errors.values()) for model in self.models)


def graded(questions: Iterable[Question], results: Results, bench: Bench | None, matcher: Matcher) -> list[Graded]:
    """The verdicts as they are now: rules are applied anew, of the judge what is on file."""
    return [_graded(question, results, bench, matcher) for question in questions]


def _graded(question: Question, results: Results, bench: Bench | None, matcher: Matcher) -> Graded:
    answer = results.answers.get(question.key)
    check, verdict = question.prompt.check, Verdict(None)
    if answer is None or answer.error or check is None:
        pass
    elif not isinstance(check, Judged):
        verdict = grade(check, answer.text, matcher)
    elif bench is None:
        verdict = Verdict(None, "it wants a judge, and none was named (--judge)")
    else:
        votes = results.votes.get(bench.key(check, question.prompt.request, answer.text), {})
        verdict = bench.verdict(check, votes) or Verdict(None, "the judge has not been asked, or did not answer")
    return Graded(
        prompt=question.prompt, model=question.model, answer=answer, verdict=verdict, kind=routed_kind(question.prompt)
    )


def routed_kind(prompt: Prompt) -> str:
    """The class that the gateway gives a request with this prompt when it looks up a score."""
    return kind_of(json.dumps(prompt.request, ensure_ascii=False).encode())


def summed_up(
    dataset: Dataset,
    models: Sequence[str],
    found: Sequence[Graded],
    results: Results,
    *,
    bench: Bench | None,
    generated: str,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """The figures. ``seed``: of the intervals that are drawn."""
    by_model = {name: [each for each in found if each.model == name] for name in models}
    rows = [_model(name, by_model[name]) for name in models]
    return Comparison(
        dataset=dataset.name,
        digest=dataset.digest,
        generated=generated,
        prompts=len(dataset.prompts),
        broken=[str(each) for each in dataset.broken],
        judge=bench.model if bench is not None else "",
        spent=results.spent / MICRO,
        judged=results.judged / MICRO,
        models=rows,
        classes=list(dict.fromkeys(prompt.kind for prompt in dataset.prompts)),
        gaps=_gaps(models, by_model, seed),
        fronts={
            "cost": _front((row.model, row.cost_per_1000, row.quality.share) for row in rows),
            "seconds_p95": _front((row.model, p95(row.seconds), row.quality.share) for row in rows),
        },
        notes=[*notes, *_doubtful(rows, bench)],
    )


def _model(name: str, found: Sequence[Graded]) -> Model:
    answers = [each.answer for each in found if each.answer is not None and not each.answer.error]
    failed = [each.answer for each in found if each.answer is not None and each.answer.error]
    doubts = [each.verdict.why for each in found if each.verdict.passed is None and each.verdict.why]
    tokens = [answer.output_tokens for answer in answers if answer.output_tokens is not None]
    kinds = dict.fromkeys(each.prompt.kind for each in found)
    return Model(
        model=name,
        places=dict(Counter(answer.place for answer in answers if answer.place).most_common()),
        prompts=len(found),
        answered=len(answers),
        unasked=len(found) - len(answers) - len(failed),
        errors=dict(Counter(answer.error for answer in failed).most_common()),
        details={answer.error: answer.detail for answer in failed},
        ungraded=sum(
            each.verdict.passed is None and each.prompt.check is not None for each in found if _answered(each)
        ),
        doubts=dict(Counter(doubts).most_common(5)),
        truncated=sum(answer.finish == _TRUNCATED for answer in answers),
        empty=sum(not answer.text.strip() for answer in answers),
        quality=quality(found),
        classes={kind: _class([each for each in found if each.prompt.kind == kind]) for kind in kinds},
        cost=sum(answer.cost for answer in answers + failed) / MICRO,
        cost_per_1000=_per_1000(answers),
        output_tokens=sum(tokens) / len(tokens) if tokens else None,
        ttft=summarise([answer.ttft for answer in answers if answer.ttft is not None], PERCENTS),
        seconds=summarise([answer.seconds for answer in answers], PERCENTS),
    )


def _class(found: Sequence[Graded]) -> Class:
    answers = [each.answer for each in found if each.answer is not None and not each.answer.error]
    failed = [each.answer.error for each in found if each.answer is not None and each.answer.error]
    return Class(
        prompts=len(found),
        answered=len(answers),
        errors=dict(Counter(failed).most_common()),
        quality=quality(found),
        ttft_p95=p95(summarise([answer.ttft for answer in answers if answer.ttft is not None], PERCENTS)),
        seconds_p95=p95(summarise([answer.seconds for answer in answers], PERCENTS)),
        cost_per_1000=_per_1000(answers),
    )


def _answered(each: Graded) -> bool:
    return each.answer is not None and not each.answer.error


def quality(found: Iterable[Graded]) -> Quality:
    """Over the answers that have a verdict. What was not answered, or could not be judged, is told elsewhere."""
    verdicts = [each.verdict.passed for each in found if each.verdict.passed is not None]
    n, passed = len(verdicts), sum(verdicts)
    low, high = wilson(passed, n)
    return Quality(graded=n, passed=passed, share=passed / n if n else None, low=low, high=high)


def p95(summary: Summary | None) -> float | None:
    """The 95th percentile, if anything was measured."""
    return summary.percentiles[95.0] if summary is not None else None


def _per_1000(answers: Sequence[Answer]) -> float | None:
    """US dollars for a thousand answers, over those whose cost is known."""
    known = [answer.cost for answer in answers if answer.cost_from != "unknown"]
    if not known:
        return None
    return sum(known) / len(known) / MICRO * 1000


def _gaps(models: Sequence[str], found: Mapping[str, Sequence[Graded]], seed: int) -> list[Gap]:
    """Each model against each later one, on the prompts on which both have a verdict."""
    verdicts = {
        name: {each.prompt.id: each.verdict.passed for each in found[name] if each.verdict.passed is not None}
        for name in models
    }
    gaps = []
    for at, first in enumerate(models):
        for second in models[at + 1 :]:
            ours, theirs = verdicts[first], verdicts[second]
            gaps.append(gap(first, second, [(ours[each], theirs[each]) for each in ours if each in theirs], seed=seed))
    return gaps


def _front(places: Iterable[tuple[str, float | None, float | None]]) -> list[str]:
    known = [Placed(name, cost, share) for name, cost, share in places if cost is not None and share is not None]
    return [place.model for place in front(known)]


def _doubtful(rows: Sequence[Model], bench: Bench | None) -> list[str]:
    """What a reader must know before trusting the figures."""
    notes = []
    for row in rows:
        failed = sum(row.errors.values())
        if failed and failed >= row.prompts / 20:
            codes = ", ".join(f"{code} ({times})" for code, times in row.errors.items())
            notes.append(f"{row.model} failed {failed} of {row.prompts} questions: {codes}. They are not graded.")
        if row.unasked:
            notes.append(f"{row.model} was not asked {row.unasked} of {row.prompts} questions.")
        if row.truncated:
            cut = _answers(row.truncated, row.model, "was", "were")
            notes.append(f"{cut} cut at the limit of tokens; --max-tokens raises it.")
        if row.empty:
            notes.append(f"{_answers(row.empty, row.model, 'holds', 'hold')} no text.")
        if row.ungraded:
            why = next(iter(row.doubts), "")
            left = _answers(row.ungraded, row.model, "could", "could")
            notes.append(f"{left} not be graded" + (f": {why}." if why else "."))
        if len(row.places) > 1:
            notes.append(f"{row.model} was answered by {len(row.places)} targets: {', '.join(row.places)}.")
        if bench is not None and bench.model == row.model:
            notes.append(f"{row.model} judges answers of its own; judges favour themselves.")
    return notes


def _answers(count: int, model: str, one: str, many: str) -> str:
    """So many answers of a model, and the verb that follows."""
    return f"1 answer of {model} {one}" if count == 1 else f"{count} answers of {model} {many}"
