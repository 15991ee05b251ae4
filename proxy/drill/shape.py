"""A route as a client of it sees it: the places that could answer, in order, and how many of them may be tried."""

from typing import Literal

from msgspec import Struct

from ..config import Config
from ..config.traffic import Model, Target

WILDCARD = "*"

_SAMPLES = {
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "vertex": "gemini-2.5-flash",
    "bedrock": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "cohere": "command-a-03-2025",
}
_SAMPLE = "gpt-4o-mini"
"""What a client could ask a wildcard for, by the kind of its first provider."""

Role = Literal["own", "fallback", "context_length", "content_policy"]
"""How a route comes to a place: its own target, a fallback's, or that of a fallback named for one fault."""


class Place(Struct, frozen=True, kw_only=True):
    """One target. ``route``: the public name it stands under; ``continues``: may an answer that broke off go on here?"""

    provider: str
    use: str
    model: str
    route: str
    role: Role
    keys: int = 1
    """Credentials of its provider, each one a try when the one before is refused."""
    continues: bool = False

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


class Node(Struct, frozen=True, kw_only=True):
    """One public name among those that a route leads to: its settings, its places, and its fallbacks, as indices into the shape."""

    settings: Model
    places: tuple[int, ...]
    fallbacks: tuple[int, ...] = ()
    context_length: tuple[int, ...] = ()
    content_policy: tuple[int, ...] = ()


class Shape(Struct, frozen=True, kw_only=True):
    """One route. ``asked``: the model that a client names; ``places``: its own targets, then those of its fallbacks.

    ``nodes``: the first is the route itself. ``pauses``: seconds that all pauses between tries may take together.
    """

    name: str
    asked: str
    policy: str
    places: tuple[Place, ...]
    nodes: tuple[Node, ...]
    attempts: int
    pauses: float = 0.0
    hedged: bool = False

    def of(self, *roles: Role) -> tuple[int, ...]:
        """Indices of the places with one of these roles."""
        return tuple(index for index, place in enumerate(self.places) if place.role in roles)


def shapes_of(config: Config) -> tuple[Shape, ...]:
    """Every configured route; where there is none, one for each provider."""
    models = config.models or {
        f"{name}/{WILDCARD}": Model(targets=(Target(provider=name),)) for name in config.providers
    }
    return tuple(_Walk(config, name, model).shape() for name, model in models.items())


class _Walk:
    """Collects what one route leads to, each public name once."""

    def __init__(self, config: Config, name: str, model: Model) -> None:
        self._config = config
        self._name = name
        self._model = model
        self._sample = _SAMPLES.get(config.providers[model.targets[0].provider].use, _SAMPLE)
        self._places: list[Place] = []
        self._nodes: list[Node | None] = []
        self._known: dict[str, int] = {}

    def shape(self) -> Shape:
        """The route with everything it leads to."""
        config, model = self._config, self._model
        asked = self._sample if WILDCARD in self._name else self._name
        self._visit(asked, model, "own")
        retry = model.retry if model.retry is not None else config.retry
        return Shape(
            name=self._name,
            asked=asked,
            policy=model.policy,
            places=tuple(self._places),
            nodes=tuple(node for node in self._nodes if node is not None),
            attempts=retry.attempts,
            pauses=sum(min(retry.base * 2**number, retry.longest) for number in range(retry.attempts - 1)),
            hedged=model.hedge is not None,
        )

    def _visit(self, name: str, model: Model, role: Role) -> int:
        """Index of the node for ``name``."""
        if name in self._known:
            return self._known[name]
        at = self._known[name] = len(self._nodes)
        self._nodes.append(None)
        first = len(self._places)
        self._places += [self._place(name, model, target, role) for target in model.targets]
        places = tuple(range(first, len(self._places)))
        later: Role = "fallback" if role == "own" else role
        others = model.fallbacks_for
        self._nodes[at] = Node(
            settings=model,
            places=places,
            fallbacks=self._all(model.fallbacks, later),
            context_length=self._all(others.context_length, "context_length"),
            content_policy=self._all(others.content_policy, "content_policy"),
        )
        return at

    def _all(self, names: tuple[str, ...], role: Role) -> tuple[int, ...]:
        return tuple(self._visit(name, found, role) for name in names if (found := self._named(name)) is not None)

    def _named(self, name: str) -> Model | None:
        """What a public name leads to, as the gateway resolves it."""
        models = self._config.models
        if name in models:
            return models[name]
        provider, slash, rest = name.partition("/")
        if slash and rest and provider in self._config.providers:
            return Model(targets=(Target(provider=provider, model=rest),))
        return models.get(WILDCARD)

    def _place(self, name: str, model: Model, target: Target, role: Role) -> Place:
        provider = self._config.providers[target.provider]
        return Place(
            provider=target.provider,
            use=provider.use,
            model=name if target.model == WILDCARD else target.model,
            route=name,
            role=role,
            keys=max(len(provider.api_keys), 1),
            continues=model.continue_streams and target.continues,
        )
