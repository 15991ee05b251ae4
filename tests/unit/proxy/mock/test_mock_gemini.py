"""Gemini's API: Google's own SDK against the mock, and what the API refuses."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from google import genai
from google.genai import errors, types

from proxy.mock.server import Running, Settings, start

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

ASK = "How long is the road?"
MODEL = "gemini-2.5-flash-lite"
NEW = "gemini-3.8-flash"
CONTENTS: list[Any] = [{"role": "user", "parts": [{"text": ASK}]}]
LOOK: Any = {"name": "look", "parametersJsonSchema": {"type": "object", "properties": {"at": {"type": "string"}}}}


@pytest.fixture
async def client(mock: Running) -> AsyncIterator[genai.client.AsyncClient]:
    options = types.HttpOptions(base_url=mock.url.removesuffix("/v1"), retry_options=types.HttpRetryOptions(attempts=1))
    made = genai.Client(api_key="test", http_options=options, vertexai=False)
    try:
        yield made.aio
    finally:
        await made.aio.aclose()
        made.close()


async def post(
    http: aiohttp.ClientSession, mock: Running, verb: str = "generateContent", *, model: str = MODEL, **fields: Any
) -> tuple[int, Any]:
    url = f"{mock.url.removesuffix('/v1')}/v1beta/models/{model}:{verb}"
    async with http.post(url, json={"contents": CONTENTS, **fields}) as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_plain_and_stream_say_the_same(client: genai.client.AsyncClient) -> None:
    found = await client.models.generate_content(model=MODEL, contents=ASK)
    assert found.candidates is not None
    assert found.candidates[0].finish_reason == types.FinishReason.STOP
    assert (found.model_version, bool(found.response_id)) == (MODEL, True)
    text = ""
    last = None
    async for frame in await client.models.generate_content_stream(model=MODEL, contents=ASK):
        assert frame.usage_metadata is not None
        text += frame.text or ""
        last = frame
    assert last is not None
    assert text == found.text
    assert last.usage_metadata == found.usage_metadata
    assert found.usage_metadata is not None
    assert found.usage_metadata.candidates_token_count == 24


async def test_thoughts_calls_and_the_way_back(client: genai.client.AsyncClient) -> None:
    config = types.GenerateContentConfig(
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name="look", parameters_json_schema=LOOK["parametersJsonSchema"])
                ]
            )
        ],
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        http_options=types.HttpOptions(headers={"x-mock-tool-calls": "2"}),
    )
    found = await client.models.generate_content(model=NEW, contents=ASK, config=config)
    assert found.candidates is not None
    content = found.candidates[0].content
    assert content is not None
    assert content.parts is not None
    assert [bool(part.thought) for part in content.parts] == [True, False, False]
    calls = content.parts[1:]
    assert [bool(part.thought_signature) for part in calls] == [True, False]
    assert all(part.function_call and part.function_call.id for part in calls)
    assert found.usage_metadata is not None
    assert found.usage_metadata.thoughts_token_count == 12
    streamed = []
    async for frame in await client.models.generate_content_stream(model=NEW, contents=ASK, config=config):
        assert frame.candidates is not None
        made = frame.candidates[0].content
        streamed += [part for part in (made.parts if made else None) or [] if part.function_call]
    assert streamed == calls
    answers = [
        types.Part(
            function_response=types.FunctionResponse(id=call.function_call.id, name="look", response={"output": "12"})
        )
        for call in calls
        if call.function_call
    ]
    user = types.Content(role="user", parts=[types.Part(text=ASK)])
    told: list[Any] = [user, content, types.Content(role="user", parts=answers)]
    after = await client.models.generate_content(model=NEW, contents=told, config=config)
    assert after.text
    content.parts[1].thought_signature = b"forged"
    with pytest.raises(errors.ClientError, match="Corrupted thought signature"):
        await client.models.generate_content(model=NEW, contents=told, config=config)
    content.parts[1].thought_signature = b"skip_thought_signature_validator"
    assert (await client.models.generate_content(model=NEW, contents=told, config=config)).text
    content.parts[1].thought_signature = None
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        await client.models.generate_content(model=NEW, contents=told, config=config)
    assert (await client.models.generate_content(model=MODEL, contents=told, config=config)).text
    told[2].parts.pop()
    with pytest.raises(errors.ClientError, match="number of function response parts"):
        await client.models.generate_content(model=MODEL, contents=told, config=config)


async def test_counting_embeddings_and_models(client: genai.client.AsyncClient) -> None:
    counted = await client.models.count_tokens(model=MODEL, contents=ASK)
    found = await client.models.generate_content(model=MODEL, contents=ASK)
    assert found.usage_metadata is not None
    assert counted.total_tokens == found.usage_metadata.prompt_token_count
    several: list[Any] = ["a road", "a bridge"]
    made = await client.models.embed_content(
        model="gemini-embedding-001", contents=several, config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert made.embeddings is not None
    assert [len(one.values or []) for one in made.embeddings] == [8, 8]
    assert (await client.models.get(model=MODEL)).name == f"models/{MODEL}"
    names = [model.name async for model in await client.models.list()]
    assert f"models/{NEW}" in names


async def test_structured_output_and_limits(client: genai.client.AsyncClient) -> None:
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"miles": {"type": "INTEGER"}}, "required": ["miles"]},
    )
    found = await client.models.generate_content(model=MODEL, contents=ASK, config=config)
    assert isinstance(orjson.loads(found.text or "")["miles"], int)
    config = types.GenerateContentConfig(max_output_tokens=5)
    short = await client.models.generate_content(model="gemini-2.5-pro", contents=ASK, config=config)
    assert short.candidates is not None
    assert short.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert short.text is None
    assert (await client.models.generate_content(model=MODEL, contents=ASK, config=config)).text


async def test_frames_end_in_crlf_and_arrays_without_sse(http: aiohttp.ClientSession, mock: Running) -> None:
    url = f"{mock.url.removesuffix('/v1')}/v1beta/models/{MODEL}:streamGenerateContent"
    async with http.post(f"{url}?alt=sse", json={"contents": CONTENTS}) as answer:
        text = await answer.text()
    assert text.count("\n") == text.count("\r\n")
    frames = [orjson.loads(frame[6:]) for frame in text.split("\r\n\r\n") if frame]
    assert "[DONE]" not in text
    assert frames[-1]["candidates"][0]["finishReason"] == "STOP"
    assert all("usageMetadata" in frame for frame in frames)
    async with http.post(f"{url}?alt=sse", json={"contents": CONTENTS}, headers={"x-mock-framing": "lf"}) as answer:
        assert await answer.text() == text.replace("\r\n", "\n")
    async with http.post(url, json={"contents": CONTENTS}) as answer:
        assert answer.content_type == "application/json"
        assert orjson.loads(await answer.read()) == frames
    async with http.post(url, json={"contents": []}) as answer:
        assert (await answer.json())[0]["error"]["status"] == "INVALID_ARGUMENT"
    async with http.post(url, json={"contents": CONTENTS}, headers={"x-mock-fault": "sse-error:2"}) as answer:
        found = orjson.loads(await answer.read())
    assert [*frames[:2], found[2]] == found
    assert found[2]["error"]["code"] == 503


async def test_vertex_has_the_same_under_other_paths(http: aiohttp.ClientSession, mock: Running) -> None:
    base = f"{mock.url}/projects/p/locations/l/publishers/google/models"
    async with http.post(f"{base}/{MODEL}:generateContent", json={"contents": CONTENTS}) as answer:
        assert (await answer.json())["candidates"]
    body = {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 4}}
    async with http.post(f"{base}/text-embedding-005:predict", json=body) as answer:
        found = (await answer.json())["predictions"][0]["embeddings"]
    assert len(found["values"]) == 4
    assert found["statistics"]["token_count"] == 1
    told = [
        *CONTENTS,
        {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "look"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {}}}]},
    ]
    async with http.post(f"{base}/{MODEL}:generateContent", json={"contents": told}) as answer:
        assert answer.status == 400
        assert 'Unknown name "id"' in (await answer.json())["error"]["message"]


async def test_errors_through_the_sdk(client: genai.client.AsyncClient) -> None:
    async def fails(fault: str) -> errors.APIError:
        config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-mock-fault": fault}))
        with pytest.raises(errors.APIError) as caught:
            await client.models.generate_content(model=MODEL, contents=ASK, config=config)
        return caught.value

    for fault, code, status in (
        ("overloaded", 503, "UNAVAILABLE"),
        ("rate-limit:seconds=23", 429, "RESOURCE_EXHAUSTED"),
        ("quota", 429, "RESOURCE_EXHAUSTED"),
        ("bad-key", 400, "INVALID_ARGUMENT"),
        ("status:504", 504, "DEADLINE_EXCEEDED"),
    ):
        found = await fails(fault)
        assert (found.code, found.status) == (code, status)
    details: Any = (await fails("rate-limit:seconds=23")).details
    assert details["error"]["details"][0]["retryDelay"] == "23s"
    assert (await fails("rate-limit:seconds=23")).response is not None
    details = (await fails("bad-key")).details
    assert details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-mock-fault": "sse-error:1"}))
    with pytest.raises(errors.ServerError):
        async for _ in await client.models.generate_content_stream(model=MODEL, contents=ASK, config=config):
            pass


CALL: Any = {"role": "model", "parts": [{"functionCall": {"name": "look"}}]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
        ({"contents": [{"role": "user", "parts": [{"words": "x"}]}]}, "required oneof field 'data'"),
        ({"contents": [*CONTENTS, CALL]}, "number of function response parts"),
        ({"contents": [CALL, *CONTENTS]}, "function call turn comes immediately after"),
        ({"messages": []}, 'Unknown name "messages"'),
        ({"generationConfig": {"n": 2}}, "Unknown name \"n\" at 'generation_config'"),
        ({"generationConfig": {"candidateCount": 9}}, "candidate_count must be in [1, 8]"),
        ({"generationConfig": {"stopSequences": ["a"] * 6}}, "at most 5"),
        ({"generationConfig": {"temperature": 3}}, "[0.0, 2.0]"),
        ({"generationConfig": {"presencePenalty": 1}}, "Penalty is not enabled"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "low"}}}, "only one of"),
        ({"tools": [{"functionDeclarations": [{"name": "1a"}]}]}, "Invalid function name"),
        (
            {"tools": [{"functionDeclarations": [{"name": "a", "parameters": {"type": "object", "$schema": "x"}}]}]},
            'Unknown name "$schema"',
        ),
        (
            {"tools": [{"functionDeclarations": [{"name": "a", "parameters": {"type": "object", "properties": {}}}]}]},
            "should be non-empty for OBJECT type",
        ),
        (
            {"tools": [{"functionDeclarations": [LOOK]}], "generationConfig": {"responseMimeType": "application/json"}},
            "response mime type",
        ),
        (
            {
                "tools": [{"functionDeclarations": [LOOK]}],
                "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["look"]}},
            },
            "mode is ANY",
        ),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, mock: Running, fields: dict[str, Any], message: str) -> None:
    status, body = await post(http, mock, **fields)
    assert (status, body["error"]["code"], body["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in body["error"]["message"]


async def test_snake_case_is_read_too(http: aiohttp.ClientSession, mock: Running) -> None:
    _, camel = await post(http, mock, generationConfig={"maxOutputTokens": 3})
    _, snake = await post(http, mock, generation_config={"max_output_tokens": 3})
    assert camel["candidates"] == snake["candidates"]
    assert camel["candidates"][0]["finishReason"] == "MAX_TOKENS"


async def test_unknown_models_and_keys(http: aiohttp.ClientSession, mock: Running) -> None:
    status, body = await post(http, mock, model="missing-1")
    assert (status, body["error"]["status"]) == (404, "NOT_FOUND")
    running = await start(settings=Settings(key="right"))
    try:
        for headers, query, expected in (
            ({"x-goog-api-key": "right"}, "", 200),
            ({}, "?key=right", 200),
            ({"authorization": "Bearer right"}, "", 200),
            ({"x-goog-api-key": "wrong"}, "", 400),
            ({"authorization": "Bearer wrong"}, "", 401),
            ({}, "", 403),
        ):
            url = f"{running.url.removesuffix('/v1')}/v1beta/models/{MODEL}:generateContent{query}"
            async with http.post(url, json={"contents": CONTENTS}, headers=headers) as answer:
                assert answer.status == expected
    finally:
        await running.stop()
