"""Traces over the admin API: whatever the gateway finds, and what to do when it finds nothing."""

from collections.abc import Mapping

from msgspec import structs

from proxy.admin.app import admin_app

from .api import Api


async def test_a_trace_is_answered_as_it_is_found() -> None:
    asked = []

    async def find(request_id: str) -> Mapping[str, object] | None:
        asked.append(request_id)
        return (
            {"object": "tollway.route", "candidates": [{"target": "openai/gpt-5"}]} if request_id == "req_1" else None
        )

    api = Api(None)
    api.app = admin_app(structs.replace(api.desk, trace=find), api.access)
    assert await api.good("GET", "/traces/req_1") == {
        "object": "trace",
        "request_id": "req_1",
        "route": {"object": "tollway.route", "candidates": [{"target": "openai/gpt-5"}]},
    }
    reply = await api.ask("GET", "/traces/req_2")
    assert (reply.status, reply.error["param"]) == (404, "trace")
    assert "x-tollway-trace: true" in reply.error["message"]
    assert asked == ["req_1", "req_2"]


async def test_without_a_gateway_there_are_none_and_without_a_key_nobody_is_told() -> None:
    api = Api(None)
    assert (await api.ask("GET", "/traces/req_1")).status == 404
    assert (await api.ask("GET", "/traces/req_1", key=None)).status == 401
    assert (await api.ask("DELETE", "/traces/req_1")).status == 405
