"""The answers of the corpus for clients of Anthropic's dialect and of the Responses API, as those clients' own SDKs read them."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from proxy import accounts
from proxy.config import Config, Secret
from proxy.config.traffic import Provider as ProviderSection
from proxy.context import Principal, RequestContext, Target
from proxy.errors import TollwayError
from proxy.protocols import Translation
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import MESSAGES, RESPONSES
from tests.support import fronts

from .exchange import Exchange, Said
from .test_corpus import EXCHANGES, LIMITS, cuttings, parsed

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def bodies(exchange: Exchange) -> dict[str, dict[str, Any]]:
    """The question in both dialects."""
    tools = "tools" in exchange.request
    messages: dict[str, Any] = {"model": "public", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
    responses: dict[str, Any] = {"model": "public", "input": "hello"}
    if tools:
        messages["tools"] = [{"name": "get_weather", "input_schema": TOOL}]
        responses["tools"] = [{"type": "function", "name": "get_weather", "parameters": TOOL, "strict": False}]
    if exchange.stream:
        messages["stream"] = responses["stream"] = True
    return {"/messages": messages, "/responses": responses}


def translation_of(exchange: Exchange, path: str) -> Translation | None:
    """The way back; ``None`` where the provider speaks the client's dialect itself."""
    key = None if exchange.provider == "vertex" else Secret("test-key")
    section = ProviderSection(
        use=exchange.provider, base_url=exchange.base_url, api_key=key, options=dict(exchange.options)
    )
    account = accounts.account(Config(providers={"here": section}), "here", {})
    endpoint = MESSAGES if path == "/messages" else RESPONSES
    if account.passes(endpoint, exchange.model, path):
        return None
    ctx = RequestContext(
        request_id="0123456789abcdef0123456789abcdef",
        endpoint=endpoint,
        path=path,
        headers={},
        raw_headers=[(b"content-type", b"application/json")],
        principal=Principal(name="p", tenant="t"),
        body=orjson.dumps(bodies(exchange)[path]),
        request=RequestView(model="public", stream=exchange.stream or None),
    )
    target = Target(provider="here", model=exchange.model, limits=LIMITS)
    return account.prepare(ctx, target, include_usage=False, now=1_770_000_000).translation


def through(exchange: Exchange, translation: Translation, pieces: Sequence[bytes]) -> bytes:
    """The client's bytes. Raises ``TollwayError`` where the answer fails."""
    if not exchange.stream:
        return translation.reply(exchange.status, exchange.body)
    if exchange.kind == "application/json":
        return translation.unfold(exchange.body)
    stream = translation.stream()
    out = []
    for piece in pieces:
        out.append(stream.feed(piece))
        if stream.error is not None:
            raise stream.error
        if stream.done:
            break
    out.append(stream.close())
    if stream.error is not None:
        raise stream.error
    return b"".join(out)


def message_says(found: dict[str, Any]) -> Said:
    """An Anthropic message."""
    content, usage = found["content"], found["usage"]
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    return Said(
        text="".join(block["text"] for block in content if block["type"] == "text"),
        reasoning="".join(block["thinking"] for block in content if block["type"] == "thinking"),
        tools=tuple((block["name"], block["input"]) for block in content if block["type"] == "tool_use"),
        finish=found["stop_reason"],
        usage=(usage["input_tokens"] + cached + written, usage["output_tokens"], cached, written, 0),
    )


def response_says(found: dict[str, Any]) -> Said:
    """A response."""
    texts, thoughts, calls = [], [], []
    for item in found["output"]:
        if item["type"] == "message":
            texts += [part["text"] for part in item["content"] if part["type"] == "output_text"]
        elif item["type"] == "function_call":
            calls.append((item["name"], parsed(item["arguments"])))
        elif item["type"] == "reasoning":
            thoughts += [part["text"] for part in item.get("content") or item.get("summary") or []]
    usage = found.get("usage") or {}
    counted = None
    if usage:
        inward, outward = usage["input_tokens_details"], usage["output_tokens_details"]
        counted = (
            usage["input_tokens"], usage["output_tokens"], inward["cached_tokens"], inward.get("cache_write_tokens") or 0, outward["reasoning_tokens"],
        )  # fmt: skip
    reason = (found.get("incomplete_details") or {}).get("reason")
    finish = {"max_output_tokens": "length", "content_filter": "content_filter"}.get(str(reason), found["status"])
    return Said(text="".join(texts), reasoning="".join(thoughts), tools=tuple(calls), finish=finish, usage=counted)


ANSWERS = [exchange for exchange in EXCHANGES if exchange.said.error is None]
FAILURES = [exchange for exchange in EXCHANGES if exchange.said.error is not None]


@pytest.mark.parametrize("exchange", ANSWERS, ids=lambda exchange: exchange.label)
def test_for_anthropics_client(exchange: Exchange) -> None:
    said = exchange.said
    for name, pieces in cuttings(exchange.body):
        translation = translation_of(exchange, "/messages")
        if translation is None:
            return
        out = through(exchange, translation, pieces)
        found = message_says(fronts.streamed_message(out) if exchange.stream else fronts.whole_message(out))
        # Anthropic's clients know no member for a refusal: its words are text.
        assert found.text == said.text or (said.finish == "content_filter" and not said.text), name
        assert found.reasoning == said.reasoning, name
        assert [tool for tool, _ in found.tools] == [tool for tool, _ in said.tools]
        if said.finish != "length":
            assert found.tools == said.tools
        assert found.finish == STOPS[said.finish or ""] or (said.finish == "stop" and found.finish == "stop_sequence")
        if said.usage is not None:
            assert found.usage == (*said.usage[:4], 0)
        if not exchange.stream:
            return


@pytest.mark.parametrize("exchange", ANSWERS, ids=lambda exchange: exchange.label)
def test_for_a_client_of_responses(exchange: Exchange) -> None:
    said = exchange.said
    for name, pieces in cuttings(exchange.body):
        translation = translation_of(exchange, "/responses")
        if translation is None:
            return
        out = through(exchange, translation, pieces)
        if exchange.stream:
            last = fronts.response_events(out)[-1]
            assert last.type in ("response.completed", "response.incomplete")
            found = response_says(last.response.to_dict())
        else:
            found = response_says(fronts.whole_response(out).to_dict())
        assert (found.text, found.reasoning, found.tools) == (said.text, said.reasoning, said.tools), name
        assert found.finish == (said.finish if said.finish in ("length", "content_filter") else "completed")
        assert found.usage == said.usage
        if not exchange.stream:
            return


@pytest.mark.parametrize("path", ["/messages", "/responses"])
@pytest.mark.parametrize("exchange", FAILURES, ids=lambda exchange: exchange.label)
def test_failures_are_failures_for_everybody(exchange: Exchange, path: str) -> None:
    translation = translation_of(exchange, path)
    if translation is None:
        return
    wanted = exchange.said.error or {}
    headers = tuple((name.encode(), value.encode()) for name, value in exchange.headers.items())
    if exchange.status >= 300:
        error = translation.error(exchange.status, headers, exchange.body)
    else:
        with pytest.raises(TollwayError) as raised:
            through(exchange, translation, [exchange.body])
        error = raised.value
    assert error is not None, "OpenAI's envelope means nothing to this client"
    # Untouched envelopes keep their 413; rebuilt ones say that the prompt is too long.
    assert error.status == wanted.get("status", error.status) or error.code == "context_length_exceeded"
    assert str(wanted.get("says", "")).lower() in error.message.lower()
