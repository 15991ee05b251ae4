"""The Messages API: Anthropic's own SDK against the mock, and what the API refuses."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic

from proxy.mock.server import Running, Settings, start

ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]
MODEL = "claude-sonnet-4-6"
TOOL: Any = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
OLD = {"anthropic-version": "2023-06-01"}


@pytest.fixture
async def client(mock: Running) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=mock.url.removesuffix("/v1"), api_key="sk-test", max_retries=0) as made:
        yield made


async def post(http: aiohttp.ClientSession, mock: Running, **fields: Any) -> tuple[int, dict[str, Any]]:
    headers = {**OLD, **fields.pop("headers", {})}
    body = {"model": MODEL, "max_tokens": 4096, "messages": ASK, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    async with http.post(f"{mock.url}/messages?beta=true", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_plain_and_stream_say_the_same(client: AsyncAnthropic) -> None:
    found = await client.messages.create(model=MODEL, max_tokens=100, messages=ASK)
    assert (found.role, found.stop_reason, found.model) == ("assistant", "end_turn", MODEL)
    async with client.messages.stream(model=MODEL, max_tokens=100, messages=ASK) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert found.content[0].type == "text"
    assert text == found.content[0].text
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in found.content]
    assert (final.stop_reason, final.id) == (found.stop_reason, found.id)
    assert (final.usage.input_tokens, final.usage.output_tokens) == (
        found.usage.input_tokens,
        found.usage.output_tokens,
    )
    assert found.usage.output_tokens == 24
    assert found._request_id


async def test_thinking_tools_and_the_way_back(client: AsyncAnthropic) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4096,
        "tools": [TOOL],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "extra_headers": {"x-mock-tool-calls": "2", "x-mock-preface": "5"},
    }
    found = await client.messages.create(messages=ASK, **asked)
    assert [block.type for block in found.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert found.stop_reason == "tool_use"
    assert found.usage.output_tokens_details is not None
    assert found.usage.output_tokens_details.thinking_tokens == 12
    async with client.messages.stream(messages=ASK, **asked) as stream:
        final = await stream.get_final_message()
    assert [block.model_dump() for block in final.content] == [block.model_dump() for block in found.content]
    calls = [block for block in found.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "12 miles"} for call in calls]
    told: list[Any] = [
        *ASK,
        {"role": "assistant", "content": [block.to_dict() for block in found.content]},
        {"role": "user", "content": results},
    ]
    after = await client.messages.create(messages=told, **asked)
    assert after.stop_reason == "end_turn"
    told[1]["content"][0]["signature"] = "RXFRQkNn"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await client.messages.create(messages=told, **asked)
    del told[1]["content"][0]
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking` or `redacted_thinking`"):
        await client.messages.create(messages=told, **asked)


async def test_models_of_now_show_no_thoughts_unless_asked(client: AsyncAnthropic) -> None:
    found = await client.messages.create(model="claude-opus-5-5", max_tokens=100, messages=ASK)
    assert found.content[0].type == "thinking"
    assert found.content[0].thinking == ""
    shown = await client.messages.create(
        model="claude-opus-5-5", max_tokens=100, messages=ASK, thinking={"type": "adaptive", "display": "summarized"}
    )
    assert shown.content[0].type == "thinking"
    assert shown.content[0].thinking
    back: list[Any] = [
        *ASK,
        {"role": "assistant", "content": [found.content[0].to_dict(), {"type": "text", "text": "x"}]},
        *ASK,
    ]
    assert (await client.messages.create(model="claude-opus-5-5", max_tokens=100, messages=back)).content


async def test_counting_and_models(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model=MODEL, messages=ASK, system="Be brief.", tools=[TOOL])
    found = await client.messages.create(
        model=MODEL, max_tokens=100, messages=ASK, system="Be brief.", tools=[TOOL], tool_choice={"type": "none"}
    )
    assert counted.input_tokens == found.usage.input_tokens
    names = [model.id async for model in client.models.list(limit=3)]
    assert "claude-opus-5-5" in names
    assert len(names) == len(set(names)) == 14
    assert (await client.models.retrieve(MODEL)).max_tokens == 128_000
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("missing-1")


async def test_a_marked_prefix_has_every_class_of_usage(client: AsyncAnthropic) -> None:
    system: Any = [{"type": "text", "text": "long " * 100, "cache_control": {"type": "ephemeral"}}]
    found = await client.messages.create(model=MODEL, max_tokens=100, messages=ASK, system=system)
    assert found.usage.cache_read_input_tokens
    assert found.usage.cache_creation_input_tokens
    assert found.usage.input_tokens > 0
    whole = found.usage.cache_read_input_tokens + found.usage.cache_creation_input_tokens + found.usage.input_tokens
    counted = await client.messages.count_tokens(model=MODEL, messages=ASK, system=system)
    assert counted.input_tokens == whole


async def test_ends(client: AsyncAnthropic) -> None:
    found = await client.messages.create(model=MODEL, max_tokens=5, messages=ASK)
    assert (found.stop_reason, found.usage.output_tokens) == ("max_tokens", 5)
    stopped = await client.messages.create(model=MODEL, max_tokens=100, messages=ASK, stop_sequences=["."])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", ".")
    refused = await client.messages.create(
        model=MODEL, max_tokens=100, messages=ASK, extra_headers={"x-mock-finish": "refusal"}
    )
    assert refused.stop_reason == "refusal"
    empty = await client.messages.create(
        model=MODEL, max_tokens=100, messages=ASK, extra_headers={"x-mock-tokens": "0"}
    )
    assert empty.content == []


async def test_errors_through_the_sdk(client: AsyncAnthropic) -> None:
    async def call(fault: str, *, stream: bool) -> None:
        asked: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": ASK}
        asked["extra_headers"] = {"x-mock-fault": fault}
        if not stream:
            await client.messages.create(**asked)
            return
        async with client.messages.stream(**asked) as events:
            await events.get_final_message()

    async def fails(fault: str, *, stream: bool = False) -> anthropic.APIStatusError:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await call(fault, stream=stream)
        return caught.value

    for fault, status, kind in (
        ("overloaded", 529, "overloaded_error"),
        ("rate-limit:seconds=3", 429, "rate_limit_error"),
        ("quota", 402, "billing_error"),
        ("context-length", 400, "invalid_request_error"),
        ("bad-key", 401, "authentication_error"),
        ("status:503", 503, "api_error"),
    ):
        found = await fails(fault)
        assert found.status_code == status
        body: Any = found.body
        assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert (await fails("rate-limit:seconds=3")).response.headers["retry-after"] == "3"
    for place in ("sse-error:0", "sse-error:4"):
        body = (await fails(place, stream=True)).body
        assert body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("fault", ["unknown-event:3", "empty-delta:4"])
async def test_strange_events_change_nothing(client: AsyncAnthropic, fault: str) -> None:
    plain = await client.messages.create(model=MODEL, max_tokens=100, messages=ASK)
    async with client.messages.stream(
        model=MODEL, max_tokens=100, messages=ASK, extra_headers={"x-mock-fault": fault}
    ) as stream:
        final = await stream.get_final_message()
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in plain.content]


async def test_controls_of_the_stream(http: aiohttp.ClientSession, mock: Running) -> None:
    body = {"model": MODEL, "max_tokens": 50, "messages": ASK, "stream": True}

    async def said(**controls: str) -> str:
        headers = {**OLD, **{f"x-mock-{name}": value for name, value in controls.items()}}
        async with http.post(f"{mock.url}/messages", json=body, headers=headers) as answer:
            return await answer.text()

    plain = await said()
    assert plain.startswith("event: message_start\ndata: ")
    assert '\n\nevent: ping\ndata: {"type": "ping"}\n\n' in plain
    assert plain.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert plain == await said()
    assert '"usage"' not in await said(usage="off")
    assert "message_stop" not in await said(done="off")
    assert '"type":"mock_novelty"' in await said(novelty="on")
    assert "@<stamp>" not in await said(stamp="on")
    assert (await said(framing="crlf")) == plain.replace("\n", "\r\n")


GOOD_CALL: Any = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]}
GOOD_RESULT: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
NEW = {"anthropic-version": "2026-10-21"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"headers": {"anthropic-version": ""}}, "anthropic-version: header is required"),
        ({"headers": {"anthropic-version": "2020-01-01"}}, "not a valid version"),
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 999_999}, "maximum allowed number of output tokens"),
        ({"max_tokens": "5"}, "valid integer"),
        ({"headers": NEW, "temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"headers": NEW, "top_k": 5}, "top_k: Extra inputs are not permitted"),
        ({"model": "claude-opus-4-7", "temperature": 1.0}, "not supported on this model"),
        ({"temperature": 1.5}, "range: 0..1"),
        ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message must use"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " \n"}]}]}, "non-whitespace"),
        ({"messages": [{"role": "user", "content": []}]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "does not match any of the expected tags",
        ),
        ({"messages": [*ASK, GOOD_CALL, *ASK]}, "without `tool_result` blocks immediately after: t1"),
        ({"messages": [*ASK, GOOD_CALL]}, "without `tool_result` blocks"),
        ({"messages": [{"role": "user", "content": [GOOD_RESULT]}]}, "unexpected `tool_use_id`"),
        (
            {"messages": [*ASK, GOOD_CALL, {"role": "user", "content": [{"type": "text", "text": "a"}, GOOD_RESULT]}]},
            "without `tool_result` blocks",
        ),
        ({"messages": [*ASK, {"role": "assistant", "content": "a "}], "model": "small"}, "trailing whitespace"),
        ({"messages": [*ASK, {"role": "assistant", "content": "a"}], "model": "claude-opus-5"}, "prefill"),
        ({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"tools": [{"name": "a"}]}, "input_schema: Field required"),
        ({"tools": [{"name": "a", "input_schema": {"anyOf": []}}]}, "does not support oneOf"),
        ({"tools": [TOOL, TOOL]}, "must be unique"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "expected tags"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "b"}}, "not found in provided tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}, "model": "claude-opus-5-5"}, "forced tool use"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "Thinking may not be enabled",
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater than"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-opus-5"}, "thinking.type.adaptive"),
        ({"thinking": {"type": "disabled"}, "model": "claude-opus-5-5"}, "thinking.type.disabled"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
        (
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5},
            "maximum of 4 blocks",
        ),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, mock: Running, fields: dict[str, Any], message: str) -> None:
    status, body = await post(http, mock, **fields)
    assert (status, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert message in body["error"]["message"]


async def test_unknown_models_and_paths_are_not_found(http: aiohttp.ClientSession, mock: Running) -> None:
    status, body = await post(http, mock, model="missing-1")
    assert (status, body["error"]["type"]) == (404, "not_found_error")
    async with http.get(f"{mock.url}/messages/none", headers=OLD) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (404, "not_found_error")
    async with http.get(f"{mock.url}/models") as answer:
        assert (await answer.json())["object"] == "list"


async def test_either_header_shows_the_key() -> None:
    running = await start(settings=Settings(key="right"))
    url = f"{running.url}/messages"
    body = {"model": MODEL, "max_tokens": 5, "messages": ASK}
    try:
        async with aiohttp.ClientSession() as http:
            for headers, status in (
                ({"x-api-key": "right"}, 200),
                ({"authorization": "Bearer right"}, 200),
                ({"x-api-key": "wrong", "authorization": "Bearer right"}, 401),
                ({}, 401),
            ):
                async with http.post(url, json=body, headers={**OLD, **headers}) as answer:
                    assert answer.status == status
                    if status == 401:
                        assert (await answer.json())["error"]["type"] == "authentication_error"
    finally:
        await running.stop()


async def test_other_faces_of_claude(http: aiohttp.ClientSession, mock: Running) -> None:
    base = mock.url.removesuffix("/v1")
    body = {"max_tokens": 50, "messages": ASK}
    vertex = f"{base}/v1/projects/p/locations/l/publishers/anthropic/models/{MODEL}"
    async with http.post(f"{vertex}:rawPredict", json={**body, "anthropic_version": "vertex-2023-10-16"}) as answer:
        assert (await answer.json())["model"] == MODEL
    async with http.post(
        f"{vertex}:streamRawPredict", json={**body, "anthropic_version": "vertex-2023-10-16"}
    ) as answer:
        assert (await answer.text()).startswith("event: message_start")
    async with http.post(f"{base}/anthropic/v1/messages", json={**body, "model": MODEL}, headers=OLD) as answer:
        assert (await answer.json())["type"] == "message"
