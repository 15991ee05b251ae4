"""``tollway compare``: its options, and what they must be; ``comparing`` does the rest."""

import json
from contextlib import closing
from pathlib import Path

import click

from ..comparison.asking import Endpoint
from ..comparison.checks import Check, check_of
from ..comparison.dataset import Dataset, read_dataset
from ..comparison.judging import Bench
from ..comparison.questions import Asking
from ..comparison.spending import MICRO, Price, Tariff
from . import Failure
from .chat import find
from .comparing import Session, Settings, check_own, opened
from .config import CONFIG_OPTION
from .finite import Finite
from .kept import check_writable


@click.command(
    epilog="Example: tollway compare --dataset prompts.jsonl --models gpt-4o,gpt-4o-mini --budget 2 --report out.html"
)
@click.option("--dataset", "-d", required=True, type=click.Path(), help="Questions, one JSON object a line.")
@click.option("--models", "-m", required=True, help="Models as the gateway names them, with commas between.")
@click.option(
    "--results",
    "results_file",
    type=click.Path(),
    help="Answers are kept here; a run goes on from it. Default: DATASET's name with .results.jsonl, in this folder.",
)
@click.option("--check", metavar="JSON", help='Check of lines without one: \'{"regex": "(?i)yes"}\'.')
@click.option("--judge", help="Model that grades where a check says so.")
@click.option(
    "--judge-votes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 9),
    help="Votes of the judge on an answer; most of them decide.",
)
@click.option("--by", type=click.Choice(["class"]), help="Show each class of prompts, too.")
@click.option(
    "--budget",
    metavar="USD",
    type=Finite(min=0, min_open=True),
    help="Stop before this is passed, earlier runs on the same results included.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="MODEL=IN/OUT",
    help="US dollars per million tokens, where the gateway knows none. May be repeated.",
)
@click.option(
    "--max-tokens",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Limit of an answer, where the line sets none.",
)
@click.option("--temperature", type=Finite(0, 2), help="Sent with every question, unless its line has one.")
@click.option("--seed", type=int, help="The same, for models that take one; and of the intervals.")
@click.option(
    "--stream/--no-stream", default=True, show_default=True, help="Without streams there is no time to the first token."
)
@click.option("--limit", type=click.IntRange(1), help="Ask only the first so many prompts.")
@click.option(
    "--concurrency", default=4, show_default=True, type=click.IntRange(1, 64), help="Questions under way at once."
)
@click.option(
    "--retries",
    default=3,
    show_default=True,
    type=click.IntRange(0, 9),
    help="Tries after the first; rate limits are waited for besides.",
)
@click.option("--timeout", default=180.0, show_default=True, type=Finite(min=0.1), help="Seconds for one answer.")
@click.option("--report", type=click.Path(dir_okay=False), help="Write an HTML page.")
@click.option(
    "--scores",
    type=click.Path(dir_okay=False),
    help="Write the file that routing.scores names: YAML, or JSON where it ends so.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Format of what is printed.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before money is spent.")
@click.option("--url", help="Base URL. Default: as tollway chat.")
@click.option("--key", help="Key for the gateway. Default: as tollway chat.")
@CONFIG_OPTION
def compare(
    dataset: str,
    models: str,
    results_file: str | None,
    check: str | None,
    judge: str | None,
    judge_votes: int,
    by: str | None,
    budget: float | None,
    prices: tuple[str, ...],
    max_tokens: int,
    temperature: float | None,
    seed: int | None,
    stream: bool,
    limit: int | None,
    concurrency: int,
    retries: int,
    timeout: float,
    report: str | None,
    scores: str | None,
    output: str,
    yes: bool,
    url: str | None,
    key: str | None,
    path: str | None,
) -> None:
    """Ask several models the same questions through a gateway, grade the answers, and show quality, cost and times.

    Every answer is kept in the results file as it comes: a run that was broken off goes on where it stopped.
    """
    settings = Settings(
        models=_names(models),
        asking=Asking(max_tokens=max_tokens, temperature=temperature, seed=seed, stream=stream),
        bench=Bench(model=judge, votes=judge_votes) if judge else None,
        prices=dict(map(_price, prices)),
        cap=int(budget * MICRO) if budget is not None else None,
        concurrency=concurrency,
        retries=retries,
        yes=yes,
        json=output == "json",
    )
    found = _dataset(dataset, _check(check), limit)
    for file in (report, scores):
        check_writable(file)
    with closing(opened(results_file or f"{Path(dataset).stem}.results.jsonl")) as results:
        check_own(results, found, settings)
        session = Session(found, results, settings, lambda: _endpoint(path, url, key, timeout))
        session.run()
        session.hand_out(report=report, scores=scores, by_class=by is not None)
        session.check_whole()


# ---- what was told ---------------------------------------------------------------------------------------------------


def _names(given: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names:
        raise click.UsageError("--models names no model.")
    return names


def _check(given: str | None) -> Check | None:
    if given is None:
        return None
    try:
        return check_of(json.loads(given))
    except json.JSONDecodeError as error:
        raise click.UsageError(f"--check is not JSON ({error}).") from None
    except ValueError as error:
        raise click.UsageError(f"--check {error}.") from None


def _price(given: str) -> tuple[str, Tariff]:
    name, equals, both = given.rpartition("=")
    first, slash, second = both.partition("/")
    try:
        price = Price(float(first), float(second))
        if not (equals and slash and name and 0 <= price.input < 1e6 and 0 <= price.output < 1e6):
            raise ValueError
    except ValueError:
        raise click.UsageError(
            f"--price {given}: write it like gpt-4o=2.50/10, US dollars per million tokens."
        ) from None
    return name, Tariff({"": price})


def _dataset(path: str, check: Check | None, most: int | None) -> Dataset:
    try:
        found = read_dataset(path, otherwise=check, most=most)
    except OSError as error:
        raise Failure(
            f"The dataset {path} cannot be read: {error.strerror}.", fix="name a file that is there"
        ) from None
    except ValueError as error:
        raise Failure(f"{error}.") from None
    for each in found.broken[:20]:
        click.echo(f"warning: {path}: {each}", err=True)
    if len(found.broken) > 20:
        click.echo(f"warning: {path}: {len(found.broken) - 20} more lines cannot be read", err=True)
    if not found.prompts:
        raise Failure(f"The dataset {path} has no question that can be asked.", fix="docs/compare.md shows the format")
    return found


def _endpoint(path: str | None, url: str | None, key: str | None, timeout: float) -> Endpoint:
    gateway = find(path, url)
    try:
        return Endpoint(gateway.url, key or gateway.key, timeout=timeout)
    except UnicodeError:
        raise Failure("The key is not text.", fix="check --key or TOLLWAY_KEY") from None
    except ValueError as error:
        raise Failure(f"{error}.") from None
