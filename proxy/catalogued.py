"""Configuration and catalogue together: which models are served, and what is to be said of them today."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec

from . import catalogue
from .catalogue import ModelInfo
from .catalogue.behaviour import Behaviour, behaviour_of
from .config import Config
from .config.catalogue import CatalogueModel, Prices
from .config.traffic import Provider
from .context import Target
from .money.hosting import self_hosted
from .policy import targets
from .policy.targets import AUDIO, JSON_SCHEMA, PDF, REASONING, TOOLS, VIDEO, VISION
from .protocols import Clock, Standing
from .wire.values import Json, JsonObject

OWN_LISTS = frozenset({"anthropic", "bedrock", "cohere", "gemini", "local", "vertex"})
"""Kinds of provider whose model list is not in OpenAI's shape."""

_PRICE_FIELDS = {
    "input": "input_price",
    "output": "output_price",
    "cached_input": "cached_price",
    "cache_write": "cache_write_price",
    "cache_write_1h": "cache_write_1h_price",
    "batch_input": "batch_input_price",
    "batch_output": "batch_output_price",
    "above_input": "tier_input_price",
    "above_output": "tier_output_price",
    "above_cached_input": "tier_cached_price",
    "above_cache_write": "tier_cache_write_price",
}
"""The configuration's names to the catalogue's."""


_INPUTS = {"image": VISION, "pdf": PDF, "audio": AUDIO, "video": VIDEO}
"""Modality to its bit in ``policy.targets.NEEDS``."""


def rows_of(config: Config) -> dict[str, dict[str, object]]:
    """``catalogue.models`` as the catalogue's own fields: dollars become micro-dollars."""
    return {name: _row(model) for name, model in config.catalogue.models.items()}


def _row(model: CatalogueModel) -> dict[str, object]:
    given = {name: value for name, value in msgspec.structs.asdict(model).items() if value is not None}
    given.pop("prices")
    if "tier" in given:
        given["stability"] = given.pop("tier")
    return given | _prices(model.prices)


def _prices(prices: Prices) -> dict[str, object]:
    found: dict[str, object] = {"tier_above": prices.above} if prices.above is not None else {}
    for name, field in _PRICE_FIELDS.items():
        dollars = getattr(prices, name)
        if dollars is not None:
            found[field] = round(dollars * 1_000_000)
    return found | ({"price_checked": False, "price_note": "configured"} if found else {})


def bare_names(config: Config) -> dict[str, tuple[str, str]]:
    """Catalogue names that need no prefix: to (provider name, model there); the first provider that has one gets it."""
    found: dict[str, tuple[str, str]] = {}
    for name, provider in config.providers.items():
        if provider.base_url is None:
            for model in catalogue.models_of(provider.use):
                for public in (model.id, *model.aliases):
                    found.setdefault(public, (name, public))
    return found


def listed_models(config: Config, provider: Provider) -> list[str]:
    """Ids of a provider's models; at an address of the operator's own only those of the configuration."""
    known = [info.id for info in catalogue.models_of(provider.use)]
    if provider.base_url is None:
        return known
    return [ident for ident in known if f"{provider.use}/{ident}" in config.catalogue.models]


def owner_of(config: Config, model: str) -> str | None:
    """The first provider that has ``model`` by a name of its own, a dated snapshot included."""
    book = catalogue.current()
    for name, provider in config.providers.items():
        if provider.base_url is None and book.named(provider.use, model) is not None:
            return name
    return None


def lists_models(config: Config, provider: str) -> bool:
    """Can the provider's model list be passed on as ours?"""
    found = config.providers.get(provider)
    return found is not None and found.use not in OWN_LISTS


class Facts:
    """What the catalogue knows of targets. A provider at an address of the operator's own is somebody else's: only rows of
    the configuration hold for it."""

    def __init__(self, config: Config, wall: Clock) -> None:
        self._wall = wall
        self._uses = {name: (provider.use, provider.base_url is None) for name, provider in config.providers.items()}
        self._configured = config.catalogue.models
        self._regions = {name: provider.region or "" for name, provider in config.providers.items()}
        self._free = {
            name for name, provider in config.providers.items() if self_hosted(provider.use, provider.base_url)
        }

    def standing(self, target: Target) -> Standing | None:
        """See ``protocols.Directory``."""
        info = self._info(target)
        if info is None or (info.stability == "stable" and info.shutdown is None):
            return None
        tier = info.tier(self._today())
        if tier == "stable":
            return None
        return Standing(tier=tier, since=_since(info, tier), shutdown=info.shutdown, successor=info.successor)

    def about(self, target: Target) -> Mapping[str, Json]:
        """The row as ``GET /v1/models`` shows it."""
        info = self._info(target)
        return shown(info, behaviour_of(target.model), self._today()) if info is not None else {}

    def known(self, target: Target) -> targets.Facts:
        """What a choice among targets may rest on. What is not known is left at its default, which excludes nothing."""
        region, info = self._regions.get(target.provider, ""), self._info(target)
        prices = self._prices(target)
        if info is None:
            return targets.Facts(region=region, input_price=prices[0], output_price=prices[1], cached_price=prices[2])
        row = self._configured.get(f"{info.provider}/{info.id}") if info.source == "configuration" else None
        return targets.Facts(
            lacks=_lacks(info) if row is None else _lacks_for_certain(row),
            context=info.context or info.max_input or 0,
            max_output=info.max_output or 0,
            region=region,
            tier=info.tier(self._today()),
            input_price=prices[0],
            output_price=prices[1],
            cached_price=prices[2],
        )

    def _prices(self, target: Target) -> tuple[int, int, int]:
        """Micro-dollars per million tokens of input, output and cached input; -1: not known. What the operator will be charged with
        (``PriceList.operator``), so also at an address of one's own the catalogue's price of a model that it knows."""
        info = catalogue.info(self._uses.get(target.provider, ("", False))[0], target.model)
        if info is None or (info.input_price is None and info.output_price is None):
            return (0, 0, -1) if target.provider in self._free else (-1, -1, -1)
        return _or_unknown(info.input_price), _or_unknown(info.output_price), _or_unknown(info.cached_price)

    def day(self) -> int:
        """Changes with the day (UTC), and what is known of models with it."""
        return int(self._wall() // 86_400)

    def _info(self, target: Target) -> ModelInfo | None:
        use, own = self._uses.get(target.provider, ("", False))
        row = None if own else self._configured.get(f"{use}/{target.model}")
        if not own and row is None:
            return None
        info = catalogue.info(use, target.model)
        return info if row is None or info is None else _elsewhere(info, row)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._wall(), UTC).date()


def _elsewhere(info: ModelInfo, row: CatalogueModel) -> ModelInfo:
    """Without the calendar of the provider's own address: another server retires models when it likes, or as ``row`` says."""
    return msgspec.structs.replace(
        info,
        stability=info.stability if row.tier is not None else "stable",
        deprecated=info.deprecated if row.deprecated is not None else None,
        shutdown=info.shutdown if row.shutdown is not None else None,
        successor=info.successor if row.successor is not None else None,
        rerouted=False,
    )


def _lacks(info: ModelInfo) -> int:
    """Of a row that says all there is to say."""
    lacks = 0
    for modality, bit in _INPUTS.items():
        if modality not in info.inputs and modality not in info.outputs:
            lacks |= bit
    for has, bit in ((info.tools, TOOLS), (info.json_schema, JSON_SCHEMA), (info.reasoning, REASONING)):
        if not has:
            lacks |= bit
    return lacks


def _lacks_for_certain(row: CatalogueModel) -> int:
    """Of a row that only the configuration has: what it does not mention is not known."""
    lacks = 0
    if row.inputs is not None:
        known = {*row.inputs, *(row.outputs or ())}
        for modality, bit in _INPUTS.items():
            if modality not in known:
                lacks |= bit
    for has, bit in ((row.tools, TOOLS), (row.json_schema, JSON_SCHEMA), (row.reasoning, REASONING)):
        if has is False:
            lacks |= bit
    return lacks


def _or_unknown(price: int | None) -> int:
    return -1 if price is None else price


def _since(info: ModelInfo, tier: str) -> int | None:
    """When its end was announced; not known: when it was looked up, since which it has been so."""
    if tier == "preview":
        return None
    day = info.deprecated or info.as_of or catalogue.catalogue().as_of
    if info.shutdown is not None and info.shutdown < day:
        day = info.shutdown
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def shown(info: ModelInfo, behaviour: Behaviour, today: date) -> JsonObject:
    """A row for people and programs. Prices in US dollars per million tokens; what is not known is null."""
    return {
        "mode": info.mode,
        "tier": info.tier(today),
        "context": info.context,
        "max_input": info.max_input,
        "max_output": info.max_output,
        "modalities": {"input": [*info.inputs], "output": [*info.outputs]},
        "capabilities": capabilities(info, behaviour),
        "prices": prices(info),
        "deprecated": _day(info.deprecated),
        "shutdown": _day(info.shutdown),
        "successor": info.successor,
    }


def capabilities(info: ModelInfo, behaviour: Behaviour) -> JsonObject:
    """What it can do and which parameters it takes."""
    return {
        "tools": info.tools,
        "parallel_tools": info.parallel_tools,
        "json_schema": info.json_schema,
        "reasoning": info.reasoning,
        "reasoning_efforts": [*behaviour.efforts],
        "streaming": behaviour.streaming,
        "sampling": info.sampling,
        "stop": behaviour.stop,
    }


def prices(info: ModelInfo) -> JsonObject:
    """US dollars per million tokens; ``above``: beyond so many prompt tokens, for all tokens of the request."""
    found: JsonObject = {
        "input": _dollars(info.input_price),
        "cached_input": _dollars(info.cached_price),
        "cache_write": _dollars(info.cache_write_price),
        "cache_write_1h": _dollars(info.cache_write_1h_price),
        "output": _dollars(info.output_price),
        "batch_input": _dollars(info.batch_input_price),
        "batch_output": _dollars(info.batch_output_price),
    }
    if info.tier_above is not None:
        found["above"] = {
            "tokens": info.tier_above,
            "input": _dollars(info.tier_input_price),
            "cached_input": _dollars(info.tier_cached_price),
            "cache_write": _dollars(info.tier_cache_write_price),
            "output": _dollars(info.tier_output_price),
        }
    return found


def _dollars(price: int | None) -> float | None:
    return None if price is None else price / 1_000_000


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
