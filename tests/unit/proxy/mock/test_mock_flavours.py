"""Providers with an accent: what their answers, streams and errors look like, and that both forms say the same."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from mistralai.client import Mistral
from openai import AsyncOpenAI

from proxy.mock.controls import FLAVOURS as NAMES
from proxy.mock.flavours import ACCENTS
from proxy.mock.server import Running, Settings, start

ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}


async def post(
    http: aiohttp.ClientSession, mock: Running, flavour: str, fields: dict[str, Any] | None = None, **controls: str
) -> tuple[int, bytes]:
    headers = {
        "x-mock-flavour": flavour,
        **{f"x-mock-{name.replace('_', '-')}": value for name, value in controls.items()},
    }
    body = {"model": "m", "messages": ASK, **(fields or {})}
    async with http.post(f"{mock.url}/chat/completions", json=body, headers=headers) as answer:
        return answer.status, await answer.read()


async def plain(http: aiohttp.ClientSession, mock: Running, flavour: str, fields: Any = None, **controls: str) -> Any:
    status, body = await post(http, mock, flavour, fields, **controls)
    assert status == 200, body
    return orjson.loads(body)


async def chunks(http: aiohttp.ClientSession, mock: Running, flavour: str, fields: Any = None, **controls: str) -> Any:
    _, body = await post(http, mock, flavour, {**(fields or {}), "stream": True}, **controls)
    blocks = [block for block in body.split(b"\n\n") if block.startswith(b"data: {")]
    assert body.endswith(b"data: [DONE]\n\n")
    return [orjson.loads(block[6:]) for block in blocks]


def folded(found: list[Any]) -> dict[str, Any]:
    """Return what the deltas add up to: texts joined, parts of arrays joined by kind, calls whole."""
    whole: dict[str, Any] = {}
    for chunk in found:
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for part in value:
                        call = whole.setdefault("tool_calls", {}).setdefault(part["index"], {"arguments": ""})
                        call["id"] = part.get("id", call.get("id"))
                        call["name"] = part["function"].get("name", call.get("name"))
                        call["arguments"] += part["function"].get("arguments", "")
                elif isinstance(value, list):
                    whole.setdefault("parts", []).extend(value)
                elif isinstance(value, str) and name != "role":
                    whole[name] = whole.get(name, "") + value
    return whole


def test_names_of_the_control_and_rows_agree() -> None:
    assert tuple(sorted(ACCENTS)) == NAMES


@pytest.mark.parametrize("flavour", [name for name in NAMES if name not in ("mistral", "databricks", "deepseek")])
async def test_stream_and_plain_say_the_same(http: aiohttp.ClientSession, mock: Running, flavour: str) -> None:
    whole = await plain(http, mock, flavour, reasoning="4")
    found = folded(await chunks(http, mock, flavour, reasoning="4"))
    message = whole["choices"][0]["message"]
    for name in ("content", "reasoning", "reasoning_content"):
        assert (found.get(name) or None) == (message.get(name) or None)
    assert message["content"]
    said = str(message)
    thought = await plain(http, mock, "zai", reasoning="4")
    words = thought["choices"][0]["message"]["reasoning_content"]
    assert words in said


@pytest.mark.parametrize("flavour", [name for name in NAMES if name != "perplexity"])
async def test_tools(http: aiohttp.ClientSession, mock: Running, flavour: str) -> None:
    asked = {"tools": [TOOL]}
    whole = await plain(http, mock, flavour, asked, tool_calls="2")
    found = folded(await chunks(http, mock, flavour, asked, tool_calls="2"))
    calls = [
        {"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]}
        for call in whole["choices"][0]["message"]["tool_calls"]
    ]
    assert [found["tool_calls"][index] for index in (0, 1)] == calls
    assert all("index" not in call for call in whole["choices"][0]["message"]["tool_calls"])


@pytest.mark.parametrize("flavour", NAMES)
async def test_every_error_is_that_of_the_provider(http: aiohttp.ClientSession, mock: Running, flavour: str) -> None:
    status, body = await post(http, mock, flavour, fault="overloaded")
    expected = {
        "cerebras": {"message", "type", "param", "code"},
        "cloudflare": {"result", "success", "errors", "messages"},
        "databricks": {"error_code", "message"},
        "minimax": {"base_resp"},
        "mistral": {"object", "message", "type", "param", "code", "raw_status_code"},
        "nvidia": {"type", "title", "status", "detail"},
        "openrouter": {"error", "user_id"},
        "siliconflow": {"code", "message", "data"},
        "together": {"id", "error"},
        "xai": {"code", "error"},
    }
    assert orjson.loads(body).keys() == expected.get(flavour, {"error"})
    assert status == (200 if flavour == "minimax" else 503)
    status, body = await post(http, mock, flavour, fault="json-200-error")
    assert (status, orjson.loads(body).keys()) == (200, expected.get(flavour, {"error"}))


async def test_error_forms(http: aiohttp.ClientSession, mock: Running) -> None:
    async def error(flavour: str, fault: str) -> Any:
        return orjson.loads((await post(http, mock, flavour, fault=fault))[1])

    assert isinstance((await error("xai", "overloaded"))["error"], str)
    assert (await error("openrouter", "rate-limit"))["error"]["code"] == 429
    assert (await error("vllm", "status:400"))["error"]["code"] == 400
    assert (await error("zai", "rate-limit"))["error"]["code"] == "1302"
    assert (await error("minimax", "quota"))["base_resp"]["status_code"] == 1008
    assert (await error("groq", "status:400"))["error"]["status_code"] == 400
    assert (await error("mistral", "bad-key"))["message"] == "Unauthorized"
    assert (await error("mistral", "rate-limit"))["type"] == "rate_limited"


async def test_error_events(http: aiohttp.ClientSession, mock: Running) -> None:
    async def last(flavour: str) -> bytes:
        return (await post(http, mock, flavour, {"stream": True}, fault="sse-error:2"))[1]

    assert b"\n\nevent: error\ndata: {" in await last("groq")
    assert (await last("vllm")).endswith(b"\n\ndata: [DONE]\n\n")
    chunk = orjson.loads((await last("openrouter")).split(b"data: ")[-1])
    assert chunk["error"]["code"] == 503
    assert chunk["choices"][0]["finish_reason"] == "error"


async def test_mistral(http: aiohttp.ClientSession, mock: Running) -> None:
    whole = await plain(http, mock, "mistral", reasoning="3")
    parts = whole["choices"][0]["message"]["content"]
    assert [part["type"] for part in parts] == ["thinking", "text"]
    found = await chunks(http, mock, "mistral", reasoning="3")
    shown = folded(found)
    thought = "".join(part["thinking"][0]["text"] for part in shown["parts"])
    assert (thought, shown["content"]) == (parts[0]["thinking"][0]["text"], parts[1]["text"])
    assert found[-1]["choices"][0]["finish_reason"] == "stop"
    assert found[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    status, body = await post(http, mock, "mistral", {"user": "u"})
    assert (status, orjson.loads(body)["detail"][0]["loc"]) == (422, ["body", "user"])
    called = await plain(http, mock, "mistral", {"tools": [TOOL]})
    call = called["choices"][0]["message"]["tool_calls"][0]
    assert len(call["id"]) == 9
    told = [
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "x", "tool_call_id": call["id"]},
    ]
    assert (await post(http, mock, "mistral", {"messages": told}))[0] == 200
    status, body = await post(http, mock, "mistral", {"messages": [*told, *ASK]})
    assert (status, b"Unexpected role 'user' after role 'tool'" in body) == (400, True)


async def test_mistral_sdk() -> None:
    from proxy.mock.controls import Controls

    running = await start(settings=Settings(controls=Controls(flavour="mistral")))
    try:
        async with Mistral(api_key="k", server_url=running.url.removesuffix("/v1")) as client:
            found = await client.chat.complete_async(model="mistral-small", messages=ASK)
            text = ""
            stream = await client.chat.stream_async(model="mistral-small", messages=ASK)
            async with stream:
                async for made in stream:
                    text += str(made.data.choices[0].delta.content or "")
            assert text == found.choices[0].message.content
            called = await client.chat.complete_async(model="mistral-small", messages=ASK, tools=[TOOL])
            assert called.choices[0].message.tool_calls
            thought = await client.chat.complete_async(model="magistral-medium", messages=ASK)
            content: Any = thought.choices[0].message.content
            assert [part.type for part in content] == ["thinking", "text"]
            made_ = await client.embeddings.create_async(model="mistral-embed", inputs=["a"])
            assert made_.data[0].embedding
    finally:
        await running.stop()


@pytest.fixture
async def groq(mock: Running) -> AsyncIterator[AsyncOpenAI]:
    base = f"{mock.url.removesuffix('/v1')}/openai/v1"
    headers = {"x-mock-flavour": "groq"}
    async with AsyncOpenAI(base_url=base, api_key="k", max_retries=0, default_headers=headers) as made:
        yield made


async def test_groq(http: aiohttp.ClientSession, mock: Running, groq: AsyncOpenAI) -> None:
    found = [
        chunk async for chunk in await groq.chat.completions.create(model="compound-reason", messages=ASK, stream=True)
    ]
    shown: list[Any] = [chunk.model_dump() for chunk in found]
    assert shown[0]["x_groq"]["id"].startswith("req_")
    assert shown[-1]["x_groq"]["usage"]["total_tokens"] > 0
    assert shown[-1]["id"] == "stub"
    assert len({chunk["id"] for chunk in shown}) == len(shown)
    assert any(chunk["choices"][0]["delta"].get("reasoning") for chunk in shown)
    assert (await post(http, mock, "groq", {"n": 2}))[0] == 400
    assert (await post(http, mock, "groq", {"logprobs": True}))[0] == 400


async def test_xai(http: aiohttp.ClientSession, mock: Running) -> None:
    found = await chunks(http, mock, "xai", {"tools": [TOOL]}, tool_calls="2", reasoning="5")
    calls = [chunk for chunk in found if chunk["choices"] and chunk["choices"][0]["delta"].get("tool_calls")]
    assert len(calls) == 1
    assert len(calls[0]["choices"][0]["delta"]["tool_calls"]) == 2
    assert [chunk["choices"][0]["finish_reason"] for chunk in found if chunk["choices"]][-1] == "stop"
    assert found[0]["choices"][0]["finish_reason"] == ""
    usage = found[-1]["usage"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    assert thought == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + thought


async def test_openrouter(http: aiohttp.ClientSession, mock: Running) -> None:
    _, body = await post(http, mock, "openrouter", {"stream": True}, reasoning="3")
    assert body.startswith(b": OPENROUTER PROCESSING\n\n")
    found = await chunks(http, mock, "openrouter", reasoning="3")
    assert all(choice["delta"]["role"] == "assistant" for chunk in found for choice in chunk["choices"])
    assert (
        found[1]["choices"][0]["delta"]["reasoning_details"][0]["text"] == found[1]["choices"][0]["delta"]["reasoning"]
    )
    assert found[-1]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert found[-1]["usage"]["cost"] > 0
    assert found[-2]["choices"][0]["native_finish_reason"] == "stop"


async def test_deepseek(http: aiohttp.ClientSession, mock: Running) -> None:
    _, body = await post(http, mock, "deepseek", reasoning="3")
    assert body.startswith(b"\n\n\n{")
    message = orjson.loads(body)["choices"][0]["message"]
    found = await chunks(http, mock, "deepseek", reasoning="3")
    assert found[1]["choices"][0]["delta"]["content"] is None
    shown = folded(found)
    assert (shown["reasoning_content"], shown["content"]) == (message["reasoning_content"], message["content"])
    assert found[-1]["choices"][0]["finish_reason"] == "stop"
    assert found[-1]["usage"]["prompt_cache_miss_tokens"] > 0
    assert found[0]["usage"] is None
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    told = [
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ]
    asked = {"messages": told, "thinking": {"type": "enabled"}}
    status, body = await post(http, mock, "deepseek", asked)
    assert (status, b"must be passed back" in body) == (400, True)
    told[1]["reasoning_content"] = "so"
    assert (await post(http, mock, "deepseek", asked))[0] == 200


async def test_perplexity_minimax_moonshot_together(http: aiohttp.ClientSession, mock: Running) -> None:
    found = await chunks(http, mock, "perplexity", reasoning="3")
    assert found[-1]["choices"][0]["message"]["content"] == folded(found)["content"]
    assert found[-1]["citations"]
    assert folded(found)["content"].startswith("<think>\n")
    assert all(chunk["usage"] for chunk in found)
    assert (await post(http, mock, "perplexity", {"tools": [TOOL]}))[0] == 400
    whole = await plain(http, mock, "minimax", reasoning="3")
    assert whole["base_resp"]["status_code"] == 0
    assert "\n</think>\n\n" in whole["choices"][0]["message"]["content"]
    split = await plain(http, mock, "minimax", {"reasoning_split": True}, reasoning="3")
    assert split["choices"][0]["message"]["reasoning_details"]
    found = await chunks(http, mock, "moonshot", {"tools": [TOOL]})
    assert found[-1]["choices"][0]["usage"]["total_tokens"] > 0
    assert folded(found)["tool_calls"][0]["id"] == "functions.look:0"
    found = await chunks(http, mock, "together")
    assert found[-1]["choices"][0]["finish_reason"] == "eos"
    assert found[1]["choices"][0]["text"] == found[1]["choices"][0]["delta"]["content"]


async def test_unknown_flavours_are_refused(http: aiohttp.ClientSession, mock: Running) -> None:
    status, body = await post(http, mock, "nobody")
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "invalid_control")
