"""Who may follow whose answer: the same key says the same question, but not yet whom one may fall back to."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from proxy.cache.flight import STUCK, Flight
from proxy.cache.keeping import made_otherwise
from proxy.cache.recording import Recording
from proxy.cache.sharing import suits
from proxy.context import Attempt, Controls, Principal, RequestContext
from proxy.policy.targets import Candidate, Plan, Route
from proxy.wire.chat import RequestView
from tests.support.fakes import TARGET

OWN = Candidate(target=TARGET, model="small")
ALONE = Route(label="small", candidates=(OWN,))
BACKED = structs.replace(ALONE, fallbacks=("large",))
ANNA = Principal(name="anna", tenant="acme")
BEN = structs.replace(ANNA, name="ben")


def asking(route: Route = BACKED, principal: Principal = ANNA, **more: Any) -> RequestContext:
    plan = Plan(route=route, candidates=route.candidates, chosen=OWN)
    return RequestContext(
        request_id="r", principal=principal, plan=plan, body=b"{}", request=RequestView(model="small"), **more
    )


def follows(leader: RequestContext, ctx: RequestContext) -> bool:
    async def nobody(*_: object) -> Any: ...

    flight = Flight(b"k", leader, nobody, nobody, Recording(1024), {})
    return suits(flight, ctx, usage_known=True)


def test_the_same_request_of_the_same_key_or_of_one_with_the_same_terms() -> None:
    assert follows(asking(), asking())
    assert follows(asking(), asking(principal=BEN))


@pytest.mark.parametrize(
    "ctx",
    [
        asking(principal=structs.replace(BEN, providers=("local",))),
        asking(principal=structs.replace(BEN, models=("small",))),
        asking(principal=structs.replace(BEN, regions=("eu",))),
        asking(principal=structs.replace(BEN, stable_only=True)),
        asking(controls=Controls(providers=("!other",))),
        asking(route=ALONE),
        asking(route=structs.replace(ALONE, fallbacks=("another",))),
        asking(route=structs.replace(BACKED, on_context_length=("long",))),
    ],
)
def test_who_may_fall_back_to_others_makes_an_answer_of_its_own(ctx: RequestContext) -> None:
    assert not follows(asking(), ctx)
    assert not follows(ctx, asking())


def test_where_there_is_nobody_to_fall_back_to_terms_are_no_matter() -> None:
    """Targets that may answer are in the key."""
    assert follows(asking(ALONE), asking(ALONE, structs.replace(BEN, models=("small",))))


def test_a_cap_of_ours_is_shared_only_with_whom_it_was_meant_for() -> None:
    capped = asking(uncapped=b"{}")
    capped.body = b'{"max_tokens":5}'
    assert not follows(capped, asking())
    assert not follows(asking(), capped)


def test_nobody_follows_whose_time_is_over_before_its_own() -> None:
    hurried = asking(deadline=10.0)
    assert not follows(hurried, asking())
    assert not follows(hurried, asking(deadline=12.0))
    assert follows(hurried, asking(deadline=10.5)), "both came at the same time"
    assert follows(asking(), hurried)


async def test_nobody_joins_a_leader_whose_client_does_not_read() -> None:
    loop = asyncio.get_running_loop()
    reading: asyncio.Future[None] = loop.create_future()

    async def slow(_: object) -> None:
        await reading

    async def nobody() -> Any: ...

    ctx = asking()
    flight = Flight(b"k", ctx, nobody, slow, Recording(1024), {})
    flight.recording.begin({"status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    sending = asyncio.ensure_future(
        flight.send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    )
    await asyncio.sleep(0)
    ctx.sending = asyncio.get_running_loop().time()
    assert suits(flight, asking(), usage_known=True)
    ctx.sending -= 10 * STUCK
    assert not suits(flight, asking(), usage_known=True)
    reading.set_result(None)
    await sending
    ctx.sending = 0.0
    assert suits(flight, asking(), usage_known=True)


def test_an_answer_of_a_plan_that_began_with_a_fallback_is_another_models() -> None:
    ctx = asking()
    assert ctx.plan is not None
    ctx.target = OWN.target
    ctx.attempts = [Attempt(provider="local", model="small", started=0.0)]
    assert made_otherwise(ctx) == ""
    fallback = Candidate(target=structs.replace(TARGET, model="large"), model="large")
    ctx.plan = structs.replace(ctx.plan, chosen=fallback)
    ctx.target = fallback.target
    ctx.attempts = [Attempt(provider="local", model="large", started=0.0, role="fallback", public="large")]
    assert made_otherwise(ctx) == "fallback"
