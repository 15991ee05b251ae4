"""An open-loop client: requests leave at their planned time whatever became of those before, and each is remembered.

What is told of a target here is told by the answers' own headers; who needs proof counts at the upstream.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE_S = 20.0
"""A request that takes longer has failed."""


@dataclass(frozen=True)
class Asked:
    """One chat request: what is sent, and what the client calls it."""

    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""


@dataclass
class Reply:
    """One request as its client saw it. Times are seconds since the load began; ``first`` is the first output, 0: there was none."""

    tag: str
    planned: float
    sent: float = 0.0
    first: float = 0.0
    ended: float = 0.0
    status: int = 0
    provider: str = ""
    tries: int = 0
    reason: str = ""
    request_id: str = ""
    text: str = ""
    whole: bool = False
    """Did the answer end as its form demands: a document, or a stream with one ``[DONE]`` at its end and no error?"""

    @property
    def good(self) -> bool:
        """The client got what it wanted."""
        return self.status == 200 and self.whole

    @property
    def seconds(self) -> float:
        """From the planned time to the end: no queue can hide."""
        return self.ended - self.planned

    @property
    def ttft(self) -> float:
        """From the planned time to the first output."""
        return (self.first or self.ended) - self.planned


async def load(
    url: str, key: str, asked: Callable[[int], Asked], *, rate: float, seconds: float, began: float | None = None
) -> list[Reply]:
    """``rate`` requests a second for so long, and all their replies in the order of sending.

    ``url`` ends with ``/v1``; ``began``: monotonic seconds that times count from, now if unset.
    """
    origin = time.monotonic() if began is None else began
    replies: list[Reply] = []
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        async with asyncio.TaskGroup() as tasks:
            first = time.monotonic() - origin
            for number in range(int(rate * seconds)):
                planned = first + number / rate
                await asyncio.sleep(max(0.0, planned + origin - time.monotonic()))
                request = asked(number)
                reply = Reply(request.tag, planned)
                replies.append(reply)
                tasks.create_task(_ask(session, url, key, request, reply, origin))
    return replies


async def _ask(session: aiohttp.ClientSession, url: str, key: str, asked: Asked, reply: Reply, origin: float) -> None:
    reply.sent = time.monotonic() - origin
    headers = {"authorization": f"Bearer {key}", **asked.headers}
    try:
        async with session.post(f"{url}/chat/completions", json=asked.body, headers=headers) as answer:
            reply.status = answer.status
            reply.provider = answer.headers.get("x-tollway-provider", "")
            reply.tries = int(answer.headers.get("x-tollway-attempts", "0"))
            reply.reason = answer.headers.get("x-tollway-reason", "")
            reply.request_id = answer.headers.get("x-tollway-request-id", "")
            if answer.status == 200 and asked.body.get("stream"):
                await _read_stream(answer, reply, origin)
            else:
                _read(await answer.read(), reply)
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        reply.whole = False
    finally:
        reply.ended = time.monotonic() - origin


def _read(body: bytes, reply: Reply) -> None:
    try:
        reply.text = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return
    reply.whole = True


async def _read_stream(answer: aiohttp.ClientResponse, reply: Reply, origin: float) -> None:
    done, strange = 0, False
    async for line in answer.content:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if data == b"[DONE]":
            done += 1
            continue
        event = json.loads(data)
        # An event behind the end is as wrong as an error.
        strange = strange or done > 0 or "error" in event
        said = "".join(choice["delta"].get("content") or "" for choice in event.get("choices") or ())
        if said and not reply.first:
            reply.first = time.monotonic() - origin
        reply.text += said
    reply.whole = done == 1 and not strange


# ---- what replies tell ----------------------------------------------------------------------------------------------


def quantile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def failed(replies: Iterable[Reply], *, after: float = 0.0) -> float:
    """Percent of the requests planned from ``after`` on that did not get what they wanted."""
    judged = [reply for reply in replies if reply.planned >= after]
    return 100 * sum(not reply.good for reply in judged) / len(judged)


def calls(replies: Iterable[Reply], provider: str) -> list[Reply]:
    """Those that reached ``provider``, as the answer's headers tell, in the order in which they ended."""
    mark = f" {provider}/"
    return sorted((each for each in replies if each.provider == provider or mark in each.reason), key=lambda r: r.ended)


@dataclass(frozen=True)
class Rests:
    """How a target that fails was left alone. ``burst``: calls before it first rested; ``probes``: one after each rest;
    ``early``: those that began during a rest, or beside a probe."""

    burst: int
    probes: int
    early: int


def rests(found: Sequence[Reply], *, needed: int, least: float) -> Rests:
    """Of ``found``, all calls of one target and all failed, in the order of their ends: it should rest after ``needed`` of them, and then
    after each probe, for at least ``least`` seconds."""
    if len(found) < needed:
        return Rests(len(found), 0, 0)
    given_up = found[needed - 1].ended
    burst = [each for each in found if each.sent <= given_up]
    probes = early = 0
    resting_from = max(each.ended for each in burst)
    for call in found:
        if call.sent <= given_up:
            continue
        if call.sent - resting_from < least:
            early += 1
        else:
            probes += 1
        resting_from = max(resting_from, call.ended)
    return Rests(len(burst), probes, early)
