"""Public model names: what they lead to, who may use them, and what to say about one that leads nowhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import translate

from msgspec import structs

from ..context import Principal, Target
from ..errors import ModelNotFound
from ..policy.routes import Retry
from ..policy.targets import NO_FACTS, Candidate, Facts, Route
from ..protocols import ModelEntry, Standing
from ..wire.values import Json

WILDCARD = "*"
NAME_LIMIT = 256
"""Characters of a model name; a longer one is unknown, and no close names are looked for."""

USUAL_RETRY = Retry()

_CACHE = 4096


def _unknown(asked: object) -> None:
    return None


def _nothing(target: Target) -> Mapping[str, Json]:
    return {}


def _no_facts(target: Target) -> Facts:
    return NO_FACTS


class Directory:
    """Resolves names in the order ``models:``, bare catalogue names, ``provider/model``, ``"*"``.

    A name's route is the same object until the day changes, so what others work out of it can be kept beside it.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, Route],
        providers: Mapping[str, Target],
        catalogued: Sequence[ModelEntry],
        passthrough: str | None,
        bare: Mapping[str, Target] = {},
        snapshot: Callable[[str], Target | None] = _unknown,
        successors: Mapping[str, str] = {},
        standing: Callable[[Target], Standing | None] = _unknown,
        about: Callable[[Target], Mapping[str, Json]] = _nothing,
        facts: Callable[[Target], Facts] = _no_facts,
        today: Callable[[], int] = lambda: 0,
        retry: Retry = USUAL_RETRY,
        lists: bool = True,
    ) -> None:
        """``models``: candidates as configured, their facts but for a region of their own still to be filled in.

        ``providers``: provider name to a target whose model is ``"*"``. ``catalogued``: known models behind wildcards.
        ``bare``: catalogue names that need no prefix; ``snapshot``: who has a dated one of them. ``standing``, ``about`` and
        ``facts``: what the catalogue knows of a target, on the day that ``today`` counts. ``retry``: of routes that nobody configured.
        ``lists``: has the wildcard's provider a model list in OpenAI's shape?
        """
        self._bare = bare
        self._snapshot = snapshot
        self._successors = successors
        self._standing = standing
        self._about = about
        self._facts = facts
        self._today = today
        self._retry = retry
        self._lists = lists
        self._models = dict(models)
        self._wildcard = self._models.pop(WILDCARD, None)
        self._providers = providers
        self._passthrough = _named(providers[passthrough], "") if passthrough is not None else None
        named = [ModelEntry(name, route.candidates[0].target.provider) for name, route in self._models.items()]
        self._entries = (*named, *(entry for entry in catalogued if entry.id not in self._models))
        self._day = today()
        self._routes: dict[str, Route | None] = {}
        self._others: dict[tuple[str, str], Candidate] = {}
        self._patterns: dict[tuple[str, ...], re.Pattern[str]] = {}
        self._allowed: dict[tuple[tuple[str, ...], str], bool] = {}

    @property
    def transparent(self) -> bool:
        """Is everything sent to one provider under its own names, so that its model list is ours?"""
        if self._models or self._wildcard is None or not self._lists:
            return False
        candidates = self._wildcard.candidates
        return len(candidates) == 1 and candidates[0].target.model == WILDCARD

    def resolve(self, model: str) -> tuple[str, Target] | None:
        """(route label, first target) for a public name."""
        route = self.route(model)
        return (route.label, route.candidates[0].target) if route is not None else None

    def route(self, model: str) -> Route | None:
        """What a public name leads to. The label is a configured name, so labels stay few."""
        day = self._today()
        if day != self._day:
            self._day = day
            self._routes.clear()
            self._others.clear()
        try:
            return self._routes[model]
        except KeyError:
            if len(model) > NAME_LIMIT:
                # Not even remembered: names are a client's to invent, and may be as long as a body.
                return None
            if len(self._routes) >= _CACHE:
                self._routes.clear()
            found = self._routes[model] = self._find(model)
            return found

    def _find(self, model: str) -> Route | None:
        if not model:
            return None
        route = self._models.get(model)
        if route is not None:
            return self._filled(route, model)
        target = self._bare.get(model)
        if target is not None:
            return self._single(target, model)
        provider, slash, rest = model.partition("/")
        if slash and rest and provider in self._providers:
            return self._single(_named(self._providers[provider], rest), model)
        if self._wildcard is not None:
            return self._filled(self._wildcard, model)
        target = self._snapshot(model)
        return self._single(target, model) if target is not None else None

    def _filled(self, route: Route, model: str) -> Route:
        """``route`` for one name: wildcards replaced, facts looked up."""
        candidates = []
        for each in route.candidates:
            target = _named(each.target, model)
            facts = self._facts(target)
            if each.facts.region:
                facts = structs.replace(facts, region=each.facts.region)
            candidates.append(structs.replace(each, target=target, model=model, facts=facts))
        return structs.replace(route, candidates=tuple(candidates))

    def _single(self, target: Target, model: str) -> Route:
        candidate = Candidate(target=target, model=model, facts=self._facts(target))
        return Route(label=f"{target.provider}/*", candidates=(candidate,), retry=self._retry)

    def candidate(self, target: Target) -> Candidate:
        """A target that no route names, with what is known of it."""
        asked = (target.provider, target.model)
        found = self._others.get(asked)
        if found is None or found.target.limits is not target.limits:
            if len(self._others) >= _CACHE:
                self._others.clear()
            found = self._others[asked] = Candidate(target=target, model=target.model, facts=self._facts(target))
        return found

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
        if len(model) > NAME_LIMIT:
            return False
        asked = (globs, model)
        known = self._allowed.get(asked)
        if known is None:
            pattern = self._patterns.get(globs)
            if pattern is None:
                pattern = self._patterns[globs] = re.compile("|".join(translate(glob) for glob in globs) or "(?!)")
            if len(self._allowed) >= _CACHE:
                self._allowed.clear()
            known = self._allowed[asked] = pattern.match(model) is not None
        return known

    def entries(self, principal: Principal) -> list[ModelEntry]:
        """The models that ``principal`` may use, as they are listed: retired ones only where a successor answers for them."""
        found = []
        for entry in self._entries:
            if not self.allows(principal, entry.id):
                continue
            route = self.route(entry.id)
            targets = [candidate.target for candidate in route.candidates] if route is not None else []
            if not self._listed(entry.id, targets, principal):
                continue
            about = self._about(self._living(targets) or targets[0]) if targets else {}
            found.append(structs.replace(entry, about=about) if about else entry)
        return found

    def _listed(self, model: str, targets: Sequence[Target], principal: Principal) -> bool:
        standings = [self._standing(target) for target in targets]
        if not targets or None in standings:
            return True
        if principal.stable_only:
            return False
        return self._living(targets) is not None or self.successor(model, targets[0]) is not None

    def _living(self, targets: Sequence[Target]) -> Target | None:
        """The first that is not retired."""
        for target in targets:
            standing = self._standing(target)
            if standing is None or standing.tier != "retired":
                return target
        return None

    def standing(self, target: Target) -> Standing | None:
        """What is to be said of the target's model today; ``None`` for a stable or unknown one."""
        return self._standing(target)

    def successor(self, model: str, target: Target) -> tuple[str, str, Target] | None:
        """(public name, route label, target) that the configuration puts in a retired model's place, if it does."""
        name = self._successors.get(model) or self._successors.get(target.model)
        for _ in range(len(self._successors)):
            route = self.route(name) if name is not None else None
            if name is None or route is None:
                return None
            targets = [candidate.target for candidate in route.candidates]
            living = self._living(targets)
            if living is not None:
                return name, route.label, living
            name = self._successors.get(name) or self._successors.get(targets[0].model)
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
