"""``POST /v1/tokens``: a chat request's token counts, part by part, without asking any provider."""

import msgspec
from starlette.types import ASGIApp

from ..context import Receive, Scope, Send, context_of
from ..protocols import Counter
from .answer import answer_json


class TokensApp:
    """Innermost application of the tokens chain: routing has told which upstream model's encoding holds."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        model = ctx.target.model if ctx.target is not None else (ctx.request.model or "")
        count = await self._counter.breakdown(model, ctx.body)
        answer = {
            "object": "token_count",
            "model": ctx.request.model,
            "input_tokens": count["total"],
            "source": count["source"],
            "encoding": count["encoding"],
            "parts": {name: value for name, value in count.items() if name not in ("total", "source", "encoding")},
            "estimate": {"likely": ctx.estimate.likely, "bound": ctx.estimate.bound},
            "max_output_tokens": ctx.estimate.output or None,
        }
        await answer_json(ctx, send, msgspec.json.encode(answer))


def app(counter: Counter) -> ASGIApp:
    """What the chain ends in."""
    return TokensApp(counter)
