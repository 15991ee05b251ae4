"""OpenAI's SDK asks for responses: untouched at OpenAI, translated at every other dialect."""

import json
from typing import Any

import openai
import pytest

from tests.support.processes import Mock

from .accounts import faulty, named
from .asked import RESULT, TOOLS, Road
from .bodies import received

pytestmark = pytest.mark.e2e

TRANSLATED = ["claude", "gemini", "vertex", "bedrock", "cohere", "mistral"]
EVERYONE = ["openai", "azure", *TRANSLATED]
ASK = "How long is the road to the mill — in metres?"
FLAT: list[Any] = [{"type": "function", **tool["function"], "strict": False} for tool in TOOLS]
THINKING: dict[str, Any] = {
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}


def ask(client: openai.OpenAI, account: str, **fields: Any) -> Any:
    return client.responses.create(**{"model": named(account), "input": ASK, "store": False, **fields})


def shape(response: Any) -> list[Any]:
    """The items without their ids."""
    items = [item.model_dump(exclude_none=True) for item in response.output]
    return [
        {key: value for key, value in item.items() if key not in ("id", "call_id", "encrypted_content")}
        for item in items
    ]


@pytest.mark.parametrize("account", EVERYONE)
def test_text(client: openai.OpenAI, account: str) -> None:
    raw = client.responses.with_raw_response.create(
        model=named(account), input=ASK, instructions="You know every road.", store=False
    )
    response = raw.parse()
    assert response.object == "response"
    assert response.status == "completed"
    assert len(response.output_text.split()) > 10
    usage = response.usage
    assert usage is not None
    assert usage.input_tokens > 10
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert "x-tollway-dropped" not in raw.headers
    with client.responses.stream(
        model=named(account), input=ASK, instructions="You know every road.", store=False
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == response.output_text
    assert final.usage == usage
    assert len(shape(final)) == len(shape(response))


@pytest.mark.parametrize("account", EVERYONE)
def test_the_events_of_a_stream_in_their_order(client: openai.OpenAI, account: str) -> None:
    events = list(ask(client, account, stream=True, tools=FLAT, **THINKING))
    names = [event.type for event in events]
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names[-1] == "response.completed"
    assert names.count("response.completed") == 1
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(events)))
    added = [event for event in events if event.type == "response.output_item.added"]
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [event.output_index for event in added] == list(range(len(added)))
    assert sorted(event.output_index for event in done) == list(range(len(added)))
    final: Any = events[-1]
    by_index = {event.output_index: event.item.model_dump() for event in done}
    assert [by_index[index] for index in range(len(done))] == [item.model_dump() for item in final.response.output]
    calls = {item.name: item for item in final.response.output if item.type == "function_call"}
    for event in events:
        if event.type == "response.function_call_arguments.done":
            assert any(item.arguments == event.arguments for item in calls.values())


@pytest.mark.parametrize("account", EVERYONE)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_loop_of_tools(client: openai.OpenAI, mock: Mock, account: str, stream: bool) -> None:
    fields: dict[str, Any] = {"tools": FLAT, "max_output_tokens": 32_000, **THINKING}
    if stream:
        last: Any = list(ask(client, account, stream=True, **fields))[-1]
        response = last.response
    else:
        response = ask(client, account, **fields)
    calls = [item for item in response.output if item.type == "function_call"]
    assert calls
    assert {call.name for call in calls} <= {"look_up", "measure"}
    for call in calls:
        assert isinstance(json.loads(call.arguments), dict)
    turn: list[Any] = [{"role": "user", "content": ASK}, *response.output]
    turn += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls]
    follow = ask(client, account, input=turn, **fields)
    assert follow.status == "completed"
    assert len(follow.output_text.split()) > 10
    assert received(mock)["body"].decode().count("9007199254740993 m") == len(calls)


@pytest.mark.parametrize("account", ["claude", "bedrock"])
def test_thoughts_come_back_sealed(client: openai.OpenAI, account: str) -> None:
    """The upstream refuses signatures that it did not issue, so the ones that came back were whole."""
    fields: dict[str, Any] = {"tools": FLAT, "max_output_tokens": 32_000, **THINKING}
    response = ask(client, account, **fields)
    thoughts = [item for item in response.output if item.type == "reasoning"]
    assert thoughts
    assert all(item.encrypted_content for item in thoughts)


@pytest.mark.parametrize("account", EVERYONE)
def test_structured_output(client: openai.OpenAI, account: str) -> None:
    response = client.responses.parse(model=named(account), input=ASK, text_format=Road, store=False)
    assert isinstance(response.output_parsed, Road)


@pytest.mark.parametrize("account", TRANSLATED)
def test_a_previous_response_is_refused_clearly(client: openai.OpenAI, mock: Mock, account: str) -> None:
    before = mock.stats()["requests"]
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, account, previous_response_id="resp_0123456789")
    assert raised.value.param == "previous_response_id"
    assert len(raised.value.message) > 40
    assert mock.stats()["requests"] == before


def test_a_previous_response_at_openai(client: openai.OpenAI) -> None:
    first = client.responses.create(model=named("openai"), input=ASK)
    second = client.responses.create(model=named("openai"), input="And back?", previous_response_id=first.id)
    assert second.previous_response_id == first.id


def test_bytes_pass_untouched_to_openai(client: openai.OpenAI, mock: Mock) -> None:
    direct = client.with_options(base_url=mock.url, api_key="upstream-credential")
    for stream in (False, True):
        found = []
        for chosen, name in ((client, "allowed"), (direct, "gpt-4o")):
            with chosen.responses.with_streaming_response.create(model=name, input=ASK, stream=stream) as raw:
                found.append(b"".join(raw.iter_bytes()))
        assert found[0] == found[1]
        first, second = mock.requests(2)
        assert first["body_sha256"] == second["body_sha256"]


@pytest.mark.parametrize("account", TRANSLATED)
def test_errors(client: openai.OpenAI, account: str) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client, faulty(account, "rate-limit:seconds=7"))
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.BadRequestError) as long:
        ask(client, faulty(account, "context-length"), stream=True)
    assert long.value.code == "context_length_exceeded"
    last: Any = list(ask(client, faulty(account, "sse-error:6"), stream=True))[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert len(last.response.error.message) >= 10


@pytest.mark.parametrize("account", TRANSLATED)
def test_a_limit_of_tokens(client: openai.OpenAI, account: str) -> None:
    response = ask(client, account, max_output_tokens=16, extra_body={})
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    last: Any = list(ask(client, account, max_output_tokens=16, stream=True))[-1]
    assert last.type == "response.incomplete"


@pytest.mark.parametrize("account", TRANSLATED)
def test_what_has_no_translation_is_named(client: openai.OpenAI, account: str) -> None:
    tools: Any = [{"type": "file_search", "vector_store_ids": ["vs_1"]}]
    raw = client.responses.with_raw_response.create(model=named(account), input=ASK, tools=tools, store=False)
    assert raw.parse().output_text
    assert raw.headers["x-tollway-dropped"] == "tools[].file_search"
    with pytest.raises(openai.BadRequestError, match="file_search"):
        ask(client, account, tools=tools, extra_headers={"x-tollway-strict": "true"})
