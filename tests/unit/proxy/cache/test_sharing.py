"""Who may follow whose answer: the same key says the same question, but not yet whom one may fall back to."""

from typing import Any

import pytest
from msgspec import structs

from proxy.cache.flight import Flight
from proxy.cache.recording import Recording
from proxy.cache.sharing import suits
from proxy.context import Controls, Principal, RequestContext
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
