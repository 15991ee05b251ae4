"""Embeddings that the gateway needs itself: asked for like anybody's, through its own router, with failover, at the operator's cost."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from .context import Message, Principal, RequestContext
from .errors import TollwayError, UpstreamInvalid
from .protocols import EmbedderFailed
from .relay.relay import Relay
from .rollout.expenses import Expenses
from .services import Services
from .wire.chat import RequestView
from .wire.endpoints import EMBEDDINGS

FLAG = "embedding"
"""Among the flags of its ledger entry."""

OPERATOR = Principal(name="embedding", tenant="embedding")

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer that are read: thousands of vectors."""


class _Answer:
    """What would have been sent to a client."""

    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        body: bytes = message.get("body", b"")
        self._size += len(body)
        if self._size > LARGEST:
            raise UpstreamInvalid("The embeddings are larger than can be used.", detail=f"{self._size} bytes")
        self.parts.append(body)


async def _never() -> Message:
    """Nobody is there who could leave."""
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


class Embeddings:
    """Asks one model for the vectors of texts. The generation in force when it is asked does the work."""

    def __init__(self, services: Callable[[], Services], expenses: Callable[[], Expenses]) -> None:
        self._services = services
        self._expenses = expenses
        self._numbers = count(1)

    async def __call__(self, model: str, texts: Sequence[str]) -> bytes:
        """The JSON of the answer. Raises ``EmbedderFailed``. A cancellation closes the upstream."""
        services = self._services()
        body = msgspec.json.encode({"model": model, "input": list(texts), "encoding_format": "float"})
        ctx = RequestContext(
            request_id=f"embedding_{next(self._numbers)}",
            endpoint=EMBEDDINGS,
            started=services.clock(),
            raw_headers=[(b"content-type", b"application/json")],
            headers={b"content-type": b"application/json"},
            path="/embeddings",
            principal=OPERATOR,
            body=body,
            request=RequestView(model=model),
            estimate=services.counter.estimate(body, 0),
        )
        # A task of its own: its time limits must end it, and not the request on whose behalf it runs.
        task = asyncio.get_running_loop().create_task(self._run(ctx, services))
        ctx.task = task
        try:
            return await task
        except asyncio.CancelledError:
            if ctx.interruption is None:
                task.cancel()
                raise
            raise EmbedderFailed("timeout", type(ctx.interruption).__name__) from None
        except TollwayError as error:
            raise EmbedderFailed("error", type(error).__name__) from None

    async def _run(self, ctx: RequestContext, services: Services) -> bytes:
        plan = ctx.plan = services.router.plan(ctx)
        ctx.route, ctx.target = plan.route.label, plan.chosen.target
        expenses, answer = self._expenses(), _Answer()
        if not expenses.begin(ctx, plan.chosen.target):
            raise EmbedderFailed("busy", "the ledger takes no entries")
        relay = Relay(
            ctx,
            _never,
            answer,
            course=services.courses.course(ctx),
            providers=services.providers,
            admission=services.admission,
            settings=services.relay,
            tasks=services.tasks,
            clock=services.clock,
            wall=services.wall,
        )
        try:
            await relay.run()
        except TollwayError as error:
            ctx.error = error.with_traceback(None)
            ctx.outcome = "upstream_error"
            raise
        except asyncio.CancelledError:
            ctx.outcome = "timeout" if ctx.interruption is not None else "client_closed"
            raise
        finally:
            ctx.status = answer.status
            expenses.end(ctx, services.clock())
        if answer.status >= 300:
            raise EmbedderFailed("error", f"status {answer.status}")
        return b"".join(answer.parts)
