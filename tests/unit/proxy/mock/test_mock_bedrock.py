"""Bedrock's runtime: AWS's own SDK against the mock, the event stream, and what the API refuses."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError

from proxy.mock import eventstream
from proxy.mock.server import Running, Settings, start

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ASK: list[Any] = [{"role": "user", "content": [{"text": "How long is the road?"}]}]
SPEC: Any = {
    "toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object", "properties": {"at": {"type": "string"}}}}}
}
TOOLS: Any = {"tools": [SPEC]}


MADE: list[Any] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close every client that a test made."""
    yield
    while MADE:
        MADE.pop().close()


def sdk(mock: Running, *, secret: str = "secret", **controls: str) -> Any:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=mock.url.removesuffix("/v1"),
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )

    def add(request: Any, **_: object) -> None:
        for name, value in controls.items():
            request.headers[f"x-mock-{name.replace('_', '-')}"] = value

    MADE.append(made)
    made.meta.events.register("before-sign.bedrock-runtime.*", add)
    return made


async def ask(client: Any, name: str = "converse", **fields: Any) -> Any:
    asked = {"modelId": MODEL, "messages": ASK, **fields}
    return await asyncio.to_thread(lambda: getattr(client, name)(**asked))


async def events(client: Any, **fields: Any) -> list[dict[str, Any]]:
    found = await ask(client, "converse_stream", **fields)
    try:
        return await asyncio.to_thread(lambda: list(found["stream"]))
    finally:
        found["stream"].close()


def folded(found: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    """Return content, stop reason and usage of a stream."""
    blocks: dict[int, dict[str, Any]] = {}
    stop, usage = "", {}
    for made in found:
        if "contentBlockStart" in made:
            start_ = made["contentBlockStart"]
            blocks[start_["contentBlockIndex"]] = {"toolUse": {**start_["start"]["toolUse"], "input": ""}}
        elif "contentBlockDelta" in made:
            delta = made["contentBlockDelta"]["delta"]
            block = blocks.setdefault(made["contentBlockDelta"]["contentBlockIndex"], {})
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
                thought["text"] += delta["reasoningContent"].get("text", "")
                if "signature" in delta["reasoningContent"]:
                    thought["signature"] = delta["reasoningContent"]["signature"]
        elif "messageStop" in made:
            stop = made["messageStop"]["stopReason"]
        elif "metadata" in made:
            usage = made["metadata"]["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = orjson.loads(block["toolUse"]["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)], stop, usage


async def test_plain_and_stream_say_the_same(mock: Running) -> None:
    client = sdk(mock)
    found = await ask(client)
    content, stop, usage = folded(await events(client))
    assert content == found["output"]["message"]["content"]
    assert (stop, usage) == (found["stopReason"], found["usage"])
    assert stop == "end_turn"
    assert usage["outputTokens"] == 24
    counted = await asyncio.to_thread(lambda: client.count_tokens(modelId=MODEL, input={"converse": {"messages": ASK}}))
    assert counted["inputTokens"] == usage["inputTokens"]


async def test_thinking_tools_and_the_way_back(mock: Running) -> None:
    client = sdk(mock, tool_calls="2", preface="4")
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked: dict[str, Any] = {"toolConfig": TOOLS, "additionalModelRequestFields": thinking}
    found = await ask(client, **asked)
    blocks = found["output"]["message"]["content"]
    assert [next(iter(block)) for block in blocks] == ["reasoningContent", "text", "toolUse", "toolUse"]
    content, stop, _ = folded(await events(client, **asked))
    assert (content, stop) == (blocks, "tool_use")
    results = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": "12"}], "status": "success"}}
        for block in blocks
        if "toolUse" in block
    ]
    told = [*ASK, found["output"]["message"], {"role": "user", "content": results}]
    after = await ask(client, messages=told, **asked)
    assert after["stopReason"] == "end_turn"
    blocks[0]["reasoningContent"]["reasoningText"]["signature"] = "forged"
    with pytest.raises(ClientError, match="Invalid `signature`"):
        await ask(client, messages=told, **asked)
    with pytest.raises(ClientError, match="toolConfig field must be defined"):
        await ask(client, messages=[told[0], {**told[1], "content": blocks[1:]}, told[2]])
    with pytest.raises(ClientError, match="Expected toolResult blocks at messages"):
        await ask(client, messages=[told[0], {**told[1], "content": blocks[1:]}, *ASK], **asked)


async def test_embeddings_and_claude_by_invoke(mock: Running) -> None:
    client = sdk(mock)

    async def invoke(model: str, body: dict[str, Any]) -> Any:
        found = await asyncio.to_thread(lambda: client.invoke_model(modelId=model, body=orjson.dumps(body)))
        return orjson.loads(found["body"].read())

    titan = await invoke("amazon.titan-embed-text-v2:0", {"inputText": "a road", "dimensions": 256})
    assert (len(titan["embedding"]), titan["inputTextTokenCount"]) == (256, 2)
    cohere = {"texts": ["a", "b"], "input_type": "search_document", "embedding_types": ["float"]}
    assert len((await invoke("cohere.embed-v4:0", cohere))["embeddings"]["float"]) == 2
    claude = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}],
    }
    plain = await invoke(MODEL, claude)
    assert plain["type"] == "message"
    found = await asyncio.to_thread(
        lambda: client.invoke_model_with_response_stream(modelId=MODEL, body=orjson.dumps(claude))
    )
    chunks = await asyncio.to_thread(lambda: [orjson.loads(made["chunk"]["bytes"]) for made in found["body"]])
    assert (chunks[0]["type"], chunks[-1]["type"]) == ("message_start", "message_stop")
    text = "".join(chunk["delta"].get("text", "") for chunk in chunks if chunk["type"] == "content_block_delta")
    assert text == plain["content"][0]["text"]


async def test_errors_through_the_sdk(mock: Running) -> None:
    for fault, status, kind in (
        ("rate-limit", 429, "ThrottlingException"),
        ("overloaded", 503, "ServiceUnavailableException"),
        ("context-length", 400, "ValidationException"),
        ("bad-key", 403, "UnrecognizedClientException"),
        ("quota", 400, "ServiceQuotaExceededException"),
        ("status:408", 408, "ModelTimeoutException"),
        ("status:424", 424, "ModelErrorException"),
    ):
        with pytest.raises(ClientError) as caught:
            await ask(sdk(mock, fault=fault))
        assert caught.value.response["Error"]["Code"] == kind
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert "retry-after" not in caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    for fault in ("sse-error:0", "sse-error:3"):
        with pytest.raises(EventStreamError, match="modelStreamErrorException"):
            await events(sdk(mock, fault=fault))


async def test_a_stamp_keeps_the_checksums(mock: Running) -> None:
    content, _, _ = folded(await events(sdk(mock, stamp="on", tokens="3")))
    assert content[0]["text"].count("@") == 3
    assert "<stamp>" not in content[0]["text"]


async def test_strange_events_change_nothing(http: aiohttp.ClientSession, mock: Running) -> None:
    plain = folded(await events(sdk(mock)))
    assert folded(await events(sdk(mock, fault="empty-delta:2"))) == plain
    again = folded(await events(sdk(mock, fault="duplicate:2")))
    assert again[0][0]["text"].split()[0] != plain[0][0]["text"].split()[0]
    url = f"{mock.url.removesuffix('/v1')}/model/m/converse-stream"
    for fault in ("unknown-event:1", "malformed-sse:1"):
        async with http.post(url, json={"messages": ASK}, headers={"x-mock-fault": fault}) as answer:
            assert answer.content_type == "application/vnd.amazon.eventstream"
            read = EventStreamBuffer()
            read.add_data(await answer.read())
            found = list(read)
        if fault.startswith("unknown"):
            assert found[1].headers[":event-type"] == "mockNovelty"
        else:
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(found[1].payload)
        assert found[-1].headers[":event-type"] == "metadata"


async def test_cut_streams(http: aiohttp.ClientSession, mock: Running) -> None:
    url = f"{mock.url.removesuffix('/v1')}/model/m/converse-stream"
    got = b""
    async with http.post(url, json={"messages": ASK}, headers={"x-mock-fault": "cut-mid-event:2"}) as answer:
        with suppress(aiohttp.ClientPayloadError):
            while data := await answer.content.readany():
                got += data
    read = EventStreamBuffer()
    read.add_data(got)
    assert len(list(read)) == 2
    assert 0 < len(got) - sum(frame.prelude.total_length for frame in _frames(got))


def _frames(data: bytes) -> Iterator[Any]:
    read = EventStreamBuffer()
    read.add_data(data)
    yield from read


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"messages": []}, "must start with a user message"),
        ({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "must start with a user message"),
        ({"messages": [*ASK, *ASK]}, "must alternate between user and assistant roles"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "is blank"),
        ({"messages": [{"role": "user", "content": []}]}, "is empty"),
        ({"messages": [{"role": "user", "content": [{"words": "x"}]}]}, "must set one of the following keys"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"text": "a"}, {"image": {"format": "jpg", "source": {"bytes": ""}}}]}
                ]
            },
            "Member must satisfy enum value set: [png, jpeg, gif, webp]",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"text": "a"},
                            {"document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": ""}}},
                        ],
                    }
                ]
            },
            "document file name",
        ),
        ({"model": "m"}, "extraneous key [model]"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
        ({"toolConfig": {"tools": []}}, "greater than or equal to 1"),
        ({"toolConfig": {"tools": [SPEC], "toolChoice": {"none": {}}}}, "auto, any, tool"),
        ({"toolConfig": {"tools": [{"toolSpec": {"name": "a.b", "inputSchema": {"json": {}}}}]}}, "regular expression"),
        ({"system": [{"text": ""}]}, "system.0 is blank"),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, mock: Running, fields: dict[str, Any], message: str) -> None:
    url = f"{mock.url.removesuffix('/v1')}/model/amazon.nova-pro-v1%3A0/converse"
    async with http.post(url, json={"messages": ASK, **fields}) as answer:
        assert answer.status == 400
        assert answer.headers["x-amzn-errortype"].partition(":")[0] == "ValidationException"
        assert message in (await answer.json())["message"]


async def test_signatures_are_checked(http: aiohttp.ClientSession) -> None:
    running = await start(settings=Settings(key="AKIDEXAMPLE:right"))
    url = f"{running.url.removesuffix('/v1')}/model/m/converse"
    try:
        assert (await ask(sdk(running, secret="right")))["stopReason"] == "end_turn"
        arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0"
        assert (await ask(sdk(running, secret="right"), modelId=arn))["stopReason"] == "end_turn"
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            await ask(sdk(running, secret="wrong"))
        for headers, kind in (
            ({}, "MissingAuthenticationTokenException"),
            ({"authorization": "AWS4-HMAC-SHA256 nonsense"}, "IncompleteSignatureException"),
            ({"authorization": "Bearer wrong"}, "UnrecognizedClientException"),
        ):
            async with http.post(url, json={"messages": ASK}, headers=headers) as answer:
                assert (answer.status, answer.headers["x-amzn-errortype"].partition(":")[0]) == (403, kind)
        bearer = {"authorization": "Bearer AKIDEXAMPLE:right"}
        async with http.post(url, json={"messages": ASK}, headers=bearer) as answer:
            assert answer.status == 200
    finally:
        await running.stop()


def test_frames_have_the_bytes_of_the_specification() -> None:
    delta = eventstream.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})
    assert (len(delta), delta[:12].hex(), delta[-4:].hex()) == (148, "0000009400000057b4ab9aee", "5db19242")
    thrown = eventstream.exception("throttlingException", {"message": "Too many requests"})
    assert (len(thrown), thrown[:12].hex(), thrown[-4:].hex()) == (144, "00000090000000618e91a9b7", "9d6b6211")
    failed = EventStreamBuffer()
    failed.add_data(eventstream.failure("InternalError", "The engine failed."))
    assert next(failed).headers == {
        ":message-type": "error",
        ":error-code": "InternalError",
        ":error-message": "The engine failed.",
    }
