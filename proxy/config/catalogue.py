"""What the operator knows better than the shipped catalogue: own models, own prices, a file to refresh it from."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .traffic import Seconds

Tokens = Annotated[int, Meta(ge=1)]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Modality = Literal["text", "image", "pdf", "audio", "video", "embedding", "score"]
Tier = Literal["preview", "stable", "deprecated", "retired"]


class Prices(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars per million tokens; 0 is free, unset is unknown. Above ``above`` prompt tokens the ``above_`` prices hold for all tokens."""

    input: Dollars | None = None
    output: Dollars | None = None
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    batch_input: Dollars | None = None
    batch_output: Dollars | None = None
    above: Tokens | None = None
    above_input: Dollars | None = None
    above_output: Dollars | None = None
    above_cached_input: Dollars | None = None
    above_cache_write: Dollars | None = None


class CatalogueModel(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row, named ``provider/model`` by the provider's kind (``use``). What is unset stays as the catalogue has it."""

    aliases: tuple[str, ...] | None = None
    context: Tokens | None = None
    max_input: Tokens | None = None
    max_output: Tokens | None = None
    inputs: tuple[Modality, ...] | None = None
    outputs: tuple[Modality, ...] | None = None
    tools: bool | None = None
    parallel_tools: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    prices: Prices = Prices()
    tier: Tier | None = None
    deprecated: str | None = None
    shutdown: str | None = None
    successor: str | None = None


class Refresh(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A URL that serves a whole catalogue in the shipped file's format, and how often it is asked."""

    url: str
    every: Seconds = 86_400.0


class Catalogue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rows changed or added, and a timed refresh, which is off unless it is set.

    ``unknown_price``: what becomes of a request whose key has a budget or pays, at a model without a known price: ``deny``, or
    ``free`` (counted as 0 and marked). Self-hosted kinds and providers on private addresses cost nothing unless a price is set.
    """

    models: dict[str, CatalogueModel] = {}
    refresh: Refresh | None = None
    unknown_price: Literal["deny", "free"] = "deny"
