"""Every way from a native path to a provider, or to a refusal."""

import pytest

from middleware.native import NativeMiddleware, administers
from proxy.context import Principal, RequestContext
from proxy.errors import NotFound, PermissionDenied, TollwayError
from proxy.protocols import Standing
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import NATIVE
from tests.support.asgi import Client, Inner, scope_of
from tests.support.clock import FakeClock
from tests.support.fakes import TARGET, FakeDirectory
from tests.support.routers import router_over

ANYBODY = Principal(name="app", tenant="app")
NAMED_ONLY = Principal(name="app", tenant="app", models=("local/allowed",), passthrough=False)
STABLE_ONLY = Principal(name="app", tenant="app", stable_only=True)
GEMINI = "/native/local/v1beta/models/{}:generateContent"


async def routed(
    path: str,
    *,
    model: str | None = None,
    method: str = "POST",
    principal: Principal = ANYBODY,
    admin: bool = False,
    standing: Standing | None = None,
    headers: dict[bytes, bytes] | None = None,
) -> RequestContext:
    inner, client = Inner(), Client()
    ctx = RequestContext(
        request_id="r",
        endpoint=NATIVE,
        path=path,
        method=method,
        request=RequestView(model=model),
        principal=principal,
        headers=headers or {},
    )
    directory = FakeDirectory(allowed={"local/allowed"} if principal is NAMED_ONLY else None)
    directory.standing = lambda target: standing  # type: ignore[method-assign,assignment]
    link = NativeMiddleware(
        inner,
        directory=directory,
        router=router_over(directory),
        explain=lambda ctx: {"native": True},
        admin_paths=admin,
        clock=FakeClock(),
    )
    try:
        await link(scope_of(ctx), client.receive, client.send)
    except TollwayError:
        assert inner.reached == 0
        raise
    assert inner.reached == (0 if ctx.controls.dry_run else 1)
    assert client.body == (b'{"native":true}' if ctx.controls.dry_run else b"")
    return ctx


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (GEMINI.format("gemini-x"), None, "gemini-x"),
        ("/native/local/v1/chat/completions", "gpt-x", "gpt-x"),
        ("/native/local/model/us.anthropic.claude-x-v1%3A0/converse", None, "us.anthropic.claude-x-v1:0"),
        ("/native/local/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse", None, None),
        ("/native/local/v2/chat", "command-x", "command-x"),
        ("/native/local/v1/files", "gpt-x", ""),
    ],
)
async def test_the_model_is_the_one_that_will_be_used(path: str, body: str | None, model: str | None) -> None:
    ctx = await routed(path, model=body)
    assert ctx.target is not None
    assert (ctx.target.provider, ctx.route) == (TARGET.provider, "native/local")
    assert ctx.target.model == (model if model is not None else "arn:aws:bedrock:us-east-1:1:inference-profile/x")


@pytest.mark.parametrize("path", ["/native/nobody/v1/chat/completions", "/native/local/", "/native/local"])
async def test_no_such_provider_and_no_path(path: str) -> None:
    with pytest.raises(NotFound):
        await routed(path)


async def test_a_limited_key_uses_its_models_and_nothing_else() -> None:
    assert (await routed(GEMINI.format("allowed"), principal=NAMED_ONLY)).route == "native/local"
    assert (await routed("/native/local/v1/chat/completions", model="allowed", principal=NAMED_ONLY)).target is not None


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        (GEMINI.format("forbidden"), "POST", "allowed"),
        ("/native/local/v1/models/allowed", "DELETE", None),
        ("/native/local/v1beta/tunedModels/x/models/allowed", "PATCH", None),
        ("/native/local/v1/files", "GET", "allowed"),
        ("/native/local/v1/files", "POST", "allowed"),
        ("/native/local/v1/files/1", "DELETE", "allowed"),
        ("/native/local/v1/chat/completions", "GET", "allowed"),
        ("/native/local/v1/chat/completions", "POST", "forbidden"),
        ("/native/local/v1/chat/completions", "POST", None),
    ],
)
async def test_a_model_in_the_body_opens_no_other_door(path: str, method: str, body: str | None) -> None:
    with pytest.raises(PermissionDenied):
        await routed(path, model=body, method=method, principal=NAMED_ONLY)


async def test_a_key_limited_to_stable_models() -> None:
    assert (await routed(GEMINI.format("x"), principal=STABLE_ONLY)).target is not None
    for path, standing in ((GEMINI.format("x"), Standing("preview")), ("/native/local/v1/files", None)):
        with pytest.raises(PermissionDenied) as caught:
            await routed(path, principal=STABLE_ONLY, standing=standing)
        assert caught.value.code == "model_not_stable"


@pytest.mark.parametrize(
    "path", ["v1/organization/users", "organization/x", "v1/%6Frganization/x", "v1/projects/p/archive"]
)
async def test_account_administration_is_closed_unless_opened(path: str) -> None:
    with pytest.raises(NotFound):
        await routed(f"/native/local/{path}")
    assert (await routed(f"/native/local/{path}", admin=True)).target is not None


def test_googles_projects_are_no_administration() -> None:
    assert not administers("v1/projects/p/locations/global/publishers/google/models/gemini-x:generateContent")
    assert administers("v1/projects/p/service_accounts")


async def test_the_plan_has_no_other_target() -> None:
    ctx = await routed(GEMINI.format("x"), headers={b"x-tollway-retries": b"1"})
    assert ctx.plan is not None
    assert (ctx.plan.chosen.target, ctx.plan.attempts, ctx.plan.route.label) == (ctx.target, 2, "native/local")
    assert ctx.plan.candidates == (ctx.plan.chosen,)


async def test_a_dry_run_of_a_native_path() -> None:
    ctx = await routed(GEMINI.format("x"), headers={b"x-tollway-dry-run": b"true"})
    assert ctx.target is not None
    assert ctx.target.model == "x"
