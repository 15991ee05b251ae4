"""Every answer of every provider, seen by a client that speaks Anthropic's Messages or OpenAI's Responses: through the official
SDKs, and validated against their types to the letter."""

import json
from typing import Any

import anthropic
import openai
import pytest
from pydantic import TypeAdapter

from proxy.errors import TollwayError
from tests.support import fronts as sdk

from . import driver
from .cases import Case, cases
from .test_contract import check_error, named

CHATS = [case for case in cases() if case.path == "/chat/completions"]

MESSAGE: TypeAdapter[Any] = TypeAdapter(anthropic.types.Message)
MESSAGE_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)
RESPONSE: TypeAdapter[Any] = TypeAdapter(openai.types.responses.Response)
RESPONSE_EVENT: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)

STOPS: dict[str, set[str]] = {
    "stop": {"end_turn", "stop_sequence", "pause_turn", "tool_use", "refusal"},
    "length": {"max_tokens", "model_context_window_exceeded"},
    "tool_calls": {"tool_use"},
    "content_filter": {"refusal"},
}
"""Chat's finish reasons in Anthropic's words; ``stop`` with a refusal beside it is one."""


def functions(case: Case) -> list[dict[str, Any]]:
    """The functions that the case offers, so that renamed ones find their way back."""
    tools: Any = case.body.get("tools") or []
    return [tool["function"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("function"), dict)]


def schema_of(case: Case) -> dict[str, Any] | None:
    """The schema that the answer must follow: some models are given it as a tool, whose call is then the content."""
    shape: Any = case.body.get("response_format") or {}
    found: Any = (shape.get("json_schema") or {}).get("schema")
    return found if isinstance(found, dict) else None


def question(case: Case, path: str, *, stream: bool) -> dict[str, Any]:
    """A plain question in the client's dialect, with the case's tools and schema."""
    schema = schema_of(case)
    if path == "/messages":
        body: dict[str, Any] = {
            "model": "public",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": "Hi"}],
            "tools": [
                {"name": tool["name"], "input_schema": tool.get("parameters") or {"type": "object"}}
                for tool in functions(case)
            ],
        }
        if schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    else:
        body = {
            "model": "public",
            "input": "Hi",
            "tools": [
                {"type": "function", "name": tool["name"], "parameters": tool.get("parameters") or {"type": "object"}}
                for tool in functions(case)
            ],
        }
        if schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": schema}}
    if not body["tools"]:
        del body["tools"]
    if stream:
        body["stream"] = True
    return body


def asked(case: Case, path: str, *, stream: bool) -> driver.Asked | None:
    """The question on its way; ``None`` where the provider speaks the client's dialect itself."""
    if driver.account(case).passes(driver.endpoint_of(path), case.model, path):
        return None
    return driver.ask(case, path=path, body=question(case, path, stream=stream))


# ---- what a client finds ------------------------------------------------------------------------------------------------
class Found:
    """What an SDK's answer says, whichever it is."""

    def __init__(self, document: dict[str, Any], path: str) -> None:
        blocks = document["content"] if path == "/messages" else document["output"]
        self.text = ""
        self.reasoning = ""
        self.refusal = ""
        self.calls: list[dict[str, Any]] = []
        for block in blocks:
            getattr(self, f"_{block['type']}", lambda _: None)(block)
        self.document = document

    def _text(self, block: dict[str, Any]) -> None:
        self.text += block["text"]

    def _thinking(self, block: dict[str, Any]) -> None:
        self.reasoning += block["thinking"]

    def _tool_use(self, block: dict[str, Any]) -> None:
        self.calls.append({"name": block["name"], "arguments": block["input"]})

    def _message(self, item: dict[str, Any]) -> None:
        for part in item["content"]:
            self.text += part.get("text", "")
            self.refusal += part.get("refusal", "")

    def _reasoning(self, item: dict[str, Any]) -> None:
        self.reasoning += "".join(part["text"] for part in item["summary"])

    def _function_call(self, item: dict[str, Any]) -> None:
        try:
            arguments = json.loads(item["arguments"] or "{}")
        except ValueError:  # Cut off at the token limit.
            arguments = item["arguments"]
        self.calls.append({"name": item["name"], "arguments": arguments})


def check(found: Found, case: Case, path: str, chat: dict[str, Any] | None) -> None:
    """Text, reasoning, tools, the end and the usage that the chat answer has; ``chat``: the hub's own answer to compare with."""
    expect = case.expect
    message = driver.message_of(chat)
    refusal = message.get("refusal") or ""
    if "content" in expect and not message.get("images"):
        wanted = expect["content"] or ""
        assert found.text == (wanted or refusal if path == "/messages" else wanted)
    if path == "/responses":
        assert found.refusal == refusal
    if "reasoning" in expect:
        assert found.reasoning == (expect["reasoning"] or "")
    if "tool_calls" in expect:
        assert found.calls == [
            {"name": call["name"], "arguments": call["arguments"]} for call in expect["tool_calls"] or []
        ]
    if "finish_reason" in expect:
        check_end(found, path, expect["finish_reason"], refused=bool(refusal))
    if expect.get("usage"):
        check_usage(found.document, path, expect["usage"])


def check_end(found: Found, path: str, finish: str, *, refused: bool) -> None:
    document = found.document
    if path == "/messages":
        assert document["stop_reason"] in STOPS[finish]
        assert document["stop_reason"] != "tool_use" or found.calls
        assert document["stop_reason"] != "refusal" or refused or finish == "content_filter"
        return
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    assert document["status"] == ("incomplete" if cut else "completed")
    assert (document.get("incomplete_details") or {}).get("reason") == cut


def check_usage(document: dict[str, Any], path: str, expected: dict[str, Any]) -> None:
    usage = document["usage"]
    details = expected.get("prompt_tokens_details") or {}
    if path == "/messages":
        read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
        prompt = usage["input_tokens"] + read + written
    else:
        read, written = (
            usage["input_tokens_details"]["cached_tokens"],
            usage["input_tokens_details"].get("cache_write_tokens"),
        )
        prompt = usage["input_tokens"]
    if "prompt_tokens" in expected:
        assert prompt == expected["prompt_tokens"]
    if "completion_tokens" in expected:
        assert usage["output_tokens"] == expected["completion_tokens"]
    if details.get("cached_tokens") is not None:
        assert read == details["cached_tokens"]
    if details.get("cache_write_tokens") is not None:
        assert written == details["cache_write_tokens"]


def errors_alike(case: Case, error: TollwayError | None) -> None:
    """The same error as a chat client gets; type and code are words of another dialect here. Where a chat client sees the
    provider's answer as it came, this one sees it translated: at least the kind of status is the same."""
    expected = {name: value for name, value in case.expect["error"].items() if name not in ("type", "code")}
    found = driver.told(error) if error is not None else None
    if case.reply is not None and case.reply.status >= 300:
        chat = driver.ask(case).translation
        if chat is None or chat.error(case.reply.status, case.reply.headers, case.reply.data) is None:
            assert found is not None
            assert found.status // 100 == expected.pop("status") // 100 or found.status == 502
    check_error(found, expected)


PATHS = ("/messages", "/responses")
WHOLE = [case for case in CHATS if case.reply is not None]
STREAMS = [case for case in CHATS if case.stream is not None and case.stream.status < 300]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", named(*WHOLE))
def test_a_whole_answer(case: Case, path: str) -> None:
    assert case.reply is not None
    request = asked(case, path, stream=False)
    if request is None:
        return
    translation = request.translation
    assert translation is not None
    if case.reply.status >= 300:
        errors_alike(case, translation.error(case.reply.status, case.reply.headers, case.reply.data))
        return
    if case.expect.get("error") is not None:
        with pytest.raises(TollwayError) as raised:
            translation.reply(case.reply.status, case.reply.data)
        errors_alike(case, raised.value)
        return
    data = translation.reply(case.reply.status, case.reply.data)
    read = validated(data, path)
    assert read["model"] == "public"
    check(Found(read, path), case, path, hub(case))


def validated(data: bytes, path: str) -> dict[str, Any]:
    """A whole answer as the SDK has it; its types must hold."""
    if path == "/messages":
        MESSAGE.validate_json(data)
        return sdk.whole_message(data)
    RESPONSE.validate_json(data)
    found: dict[str, Any] = sdk.whole_response(data).to_dict()
    return found


def hub(case: Case) -> dict[str, Any] | None:
    """What a chat client gets, for members that the case does not list."""
    if case.reply is not None and case.reply.status < 300:
        return driver.whole(case.reply, driver.ask(case).translation).document
    assert case.stream is not None
    return driver.streamed(case.stream, driver.ask(case, body=driver.streaming(case.body))).document


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", named(*STREAMS))
def test_a_stream(case: Case, path: str) -> None:
    assert case.stream is not None
    request = asked(case, path, stream=True)
    if request is None or case.stream.kind == "application/json":
        return
    assert request.translation is not None
    halves = (case.stream.data[: len(case.stream.data) // 2], case.stream.data[len(case.stream.data) // 2 :])
    data, error = driver.fed(request.translation.stream(), halves)
    kinds = [json.loads(payload)["type"] for _, payload in driver.events(data)]
    for kind, payload in driver.events(data):
        if kind != "ping":  # Documented by Anthropic, and in none of its SDK's types.
            (MESSAGE_EVENT if path == "/messages" else RESPONSE_EVENT).validate_json(payload)
    if error is not None:
        assert case.expect.get("error") is not None, error
        errors_alike(case, error)
        assert not {"message_stop", "response.completed", "response.incomplete"} & set(kinds), "no end is invented"
        return
    assert case.expect.get("error") is None, "an error was expected"
    read = sdk.streamed_message(data) if path == "/messages" else final(data)
    assert read["model"] == "public"
    check(Found(read, path), case, path, hub(case))


def final(data: bytes) -> dict[str, Any]:
    """The response in the event that ends the stream, as the SDK types it; what the deltas said must be in it."""
    found = sdk.response_events(data)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert found[-1].type in ("response.completed", "response.incomplete")
    document: dict[str, Any] = found[-1].response.to_dict()
    said = "".join(event.delta for event in found if event.type == "response.output_text.delta")
    assert said == Found(document, "/responses").text
    return document
