"""Many at once, the same id again and again, bursts, odd methods, half-closed connections: limits hold and come back whole."""

import asyncio
import json
from collections import Counter

import pytest

from .stand import INPUT, MODEL, OUTPUT, Stand, Thief, controls

pytestmark = pytest.mark.e2e


async def drop(thief: Thief, after: int, **mock: int) -> bytes:
    """Sends a stream's request over a bare socket and leaves after so many bytes."""
    body = json.dumps(
        {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 400}
    ).encode()
    head = {"host": "gw", "authorization": f"Bearer {thief.key}", "content-type": "application/json", **controls(mock)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**head, "content-length": str(len(body))}.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", thief.stand.gateway.port)
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + body)
    await writer.drain()
    got = b""
    while len(got) < after and (part := await reader.read(4096)):
        got += part
    if not after:
        await asyncio.sleep(0.2)
    writer.transport.abort()
    return got


async def test_two_hundred_on_five_slots(stand: Stand) -> None:
    thief = await stand.thief(usd=9, limits={"concurrency": 5})
    same = {"x-request-id": "the-same", "idempotency-key": "the-same"}
    answers = await asyncio.gather(
        *(thief.chat({"first-token": 1500}, headers=same, max_tokens=20) for _ in range(200))
    )
    assert Counter(answer.status for answer in answers) == {200: 5, 429: 195}
    assert len({entry["ident"] for entry in await thief.entries(5)}) == 5
    assert (await thief.chat()).status == 200, "all slots are back"
    await thief.entries(6)


async def test_two_hundred_on_money_for_ten(stand: Stand) -> None:
    cost = 1000 * OUTPUT
    thief = await stand.thief(usd=(cost * 10 + cost // 2) / 1_000_000)
    answers = await asyncio.gather(
        *(thief.chat({"first-token": 1000, "tokens": 1000}, max_tokens=1000) for _ in range(200))
    )
    assert Counter(answer.status for answer in answers) == {200: 10, 429: 190}
    assert 10 * cost < await thief.spent(10) <= 10 * (cost + 20 * INPUT)
    assert float((await stand.balance(thief))["balance"]) >= 0


async def test_a_hundred_on_ten_a_minute(stand: Stand) -> None:
    thief = await stand.thief(limits={"rpm": 10}, models=["fast", "gpt-4o"])
    await thief.chat()
    for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT"):
        await thief.ask("/v1/chat/completions", method=method)
    answers = await asyncio.gather(*(thief.chat() for _ in range(100)))
    assert sum(answer.status == 200 for answer in answers) <= 9
    assert all(answer.status == 429 for answer in answers if answer.status != 200)


@pytest.mark.parametrize("limits", [{"tpm": 300}, {"output_tpm": 300}])
@pytest.mark.parametrize(
    "mock",
    [
        {},
        {"encoding": "gzip"},
        {"split": 1},
        {"framing": "crlf"},
        {"unicode": "on"},
        {"reasoning": 4000, "flavour": "deepseek"},
        {"flavour": "siliconflow"},
        {"flavour": "perplexity"},
    ],
)
async def test_a_burst_is_cut_at_the_limit(stand: Stand, limits: dict[str, int], mock: dict[str, str]) -> None:
    thief = await stand.thief(limits=limits)
    coding = {"accept-encoding": "gzip" if "encoding" in mock else "identity"}
    answer = await thief.chat({"tokens": 4000, **mock}, headers=coding, stream=True)
    (entry,) = await thief.entries(1)
    assert entry["ending"] == "limit"
    assert entry["output_tokens"] <= 301
    # A compressed stream is cut before the read that is too much, and that may be the first.
    assert entry["charge"] >= (0 if "encoding" in mock else 100 * OUTPUT)
    assert len(answer.body) < 400_000


async def test_a_coding_that_nobody_can_read_is_not_asked_for(stand: Stand) -> None:
    thief = await stand.thief()
    for asked, sent in (("zstd", "identity"), ("zstd, gzip;q=0.5", "gzip;q=0.5"), ("gzip", "gzip"), ("*", "identity")):
        await thief.chat(headers={"accept-encoding": asked})
        headers = dict(stand.mock.requests(1)[0]["headers"])
        assert headers["accept-encoding"] == sent
    await thief.entries(4)


@pytest.mark.parametrize("choices", [1, 3])
async def test_leaving_before_the_usage_is_not_free(stand: Stand, choices: int) -> None:
    thief = await stand.thief(usd=1)
    await drop(thief, 20_000, tokens=400, pace=1)
    (entry,) = await thief.entries(1)
    assert entry["ending"] == "client_left"
    assert entry["count"] == "counted"
    assert entry["charge"] > 20 * OUTPUT
    await thief.chat(max_tokens=1)
    await thief.entries(2)


async def test_leaving_before_anything_came_costs_the_prompt(stand: Stand) -> None:
    thief = await stand.thief(usd=1, limits={"concurrency": 1, "tpm": 100_000})
    await drop(thief, 0, **{"head-delay": 3000})
    (entry,) = await thief.entries(1)
    assert (entry["ending"], entry["output_tokens"]) == ("client_left_early", 0)
    assert 0 < entry["charge"] == entry["input_tokens"] * INPUT
    answer = await thief.chat(max_tokens=5)
    assert answer.status == 200, "its slot is back"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) > 99_000
    await thief.entries(2)


async def test_pipelined_requests_are_each_counted(stand: Stand) -> None:
    thief = await stand.thief(limits={"rpm": 3})
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}]})
    one = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {thief.key}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    before = stand.mock.stats()["requests"]
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.gateway.port)
    writer.write(one * 8)
    got = b""
    try:
        async with asyncio.timeout(3):
            while got.count(b"HTTP/1.1 ") < 8 and (part := await reader.read(65536)):
                got += part
    except TimeoutError:
        pass
    writer.close()
    assert stand.mock.stats()["requests"] - before <= 3
    assert 1 <= got.count(b"HTTP/1.1 200") <= 3
    rows = await thief.stand.books.rows(f"SELECT ident FROM entries WHERE account = '{thief.ident}'")
    assert len(rows) <= 3
