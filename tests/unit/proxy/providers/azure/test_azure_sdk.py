"""Why Azure's answers pass as they are: OpenAI's own SDK reads each of their peculiarities."""

import json
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

FILTERED = {"hate": {"filtered": False, "severity": "safe"}}


def chunk(**members: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "gpt-5", "choices": []}
    return b"data: " + json.dumps({**head, **members}).encode() + b"\n\n"


def choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": FILTERED}


STREAM = b"".join(
    [
        chunk(
            id="",
            object="",
            created=0,
            model="",
            prompt_filter_results=[{"prompt_index": 0, "content_filter_results": FILTERED}],
        ),
        chunk(choices=[choice(role="assistant", content="")]),
        chunk(choices=[choice(content="Hi")]),
        chunk(choices=[choice(content=" there")]),
        chunk(choices=[choice("stop")]),
        chunk(id="", choices=[{**choice(), "content_filter_offsets": {"check_offset": 0}}]),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
        b"data: [DONE]\n\n",
    ]
)


def client(status: int, kind: str, body: bytes) -> AsyncOpenAI:
    answer = httpx2.MockTransport(lambda request: httpx2.Response(status, headers={"content-type": kind}, content=body))
    return AsyncOpenAI(
        api_key="k", base_url="http://gate.test/v1", max_retries=0, http_client=httpx2.AsyncClient(transport=answer)
    )


async def test_the_first_event_and_a_verdict_after_the_end() -> None:
    async with (
        client(200, "text/event-stream", STREAM) as sdk,
        sdk.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        text = "".join([event.delta async for event in stream if event.type == "content.delta"])
        final = await stream.get_final_completion()
    assert text == final.choices[0].message.content == "Hi there"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.total_tokens == 5


@pytest.mark.parametrize(("status", "raised"), [(404, openai.NotFoundError), (429, openai.RateLimitError)])
async def test_an_error_of_api_management(status: int, raised: type[openai.APIStatusError]) -> None:
    body = json.dumps({"statusCode": status, "message": "Rate limit is exceeded. Try again in 7 seconds."}).encode()
    async with client(status, "application/json", body) as sdk:
        with pytest.raises(raised, match="Try again in 7 seconds"):
            await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


async def test_a_prompt_that_was_blocked() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}
    error = {
        "code": "content_filter",
        "message": "filtered",
        "type": None,
        "param": "prompt",
        "status": 400,
        "innererror": inner,
    }
    async with client(400, "application/json", json.dumps({"error": error}).encode()) as sdk:
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert refused.value.code == "content_filter"
