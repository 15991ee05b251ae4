"""Chat completions: shapes, chunk order, limits, determinism and refusals."""

from typing import Any

import aiohttp
import jsonschema
import orjson
import pytest

from proxy.mock.server import Running

ASK = [{"role": "user", "content": "How long is the road?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
            "required": ["city"],
        },
    },
}


async def chat(
    http: aiohttp.ClientSession, mock: Running, controls: dict[str, str] | None = None, **fields: object
) -> dict[str, Any]:
    headers = {f"x-mock-{name}": value for name, value in (controls or {}).items()}
    body = {"model": "small", "messages": ASK, **fields}
    async with http.post(f"{mock.url}/chat/completions", json=body, headers=headers) as answer:
        found: dict[str, Any] = orjson.loads(await answer.read())
        return {**found, "status": answer.status}


async def events(
    http: aiohttp.ClientSession, mock: Running, controls: dict[str, str] | None = None, **fields: object
) -> list[Any]:
    headers = {f"x-mock-{name}": value for name, value in (controls or {}).items()}
    body = {"model": "small", "messages": ASK, "stream": True, **fields}
    async with http.post(f"{mock.url}/chat/completions", json=body, headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        text = (await answer.read()).decode()
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [item if (item := block[6:]) == "[DONE]" else orjson.loads(item) for block in blocks]


async def test_plain_answer_has_openai_shape_and_headers(http: aiohttp.ClientSession, mock: Running) -> None:
    async with http.post(f"{mock.url}/chat/completions", json={"model": "small", "messages": ASK}) as answer:
        assert answer.headers["content-type"] == "application/json"
        for name in ("x-request-id", "openai-version", "openai-processing-ms", "x-ratelimit-reset-tokens"):
            assert answer.headers[name]
        assert sum(name.lower().startswith("x-ratelimit-") for name in answer.headers) == 6
        found = await answer.json()
    message = found["choices"][0]["message"]
    assert message["content"].endswith(".")
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["usage"]["completion_tokens"] == 24
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] + 24
    assert isinstance(found["created"], int)


async def test_stream_keeps_the_canonical_order(http: aiohttp.ClientSession, mock: Running) -> None:
    plain = await chat(http, mock)
    chunks = await events(http, mock, stream_options={"include_usage": True})
    assert chunks.pop() == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert len(chunks) == 1 + 24 + 1 + 1
    assert (
        "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks[1:25])
        == plain["choices"][0]["message"]["content"]
    )
    assert chunks[25]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert chunks[26]["choices"] == []
    assert chunks[26]["usage"] == plain["usage"]
    assert all(chunk["usage"] is None for chunk in chunks[:26])
    assert {chunk["id"] for chunk in chunks} == {plain["id"]}


async def test_usage_is_absent_unless_asked_for(http: aiohttp.ClientSession, mock: Running) -> None:
    assert all("usage" not in chunk for chunk in (await events(http, mock))[:-1])
    assert (await events(http, mock, {"usage": "on"}))[-2]["choices"] == []
    assert (await events(http, mock, {"usage": "off"}, stream_options={"include_usage": True}))[-2]["choices"]
    assert "usage" not in await chat(http, mock, {"usage": "off"})


async def test_same_request_same_bytes_and_the_seed_changes_them(http: aiohttp.ClientSession, mock: Running) -> None:
    async def read(**headers: str) -> tuple[bytes, dict[str, str]]:
        body = {"model": "small", "messages": ASK, "stream": True}
        async with http.post(f"{mock.url}/chat/completions", json=body, headers=headers) as answer:
            return await answer.read(), dict(answer.headers)

    first = await read()
    assert first == await read()
    assert first[0] != (await read(**{"x-mock-seed": "7"}))[0]


async def test_choices_are_independent_and_interleaved(http: aiohttp.ClientSession, mock: Running) -> None:
    plain = await chat(http, mock, n=3)
    texts = [choice["message"]["content"] for choice in plain["choices"]]
    assert len(set(texts)) == 3
    assert plain["usage"]["completion_tokens"] == 72
    chunks = (await events(http, mock, n=3))[:-1]
    assert [chunk["choices"][0]["index"] for chunk in chunks[:6]] == [0, 1, 2, 0, 1, 2]
    joined = ["", "", ""]
    for chunk in chunks:
        joined[chunk["choices"][0]["index"]] += chunk["choices"][0]["delta"].get("content", "")
    assert joined == texts


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_limit_cuts_with_length(http: aiohttp.ClientSession, mock: Running, name: str) -> None:
    limit: dict[str, Any] = {name: 5}
    found = await chat(http, mock, **limit)
    assert found["choices"][0]["finish_reason"] == "length"
    assert found["usage"]["completion_tokens"] == 5
    assert len([c for c in (await events(http, mock, **limit))[:-1] if c["choices"][0]["delta"].get("content")]) == 5


async def test_stop_ends_before_the_sequence(http: aiohttp.ClientSession, mock: Running) -> None:
    whole = (await chat(http, mock))["choices"][0]["message"]["content"]
    found = await chat(http, mock, stop=[whole[10:16]])
    assert found["choices"][0]["message"]["content"] == whole[: whole.index(whole[10:16])]
    assert found["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("count", [0, 1, 2, 17, 500])
async def test_tokens_control_sets_the_length(http: aiohttp.ClientSession, mock: Running, count: int) -> None:
    assert (await chat(http, mock, {"tokens": str(count)}))["usage"]["completion_tokens"] == count


async def test_tools_are_called_with_arguments_that_fit(http: aiohttp.ClientSession, mock: Running) -> None:
    found = await chat(http, mock, tools=[WEATHER])
    choice = found["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (made,) = choice["message"]["tool_calls"]
    jsonschema.validate(orjson.loads(made["function"]["arguments"]), WEATHER["function"]["parameters"])  # type: ignore[index]
    chunks = (await events(http, mock, {"tool-calls": "2"}, tools=[WEATHER]))[:-1]
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for delta in chunk["choices"][0]["delta"].get("tool_calls", ()):
            if "id" in delta:
                assert delta["function"]["arguments"] == ""
                calls[delta["index"]] = {"id": delta["id"], "arguments": ""}
            else:
                assert set(delta) == {"index", "function"}
                calls[delta["index"]]["arguments"] += delta["function"]["arguments"]
    assert sorted(calls) == [0, 1]
    assert calls[0]["arguments"] == made["function"]["arguments"]
    assert calls[0]["id"] == made["id"] != calls[1]["id"]


async def test_tools_rest_when_told_or_answered(http: aiohttp.ClientSession, mock: Running) -> None:
    assert (await chat(http, mock, tools=[WEATHER], tool_choice="none"))["choices"][0]["message"]["content"]
    assert (await chat(http, mock, {"tool-calls": "0"}, tools=[WEATHER]))["choices"][0]["message"]["content"]
    made = (await chat(http, mock, tools=[WEATHER]))["choices"][0]["message"]
    told = [*ASK, made, {"role": "tool", "tool_call_id": made["tool_calls"][0]["id"], "content": "dry"}]
    assert (await chat(http, mock, tools=[WEATHER], messages=told))["choices"][0]["finish_reason"] == "stop"


async def test_json_forms(http: aiohttp.ClientSession, mock: Running) -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["road", "bridge"]},
            "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "minItems": 2},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["kind", "parts", "note"],
        "additionalProperties": False,
        "$defs": {
            "part": {
                "type": "object",
                "properties": {"length": {"type": "number", "maximum": 3}},
                "required": ["length"],
            }
        },
    }
    form = {"type": "json_schema", "json_schema": {"name": "way", "schema": schema, "strict": True}}
    found = await chat(http, mock, response_format=form)
    jsonschema.validate(orjson.loads(found["choices"][0]["message"]["content"]), schema)
    asked = [{"role": "user", "content": "Answer in JSON."}]
    found = await chat(http, mock, response_format={"type": "json_object"}, messages=asked)
    assert orjson.loads(found["choices"][0]["message"]["content"])["answer"]


async def test_recursive_schema_ends(http: aiohttp.ClientSession, mock: Running) -> None:
    schema = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "chain", "schema": schema}}
    found = await chat(http, mock, response_format=form)
    jsonschema.validate(orjson.loads(found["choices"][0]["message"]["content"]), schema)


async def test_logprobs(http: aiohttp.ClientSession, mock: Running) -> None:
    found = await chat(http, mock, logprobs=True, top_logprobs=2, max_tokens=3)
    listed = found["choices"][0]["logprobs"]["content"]
    assert "".join(item["token"] for item in listed) == found["choices"][0]["message"]["content"]
    assert all(len(item["top_logprobs"]) == 2 for item in listed)
    chunks = await events(http, mock, logprobs=True, max_tokens=3)
    assert [len(chunk["choices"][0]["logprobs"]["content"]) for chunk in chunks[1:4]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("fields", "said", "param", "code"),
    [
        ({"model": None}, "you must provide a model", None, None),
        ({"messages": None}, "Missing required parameter: 'messages'", "messages", "missing_required_parameter"),
        ({"messages": "hello"}, "Invalid type for 'messages'", "messages", "invalid_type"),
        ({"messages": []}, "empty array", "messages", "empty_array"),
        (
            {"messages": [{"role": "king", "content": "x"}]},
            "Invalid value: 'king'",
            "messages[0].role",
            "invalid_value",
        ),
        ({"tools": []}, "[] is too short", "tools", "empty_array"),
        ({"tool_choice": "auto"}, "only allowed when 'tools'", "tool_choice", None),
        ({"n": 0}, "below minimum", "n", "integer_below_min_value"),
        ({"temperature": 9}, "between 0 and 2", "temperature", "decimal_above_max_value"),
        ({"stop": list("abcde")}, "array too long", "stop", "array_above_max_length"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'", "stream_options", None),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'", "messages", None),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
            "preceeding message",
            "messages.[0].role",
            None,
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]},
            "did not have response messages: c",
            "messages.[1].role",
            None,
        ),
    ],
)
async def test_bad_requests_are_refused(
    http: aiohttp.ClientSession,
    mock: Running,
    fields: dict[str, Any],
    said: str,
    param: str | None,
    code: str | None,
) -> None:
    found = await chat(http, mock, **fields)
    assert found["status"] == 400
    assert said in found["error"]["message"]
    assert (found["error"]["type"], found["error"]["param"], found["error"]["code"]) == (
        "invalid_request_error",
        param,
        code,
    )


async def test_unknown_model_and_broken_json(http: aiohttp.ClientSession, mock: Running) -> None:
    found = await chat(http, mock, model="missing-model")
    assert (found["status"], found["error"]["code"]) == (404, "model_not_found")
    async with http.post(f"{mock.url}/chat/completions", data=b"{oh") as answer:
        assert answer.status == 400
        assert "could not parse the JSON body" in (await answer.json())["error"]["message"]


async def test_stored_chats(http: aiohttp.ClientSession, mock: Running) -> None:
    made = await chat(http, mock, store=True)
    url = f"{mock.url}/chat/completions"
    async with http.get(url) as answer:
        assert [item["id"] for item in (await answer.json())["data"]] == [made["id"]]
    async with http.post(f"{url}/{made['id']}", json={"metadata": {"a": "b"}}) as answer:
        assert (await answer.json())["metadata"] == {"a": "b"}
    async with http.get(f"{url}/{made['id']}/messages") as answer:
        assert (await answer.json())["data"][0]["content"] == ASK[0]["content"]
    async with http.delete(f"{url}/{made['id']}") as answer:
        assert (await answer.json())["deleted"] is True
    async with http.get(f"{url}/{made['id']}") as answer:
        assert answer.status == 404
