"""Public model names: what they lead to, who may use them, and what to say about one that leads nowhere."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import translate

from ..context import Principal, Target
from ..errors import ModelNotFound
from ..protocols import ModelEntry

WILDCARD = "*"
NAME_LIMIT = 256
"""Characters of a model name; a longer one is unknown, and no close names are looked for."""

_CACHE = 4096


class Directory:
    """Resolves names in the order ``models:``, ``provider/model``, ``"*"``."""

    def __init__(
        self,
        *,
        models: Mapping[str, Target],
        providers: Mapping[str, Target],
        catalogued: Sequence[ModelEntry],
        passthrough: str | None,
    ) -> None:
        """``providers``: provider name to a target whose model is ``"*"``. ``catalogued``: known models behind wildcards."""
        self._models = dict(models)
        self._wildcard = self._models.pop(WILDCARD, None)
        self._providers = providers
        self._passthrough = _named(providers[passthrough], "") if passthrough is not None else None
        named = [ModelEntry(name, target.provider) for name, target in self._models.items()]
        self._entries = (*named, *(entry for entry in catalogued if entry.id not in self._models))
        self._targets: dict[str, tuple[str, Target] | None] = {}
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}
        self._allowed: dict[tuple[tuple[str, ...], str], bool] = {}

    @property
    def transparent(self) -> bool:
        """Is everything sent to one provider under its own names, so that its model list is ours?"""
        return not self._models and self._wildcard is not None and self._wildcard.model == WILDCARD

    def resolve(self, model: str) -> tuple[str, Target] | None:
        """(route label, target) for a public name. The label is a configured name, so labels stay few."""
        try:
            return self._targets[model]
        except KeyError:
            if len(self._targets) >= _CACHE:
                self._targets.clear()
            found = self._targets[model] = self._find(model)
            return found

    def _find(self, model: str) -> tuple[str, Target] | None:
        if not model or len(model) > NAME_LIMIT:
            return None
        target = self._models.get(model)
        if target is not None:
            return model, _named(target, model)
        provider, slash, rest = model.partition("/")
        if slash and rest and provider in self._providers:
            return f"{provider}/*", _named(self._providers[provider], rest)
        if self._wildcard is not None:
            return WILDCARD, _named(self._wildcard, model)
        return None

    def passthrough(self) -> Target | None:
        """Who gets paths that carry no model."""
        return self._passthrough

    def allows(self, principal: Principal, model: str) -> bool:
        """May ``principal`` name ``model``? Globs, case-sensitive; remembered for a bounded number of pairs."""
        globs = principal.models
        if globs == (WILDCARD,):
            return True
        asked = (globs, model)
        known = self._allowed.get(asked)
        if known is None:
            pattern = self._patterns.get(globs)
            if pattern is None:
                pattern = self._patterns[globs] = re.compile("|".join(translate(glob) for glob in globs) or "(?!)")
            if len(self._allowed) >= _CACHE:
                self._allowed.clear()
            known = self._allowed[asked] = len(model) <= NAME_LIMIT and pattern.match(model) is not None
        return known

    def entries(self, principal: Principal) -> list[ModelEntry]:
        """The models that ``principal`` may use, as they are listed."""
        return [entry for entry in self._entries if self.allows(principal, entry.id)]

    def not_found(self, principal: Principal, model: str) -> ModelNotFound:
        """The same words for an unknown model and for one that this key may not use, with close names that it may."""
        shown = model if len(model) <= NAME_LIMIT else model[:NAME_LIMIT] + "…"
        message = f"The model `{shown}` does not exist or you do not have access to it."
        if len(model) <= NAME_LIMIT:
            names = [entry.id for entry in self.entries(principal)]
            close = get_close_matches(model, names, n=5)
            if close:
                message += f" Close names: {', '.join(close)}."
            elif names:
                message += " GET /v1/models lists what this key may use."
        return ModelNotFound(message, param="model")


def _named(target: Target, model: str) -> Target:
    """``target`` with a wildcard model filled in."""
    if target.model != WILDCARD:
        return target
    return Target(provider=target.provider, model=model, limits=target.limits)
