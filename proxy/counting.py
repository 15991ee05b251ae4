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

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        """Counts of a prompt and of the text that was generated; what was not kept is estimated in the same proportion."""
        prompt = await self._tokens.prompt(endpoint.name, model, body)
        text = await self._tokens.text(model, output)
        tokens, source = text.tokens, text.source
        if dropped:
            tokens, source = round(tokens * (1 + dropped / len(output))), "estimated"
        return Usage(input=prompt.total, output=tokens, input_source=prompt.source, output_source=source)

    async def breakdown(self, model: str, body: bytes) -> dict[str, int | str]:
        """Counts of a chat body by part."""
        counted = await self._tokens.prompt("chat", model, body)
        parts: dict[str, int | str] = msgspec.to_builtins(counted)
        return parts
