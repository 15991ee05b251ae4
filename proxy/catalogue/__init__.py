"""The model catalogue: what is known about each provider's models. Package data, read at first use, never from the network.

``models.json`` is maintained by hand and by review: one model a line, prices in micro-dollars per million tokens.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

_DATED = re.compile(r"-(20\d{2}-\d{2}-\d{2}|20\d{6})$")

Modality = Literal["text", "image", "pdf", "audio", "video", "embedding", "score"]


class ModelInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of one provider. Token counts and prices that are not known are None, never 0.

    Prices: micro-dollars per million tokens; above ``tier_above`` prompt tokens the ``tier_`` prices hold for all tokens.
    ``sampling``: whether temperature and top_p are taken (``restricted``: by some reasoning efforts only).
    ``price_checked``: two independent sources agreed. ``shutdown``: the announced last day.
    """

    id: str
    provider: str
    mode: Literal["chat", "responses", "embedding", "rerank"] = "chat"
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
    tier_above: int | None = None
    tier_input_price: int | None = None
    tier_output_price: int | None = None
    price_checked: bool = False
    stability: Literal["preview", "stable", "deprecated", "retired"] = "stable"
    shutdown: date | None = None


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``as_of``: the day the facts were looked up; ``version`` grows with every edit of the file."""

    version: int
    as_of: date
    models: tuple[ModelInfo, ...]


@cache
def catalogue() -> Catalogue:
    """The catalogue that this version ships."""
    return msgspec.json.decode(files(__name__).joinpath("models.json").read_bytes(), type=Catalogue)


@cache
def _index() -> Mapping[str, Mapping[str, ModelInfo]]:
    found: dict[str, dict[str, ModelInfo]] = {}
    for model in catalogue().models:
        found.setdefault(model.provider, {})[model.id] = model
    return found


def models_of(provider: str) -> tuple[ModelInfo, ...]:
    """Every model of a provider id (``openai``), retired ones included, in the catalogue's order."""
    return tuple(_index().get(provider, {}).values())


def info(provider: str, model: str) -> ModelInfo | None:
    """What is known about a model by the provider's own id; a dated snapshot answers for the model it is of."""
    models = _index().get(provider, {})
    return models.get(model) or models.get(_DATED.sub("", model))
