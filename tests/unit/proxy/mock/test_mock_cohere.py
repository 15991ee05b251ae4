"""Cohere's v2 API: its own SDK against the mock, and what the API refuses."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from cohere import AsyncClientV2
from cohere.core.api_error import ApiError
from cohere.core.request_options import RequestOptions

from proxy.mock.server import Running, Settings, start

MODEL = "command-a-03-2025"
ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
BARE: Any = {"type": "function", "function": {"name": "stop", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def client(mock: Running) -> AsyncIterator[AsyncClientV2]:
    async with AsyncClientV2(api_key="test", base_url=mock.url.removesuffix("/v1")) as made:
        yield made


def options(**controls: str) -> RequestOptions:
    named = {f"x-mock-{name.replace('_', '-')}": value for name, value in controls.items()}
    return {"additional_headers": named, "max_retries": 0}


async def test_plain_and_stream_say_the_same(client: AsyncClientV2) -> None:
    found = await client.chat(model=MODEL, messages=ASK)
    assert found.finish_reason == "COMPLETE"
    text, kinds, usage = "", [], None
    async for made in client.chat_stream(model=MODEL, messages=ASK):
        kinds.append(made.type)
        if made.type == "content-delta":
            text += made.delta.message.content.text  # type: ignore[union-attr,operator]
        if made.type == "message-end":
            usage = made.delta.usage  # type: ignore[union-attr]
    assert text == found.message.content[0].text  # type: ignore[index,union-attr]
    assert usage == found.usage
    assert (kinds[:2], kinds[-2:]) == (["message-start", "content-start"], ["content-end", "message-end"])
    assert found.usage is not None
    told = found.usage.model_dump()
    assert told["billed_units"]["input_tokens"] < told["tokens"]["input_tokens"]


async def test_thoughts_plan_tools_and_the_way_back(client: AsyncClientV2) -> None:
    asked: dict[str, Any] = {"model": "command-a-reasoning-08-2025", "tools": [TOOL]}
    found = await client.chat(messages=ASK, **asked, request_options=options(tool_calls="2"))
    assert found.finish_reason == "TOOL_CALL"
    calls = found.message.tool_calls or []
    assert [call.function.name for call in calls if call.function] == ["look", "look"]
    assert found.message.tool_plan
    assert found.message.content is not None
    assert found.message.content[0].type == "thinking"
    plan, arguments, thoughts = "", ["", ""], ""
    async for made in client.chat_stream(messages=ASK, **asked, request_options=options(tool_calls="2")):
        delta: Any = getattr(made, "delta", None)
        if made.type == "tool-plan-delta":
            plan += delta.message.tool_plan
        elif made.type == "tool-call-delta":
            arguments[made.index or 0] += delta.message.tool_calls.function.arguments
        elif made.type == "content-delta":
            thoughts += delta.message.content.thinking
    assert (plan, thoughts) == (found.message.tool_plan, found.message.content[0].thinking)
    assert arguments == [call.function.arguments for call in calls if call.function]
    told: list[Any] = [
        *ASK,
        {"role": "assistant", "tool_plan": plan, "tool_calls": [call.model_dump() for call in calls]},
        *({"role": "tool", "tool_call_id": call.id, "content": "12 miles"} for call in calls),
    ]
    after = await client.chat(messages=told, **asked)
    assert after.finish_reason == "COMPLETE"
    with pytest.raises(ApiError, match="must be answered before message"):
        await client.chat(messages=[*told[:2], *ASK], **asked)


async def test_a_tool_without_parameters_is_called_with_null(client: AsyncClientV2) -> None:
    found = await client.chat(model=MODEL, messages=ASK, tools=[BARE])
    call = (found.message.tool_calls or [])[0]
    assert call.function is not None
    assert call.function.arguments == "null"
    kinds = [made.type async for made in client.chat_stream(model=MODEL, messages=ASK, tools=[BARE])]
    assert kinds[-3:] == ["tool-call-start", "tool-call-end", "message-end"]


async def test_embeddings_and_rerank(client: AsyncClientV2) -> None:
    made = await client.embed(
        model="embed-v4.0",
        texts=["a", "b"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=256,
    )
    assert [len(one) for one in made.embeddings.float_ or []] == [256, 256]
    found = await client.rerank(
        model="rerank-v3.5", query="a long bridge", documents=["tea", "the long bridge", "sun"], top_n=2
    )
    assert found.results[0].index == 1
    assert len(found.results) == 2


async def test_errors_through_the_sdk(client: AsyncClientV2) -> None:
    for fault, status, words in (
        ("rate-limit", 429, "Trial key"),
        ("overloaded", 503, "unavailable"),
        ("context-length", 400, "too many tokens"),
        ("bad-key", 401, "invalid api token"),
        ("odd-error:2", 498, "invalid token"),
    ):
        with pytest.raises(ApiError) as caught:
            await client.chat(model=MODEL, messages=ASK, request_options=options(fault=fault))
        assert caught.value.status_code == status
        assert words in str(caught.value.body)
        assert "retry-after" not in (caught.value.headers or {})
    ends = [
        made
        async for made in client.chat_stream(model=MODEL, messages=ASK, request_options=options(fault="sse-error:3"))
    ]
    assert ends[-1].type == "message-end"
    assert ends[-1].delta.error == "The model failed."  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"n": 2}, 422, "unknown field: parameter 'n'"),
        ({"model": None}, 400, "model is required"),
        ({"model": "missing-1"}, 404, "not found"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "developer", "content": "x"}]}, 400, "must be one of user"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "must have content"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]},
            400,
            "not found in previous tool calls",
        ),
        ({"p": 1.0}, 400, "p must be between"),
        ({"temperature": 1.5}, 400, "temperature must be between"),
        ({"presence_penalty": -1}, 400, "presence_penalty must be between"),
        ({"stop_sequences": ["a"] * 6}, 400, "at most 5"),
        ({"tool_choice": "auto"}, 400, "REQUIRED, NONE"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, 400, "not supported with tools"),
        ({"tools": [{"type": "function", "function": {"name": "a", "strict": True}}]}, 422, "strict"),
    ],
)
async def test_refusals(
    http: aiohttp.ClientSession, mock: Running, fields: dict[str, Any], status: int, message: str
) -> None:
    body = {name: value for name, value in {"model": MODEL, "messages": ASK, **fields}.items() if value is not None}
    async with http.post(f"{mock.url.removesuffix('/v1')}/v2/chat", json=body) as answer:
        assert answer.status == status
        found = await answer.json()
    assert message in found["message"]
    assert found.keys() == {"id", "message"}


async def test_key_and_json_forms(http: aiohttp.ClientSession, mock: Running) -> None:
    url = f"{mock.url.removesuffix('/v1')}/v2/chat"
    form = {"type": "json_object", "json_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    async with http.post(url, json={"model": MODEL, "messages": ASK, "response_format": form}) as answer:
        assert isinstance(orjson.loads((await answer.json())["message"]["content"][0]["text"])["a"], int)
    running = await start(settings=Settings(key="right"))
    try:
        for shown, status in (("right", 200), ("wrong", 401)):
            async with http.post(
                f"{running.url.removesuffix('/v1')}/v2/chat",
                json={"model": MODEL, "messages": ASK},
                headers={"authorization": f"Bearer {shown}"},
            ) as answer:
                assert answer.status == status
    finally:
        await running.stop()
