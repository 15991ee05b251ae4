"""The chain's view of ``proxy/tokens``: estimates for every request, exact figures for those that need them."""

import msgspec

from .context import TokenEstimate
from .errors import ClientError
from .tokens.counter import TokenCounter
from .tokens.estimate import ATTACHING, ROOM, likely_tokens
from .translation.ask import Ask
from .translation.messages import MessagesFront
from .wire.endpoints import Endpoint
from .wire.usage import Usage
from .wire.values import dumps, object_in
from .wire.words import NO_WORDS

LARGEST = 1024 * 1024
"""Bytes of a messages body that is translated to be counted; a larger one is estimated."""


class ChainCounter:
    """Implements ``protocols.Counter``."""

    def __init__(self, tokens: TokenCounter) -> None:
        self._tokens = tokens

    def estimate(
        self, body: bytes, output: int, *, plain: bool = False, words: frozenset[str] = NO_WORDS
    ) -> TokenEstimate:
        """From bytes alone; ``output`` is the client's cap, 0 = none. ``plain``: it has no attachments; ``words``: do they name one?"""
        if plain or (words and ATTACHING.isdisjoint(words)):
            size = len(body)
            return TokenEstimate(likely_tokens(size), size + ROOM, output)
        estimate = self._tokens.estimate(body)
        return TokenEstimate(estimate.likely, estimate.bound, output)

    async def usage(self, endpoint: Endpoint, model: str, body: bytes, output: str, *, dropped: int = 0) -> Usage:
        """Counts of a prompt and of the text that was generated; what was not kept is estimated in the same proportion."""
        name = endpoint.name
        if name in ("messages", "count_tokens"):
            name, body = "chat", as_chat(model, body)
        text = await self._tokens.text(model, output)
        tokens, source = text.tokens, text.source
        if dropped:
            tokens, source = round(tokens * (1 + dropped / len(output))), "estimated"
        if endpoint.model == "hint":
            # A body of any dialect.
            return Usage(input=self._tokens.estimate(body).likely, output=tokens, output_source=source)
        prompt = await self._tokens.prompt(name, model, body)
        return Usage(input=prompt.total, output=tokens, input_source=prompt.source, output_source=source)

    async def ready(self, model: str) -> None:
        """See ``protocols.Counter``."""
        await self._tokens.ready(model)

    async def breakdown(self, model: str, body: bytes) -> dict[str, int | str]:
        """Counts of a chat body by part."""
        counted = await self._tokens.prompt("chat", model, body)
        parts: dict[str, int | str] = msgspec.to_builtins(counted)
        return parts


def as_chat(model: str, body: bytes) -> bytes:
    """An Anthropic messages body as the chat request it would be translated to; as it is where it cannot be."""
    document = object_in(body) if len(body) <= LARGEST else None
    if document is None:
        return body
    try:
        return dumps(MessagesFront().request(document, Ask(model=model)))
    except ClientError:
        return body
