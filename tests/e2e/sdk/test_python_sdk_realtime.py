"""The official Python SDK's WebSocket clients through the gateway, sync and async, against the upstream's own answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.processes import KEY, Gateway, Mock

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ITEM: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How long is the röad?"}]}


def converse(client: OpenAI) -> list[dict[str, Any]]:
    """One turn of a conversation: every event up to ``response.done``."""
    events = []
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "instructions": "Be short."})
        connection.conversation.item.create(item=ITEM)
        connection.response.create()
        for event in connection:
            events.append(event.model_dump(mode="json", warnings="none"))
            if event.type == "response.done":
                break
    return events


@pytest.fixture(scope="module")
def through(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
        yield client


def test_realtime(mock: Mock, through: OpenAI) -> None:
    with OpenAI(base_url=mock.url, api_key="sk-any", max_retries=0) as direct:
        expected = converse(direct)
    assert [event["type"] for event in expected][:2] == ["session.created", "session.updated"]
    assert converse(through) == expected


async def test_realtime_async(mock: Mock, gateway: Gateway) -> None:
    answers = []
    for url in (mock.url, gateway.url):
        async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            events = []
            async with client.realtime.connect(model="gpt-realtime") as connection:
                await connection.conversation.item.create(item=ITEM)
                await connection.response.create()
                async for event in connection:
                    events.append(event.model_dump(mode="json", warnings="none"))
                    if event.type == "response.done":
                        break
            answers.append(events)
    assert answers[0] == answers[1]
    assert answers[0][-1]["response"]["usage"]["output_tokens"] > 0


def test_responses_over_websocket(mock: Mock, through: OpenAI) -> None:
    def talk(client: OpenAI) -> list[dict[str, Any]]:
        events = []
        with client.responses.connect() as connection:
            connection.response.create(model="gpt-4o", input="How long is the road?")
            for event in connection:
                events.append(event.model_dump(mode="json", warnings="none"))
                if event.type == "response.completed":
                    break
        return events

    with OpenAI(base_url=mock.url, api_key="sk-any", max_retries=0) as direct:
        expected = talk(direct)
    assert talk(through) == expected
