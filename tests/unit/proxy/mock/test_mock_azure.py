"""Azure OpenAI: OpenAI's Azure client against the mock, the verdicts of the filter, and its errors."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from proxy.mock.server import Running, Settings, start

ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]
VERSION = "2024-10-21"


@pytest.fixture
async def client(mock: Running) -> AsyncIterator[AsyncAzureOpenAI]:
    base = mock.url.removesuffix("/v1")
    async with AsyncAzureOpenAI(azure_endpoint=base, api_key="k", api_version=VERSION, max_retries=0) as made:
        yield made


async def test_plain_and_stream_say_the_same(client: AsyncAzureOpenAI) -> None:
    found = await client.chat.completions.create(model="our-gpt", messages=ASK)
    assert found.model == "our-gpt"
    told: Any = found.model_dump()
    assert told["prompt_filter_results"][0]["content_filter_results"]["jailbreak"] == {
        "filtered": False,
        "detected": False,
    }
    assert told["choices"][0]["content_filter_results"]["hate"]["severity"] == "safe"
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model="our-gpt", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    ]
    first: Any = chunks[0].model_dump()
    assert (first["choices"], first["id"], first["model"], first["created"]) == ([], "", "", 0)
    assert first["prompt_filter_results"] == told["prompt_filter_results"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == found.choices[0].message.content
    assert chunks[-1].usage == found.usage


async def test_the_plain_client_speaks_to_the_v1_family(mock: Running) -> None:
    base = f"{mock.url.removesuffix('/v1')}/openai/v1"
    async with AsyncOpenAI(base_url=base, api_key="k", max_retries=0) as made:
        found = await made.chat.completions.create(model="m", messages=ASK)
        assert found.choices[0].message.content
        assert len((await made.embeddings.create(model="e", input="a", dimensions=4)).data[0].embedding) == 4


async def test_embeddings_of_a_deployment(client: AsyncAzureOpenAI) -> None:
    found = await client.embeddings.create(model="our-embed", input="a", dimensions=4)
    assert (found.model, len(found.data[0].embedding)) == ("our-embed", 4)


async def test_errors(http: aiohttp.ClientSession, client: AsyncAzureOpenAI, mock: Running) -> None:
    base = mock.url.removesuffix("/v1")
    async with http.post(f"{base}/openai/deployments/d/chat/completions", json={"messages": ASK}) as answer:
        assert (answer.status, await answer.json()) == (
            404,
            {"error": {"code": "404", "message": "Resource not found"}},
        )
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="missing-1", messages=ASK)
    assert missing.value.code == "DeploymentNotFound"
    with pytest.raises(openai.BadRequestError) as blocked:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "mock-flag"}])
    body: Any = blocked.value.body
    assert body["code"] == "content_filter"
    assert body["innererror"]["content_filter_result"]["violence"] == {"filtered": True, "severity": "high"}
    url = f"{base}/openai/deployments/d/chat/completions?api-version={VERSION}"
    for fault, status, code in (("rate-limit:ms=7", 429, "rate_limit_exceeded"), ("overloaded", 503, "NoCapacity")):
        async with http.post(url, json={"messages": ASK}, headers={"x-mock-fault": fault}) as answer:
            assert answer.status == status
            assert (await answer.json())["error"]["code"] in (code, "429")
    async with http.post(url, json={"messages": ASK}, headers={"x-mock-fault": "odd-error:1"}) as answer:
        assert (await answer.json())["statusCode"] == 401


async def test_the_key_is_in_either_header(http: aiohttp.ClientSession) -> None:
    running = await start(settings=Settings(key="right"))
    url = f"{running.url.removesuffix('/v1')}/openai/v1/chat/completions"
    try:
        for headers, status in (
            ({"api-key": "right"}, 200),
            ({"authorization": "Bearer right"}, 200),
            ({"api-key": "wrong"}, 401),
            ({}, 401),
        ):
            async with http.post(url, json={"model": "m", "messages": ASK}, headers=headers) as answer:
                assert answer.status == status
                body = orjson.loads(await answer.read())
            assert status == 200 or "Access denied" in body["error"]["message"]
    finally:
        await running.stop()
