"""Looking models up by the names that providers, hosts and clients write."""

import re
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from .behaviour import canonical
from .model import PRICES, ModelInfo

_DATED = re.compile(r"-(20\d{2}-\d{2}-\d{2}|20\d{6})$")
_CACHE = 4096
_REGIONAL = ("bedrock", "vertex")
"""Hosts whose regional profiles cost more than the global ones that the catalogue lists."""


class Book:
    """An immutable set of rows. Look-ups are remembered for a bounded number of names."""

    def __init__(self, models: Iterable[ModelInfo]) -> None:
        self._models: dict[str, dict[str, ModelInfo]] = {}
        self._aliases: dict[str, dict[str, ModelInfo]] = {}
        self._canonical: dict[str, dict[str, ModelInfo]] = {}
        self._hosted: dict[str, dict[str, ModelInfo]] = {}
        self._known: dict[tuple[str, str], ModelInfo | None] = {}
        for model in models:
            self._models.setdefault(model.provider, {})[model.id] = model
            for alias in model.aliases:
                self._aliases.setdefault(model.provider, {})[alias] = model
            self._canonical.setdefault(model.provider, {}).setdefault(canonical(model.id), model)
            for host in model.hosts:
                self._hosted.setdefault(host, {}).setdefault(canonical(model.id), model)

    def __iter__(self) -> Iterator[ModelInfo]:
        return (model for models in self._models.values() for model in models.values())

    def providers(self) -> tuple[str, ...]:
        """Provider ids, in the catalogue's order."""
        return tuple(self._models)

    def models_of(self, provider: str) -> tuple[ModelInfo, ...]:
        """Every model of a provider id, retired ones included, in the catalogue's order."""
        return tuple(self._models.get(provider, {}).values())

    def exact(self, provider: str, model: str) -> ModelInfo | None:
        """The row of exactly this id."""
        return self._models.get(provider, {}).get(model)

    def info(self, provider: str, model: str) -> ModelInfo | None:
        """By id, alias, dated snapshot, or the spelling of another host. Limits hold for all of these; prices that may
        differ there (fine-tuned models, regional profiles) are left out."""
        try:
            return self._known[(provider, model)]
        except KeyError:
            if len(self._known) >= _CACHE:
                self._known.clear()
            found = self._known[(provider, model)] = self._find(provider, model)
            return found

    def with_rows(self, rows: Iterable[ModelInfo]) -> "Book":
        """Another book with ``rows`` in the place of those of the same id."""
        found = {(model.provider, model.id): model for models in self._models.values() for model in models.values()}
        found |= {(row.provider, row.id): row for row in rows}
        return Book(found.values())

    def named(self, provider: str, model: str) -> ModelInfo | None:
        """By the provider's own names only: id, alias, dated snapshot."""
        models = self._models.get(provider, {})
        aliases = self._aliases.get(provider, {})
        plain = _DATED.sub("", model)
        return models.get(model) or aliases.get(model) or models.get(plain) or aliases.get(plain)

    def _find(self, provider: str, model: str) -> ModelInfo | None:
        found = self.named(provider, model)
        if found is not None or len(model) > 512:
            return found
        name = canonical(model)
        found = self._canonical.get(provider, {}).get(name)
        if found is None:
            hosted = self._hosted.get(provider, {}).get(name)
            found = replace(hosted, provider=provider, **_ELSEWHERE) if hosted is not None else None
        if found is not None and (model.startswith("ft:") or (provider in _REGIONAL and _regional(model))):
            found = replace(found, **dict.fromkeys(PRICES))
        return found


_ELSEWHERE = {"stability": "stable", "shutdown": None, "deprecated": None, "successor": None, "rerouted": False}
"""A host retires models by a calendar of its own, which is not known."""


def _regional(model: str) -> bool:
    """Is a price of its own to be feared? ``us.anthropic.…``, and any ARN."""
    return model.startswith("arn:") or (
        "." in model and re.match(r"(?:us|eu|apac|jp|au|ca|us-gov)\.", model) is not None
    )
