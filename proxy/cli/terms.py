"""Limits, budgets and plans as options write them, to the values that the admin API takes."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeVar, get_args

import click

from ..money.amounts import InvalidAmount, dollars, micro_dollars
from ..policy.terms import LimitName, Per
from ..wire.values import Json, JsonObject

F = TypeVar("F", bound=Callable[..., object])

NAMES: tuple[str, ...] = get_args(LimitName)
MODES = ("steady", "shadow", "soft", "closed", "open")
NONE = "none"

_NUMBER = re.compile(r"([0-9]{1,13})(k|m)?", re.IGNORECASE)
_BUDGET = re.compile(rf"([^/]+)/({'|'.join(get_args(Per))})(/soft|/hard)?")
_PRICE = re.compile(r"(.+)=([0-9.]+)/([0-9.]+)")
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}

LIMITS = click.option(
    "--limits",
    multiple=True,
    metavar="NAME=N,…",
    help="Such as rpm=600,tpm=200k,concurrency=50. soft=tpm+rpm (or steady, shadow, closed, open) says how some behave. 'none': no limits.",
)
BUDGETS = click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="USD/PER",
    help="Such as 20/month or 2.50/day/soft; PER is day, week, month or total. Several may be given. 'none': no budget.",
)
METADATA = click.option("--metadata", multiple=True, metavar="NAME=TEXT", help="Your own notes. Several may be given.")


class Usd(click.ParamType[str]):
    """An amount in dollars, as text that the API takes."""

    name = "USD"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """``10.5`` to ``10.50``."""
        try:
            return dollars(micro_dollars(value, zero=self._zero))
        except InvalidAmount as error:
            self.fail(str(error), param, ctx)


USD = Usd()


def plan_options(command: F) -> F:
    """What an account pays."""
    for option in (
        click.option("--markup", type=click.FloatRange(-100, 10_000), metavar="PERCENT", help="On the provider's price."),
        click.option("--price", "prices", multiple=True, metavar="MODEL=IN/OUT", help="Dollars per million tokens, by glob."),
        click.option("--included", "included", type=Usd(zero=True), help="Dollars of use that are free each month."),
        click.option("--cached", type=click.FloatRange(0, 100), metavar="PERCENT", help="Of the usual price, for answers from the cache."),
        click.option("--prepaid/--postpaid", default=None, help="Spends credits and stops without them, or is billed."),
    ):  # fmt: skip
        command = option(command)
    return command


def key_cache_options(command: F) -> F:
    """What a key's requests may be answered from; unset: as the configuration says."""
    for option in (
        click.option("--semantic-cache/--no-semantic-cache", "semantic", default=None, help="The same for questions that only mean the same."),
        click.option("--cache/--no-cache", "exact", default=None, help="Answered from the cache, or never. Default: as the configuration says."),
    ):  # fmt: skip
        command = option(command)
    return command


def key_cache_of(*, exact: bool | None, semantic: bool | None) -> JsonObject | None:
    """The API's ``cache`` of a key; ``None`` where nothing was given."""
    return given(exact=exact, semantic=semantic) or None


def limits_of(given: Sequence[str]) -> JsonObject | None:
    """The API's ``limits``; ``None`` where nothing was given."""
    if not given:
        return None
    if list(given) == [NONE]:
        return {}
    found: JsonObject = {}
    for item in ",".join(given).split(","):
        name, equals, value = (piece.strip() for piece in item.partition("="))
        if name in MODES and equals:
            found[name] = [_limit_name(each.strip()) for each in value.split("+")]
            continue
        _limit_name(name)
        number = _NUMBER.fullmatch(value)
        if number is None:
            raise click.BadParameter(f"{item!r} is not NAME=N, such as rpm=600 or tpm=200k.", param_hint="--limits")
        found[name] = int(number[1]) * _THOUSANDS[(number[2] or "").lower()]
    return found


def budgets_of(given: Sequence[str]) -> list[Json] | None:
    """The API's ``budgets``; ``None`` where nothing was given."""
    if not given:
        return None
    if list(given) == [NONE]:
        return []
    found: list[Json] = []
    for item in given:
        written = _BUDGET.fullmatch(item.strip())
        if written is None:
            raise click.BadParameter(
                f"{item!r} is not USD/PER, such as 20/month or 2.50/day/soft.", param_hint="--budget"
            )
        budget: JsonObject = {"usd": _usd(written[1], "--budget"), "per": written[2]}
        if written[3] == "/soft":
            budget["hard"] = False
        found.append(budget)
    return found


def plan_of(
    before: JsonObject,
    markup: float | None,
    prices: Sequence[str],
    included: str | None,
    cached: float | None,
    prepaid: bool | None,
) -> JsonObject | None:
    """The API's ``plan``: ``before`` with what was given; ``None`` where nothing was."""
    if markup is None and not prices and included is None and cached is None and prepaid is None:
        return None
    plan = dict(before)
    if markup is not None:
        plan["markup"] = markup
    if prices:
        plan["prices"] = {} if list(prices) == [NONE] else dict(_price(item) for item in prices)
    if included is not None:
        plan["included_usd"] = float(included)
    if cached is not None:
        plan["cached"] = cached
    if prepaid is not None:
        plan["prepaid"] = prepaid
    return plan


def metadata_of(given: Sequence[str]) -> JsonObject | None:
    """The API's ``metadata``; ``None`` where nothing was given."""
    if not given:
        return None
    if list(given) == [NONE]:
        return {}
    pairs = [item.partition("=") for item in given]
    wrong = next((name for name, equals, _ in pairs if not name or not equals), None)
    if wrong is not None:
        raise click.BadParameter(f"{wrong!r} is not NAME=TEXT.", param_hint="--metadata")
    return {name: text for name, _, text in pairs}


def given(**fields: Json) -> JsonObject:
    """A body with only what was given."""
    return {name: value for name, value in fields.items() if value is not None}


def _price(item: str) -> tuple[str, Json]:
    written = _PRICE.fullmatch(item)
    try:
        if written is not None:
            return written[1], {"input": float(written[2]), "output": float(written[3])}
    except ValueError:
        pass
    raise click.BadParameter(f"{item!r} is not MODEL=IN/OUT, such as 'gpt-4o*=3/12'.", param_hint="--price")


def _usd(text: str, hint: str) -> float:
    try:
        return float(dollars(micro_dollars(text)))
    except InvalidAmount as error:
        raise click.BadParameter(str(error), param_hint=hint) from None


def _limit_name(name: str) -> str:
    if name not in NAMES:
        near = get_close_matches(name, [*NAMES, *MODES], n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Limits: {', '.join(NAMES)}."
        raise click.BadParameter(f"There is no limit {name!r}. {hint}", param_hint="--limits")
    return name
