"""The chain's view of ``proxy/tokens``: estimates for every request, exact figures for those that need them."""

import msgspec

from .context import TokenEstimate
from .tokens.counter import TokenCounter
from .wire.endpoints import Endpoint
from .wire.usage import Usage


class ChainCounter:
    """Implements ``protocols.Counter``."""

    def __init__(self, tokens: TokenCounter) -> None:
        self._tokens = tokens

    def estimate(self, body: bytes, output: int) -> TokenEstimate:
        """From bytes alone; ``output`` is the client's cap, 0 = none."""
        estimate = self._tokens.estimate(body)
        return TokenEstimate(estimate.likely, estimate.bound, output)

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str) -> Usage:
        """Counts of a prompt and of the text that was generated."""
        prompt = await self._tokens.prompt(endpoint.name, model, body)
        text = await self._tokens.text(model, output)
        return Usage(input=prompt.total, output=text.tokens, input_source=prompt.source, output_source=text.source)

    async def breakdown(self, model: str, body: bytes) -> dict[str, int | str]:
        """Counts of a chat body by part."""
        counted = await self._tokens.prompt("chat", model, body)
        parts: dict[str, int | str] = msgspec.to_builtins(counted)
        return parts
