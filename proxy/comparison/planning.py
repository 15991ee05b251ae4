"""What a run would ask and what it would cost: worked out before anything is sent, and told to whoever pays."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from .checks import Judged
from .judging import Bench
from .lines import usd
from .questions import USUAL, Question, bound_of
from .results import Results
from .spending import MICRO, Tariff

_VERDICT = 60
"""Output tokens of a usual vote."""


class Plan(Struct, frozen=True, kw_only=True):
    """``missing``: questions without an answer; ``undecided``: those with an answer that the judge has not settled yet.

    Money in micro-dollars: ``likely`` and ``bound`` of the answers, ``judging`` of the votes, ``smallest`` of one question;
    ``unpriced``: models whose price is not known.
    """

    missing: int
    undecided: int
    likely: int
    bound: int
    judging: int
    smallest: int
    unpriced: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Is there nothing to ask?"""
        return not self.missing and not self.undecided

    @property
    def free(self) -> bool:
        """Is it certain to cost nothing?"""
        return not self.unpriced and not self.bound and not self.judging


def plan(
    questions: Sequence[Question], results: Results, bench: Bench | None, tariffs: Mapping[str, Tariff | None]
) -> Plan:
    """From what the results file has already."""
    missing = [each for each in questions if (found := results.answers.get(each.key)) is None or found.error]
    gone = {each.key for each in missing}
    undecided = [each for each in questions if each.key not in gone and _undecided(each, results, bench)]
    asked = dict.fromkeys(each.model for each in missing)
    judged = [each for each in missing if bench is not None and isinstance(each.prompt.check, Judged)] + undecided
    if judged and bench is not None:
        asked[bench.model] = None
    return Plan(
        missing=len(missing),
        undecided=len(undecided),
        likely=sum(each.likely for each in missing),
        bound=sum(each.bound for each in missing),
        judging=sum(_judging(each, bench, tariffs) for each in judged),
        smallest=min((each.bound for each in missing), default=0),
        unpriced=tuple(name for name in asked if tariffs.get(name) is None),
    )


def _undecided(question: Question, results: Results, bench: Bench | None) -> bool:
    check = question.prompt.check
    if bench is None or not isinstance(check, Judged):
        return False
    key = bench.key(check, question.prompt.request, results.answers[question.key].text)
    return bench.verdict(check, results.votes.get(key, {})) is None


def _judging(question: Question, bench: Bench | None, tariffs: Mapping[str, Tariff | None]) -> int:
    """What its votes probably cost: as many as decide when they agree."""
    check = question.prompt.check
    tariff = tariffs.get(bench.model) if bench is not None else None
    if bench is None or tariff is None or not isinstance(check, Judged):
        return 0
    body = bench.body(check, question.prompt.request, "", 0)
    size = bound_of(body | {"max_tokens": 0}, Tariff({"": tariff.dearest})) // 4
    votes = bench.needed(check) // 2 + 1
    return votes * (size + tariff.dearest.of(USUAL, _VERDICT))


def told(found: Plan, *, models: Sequence[str], prompts: int, cap: int | None, spent: int) -> str:
    """The plan in words."""
    total = prompts * len(models)
    asked = f"{found.missing} of {total} questions are to be asked ({prompts} prompts, {len(models)} models)"
    if found.undecided:
        asked += f", {found.undecided} answers to be judged"
    money = f"likely cost {usd(found.likely / MICRO)}, at most {usd(found.bound / MICRO)}"
    if found.judging:
        money += f", and about {usd(found.judging / MICRO)} for the judge"
    if found.unpriced:
        money += f"; the price of {', '.join(found.unpriced)} is not known and not part of it (--price)"
    limit = f" Budget {usd(cap / MICRO)}, of which {usd(spent / MICRO)} is spent." if cap is not None else ""
    return f"{asked}: {money}.{limit}"
