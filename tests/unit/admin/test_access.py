"""Who gets in: the admin key and nobody else, whatever the path; guessers are slowed, and nothing says more than it must."""

import pytest

from proxy.admin.access import Closed, Local
from proxy.admin.app import PREFIX
from proxy.admin.routes import TABLE

from .api import KEY, Api

PATHS = sorted({(route.method, route.path) for route in TABLE})


@pytest.fixture
def bare() -> Api:
    """Without a database: nobody should get as far."""
    return Api(None)


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/openapi.json"), ("GET", "/nothing"), ("PUT", "/keys")])
async def test_every_path_wants_the_key(bare: Api, method: str, path: str) -> None:
    for key, said in ((None, "No admin key was given"), ("wrong", "This is not the admin key")):
        reply = await bare.ask(method, path, key=key)
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
        assert said in reply.error["message"]


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("GET", "/openapi.json"), ("GET", "/nothing")])
async def test_without_an_admin_key_everything_is_shut_with_the_fix(method: str, path: str) -> None:
    reply = await Api(None, access=Closed()).ask(method, path, key="")
    assert (reply.status, reply.error["type"]) == (403, "permission_error")
    assert "admin.key" in reply.error["message"]
    assert "TOLLWAY_ADMIN_KEY" in reply.error["message"]


async def test_the_key_is_taken_from_either_header(api: Api) -> None:
    assert (await api.ask("GET", "/accounts", key=None, headers=((b"x-api-key", KEY.encode()),))).status == 200
    assert (
        await api.ask("GET", "/accounts", key=None, headers=((b"authorization", f"bearer  {KEY}".encode()),))
    ).status == 200
    assert (await api.ask("GET", "/accounts", key=None, headers=((b"authorization", KEY.encode()),))).status == 401


async def test_a_credential_that_comes_twice_is_refused(api: Api) -> None:
    twice = ((b"Authorization", b"Bearer x"),)
    reply = await api.ask("GET", "/accounts", headers=twice)
    assert (reply.status, reply.error["code"]) == (400, "duplicate_header")


async def test_guessing_is_bounded_and_the_right_key_still_works(api: Api) -> None:
    statuses = [(await api.ask("GET", "/accounts", key=f"guess {index}")).status for index in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    late = await api.ask("GET", "/accounts", key="guess")
    assert late.headers[b"retry-after"].isdigit()
    assert (await api.ask("GET", "/accounts")).status == 200
    api.failures.advance(60)
    assert (await api.ask("GET", "/accounts", key="guess")).status == 401


async def test_a_caller_in_the_process_needs_no_key_and_is_named_in_the_audit_log(api: Api) -> None:
    local = Api(api.database, access=Local("cli"))
    await local.good("POST", "/accounts", {"name": "acme"}, key=None)
    (row,) = await local.audit()
    assert (row["actor"], row["action"]) == ("cli", "account.create")


async def test_without_storage_the_fix_is_named_and_the_rest_works(bare: Api) -> None:
    for method, path in PATHS:
        body = {"account": "a", "name": "a", "usd": 1, "code": "x"} if method == "POST" else None
        reply = await bare.ask(method, path.replace("{", "").replace("}", ""), body)
        if path == "/status":
            assert (reply.status, reply.json["storage"]) == (200, {"status": "none"})
        elif path == "/health":
            assert (reply.status, reply.json["targets"]) == (200, [])
        elif path == "/cache":
            assert (reply.status, reply.json["store"]) == (200, "none")
        elif path.startswith(("/traces", "/health")):
            assert reply.status in (200, 404)
        elif reply.status != 400:
            assert (reply.status, reply.error["code"]) == (501, "storage_required"), path
            assert "storage: {type: sqlite}" in reply.error["message"]
    assert (await bare.ask("GET", "/accounts")).status == 501
    assert (await bare.ask("POST", "/accounts", {"name": "acme"})).status == 501
    assert (await bare.ask("GET", "/openapi.json")).status == 200


async def test_unknown_paths_and_methods(api: Api) -> None:
    for path in ("/nothing", "/accounts/", "/accounts/a/b", "", "/keys/a/rotate/x"):
        reply = await api.ask("GET", path)
        assert reply.status == 404, path
        assert "openapi.json" in reply.error["message"]
    reply = await api.ask("PUT", "/accounts")
    assert (reply.status, reply.headers[b"allow"]) == (405, b"POST, GET")
    assert (await api.ask("POST", "/openapi.json")).status == 405


async def test_every_answer_is_private_and_carries_its_id(api: Api) -> None:
    for path, status in (("/accounts", 200), ("/nothing", 404)):
        reply = await api.ask("GET", path, headers=((b"x-request-id", b"mine-1"),))
        assert reply.status == status
        assert reply.headers[b"cache-control"] == b"no-store"
        assert reply.headers[b"x-request-id"] == b"mine-1"
        assert reply.headers[b"content-type"] == b"application/json"
    reply = await api.ask("GET", "/nothing", headers=((b"x-request-id", b"bad id\xff"),))
    assert reply.headers[b"x-request-id"].startswith(b"req_")
    assert reply.headers[b"x-request-id"].decode() in reply.error["message"]


async def test_a_route_without_a_role_of_the_actor_is_closed(api: Api) -> None:
    class Reader(Local):
        def identify(self, headers, client):  # type: ignore[no-untyped-def]
            return super().identify(headers, client).__class__("reader", frozenset(("read",)))

    reader = Api(api.database, access=Reader("reader"))
    assert (await reader.ask("GET", "/accounts")).status == 200
    for route in TABLE:
        if route.role == "read":
            continue
        reply = await reader.ask(route.method, route.path.replace("{", "").replace("}", ""), {})
        assert (reply.status, reply.error["code"]) == (403, "permission_denied"), route.path


def test_every_route_has_a_role_and_every_change_is_no_reading() -> None:
    for route in TABLE:
        assert (route.method == "GET") == (route.role == "read"), route.path
        if any(word in route.path for word in ("credits", "refunds", "vouchers")) and route.method != "GET":
            assert route.role == "money", route.path
    assert PREFIX == "/admin/v1"
