"""The model list: the gateway's own, or the provider's where everything goes to one."""

import orjson
import pytest

from middleware.models import ModelsMiddleware
from proxy.context import Principal, RequestContext
from proxy.errors import ModelNotFound
from proxy.protocols import ModelEntry, Standing
from tests.support.asgi import Client, Inner, scope_of
from tests.support.fakes import TARGET, FakeDirectory

ENTRIES = (ModelEntry("fast", "local"), ModelEntry("openai/gpt x", "openai", 1700000000))


async def asked(
    path: str,
    *,
    transparent: bool = False,
    principal: Principal | None = None,
    headers: dict[bytes, bytes] | None = None,
    directory: FakeDirectory | None = None,
) -> tuple[Client, Inner, RequestContext]:
    inner, client = Inner(), Client()
    ctx = RequestContext(
        request_id="req_1",
        path=path,
        method="GET",
        principal=principal or Principal(name="app", tenant="app"),
        headers=headers or {},
    )
    ctx.response_headers.append((b"x-tollway-note", b"1"))
    link = ModelsMiddleware(inner, directory=directory or FakeDirectory(entries=ENTRIES, transparent=transparent))
    await link(scope_of(ctx), client.receive, client.send)
    return client, inner, ctx


async def test_the_list_has_openais_shape() -> None:
    client, inner, _ = await asked("/models")
    assert client.status == 200
    assert orjson.loads(client.body) == {
        "object": "list",
        "data": [
            {"id": "fast", "object": "model", "created": 0, "owned_by": "local"},
            {"id": "openai/gpt x", "object": "model", "created": 1700000000, "owned_by": "openai"},
        ],
    }
    assert client.headers[b"x-request-id"] == client.headers[b"x-tollway-request-id"] == b"req_1"
    assert client.headers[b"x-tollway-note"] == b"1"
    assert client.ended
    assert inner.reached == 0


async def test_one_model_by_its_encoded_name() -> None:
    client, _, _ = await asked("/models/openai/gpt%20x")
    assert orjson.loads(client.body)["id"] == "openai/gpt x"


@pytest.mark.parametrize("name", ["gpt", "FAST", "fast/", "%66ast2"])
async def test_a_name_that_is_not_listed_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        await asked(f"/models/{name}")


async def test_a_transparent_gateway_asks_its_provider() -> None:
    client, inner, _ = await asked("/models", transparent=True)
    assert inner.reached == 1
    assert client.sent == []


async def test_a_limited_key_never_sees_the_providers_list() -> None:
    limited = Principal(name="app", tenant="app", models=("fast",), passthrough=False)
    client, inner, _ = await asked("/models", transparent=True, principal=limited)
    assert inner.reached == 0
    assert client.status == 200


async def test_what_is_known_of_a_model_stands_under_one_key() -> None:
    directory = FakeDirectory(entries=[ModelEntry("a", "openai", about={"context": 5, "prices": {"input": None}})])
    client, _, _ = await asked("/models/a", directory=directory)
    assert orjson.loads(client.body) == {
        "id": "a",
        "object": "model",
        "created": 0,
        "owned_by": "openai",
        "tollway": {"context": 5, "prices": {"input": None}},
    }


@pytest.mark.parametrize("transparent", [False, True])
async def test_anthropics_sdk_gets_its_own_shape(transparent: bool) -> None:
    client, inner, _ = await asked("/models", headers={b"anthropic-version": b"2023-06-01"}, transparent=transparent)
    assert inner.reached == 0
    assert orjson.loads(client.body) == {
        "data": [
            {"type": "model", "id": "fast", "display_name": "fast", "created_at": "1970-01-01T00:00:00Z"},
            {
                "type": "model",
                "id": "openai/gpt x",
                "display_name": "openai/gpt x",
                "created_at": "2023-11-14T22:13:20Z",
            },
        ],
        "has_more": False,
        "first_id": "fast",
        "last_id": "openai/gpt x",
    }


async def test_a_key_for_stable_models_never_sees_the_providers_list() -> None:
    careful = Principal(name="app", tenant="app", stable_only=True)
    _, inner, _ = await asked("/models", transparent=True, principal=careful)
    assert inner.reached == 0


async def test_a_retired_model_is_told_apart() -> None:
    names = {"old": ("old", TARGET)}
    gone = FakeDirectory(names, standings={TARGET.model: Standing("retired")})
    with pytest.raises(ModelNotFound, match="old is gone"):
        await asked("/models/old", directory=gone)
    hidden = FakeDirectory(names, standings={TARGET.model: Standing("retired")}, allowed=set())
    with pytest.raises(ModelNotFound, match="no old"):
        await asked("/models/old", directory=hidden)
