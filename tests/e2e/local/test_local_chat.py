"""Chat with a real model: tokens as they are made, cancelled streams, tools, schemas, several at once, and what is refused."""

import asyncio
import json
import time
from typing import Any

import jsonschema
import openai as sdk
import pytest
from openai import AsyncOpenAI, OpenAI

from proxy.translation.completion import fold
from tests.support.processes import KEY, Gateway
from tests.support.rawhttp import Client, chat, eventually

from .asked import GREEDY, PERSON, QUESTION, SHOWN, TOOL

pytestmark = pytest.mark.e2e

ENDLESS: dict[str, Any] = {"ignore_eos": True}
"""llama.cpp's own: the model may not end its answer. Fields that OpenAI does not have travel on."""


def busy(gateway: Gateway, client: OpenAI) -> int:
    """Slots of the engine that are at work, from its own API behind the native door."""
    answer = client.get(f"{gateway.origin}/native/local/slots", cast_to=object)
    assert isinstance(answer, list)
    return sum(slot["is_processing"] for slot in answer)


def test_a_plain_answer(openai: OpenAI) -> None:
    raw = openai.chat.completions.with_raw_response.create(model="any", messages=QUESTION, max_tokens=40, **GREEDY)
    answer = raw.parse()
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert "x-tollway-dropped" not in raw.headers


def test_a_stream_folds_to_the_plain_answer(openai: OpenAI) -> None:
    asked: dict[str, Any] = {**GREEDY, "extra_body": {"cache_prompt": False}, "max_tokens": 40}
    plain = openai.chat.completions.create(model="any", messages=QUESTION, **asked)
    chunks = list(
        openai.chat.completions.create(
            model="any", messages=QUESTION, stream=True, stream_options={"include_usage": True}, **asked
        )
    )
    folded: Any = fold([chunk.model_dump(exclude_unset=True) for chunk in chunks])
    assert folded["choices"][0]["message"]["content"] == plain.choices[0].message.content
    assert folded["choices"][0]["finish_reason"] == plain.choices[0].finish_reason
    assert plain.usage is not None
    assert folded["usage"]["completion_tokens"] == plain.usage.completion_tokens
    assert folded["usage"]["prompt_tokens"] == plain.usage.prompt_tokens


def test_tokens_come_as_they_are_made(openai: OpenAI) -> None:
    began = time.monotonic()
    arrivals = [
        time.monotonic() - began
        for chunk in openai.chat.completions.create(
            model="any", messages=QUESTION, max_tokens=120, stream=True, extra_body=ENDLESS, **GREEDY
        )
        if chunk.choices and chunk.choices[0].delta.content
    ]
    assert len(arrivals) >= 100
    assert arrivals[0] < arrivals[-1] / 2
    assert len({round(arrival, 3) for arrival in arrivals}) > 20


@pytest.mark.parametrize("role", ["system", "developer"])
def test_roles_and_parts(openai: OpenAI, role: Any) -> None:
    """Both spellings of the instructions, and texts in parts, reach the model as the same prompt."""
    told: Any = {"role": role, "content": [{"type": "text", "text": "You are a helpful assistant."}]}
    asked: Any = {"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]}
    answer = openai.chat.completions.create(model="any", messages=[told, asked], max_tokens=30, **GREEDY)
    assert "Paris" in (answer.choices[0].message.content or "")
    plain: list[Any] = [{"role": "system", "content": "You are a helpful assistant."}, *QUESTION]
    same = openai.chat.completions.create(model="any", messages=plain, max_tokens=30, **GREEDY)
    assert answer.usage is not None
    assert same.usage is not None
    assert answer.usage.prompt_tokens == same.usage.prompt_tokens


async def test_a_client_that_leaves_frees_its_slot(local: Gateway, openai: OpenAI) -> None:
    """All four slots are taken by answers that would go on for long; when their readers leave, the engine stops at once."""
    streams = [await Client.open(local.port) for _ in range(4)]
    for stream in streams:
        await stream.send(chat(model="any", stream=True, max_tokens=1900, **ENDLESS))
    for stream in streams:
        await stream.head(20)
        await stream.until(b'"content"', 20)
    await eventually(lambda: busy(local, openai) == 4, 10)
    for stream in streams:
        stream.close()
    await eventually(lambda: busy(local, openai) == 0, 5)
    began = time.monotonic()
    openai.chat.completions.create(model="any", messages=QUESTION, max_tokens=3)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_tool_call(openai: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "any", "messages": SHOWN, "tools": [TOOL], "max_tokens": 60, **GREEDY}
    if stream:
        chunks = openai.chat.completions.create(stream=True, **asked)
        answer: Any = fold([chunk.model_dump(exclude_unset=True) for chunk in chunks])
    else:
        answer = openai.chat.completions.create(**asked).model_dump()
    (choice,) = answer["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert call["id"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert choice["finish_reason"] == "tool_calls"


def test_a_tools_result_is_used(openai: OpenAI) -> None:
    call = {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    messages = [
        *SHOWN,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_2", "content": "9 C, fog"},
    ]
    answer = openai.chat.completions.create(model="any", messages=messages, tools=[TOOL], max_tokens=40, **GREEDY)
    assert "9 C" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_schema_is_kept(openai: OpenAI, stream: bool) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    asked: dict[str, Any] = {
        "model": "any",
        "messages": [{"role": "user", "content": "Describe a person."}],
        "response_format": form,
        "max_tokens": 80,
        **GREEDY,
    }
    if stream:
        parts = [chunk.choices[0].delta.content or "" for chunk in openai.chat.completions.create(stream=True, **asked)]
        assert len(parts) > 5
        text = "".join(parts)
    else:
        text = openai.chat.completions.create(**asked).choices[0].message.content or ""
    jsonschema.validate(json.loads(text), PERSON)


async def test_four_at_once(local: Gateway) -> None:
    """Each gets its own answer; they are made side by side, not one after the other."""
    async with AsyncOpenAI(base_url=local.url, api_key=KEY, max_retries=0, timeout=60) as client:
        open_now, most = 0, 0

        async def ask(country: str, capital: str) -> None:
            nonlocal open_now, most
            messages: list[Any] = [{"role": "user", "content": f"What is the capital of {country}?"}]
            text = ""
            stream = await client.chat.completions.create(
                model="any", messages=messages, max_tokens=30, stream=True, **GREEDY
            )
            open_now += 1
            async for chunk in stream:
                most = max(most, open_now)
                text += chunk.choices[0].delta.content or ""
            open_now -= 1
            assert capital in text

        pairs = [("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Germany", "Berlin")]
        await asyncio.gather(*(ask(country, capital) for country, capital in pairs))
        assert most > 1


def test_legacy_completions(openai: OpenAI) -> None:
    answer = openai.completions.create(model="any", prompt="The capital of France is", max_tokens=5, **GREEDY)
    assert "Paris" in answer.choices[0].text


def test_embeddings_are_refused_by_the_gateway(openai: OpenAI) -> None:
    with pytest.raises(sdk.APIStatusError) as refused:
        openai.embeddings.create(model="any", input="a text")
    body: Any = refused.value.body
    assert body["code"] == "endpoint_unsupported"
    assert "local" in body["message"]


def test_a_prompt_beyond_the_context_is_refused(openai: OpenAI) -> None:
    with pytest.raises(sdk.BadRequestError, match="context size"):
        openai.chat.completions.create(model="any", messages=[{"role": "user", "content": "word " * 4000}])


SYSTEM, USER, REPLY, RESULT = (f"<|im_start|>{role}\n" for role in ("system", "user", "assistant", "tool"))
END = "<|im_end|>\n"
CALLED = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
TWO_CALLS = {"role": "assistant", "content": "Wait.", "tool_calls": SHOWN[1]["tool_calls"] * 2}
TEXTS = [{"role": role, "content": role} for role in ("system", "user", "system", "assistant", "user")]


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        (TEXTS, f"{SYSTEM}system{END}{USER}user{END}{SYSTEM}system{END}{REPLY}assistant{END}{USER}user{END}"),
        (SHOWN[:3], f"{USER}What is the weather in Oslo?{END}{REPLY}{CALLED}{END}{RESULT}4 C, rain{END}"),
        ([TWO_CALLS, SHOWN[2]], f"{REPLY}Wait.\n{CALLED}\n{CALLED}{END}{RESULT}4 C, rain{END}"),
    ],
    ids=["texts", "tool", "calls"],
)
def test_the_prompt(local: Gateway, openai: OpenAI, messages: list[Any], prompt: str) -> None:
    """What the template makes of a conversation, word for word."""
    answer: Any = openai.post(
        f"{local.origin}/native/local/apply-template", cast_to=object, body={"messages": messages}
    )
    assert answer["prompt"] == f"{prompt}<|im_start|>assistant\n"
