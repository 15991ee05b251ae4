"""What tests of replayed answers share: stored entries, what OpenAI's chat SDK reads, and every recorded answer of the four dialects."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

import httpx2
import openai

from proxy.cache.replay import played
from proxy.errors import TollwayError
from proxy.protocols import CacheEntry
from proxy.wire.usage import NO_USAGE, Usage
from tests.contract.corpus import test_corpus as corpus
from tests.contract.providers import driver
from tests.contract.providers import test_fronts as fronts
from tests.contract.providers.cases import Case, cases

Form = Literal["json", "events"]

FRONTS = {"messages": "/messages", "responses": "/responses"}


def stored(
    endpoint: str, form: Form, body: bytes | dict[str, Any], usage_event: bytes = b"", usage: Usage = NO_USAGE
) -> CacheEntry:
    """An entry as the store gives it."""
    told = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return CacheEntry(
        endpoint=endpoint, form=form, body=told, stored_at=0.0, expires=1.0, usage_event=usage_event, usage=usage
    )


def streamed(endpoint: str, whole: dict[str, Any], *, include_usage: bool | None = None) -> bytes:
    """The events of a plain answer, with its usage if it has some (``include_usage``: or whether it is wanted)."""
    wanted = bool(whole.get("usage")) if include_usage is None else include_usage
    found = played(stored(endpoint, "json", whole), stream=True, include_usage=wanted)
    assert found is not None
    return found


def folded(endpoint: str, events: bytes, usage: Usage = NO_USAGE) -> Any:
    """The plain answer of a stream."""
    found = played(stored(endpoint, "events", events, usage=usage), stream=False, include_usage=False)
    assert found is not None
    return json.loads(found)


def data_of(events: bytes) -> list[Any]:
    """The data of each event but ``[DONE]``, which only ever is the last."""
    blocks = events.decode().split("\n\n")
    assert blocks.pop() == ""
    lines = [line[6:] for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    if lines[-1] == "[DONE]":
        lines.pop()
    return [json.loads(line) for line in lines]


def saying(value: Any) -> Any:
    """``value`` without members that say nothing: clients read an absent one, ``null`` and an empty one alike."""
    if isinstance(value, dict):
        return {name: saying(member) for name, member in value.items() if member not in (None, "", [])}
    return [saying(item) for item in value] if isinstance(value, list) else value


# ---- OpenAI's SDK -----------------------------------------------------------------------------------------------------
_body: list[tuple[bytes, str]] = []


@cache
def _openai() -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        content, kind = _body[-1]
        return httpx2.Response(200, headers={"content-type": kind}, content=content)

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="test-key", max_retries=0, http_client=client)


def streamed_chat(events: bytes) -> dict[str, Any]:
    """What the SDK's accumulator makes of a stream."""
    _body[:] = [(events, "text/event-stream")]
    with _openai().chat.completions.stream(model="m", messages=[{"role": "user", "content": "hello"}]) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion().to_dict()


def whole_chat(body: bytes) -> dict[str, Any]:
    """What the SDK makes of a plain answer."""
    _body[:] = [(body, "application/json")]
    return _openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}]).to_dict()


# ---- recorded answers -------------------------------------------------------------------------------------------------
class Recorded(NamedTuple):
    """An answer as a client got it. ``origin``: what two forms of one answer share."""

    origin: str
    endpoint: str
    form: Form
    body: bytes


@cache
def recorded() -> tuple[Recorded, ...]:
    """Every complete answer of the providers' fixtures, as clients of each dialect get it, and of the corpus."""
    return (*_of_fixtures(), *_of_corpus())


def _of_fixtures() -> Iterator[Recorded]:
    for case in cases():
        if case.path == "/chat/completions":
            for form in ("json", "events"):
                for endpoint in ("chat", *FRONTS):
                    data = _answer(case, endpoint, stream=form == "events")
                    if data:
                        yield Recorded(case.label, endpoint, "json" if form == "json" else "events", data)


def _answer(case: Case, endpoint: str, *, stream: bool) -> bytes:
    """b"": there is none, or it is an error."""
    answer = case.stream if stream else case.reply
    if answer is None or answer.status >= 300:
        return b""
    try:
        if endpoint == "chat":
            asked = driver.ask(case, body=driver.streaming(case.body) if stream else None)
            outcome = driver.streamed(answer, asked) if stream else driver.whole(answer, asked.translation)
            return outcome.data if outcome.error is None else b""
        found = fronts.asked(case, FRONTS[endpoint], stream=stream)
        if found is None or found.translation is None:
            return b""
        if not stream:
            return found.translation.reply(answer.status, answer.data)
        if answer.kind == "application/json":
            return found.translation.unfold(answer.data)
        data, error = driver.fed(found.translation.stream(), (answer.data,))
        return data if error is None else b""
    except TollwayError:
        return b""


def _of_corpus() -> Iterator[Recorded]:
    for exchange in corpus.EXCHANGES:
        if exchange.said.error is None and exchange.status < 300:
            got, _ = corpus.answered(exchange, [exchange.body])
            if got.error is None:
                yield Recorded(f"corpus-{exchange.label}", "chat", "events" if exchange.stream else "json", got.data)
