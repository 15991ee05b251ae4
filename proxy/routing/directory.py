"""Public model names: what they lead to, who may use them, and what to say about one that leads nowhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import translate

from msgspec import structs

from ..context import Principal, Target
from ..errors import ModelNotFound
from ..protocols import ModelEntry, Standing
from ..wire.values import Json

WILDCARD = "*"
NAME_LIMIT = 256
"""Characters of a model name; a longer one is unknown, and no close names are looked for."""

_CACHE = 4096


def _unknown(asked: object) -> None:
    return None


def _nothing(target: Target) -> Mapping[str, Json]:
    return {}


class Directory:
    """Resolves names in the order ``models:``, bare catalogue names, ``provider/model``, ``"*"``."""

    def __init__(
        self,
        *,
        models: Mapping[str, Target],
        providers: Mapping[str, Target],
        catalogued: Sequence[ModelEntry],
        passthrough: str | None,
        bare: Mapping[str, Target] = {},
        snapshot: Callable[[str], Target | None] = _unknown,
        successors: Mapping[str, str] = {},
        standing: Callable[[Target], Standing | None] = _unknown,
        about: Callable[[Target], Mapping[str, Json]] = _nothing,
        lists: bool = True,
    ) -> None:
        """``providers``: provider name to a target whose model is ``"*"``. ``catalogued``: known models behind wildcards.

        ``bare``: catalogue names that need no prefix; ``snapshot``: who has a dated one of them. ``standing`` and ``about``: what the catalogue knows of a target.
        ``lists``: has the wildcard's provider a model list in OpenAI's shape?
        """
        self._bare = bare
        self._snapshot = snapshot
        self._successors = successors
        self._standing = standing
        self._about = about
        self._lists = lists
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
        whole = not self._models and self._wildcard is not None and self._wildcard.model == WILDCARD
        return whole and self._lists

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
        target = self._bare.get(model)
        if target is not None:
            return f"{target.provider}/*", target
        provider, slash, rest = model.partition("/")
        if slash and rest and provider in self._providers:
            return f"{provider}/*", _named(self._providers[provider], rest)
        if self._wildcard is not None:
            return WILDCARD, _named(self._wildcard, model)
        target = self._snapshot(model)
        return (f"{target.provider}/*", target) if target is not None else None

    def provider(self, name: str) -> Target | None:
        """A configured provider by its own name; the target's model is ``"*"``."""
        return self._providers.get(name)

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
        """The models that ``principal`` may use, as they are listed: retired ones only where a successor answers for them."""
        found = []
        for entry in self._entries:
            if not self.allows(principal, entry.id):
                continue
            resolved = self.resolve(entry.id)
            target = resolved[1] if resolved is not None else None
            standing = self._standing(target) if target is not None else None
            if standing is not None and target is not None:
                gone = standing.tier == "retired" and self.successor(entry.id, target) is None
                if gone or principal.stable_only:
                    continue
            about = self._about(target) if target is not None else {}
            found.append(structs.replace(entry, about=about) if about else entry)
        return found

    def standing(self, target: Target) -> Standing | None:
        """What is to be said of the target's model today; ``None`` for a stable or unknown one."""
        return self._standing(target)

    def successor(self, model: str, target: Target) -> tuple[str, str, Target] | None:
        """(public name, route label, target) that the configuration puts in a retired model's place, if it does."""
        name = self._successors.get(model) or self._successors.get(target.model)
        for _ in range(len(self._successors)):
            found = self.resolve(name) if name is not None else None
            if name is None or found is None:
                return None
            standing = self._standing(found[1])
            if standing is None or standing.tier != "retired":
                return (name, *found)
            name = self._successors.get(name) or self._successors.get(found[1].model)
        return None

    def retired(self, model: str, standing: Standing) -> ModelNotFound:
        """The error for a model that is no longer there, with its date and what to use instead."""
        since = f" on {standing.shutdown.isoformat()}" if standing.shutdown is not None else ""
        advice = f" Use `{standing.successor}` instead." if standing.successor is not None else ""
        return ModelNotFound(
            f"The model `{model}` was retired{since}.{advice} The gateway's owner can name another for it under successors.",
            param="model",
        )

    def not_found(self, principal: Principal, model: str) -> ModelNotFound:
        """The same words for an unknown model and for one that this key may not use, with close names that it may."""
        shown = model if len(model) <= NAME_LIMIT else model[:NAME_LIMIT] + "…"
        message = f"The model `{shown}` does not exist or you do not have access to it."
        if len(model) <= NAME_LIMIT:
            names = [entry.id for entry in self._entries if self.allows(principal, entry.id)]
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
