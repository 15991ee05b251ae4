"""One row of the catalogue, and the tier it has on a given day."""

from datetime import date
from typing import Literal

from msgspec import Struct

Modality = Literal["text", "image", "pdf", "audio", "video", "embedding", "score"]
Stability = Literal["preview", "stable", "deprecated", "retired"]


class ModelInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model of one provider. Token counts and prices that are not known are None, never 0.

    Prices: micro-dollars per million tokens; above ``tier_above`` prompt tokens the ``tier_`` prices hold for all tokens.
    ``sampling``: whether temperature and top_p are taken (``restricted``: by some reasoning efforts only).
    ``price_checked``: two independent sources agreed; ``price_note`` says why where they do not.
    ``aliases``: other names at the same provider. ``hosts``: provider ids that sell it at the same price under its own name.
    """

    id: str
    provider: str
    mode: Literal["chat", "responses", "embedding", "rerank"] = "chat"
    aliases: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    inputs: tuple[Modality, ...] = ("text",)
    outputs: tuple[Modality, ...] = ("text",)
    tools: bool = False
    parallel_tools: bool = False
    json_schema: bool = False
    reasoning: bool = False
    sampling: Literal["yes", "no", "restricted"] = "yes"
    encoding: str | None = None
    input_price: int | None = None
    output_price: int | None = None
    cached_price: int | None = None
    cache_write_price: int | None = None
    cache_write_1h_price: int | None = None
    batch_input_price: int | None = None
    batch_output_price: int | None = None
    tier_above: int | None = None
    tier_input_price: int | None = None
    tier_output_price: int | None = None
    tier_cached_price: int | None = None
    tier_cache_write_price: int | None = None
    price_checked: bool = False
    price_note: str | None = None
    stability: Stability = "stable"
    deprecated: date | None = None
    """The day its end was announced, where it is known."""
    shutdown: date | None = None
    """The announced last day."""
    successor: str | None = None
    """What its maker recommends instead, at the same provider."""
    rerouted: bool = False
    """Does the provider go on answering under this id after the last day, with another model?"""
    source: str = ""
    as_of: date | None = None
    """The day the row was looked up, where it is not the file's."""

    def tier(self, today: date) -> Stability:
        """What it is on ``today``: a deprecated model retires by itself once its last day has come."""
        if self.stability == "retired":
            return "retired"
        if self.shutdown is not None and today >= self.shutdown:
            return "deprecated" if self.rerouted else "retired"
        return self.stability


PRICES = (
    "input_price",
    "output_price",
    "cached_price",
    "cache_write_price",
    "cache_write_1h_price",
    "batch_input_price",
    "batch_output_price",
    "tier_above",
    "tier_input_price",
    "tier_output_price",
    "tier_cached_price",
    "tier_cache_write_price",
)
"""Fields of ``ModelInfo`` that say what it costs."""


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``as_of``: the day the facts were looked up; ``version`` grows with every edit of the file."""

    version: int
    as_of: date
    models: tuple[ModelInfo, ...]
