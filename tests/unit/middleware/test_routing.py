"""Every way from a name, or none, to a target; and a dry run, which goes no further."""

import json
from datetime import date

import pytest

from middleware.routing import RoutingMiddleware
from proxy.context import Principal, RequestContext, Target
from proxy.errors import EndpointUnsupported, InvalidRequest, ModelNotFound, NotFound, PermissionDenied, TollwayError
from proxy.protocols import Standing
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, MODELS, MODERATIONS, PASSTHROUGH, Endpoint
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock
from tests.support.fakes import TARGET, FakeDirectory
from tests.support.routers import router_over

ANYBODY = Principal(name="app", tenant="app")
NAMED_ONLY = Principal(name="app", tenant="app", passthrough=False)
OTHER = TARGET.__class__(provider="other", model="", limits=TARGET.limits)
DIRECTORY = FakeDirectory({"fast": ("fast", TARGET), "secret": ("secret", TARGET)}, allowed={"fast", "unknown"})
WITH_PASSTHROUGH = FakeDirectory({"fast": ("fast", TARGET)}, passthrough=OTHER)


async def routed(
    directory: FakeDirectory,
    *,
    model: str | None = None,
    endpoint: Endpoint = CHAT,
    path: str = "/chat/completions",
    principal: Principal = ANYBODY,
    admin: bool = False,
) -> RequestContext:
    inner, client = Inner(), Client()
    ctx = RequestContext(
        request_id="r", endpoint=endpoint, path=path, request=RequestView(model=model), principal=principal
    )
    link = RoutingMiddleware(
        inner, router=router_over(directory, admin=admin), explain=lambda ctx: {}, shadow=None, clock=FakeClock()
    )
    try:
        await link(scope_of(ctx), client.receive, client.send)
    except TollwayError:
        assert inner.reached == 0
        raise
    assert inner.reached == 1
    assert [name for name, _ in ctx.timings] == ["routing"]
    assert ctx.plan is not None
    assert (ctx.plan.route.label, ctx.plan.chosen.target) == (ctx.route, ctx.target)
    return ctx


async def test_a_configured_model_leads_to_its_target() -> None:
    ctx = await routed(DIRECTORY, model="fast")
    assert (ctx.target, ctx.route) == (TARGET, "fast")


@pytest.mark.parametrize("model", ["secret", "unknown", "other", ""])
async def test_a_model_that_is_unknown_or_forbidden_is_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await routed(DIRECTORY, model=model)
    assert caught.value.status == 404


async def test_a_missing_model_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        await routed(WITH_PASSTHROUGH)
    assert (caught.value.param, caught.value.code) == ("model", "missing_required_parameter")


@pytest.mark.parametrize("endpoint", [MODERATIONS, PASSTHROUGH, MODELS])
async def test_without_a_model_the_passthrough_provider_takes_it(endpoint: Endpoint) -> None:
    ctx = await routed(WITH_PASSTHROUGH, endpoint=endpoint, path="/files")
    assert (ctx.target, ctx.route) == (OTHER, "passthrough")


async def test_a_hint_chooses_only_among_configured_names() -> None:
    ctx = await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, model="fast", path="/batches")
    assert (ctx.target, ctx.route) == (TARGET, "fast")
    ctx = await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, model="ft:anything", path="/fine_tuning/jobs")
    assert (ctx.target, ctx.route) == (OTHER, "passthrough")


async def test_an_optional_model_that_is_unknown_is_not_passed_through() -> None:
    with pytest.raises(ModelNotFound):
        await routed(WITH_PASSTHROUGH, endpoint=MODERATIONS, model="unknown", path="/moderations")


async def test_a_key_of_named_models_has_no_passthrough() -> None:
    with pytest.raises(PermissionDenied) as caught:
        await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, path="/files", principal=NAMED_ONLY)
    assert "passthrough: true" in caught.value.message


async def test_a_forbidden_hint_does_not_reach_its_target() -> None:
    directory = FakeDirectory({"secret": ("secret", TARGET)}, allowed=set(), passthrough=OTHER)
    ctx = await routed(directory, endpoint=PASSTHROUGH, model="secret", path="/batches")
    assert ctx.target is OTHER


async def test_no_passthrough_provider_is_said() -> None:
    with pytest.raises(EndpointUnsupported) as caught:
        await routed(DIRECTORY, endpoint=PASSTHROUGH, path="/files")
    assert "passthrough.provider" in caught.value.message


@pytest.mark.parametrize("path", ["/organization/users", "/projects", "/organization"])
async def test_account_administration_is_closed_unless_opened(path: str) -> None:
    with pytest.raises(NotFound):
        await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, path=path)
    assert (await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, path=path, admin=True)).target is OTHER


@pytest.mark.parametrize("path", ["/organization/users", "/projects/p"])
async def test_a_model_in_the_body_opens_no_administration(path: str) -> None:
    with pytest.raises(NotFound):
        await routed(WITH_PASSTHROUGH, endpoint=PASSTHROUGH, path=path, model="fast")


async def test_long_paths_are_shown_short() -> None:
    with pytest.raises(EndpointUnsupported) as caught:
        await routed(DIRECTORY, endpoint=PASSTHROUGH, path="/files/" + "x" * 5000)
    assert len(caught.value.message) < 400


def at(model: str) -> tuple[str, Target]:
    return model, Target(provider="openai", model=model, limits=TARGET.limits)


LIVES = FakeDirectory(
    {
        "gone": at("gone"),
        "lost": at("lost"),
        "old": at("old"),
        "early": at("early"),
        "new": at("new"),
        "neü\n": at("new"),
    },
    standings={
        "gone": Standing("retired", 1, date(2025, 7, 28), "new"),
        "lost": Standing("retired"),
        "old": Standing("deprecated", 1_791_936_000, date(2027, 1, 14), "new"),
        "early": Standing("preview"),
    },
    successors={"gone": "old", "lost": "neü\n"},
)
CAREFUL = Principal(name="app", tenant="app", stable_only=True)


@pytest.mark.parametrize(
    ("model", "sent", "headers"),
    [
        ("new", "new", []),
        ("early", "early", [(b"x-tollway-model-tier", b"preview")]),
        (
            "old",
            "old",
            [
                (b"x-tollway-model-tier", b"deprecated"),
                (b"deprecation", b"@1791936000"),
                (b"sunset", b"Thu, 14 Jan 2027 00:00:00 GMT"),
            ],
        ),
        (
            "gone",
            "old",
            [
                (b"x-tollway-successor", b"old"),
                (b"x-tollway-model-tier", b"deprecated"),
                (b"deprecation", b"@1791936000"),
                (b"sunset", b"Thu, 14 Jan 2027 00:00:00 GMT"),
            ],
        ),
        ("lost", "new", [(b"x-tollway-successor", b"ne%C3%BC%0A")]),
    ],
)
async def test_the_life_of_a_model_is_told(model: str, sent: str, headers: list[tuple[bytes, bytes]]) -> None:
    ctx = await routed(LIVES, model=model)
    assert ctx.target is not None
    assert ctx.target.model == sent
    assert ctx.response_headers == headers


async def test_a_retired_model_without_a_successor_is_not_found() -> None:
    alone = FakeDirectory({"lost": at("lost")}, standings={"lost": Standing("retired")})
    with pytest.raises(ModelNotFound, match="gone"):
        await routed(alone, model="lost")


@pytest.mark.parametrize("model", ["old", "early", "gone"])
async def test_a_key_for_stable_models_gets_no_others(model: str) -> None:
    with pytest.raises(PermissionDenied) as caught:
        await routed(LIVES, model=model, principal=CAREFUL)
    assert (caught.value.code, caught.value.param, caught.value.status) == ("model_not_stable", "model", 403)
    assert f"`{model}`" in caught.value.message


async def test_a_key_for_stable_models_gets_those() -> None:
    ctx = await routed(LIVES, model="new", principal=CAREFUL)
    assert ctx.route == "new"


async def test_a_provider_that_the_key_may_not_use() -> None:
    with pytest.raises(PermissionDenied, match="may not use provider 'local'"):
        await routed(DIRECTORY, model="fast", principal=Principal(name="app", tenant="app", providers=("other",)))


async def test_a_dry_run_is_answered_and_goes_no_further() -> None:
    inner, client = Inner(), Client()
    ctx = RequestContext(
        request_id="r",
        path="/chat/completions",
        request=RequestView(model="fast"),
        principal=ANYBODY,
        headers={b"x-tollway-dry-run": b"true", b"x-tollway-colour": b"blue"},
    )
    link = RoutingMiddleware(
        inner,
        router=router_over(DIRECTORY),
        explain=lambda ctx: {"chosen": ctx.plan.chosen.place if ctx.plan is not None else None},
        shadow=None,
        clock=FakeClock(),
    )
    await link(scope_of(ctx), client.receive, client.send)
    assert inner.reached == 0
    assert (client.status, json.loads(client.body)) == (200, {"chosen": "local/small"})
    assert client.headers[b"x-tollway-warning"] == b"ignored: x-tollway-colour (unknown)"
    assert ctx.plan is not None
    assert ctx.plan.figures != ()
