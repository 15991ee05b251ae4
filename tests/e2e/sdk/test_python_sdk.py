"""Every ordinary call of the official Python SDK answers alike through the gateway and straight from the upstream."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.processes import KEY, Gateway, Mock, config_for, running

from .answers import async_answers, sync_answers
from .calls import CALLS

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    """A mock of this module's own: lists show what earlier calls left behind."""
    mock = Mock()
    try:
        yield mock
    finally:
        mock.close()


@pytest.fixture(scope="module")
def transparent(upstream: Mock) -> Iterator[Gateway]:
    """A gateway that renames nothing, so that even the list of models is the upstream's."""
    models = {"*": {"targets": [{"provider": "mock", "model": "*"}]}}
    with running(config_for(upstream.url, models=models)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def through(transparent: Gateway) -> Iterator[OpenAI]:
    """The SDK on the gateway."""
    with OpenAI(base_url=transparent.url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def direct(upstream: Mock) -> Iterator[OpenAI]:
    """The SDK on the upstream."""
    with OpenAI(base_url=upstream.url, api_key="sk-any", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("name", CALLS)
def test_sync(name: str, direct: OpenAI, through: OpenAI) -> None:
    expected = sync_answers(direct, CALLS[name])
    assert sync_answers(through, CALLS[name]) == expected


@pytest.mark.parametrize("name", CALLS)
async def test_async(name: str, upstream: Mock, transparent: Gateway) -> None:
    async with (
        AsyncOpenAI(base_url=upstream.url, api_key="sk-any", max_retries=0, timeout=20) as direct,
        AsyncOpenAI(base_url=transparent.url, api_key=KEY, max_retries=0, timeout=20) as through,
    ):
        expected = await async_answers(direct, CALLS[name])
        assert await async_answers(through, CALLS[name]) == expected


async def test_many_at_once(transparent: Gateway) -> None:
    """Answers do not get mixed up between requests under way on shared connections."""
    async with AsyncOpenAI(base_url=transparent.url, api_key=KEY, max_retries=0, timeout=30) as client:

        async def ask(number: int) -> tuple[tuple[str, str], tuple[str, str]]:
            asked: list[Any] = [{"role": "user", "content": f"question {number}"}]
            plain = await client.chat.completions.create(model="gpt-4o", messages=asked)
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=asked, stream=True, extra_headers={"x-mock-pace": "1"}
            )
            chunks = [chunk async for chunk in stream]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            (key,) = {chunk.id for chunk in chunks}
            return (plain.id, plain.choices[0].message.content or ""), (key, text)

        pairs = await asyncio.gather(*(ask(number) for number in range(64)))
    assert [plain for plain, _ in pairs] == [streamed for _, streamed in pairs]
    assert len({key for (key, _), _ in pairs}) == 64
