"""Every exchange of the corpus through the real account of its provider: what the client reads is what a careful reader expects.

The answer is read here by the letter of OpenAI's reference, with none of the gateway's own readers.
"""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import orjson
import pytest
from genai_prices import data_snapshot

from proxy import accounts
from proxy.config import Config, Secret
from proxy.config.traffic import Provider as ProviderSection
from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import TollwayError, UpstreamAuthFailed
from proxy.protocols import Translation
from proxy.wire.chat import RequestView, StreamOptions
from proxy.wire.endpoints import CHAT
from proxy.wire.stream import StreamDecoder

from . import from_anthropic, from_aws, from_cohere, from_compatible, from_google
from .exchange import Exchange, Said

SOURCES = (from_anthropic, from_google, from_aws, from_cohere, from_compatible)
EXCHANGES: list[Exchange] = [exchange for source in SOURCES for exchange in source.EXCHANGES]
LIMITS = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)


def translation_of(exchange: Exchange, *, wanted: bool = True) -> Translation | None:
    """The way back of one request to the exchange's provider. ``wanted``: did the client ask for usage in the stream?"""
    key = None if exchange.provider == "vertex" else Secret("test-key")
    section = ProviderSection(
        use=exchange.provider, base_url=exchange.base_url, api_key=key, options=dict(exchange.options)
    )
    account = accounts.account(Config(providers={"here": section}), "here", {})
    body: dict[str, Any] = {"model": "public", "messages": [{"role": "user", "content": "hello"}], **exchange.request}
    options = None
    if exchange.stream:
        body["stream"] = True
        if wanted:
            body["stream_options"] = {"include_usage": True}
            options = StreamOptions(include_usage=True)
    ctx = RequestContext(
        request_id="0123456789abcdef0123456789abcdef",
        endpoint=CHAT,
        path="/chat/completions",
        headers={},
        raw_headers=[(b"content-type", b"application/json")],
        principal=Principal(name="p", tenant="t"),
        body=orjson.dumps(body),
        request=RequestView(model="public", stream=exchange.stream or None, stream_options=options),
    )
    target = Target(provider="here", model=exchange.model, limits=LIMITS)
    return account.prepare(ctx, target, include_usage=False, now=1_770_000_000).translation


# ---- what the client gets -----------------------------------------------------------------------------------------------
class Got:
    """The client's bytes and, when the answer failed, the error."""

    def __init__(self, data: bytes = b"", error: dict[str, Any] | None = None) -> None:
        self.data = data
        self.error = error


def error_of(error: TollwayError) -> dict[str, Any]:
    wait = next((float(value) for name, value in error.headers if name == b"retry-after"), None)
    return {
        "status": error.status, "type": error.type, "code": error.code, "says": error.message + " " + error.detail, "retry_after": wait,
    }  # fmt: skip


def error_in(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> dict[str, Any]:
    """An error body as OpenAI's SDKs read it."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    inner = found.get("error") if isinstance(found, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    wait = dict(headers).get(b"retry-after")
    return {
        "status": status, "type": inner.get("type"), "code": inner.get("code"), "says": str(inner.get("message", "")),
        "retry_after": float(wait) if wait is not None else None,
    }  # fmt: skip


def answered(exchange: Exchange, pieces: Sequence[bytes], *, wanted: bool = True) -> tuple[Got, Translation | None]:
    """As the relay does it."""
    translation = translation_of(exchange, wanted=wanted)
    told = [(name.encode(), value.encode()) for name, value in exchange.headers.items()]
    headers = ((b"content-type", exchange.kind.encode()), *told)
    body = b"".join(pieces)
    if exchange.status >= 300:
        error = translation.error(exchange.status, headers, body) if translation is not None else None
        if translation is None and exchange.status in (401, 403):
            error = UpstreamAuthFailed("")
        return Got(
            body, error_of(error) if error is not None else error_in(exchange.status, headers, body)
        ), translation
    if translation is None:
        return Got(body, broken(exchange, body)), None
    try:
        if not exchange.stream:
            return Got(translation.reply(exchange.status, body)), translation
        if exchange.kind == "application/json":
            return Got(translation.unfold(body)), translation
    except TollwayError as raised:
        return Got(error=error_of(raised)), translation
    stream = translation.stream()
    out = []
    for piece in pieces:
        out.append(stream.feed(piece))
        if stream.error is not None or stream.done:
            break
    else:
        out.append(stream.close())
    if stream.error is None and stream.done:
        out.append(stream.close())
    return Got(b"".join(out), error_of(stream.error) if stream.error is not None else None), translation


def broken(exchange: Exchange, body: bytes) -> dict[str, Any] | None:
    """How the relay ends a stream that passes and is not whole."""
    if not exchange.stream:
        return None
    decoder = StreamDecoder("chat", usage_due=True, choices=1)
    decoder.feed(body)
    decoder.close()
    return (
        None
        if decoder.complete
        else {"status": 502, "type": "server_error", "code": None, "says": "", "retry_after": None}
    )


# ---- reading it ---------------------------------------------------------------------------------------------------------
def events(data: bytes) -> Iterator[str]:
    """The ``data`` of each event, by the letter of the standard."""
    lines: list[str] = []
    for line in data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line and lines:
            yield "\n".join(lines)
            lines = []
        name, _, value = line.partition(":")
        if name == "data":
            lines.append(value.removeprefix(" "))
    assert not lines, "the stream ends within an event"


def parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def figures(usage: Any) -> tuple[int, int, int, int, int] | None:
    """OpenAI's usage object, and DeepSeek's names for what is cached, which its own clients know."""
    if not usage:
        return None
    assert usage["total_tokens"] >= usage["prompt_tokens"] + usage["completion_tokens"]
    prompt, output = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = prompt.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
    return (
        usage["prompt_tokens"], usage["completion_tokens"], cached, prompt.get("cache_write_tokens") or 0, output.get("reasoning_tokens") or 0,
    )  # fmt: skip


def reasoning_of(message: Any) -> str:
    return message.get("reasoning_content") or message.get("reasoning") or ""


def read_whole(data: bytes) -> Said:
    """A ``chat.completion``."""
    found = json.loads(data)
    assert found["object"] == "chat.completion"
    assert isinstance(found["id"], str)
    assert isinstance(found["created"], int)
    (choice,) = found["choices"]
    message = choice["message"]
    assert message["role"] == "assistant"
    assert message["content"] is None or isinstance(message["content"], str)
    calls = message.get("tool_calls") or []
    assert len({call["id"] for call in calls}) == len(calls)
    assert all(call["type"] == "function" for call in calls)
    return Said(
        text=message["content"] or "",
        reasoning=reasoning_of(message),
        tools=tuple((call["function"]["name"], parsed(call["function"]["arguments"])) for call in calls),
        finish=choice["finish_reason"],
        usage=figures(found.get("usage")),
    )


def read_stream(data: bytes, *, whole: bool, exact: bool) -> Said:
    """A stream of ``chat.completion.chunk``, folded as OpenAI's SDKs fold; rules of the shape are checked on the way."""
    told = list(events(data))
    if whole:
        assert told[-1] == "[DONE]"
    text, reasoning, finish, usage = "", "", None, None
    calls: list[dict[str, str]] = []
    roles, idents, finishes = 0, set(), 0
    for payload in told:
        if payload == "[DONE]":
            break
        chunk = json.loads(payload)
        if not exact:
            assert chunk["object"] == "chat.completion.chunk"
            idents.add(chunk["id"])
        assert isinstance(chunk["choices"], list)
        if chunk.get("usage"):
            usage = chunk["usage"]
        for choice in chunk["choices"]:
            assert choice["index"] == 0
            delta = choice["delta"]
            roles += "role" in delta
            assert delta.get("content") is None or isinstance(delta["content"], str)
            text += delta.get("content") or ""
            reasoning += reasoning_of(delta)
            for call in delta.get("tool_calls") or []:
                if call["index"] == len(calls):
                    assert call["id"]
                    assert call["type"] == "function"
                    calls.append({"id": call["id"], "name": "", "arguments": ""})
                into = calls[call["index"]]
                # Clients add up strings: an empty id is as good as none.
                assert call.get("id") in (None, "", into["id"])
                into["name"] += call["function"].get("name") or ""
                into["arguments"] += call["function"].get("arguments") or ""
            if choice.get("finish_reason"):
                finishes += 1
                finish = choice["finish_reason"]
    assert roles <= 1, "clients add up a repeated role"
    assert len(idents) <= 1
    assert finishes == (1 if whole else finishes)
    assert len({call["id"] for call in calls}) == len(calls)
    tools = tuple((call["name"], parsed(call["arguments"])) for call in calls)
    return Said(text=text, reasoning=reasoning, tools=tools, finish=finish, usage=figures(usage))


def differences(exchange: Exchange, pieces: Sequence[bytes]) -> Iterator[str]:
    """What the client reads otherwise than it should."""
    said = exchange.said
    got, translation = answered(exchange, pieces)
    if (said.error is None) != (got.error is None):
        yield f"error: {got.error} instead of {said.error}"
        return
    if said.error is not None and got.error is not None:
        for name, value in said.error.items():
            right = value.lower() in got.error[name].lower() if name == "says" else got.error[name] == value
            if not right:
                yield f"error {name}: {got.error[name]!r} instead of {value!r}"
        if exchange.stream and exchange.status < 300:
            found = read_stream(got.data, whole=False, exact=exchange.exact)
            if found.text != said.text:
                yield f"text before the error: {found.text!r} instead of {said.text!r}"
        return
    if exchange.exact and got.data != exchange.body:
        yield f"bytes: {got.data!r} instead of {exchange.body!r}"
    found = read_stream(got.data, whole=True, exact=exchange.exact) if exchange.stream else read_whole(got.data)
    for name in ("text", "reasoning", "tools", "finish", "usage"):
        if getattr(found, name) != getattr(said, name):
            yield f"{name}: {getattr(found, name)!r} instead of {getattr(said, name)!r}"
    if translation is not None and said.usage is not None:
        usage = translation.usage
        ours = (
            (usage.input, usage.output, usage.cached, usage.cache_write, usage.reasoning) if usage is not None else None
        )
        if ours != said.usage:
            yield f"metered usage: {ours} instead of {said.usage}"


def cuttings(body: bytes) -> Iterator[tuple[str, Sequence[bytes]]]:
    """In one piece, byte by byte, and in pieces of odd sizes."""
    yield "whole", [body]
    yield "bytes", [body[at : at + 1] for at in range(len(body))]
    random, odd, at = Random(7), [], 0
    while at < len(body):
        size = random.randint(1, 90)
        odd.append(body[at : at + size])
        at += size
    yield "odd", odd


def judged(exchange: Exchange) -> list[str]:
    """Every difference in every cutting."""
    found = []
    for name, pieces in cuttings(exchange.body):
        try:
            found += [f"[{name}] {difference}" for difference in differences(exchange, pieces)]
        except (AssertionError, KeyError, ValueError, TypeError, IndexError) as error:
            found.append(f"[{name}] ill-formed: {type(error).__name__}: {error}")
        if not exchange.stream or exchange.status >= 300:
            break
    return found


def named(exchange: Exchange) -> Any:
    return pytest.param(exchange, id=exchange.label)


@pytest.mark.parametrize("exchange", [named(exchange) for exchange in EXCHANGES])
def test_exchange(exchange: Exchange) -> None:
    assert judged(exchange) == []


def test_size() -> None:
    """Names are unique, many providers are there, and both forms."""
    assert len({exchange.label for exchange in EXCHANGES}) == len(EXCHANGES) >= 120
    assert len({exchange.provider for exchange in EXCHANGES}) >= 30
    exact = {exchange.provider for exchange in EXCHANGES if exchange.exact and exchange.name.startswith("clean")}
    assert len(exact) >= 12


@pytest.mark.parametrize(
    "exchange",
    [found for found in EXCHANGES if found.stream and found.said.error is None and not found.exact],
    ids=lambda exchange: exchange.label,
)
def test_usage_only_for_those_who_ask(exchange: Exchange) -> None:
    got, translation = answered(exchange, [exchange.body], wanted=False)
    if translation is None:
        return
    assert [payload for payload in events(got.data) if payload != "[DONE]" and not json.loads(payload)["choices"]] == []


@pytest.mark.parametrize(
    "exchange",
    [found for found in EXCHANGES if found.flavour is not None and found.said.error is None],
    ids=lambda exchange: exchange.label,
)
def test_usage_by_another_reader(exchange: Exchange) -> None:
    """genai-prices reads the provider's own body; its figures are the ones we pass on."""
    assert exchange.flavour is not None
    name, api = exchange.flavour
    provider = next(found for found in data_snapshot.get_snapshot().providers if found.id == name)
    _, theirs = provider.extract_usage(json.loads(exchange.body), api_flavor=api)
    prompt, output, cached, written, _ = exchange.said.usage or (0, 0, 0, 0, 0)
    assert (theirs.input_tokens or 0, theirs.output_tokens or 0) == (prompt, output)
    assert (theirs.cache_read_tokens or 0, theirs.cache_write_tokens or 0) == (cached, written)
