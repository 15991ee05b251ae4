"""What single tries hold: each provider is charged for what its own try used, and no longer than that try takes."""

import pytest

from proxy.context import Attempt, RequestContext, Settled, Target
from proxy.errors import RateLimited
from proxy.policy.faults import Fault, FaultKind
from proxy.policy.rules import rules_of
from proxy.policy.terms import Limits
from proxy.wire.usage import Usage, reported
from tests.support.fakes import LIMITS, TARGET

from .test_limiter import Made, request

PROVIDER = Limits(rpm=10, tpm=10_000, concurrency=3)
OTHER = Target(provider="other", model="small", limits=LIMITS)
ANSWER = reported(prompt=90, output=40)


async def levels(made: Made, provider: str = "local") -> list[tuple[int, int]]:
    """(used, held) of requests, tokens, slots of a provider, in that order."""
    rules = {rule.name: rule for rule in rules_of(PROVIDER, "provider", provider)}
    found = await made.store.levels([(rules[name], "") for name in ("rpm", "tpm", "concurrency")])
    return [(level.used, level.held) for level in found]


async def tried(made: Made, ctx: RequestContext, target: Target = TARGET, model: str = "") -> Attempt:
    """Admitted and sent."""
    await made.limiter.attempt(ctx, target, model)
    attempt = Attempt(provider=target.provider, model=target.model, started=1.0, status=200)
    ctx.attempts.append(attempt)
    return attempt


def failed(attempt: Attempt, kind: FaultKind) -> None:
    attempt.fault, attempt.ended = Fault(kind=kind), 2.0


async def end(ctx: RequestContext, usage: Usage = ANSWER) -> None:
    ctx.usage, ctx.settled = usage, Settled(charge=0, cost=0, ending="complete", count="reported")
    for settler in reversed(ctx.settlers):
        await settler(ctx)


@pytest.mark.parametrize(("kind", "tokens"), [("server_error", 0), ("dropped", 100)])
async def test_a_failed_try_gives_its_place_back_when_the_next_begins(kind: FaultKind, tokens: int) -> None:
    """Its tokens are those of its prompt, where that may be billed; the answer's are another provider's."""
    made, ctx = Made(providers=PROVIDER), request(cap=50)
    failed(await tried(made, ctx), kind)
    assert await levels(made) == [(1, 0), (0, 150), (0, 1)]
    await tried(made, ctx)
    assert await levels(made) == [(2, 0), (tokens, 150), (0, 1)]
    await end(ctx)
    assert await levels(made) == [(2, 0), (tokens + 130, 0), (0, 0)]
    assert len(made.leases) == 0


async def test_both_of_a_race_keep_their_places_until_it_is_over() -> None:
    made, ctx = Made(providers=PROVIDER), request(cap=50)
    first, second = await tried(made, ctx), await tried(made, ctx)
    assert await levels(made) == [(2, 0), (0, 300), (0, 2)]
    first.usage, first.maybe_billed, first.ended = Usage(input=100, output=7), True, 2.0
    assert second.usage is None
    await end(ctx)
    assert await levels(made) == [(2, 0), (107 + 130, 0), (0, 0)]


async def test_a_connection_that_was_made_anew_belongs_to_the_same_try() -> None:
    made, ctx = Made(providers=PROVIDER), request(cap=50)
    failed(await tried(made, ctx), "dropped")
    ctx.attempts.append(Attempt(provider="local", model="small", started=2.0, status=200))
    await end(ctx)
    assert await levels(made) == [(1, 0), (130, 0), (0, 0)]


async def test_a_try_that_was_never_sent_used_a_request_and_nothing_else() -> None:
    made, ctx = Made(providers=PROVIDER), request(cap=50)
    await made.limiter.attempt(ctx, TARGET)
    ctx.attempts.append(Attempt(provider="other", model="small", started=1.0, status=200))
    await end(ctx)
    assert await levels(made) == [(1, 0), (0, 0), (0, 0)]


async def test_what_a_provider_takes_and_a_fallback_model_refuses_is_not_held() -> None:
    made, ctx = Made(providers=PROVIDER, models=Limits(rpm=1)), request(cap=50, model="elsewhere")
    other = request(cap=50, model="elsewhere")
    ctx.route = other.route = "elsewhere"
    await tried(made, ctx, model="fast")
    with pytest.raises(RateLimited, match="this model's limit of 1 requests per minute"):
        await made.limiter.attempt(other, TARGET, "fast")
    assert await levels(made) == [(1, 0), (0, 150), (0, 1)]
    for settler in other.settlers:
        await settler(other)
    await end(ctx)
    assert await levels(made) == [(1, 0), (130, 0), (0, 0)]


async def test_a_fallback_that_a_glob_names_counts_against_the_globs_limits() -> None:
    made = Made(models=Limits(rpm=1), named="fa*")
    ctx, other = request(model="elsewhere"), request(model="elsewhere")
    ctx.route = other.route = "elsewhere"
    await tried(made, ctx, model="fast")
    with pytest.raises(RateLimited, match="this model's limit of 1 requests per minute"):
        await made.limiter.attempt(other, TARGET, "fast")
