"""One session of ``tollway compare``: files are opened before money is spent, the cost is told and asked about, then it runs."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from ..benchmark.progress import width_of
from ..comparison import lines
from ..comparison.asking import Endpoint
from ..comparison.dataset import Dataset
from ..comparison.gateway import Unusable, look
from ..comparison.judging import Bench
from ..comparison.matching import Matcher
from ..comparison.meter import bar
from ..comparison.page import page
from ..comparison.planning import plan, told
from ..comparison.questions import Asking, Question, questions
from ..comparison.results import Results, Taken
from ..comparison.running import Run
from ..comparison.scored import scores_of, written
from ..comparison.spending import MICRO, Purse, Tariff
from ..comparison.summary import Comparison, Graded, graded, summed_up
from . import Failure
from .kept import keep
from .printed import asks

Tariffs = dict[str, Tariff | None]

_LINES = 10.0
"""Seconds between two lines of progress where nobody watches a bar."""


class Settings(Struct, frozen=True, kw_only=True):
    """What the command was told, read and checked."""

    models: tuple[str, ...]
    asking: Asking
    bench: Bench | None
    prices: dict[str, Tariff]
    cap: int | None
    concurrency: int
    retries: int
    yes: bool
    json: bool


# ---- files, before any money is spent --------------------------------------------------------------------------------


def opened(path: str) -> Results:
    try:
        return Results(path)
    except Taken:
        raise Failure(
            f"Another run is writing to {path}.", fix="wait for it, or name another file with --results"
        ) from None
    except OSError as error:
        raise Failure(
            f"The results file {path} cannot be written: {error.strerror}; nothing was asked.",
            fix="name another with --results",
        ) from None
    except ValueError as error:
        raise Failure(f"{path} is no results file: {error}.", fix="name another with --results") from None


def check_own(results: Results, dataset: Dataset, settings: Settings) -> None:
    """Says when the dataset or the settings have changed; raises ``Failure`` for the results of something else."""
    for number in results.unreadable[:5]:
        click.echo(f"warning: {results.path}: line {number} is damaged; what it told is asked anew", err=True)
    if not results.answers:
        return
    wanted = {each.key for each in questions(dataset, settings.models, settings.asking, {})}
    fitting = len(wanted & results.answers.keys())
    known = {(answer.prompt, answer.model) for answer in results.answers.values()}
    same = {prompt.id for prompt in dataset.prompts} & {prompt for prompt, _ in known}
    if dataset.digest not in results.datasets and not fitting and not same:
        raise Failure(
            f"{results.path} holds the answers to another dataset: none of its questions is in {dataset.name}.",
            fix="name another file with --results",
        )
    changed = sum((prompt.id, model) in known for prompt in dataset.prompts for model in settings.models) - fitting
    if changed > 0:
        click.echo(
            f"warning: {changed} questions have changed since {results.path} was written (text, model settings or limits), "
            "and are asked anew",
            err=True,
        )


# ---- the run ---------------------------------------------------------------------------------------------------------


class Session:
    """Asks what is missing, then hands out what is known. ``endpoint`` is called when something is missing."""

    def __init__(
        self, dataset: Dataset, results: Results, settings: Settings, endpoint: Callable[[], Endpoint]
    ) -> None:
        self._dataset = dataset
        self._results = results
        self._settings = settings
        self._endpoint = endpoint
        self._tariffs: Tariffs = dict(settings.prices)
        self._notes: list[str] = []
        self._why = ""
        self._comparison: Comparison | None = None

    def run(self) -> None:
        """Raises ``Failure`` where nothing can be asked; a run that ends early does not raise."""
        asked, bench = self._questions(), self._settings.bench
        if plan(asked, self._results, bench, self._tariffs).empty:
            click.echo("Every question has its answer; nothing is asked.", err=True)
            return
        with closing(self._endpoint()) as endpoint:
            self._look(endpoint)
            asked = self._questions()
            self._consent(asked)
            self._results.begin(self._dataset.digest, self._dataset.name)
            self._ask(asked, endpoint)

    def _ask(self, asked: Sequence[Question], endpoint: Endpoint) -> None:
        """Runs to its end, and notes why it ended."""
        purse = Purse(self._settings.cap, self._results.spent)
        run = Run(
            asked,
            endpoint=endpoint,
            results=self._results,
            purse=purse,
            tariffs=self._tariffs,
            bench=self._settings.bench,
            concurrency=self._settings.concurrency,
            retries=self._settings.retries,
        )
        stopped = _watched(run)
        self._notes += [f"{model} was given up: {why}." for model, why in run.given_up.items()]
        if run.failure:
            self._why = f"The run ended early: {run.failure}."
        elif purse.empty:
            self._why = f"The budget of {lines.usd((self._settings.cap or 0) / MICRO)} does not allow another question."
        elif stopped:
            self._why = "The run was stopped."

    def _questions(self) -> list[Question]:
        return questions(self._dataset, self._settings.models, self._settings.asking, self._tariffs)

    def _look(self, endpoint: Endpoint) -> None:
        """Are the models there, and what do they cost?"""
        bench = self._settings.bench
        names = dict.fromkeys((*self._settings.models, *((bench.model,) if bench is not None else ())))
        try:
            known, unknown = look(endpoint, names)
        except Unusable as error:
            raise Failure(str(error), fix=error.fix) from None
        if unknown:
            raise Failure(
                "The gateway does not serve "
                + "; ".join(
                    f"{each.model!r} ({each.why}" + (f" Is it {' or '.join(each.near)}?)" if each.near else ")")
                    for each in unknown
                ),
                fix="name models that GET /v1/models lists to this key; nothing was asked",
            )
        for each in known:
            self._tariffs.setdefault(each.model, each.tariff)
            if each.tier not in ("", "stable"):
                self._notes.append(f"{each.model} is in the tier {each.tier}.")

    def _consent(self, asked: Sequence[Question]) -> None:
        """Tells what it will cost, refuses what the budget cannot bear, and asks."""
        settings, spent = self._settings, self._results.spent
        found = plan(asked, self._results, settings.bench, self._tariffs)
        models, prompts = settings.models, len(self._dataset.prompts)
        click.echo(told(found, models=models, prompts=prompts, cap=settings.cap, spent=spent), err=True)
        if settings.cap is not None and found.unpriced:
            raise Failure(
                f"The price of {', '.join(found.unpriced)} is not known, so no budget can be kept.",
                fix="give it with --price MODEL=IN/OUT, or put it into catalogue.models of the gateway",
            )
        if settings.cap is not None and found.missing and spent + found.smallest > settings.cap:
            raise Failure(
                f"The budget of {lines.usd(settings.cap / MICRO)} does not allow one question: {lines.usd(spent / MICRO)} "
                f"is spent, and the smallest question may cost {lines.usd(found.smallest / MICRO)}.",
                fix="raise --budget, or lower --max-tokens",
            )
        if settings.yes or found.free:
            return
        if not asks():
            raise Failure("This may cost money, and nobody is here to be asked.", fix="add --yes, and --budget")
        if not click.confirm("Go on?", err=True):
            raise Failure("Nothing was asked.", fix="answer y, or add --yes")

    # ---- what comes of it -------------------------------------------------------------------------------------------

    def hand_out(self, *, report: str | None, scores: str | None, by_class: bool) -> None:
        """Grades, prints, and writes the files."""
        matcher = Matcher()
        try:
            verdicts = graded(self._questions(), self._results, self._settings.bench, matcher)
        finally:
            matcher.stop()
        comparison = self._summed_up(verdicts)
        problems = [keep(report, page(comparison, verdicts, _told(self._settings)))] if report is not None else []
        problems += [self._write_scores(scores, comparison, verdicts)] if scores is not None else []
        if self._settings.json:
            click.echo(json.dumps(msgspec.to_builtins(comparison), indent=2, ensure_ascii=False))
        else:
            click.echo(lines.report(comparison, by_class=by_class))
        for problem in filter(None, problems):
            raise Failure(problem, fix="run the same command again: the answers are kept")

    def _summed_up(self, verdicts: Sequence[Graded]) -> Comparison:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._comparison = summed_up(
            self._dataset,
            self._settings.models,
            verdicts,
            self._results,
            bench=self._settings.bench,
            generated=now,
            notes=self._notes,
            seed=self._settings.asking.seed or 0,
        )
        return self._comparison

    def _write_scores(self, file: str, comparison: Comparison, verdicts: Sequence[Graded]) -> str:
        """What went wrong, "" where nothing did."""
        found = scores_of(comparison, verdicts)
        if not found["scores"]:
            click.echo(f"warning: no answer was graded, so {file} was not written", err=True)
            return ""
        return keep(file, written(found, Path(file)))

    def check_whole(self) -> None:
        """Raises ``Failure`` where something was not asked."""
        if self._why or (self._comparison is not None and self._comparison.unasked):
            unasked = self._comparison.unasked if self._comparison is not None else 0
            raise Failure(
                f"{self._why} {unasked} {'question has' if unasked == 1 else 'questions have'} no answer.".strip(),
                fix=f"the same command goes on where this one stopped; {self._results.path} keeps what was answered",
            )


def _told(settings: Settings) -> list[tuple[str, str]]:
    """The settings of a run, for whoever reads its page."""
    asking, bench = settings.asking, settings.bench
    found = [
        ("Models", ", ".join(settings.models)),
        ("Limit of an answer", f"{asking.max_tokens} tokens"),
        ("Temperature", "the model's own" if asking.temperature is None else f"{asking.temperature:g}"),
        ("Seed", "none" if asking.seed is None else str(asking.seed)),
        ("Streams", "yes" if asking.stream else "no"),
        ("Under way at once", str(settings.concurrency)),
    ]
    if bench is not None:
        found.append(("Judge", f"{bench.model}, {bench.votes} votes; 2 or 3 in both orders beside a reference answer"))
    return found


def _watched(run: Run) -> bool:
    """Shows how the run goes on until it is over. Was it stopped? Ctrl-C waits for what is under way, twice gives it up."""
    begun, watched, stopped, last = time.monotonic(), sys.stderr.isatty(), False, 0.0
    run.start()
    while True:
        try:
            over = run.wait(0.2)
            now = time.monotonic() - begun
            line = bar(run.progress(), now, columns=width_of(sys.stderr) if watched else 100)
            if watched:
                click.echo(f"\r\x1b[K{line}", err=True, nl=over)
            elif over or now - last >= _LINES:
                last = now
                click.echo(line, err=True)
            if over:
                return stopped
        except KeyboardInterrupt:
            if stopped:
                run.give_up()
                raise click.Abort from None
            stopped = True
            run.stop()
            click.echo("\nStopping: what is under way is waited for. Once more gives it up.", err=True)
