"""WebSockets: what a response on one costs is charged, its limit ends it, and its model is the one it was opened for."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from .stand import INPUT, OUTPUT, Stand, Thief, controls

pytestmark = pytest.mark.e2e

REALTIME = "/v1/realtime?model=gpt-realtime"
RESPONSES = "/v1/responses?model=gpt-4o"


def create(path: str, **more: Any) -> dict[str, Any]:
    """The event that makes a response."""
    own = {"model": "gpt-4o", "input": "x"} if "responses" in path else {}
    return {"type": "response.create", **own, **more}


async def converse(thief: Thief, path: str, number: int, *, tokens: int = 100, **more: Any) -> int:
    """Asks for so many responses, one after the other; how many came to their end."""
    url = thief.stand.gateway.origin.replace("http", "ws") + path
    headers = {"authorization": f"Bearer {thief.key}", **controls({"tokens": tokens})}
    ended = 0
    async with thief.stand.session.ws_connect(url, headers=headers) as socket:
        for _ in range(number):
            await socket.send_str(json.dumps(create(path, **more)))
            while True:
                message = await socket.receive(timeout=5)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return ended
                if json.loads(message.data)["type"] in ("response.done", "response.completed"):
                    ended += 1
                    break
    return ended


@pytest.mark.parametrize("path", [REALTIME, RESPONSES])
async def test_every_response_is_charged(stand: Stand, path: str) -> None:
    thief = await stand.thief(usd=5)
    assert await converse(thief, path, 3) == 3
    (entry,) = await thief.entries(1)
    assert (entry["output_tokens"], entry["count"], entry["endpoint"]) == (300, "reported", "realtime")
    assert entry["charge"] == entry["input_tokens"] * INPUT + 300 * OUTPUT


@pytest.mark.parametrize("path", [REALTIME, RESPONSES])
@pytest.mark.parametrize("limits", [{"tpm": 1000}, {"output_tpm": 1000}])
async def test_a_limit_of_tokens_ends_it(stand: Stand, path: str, limits: dict[str, int]) -> None:
    thief = await stand.thief(limits=limits)
    assert await converse(thief, path, 10, tokens=400) == 3, "the third passes the limit, and is the last"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await converse(thief, path, 1)
    assert refused.value.status == 429
    (entry,) = await thief.entries(1)
    assert (entry["ending"], entry["output_tokens"]) == ("limit", 1200)


async def test_money_ends_it(stand: Stand) -> None:
    """The longest answer is held all the time, so that the last one is paid for, too."""
    thief = await stand.thief(usd=0.35)
    path = "/v1/responses?model=gpt-4o"
    answered = await converse(thief, path, 10, tokens=500)
    (entry,) = await thief.entries(1)
    assert 0 < answered < 10
    assert 0 < entry["charge"] <= 350_000
    balance = await stand.balance(thief)
    assert (float(balance["balance"]) > 0, float(balance["held"])) == (True, 0)


async def test_what_was_used_is_used_before_the_end(stand: Stand) -> None:
    thief = await stand.thief(usd=5)
    url = stand.gateway.origin.replace("http", "ws") + REALTIME
    headers = {"authorization": f"Bearer {thief.key}", **controls({"tokens": 1000})}
    async with stand.session.ws_connect(url, headers=headers) as socket:
        await socket.send_str(json.dumps(create(REALTIME)))
        while json.loads((await socket.receive(timeout=5)).data)["type"] != "response.done":
            pass
        await asyncio.sleep(0.05)
        answer = await thief.chat(max_tokens=1)
        left = float(answer.headers["x-tollway-credit-remaining-usd"])
        assert left < 5 - 1000 * OUTPUT / 1_000_000
    await thief.entries(2)


async def test_it_holds_a_slot_until_it_is_closed(stand: Stand) -> None:
    thief = await stand.thief(limits={"concurrency": 1})
    url = stand.gateway.origin.replace("http", "ws") + REALTIME
    async with stand.session.ws_connect(url, headers={"authorization": f"Bearer {thief.key}"}) as socket:
        await socket.receive(timeout=5)
        assert (await thief.chat()).status == 429
    await thief.entries(1)
    assert (await thief.chat()).status == 200


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.create", "model": "gpt-5-pro", "input": "x"},
        {"type": "response.create", "response": {"model": "gpt-5-pro"}},
        {"type": "session.update", "session": {"model": "gpt-5-pro"}},
    ],
)
async def test_a_frame_names_no_other_model(stand: Stand, event: dict[str, Any]) -> None:
    """Opened for a cheap model that the key may use, used for a dear one that it may not."""
    thief = await stand.thief(usd=5, models=["gpt-4o"])
    assert await converse(thief, RESPONSES, 1, **event) == 0
    await asyncio.sleep(0.05)
    (entry,) = await thief.entries(1)
    assert entry["output_tokens"] == 0
    raw = json.dumps(event).replace("model", "mod\\u0065l")
    url = stand.gateway.origin.replace("http", "ws") + RESPONSES
    async with stand.session.ws_connect(url, headers={"authorization": f"Bearer {thief.key}"}) as socket:
        await socket.send_str(raw)
        assert (await socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
    await thief.entries(2)
