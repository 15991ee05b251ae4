"""Chat at Azure for clients that speak Anthropic's or the Responses dialect: to OpenAI's models, and to Claude in Foundry."""

from msgspec import structs

from ...translation.ask import Ask, Encoded
from ...wire.values import JsonObject
from ..anthropic.dialect import AnthropicChat
from ..openai_dialect.chat import CompatibleChat
from ..openai_dialect.spec import Compatible
from .address import Address
from .passing import AzurePassing

AZURE = Compatible(name="azure", base_url="", exact=True, shims=True, top_k=False)


class DeploymentChat(CompatibleChat):
    """A ``ChatDialect``: OpenAI's own, at the address of the deployment. Stateless."""

    def __init__(self, address: Address, passing: AzurePassing) -> None:
        super().__init__(AZURE)
        self._address = address
        self._passing = passing

    def encode(self, chat: JsonObject, ask: Ask) -> Encoded:
        """As at OpenAI, under the deployment's name, by the rules of the model behind it."""
        self._passing.settle(ask)
        encoded = super().encode(chat, ask)
        url = self._address.url(encoded.path, ask.model) or self._address.base + encoded.path
        return structs.replace(encoded, path=url.removeprefix(self._address.root))


class FoundryClaude(AnthropicChat):
    """Claude in Foundry for clients that speak chat. Stateless."""

    def __init__(self, passing: AzurePassing) -> None:
        super().__init__()
        self._passing = passing

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """As at Anthropic, under the deployment's name. Raises ``InvalidRequest``."""
        self._passing.settle(ask)
        encoded = super().encode(body, ask)
        return structs.replace(encoded, path=f"/anthropic{encoded.path}")
