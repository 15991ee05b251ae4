"""Requests to Azure in the client's own dialect: OpenAI's, and for Claude in Foundry Anthropic's."""

from collections.abc import Mapping

from ...catalogue import info
from ...catalogue.behaviour import Behaviour, behaviour_of, canonical
from ...translation.ask import Ask
from ...translation.contract import Translation
from ...translation.shimmed import shimmed
from ...wire.endpoints import Endpoint
from ...wire.splice import with_model
from ..shims import shim
from .address import Address

ANTHROPIC = frozenset(("messages", "count_tokens"))
ABSENT = frozenset(("moderations", "rerank", "decisions", "tokens"))
"""Operations of OpenAI's surface that no Azure resource has."""


class AzurePassing:
    """A ``Passing``. ``deployments``: model to deployment; ``base_models``: deployment to the model behind it."""

    def __init__(self, address: Address, *, deployments: Mapping[str, str], base_models: Mapping[str, str]) -> None:
        self._address = address
        self._deployments = deployments
        self._base_models = base_models

    def url(self, endpoint: Endpoint, model: str, path: str) -> str | None:
        """The complete URL, with the version that the family needs."""
        name = endpoint.name
        if name in ANTHROPIC:
            return f"{self._address.root}/anthropic/v1{path}" if self.speaks_anthropic(model) else None
        if name in ABSENT or (model and self.speaks_anthropic(model)):
            return None
        return self._address.url(path, self._deployments.get(model, model))

    def edit(self, endpoint: Endpoint, body: bytes, ask: Ask) -> bytes:
        """The deployment's name, and the shims of the model behind it."""
        asked = ask.model
        self.settle(ask)
        if ask.model != asked:
            body = with_model(body, ask.model)
        return shim(endpoint.name, body, ask)

    def settle(self, ask: Ask) -> None:
        """Makes ``ask`` one for the deployment, with the behaviour of the model behind it."""
        asked, base = ask.model, self._base_of(ask.model)
        ask.model = self._deployments.get(asked, asked)
        claude = is_claude(base)
        if base != asked:
            ask.behaviour = behaviour_of(base)
        if base != asked or claude:
            ask.info = info("anthropic" if claude else "openai", base)

    def repair(self, endpoint: Endpoint, ask: Ask) -> Translation | None:
        """Only what a shim left to do."""
        return shimmed(endpoint.name, ask)

    def untouched(self, endpoint: Endpoint, behaviour: Behaviour) -> bool:
        """The model behind a deployment has a behaviour of its own."""
        return False

    def minds(self, endpoint: Endpoint, behaviour: Behaviour) -> frozenset[str] | None:
        """Not told by names."""
        return None

    def speaks_anthropic(self, model: str) -> bool:
        """Is Claude behind the name?"""
        return is_claude(self._base_of(model))

    def _base_of(self, model: str) -> str:
        deployment = self._deployments.get(model, model)
        return self._base_models.get(deployment) or self._base_models.get(model) or model


def is_claude(model: str) -> bool:
    """Does a model's name say so?"""
    return canonical(model).startswith("claude")
