"""Token counts that the gateway answers itself: ``/v1/tokens``, part by part, and Anthropic's ``count_tokens``."""

import msgspec
from starlette.types import ASGIApp

from ..context import Receive, Scope, Send, context_of
from ..protocols import Counter, Providers
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


class CountTokensApp:
    """``POST /v1/messages/count_tokens``: Anthropic-speaking providers count themselves, for the others we do."""

    def __init__(self, counter: Counter, providers: Providers, upstream: ASGIApp) -> None:
        self._counter = counter
        self._providers = providers
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx = context_of(scope)
        model = ctx.target.model if ctx.target is not None else ""
        if ctx.target is not None and self._providers[ctx.target.provider][0].passes(ctx.endpoint, model, ctx.path):
            await self._upstream(scope, receive, send)
            return
        usage = await self._counter.usage(ctx.endpoint, model, ctx.body, "")
        await answer_json(ctx, send, msgspec.json.encode({"input_tokens": usage.input}))


def app(counter: Counter) -> ASGIApp:
    """What the chain of ``/tokens`` ends in."""
    return TokensApp(counter)
