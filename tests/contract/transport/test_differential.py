"""The same bytes to both transports: the same answer comes out, or the same class of error. Where not, a rule says why."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvloop
from hypothesis import given, settings

from proxy.protocols import Transport
from tests.support.answering import Plan, finished, planned
from tests.support.answers import Said, said
from tests.support.strict_answer import objection

from .exchanges import Answered, Failed, Outcome, asked, made, outcome


@dataclass
class Pair:
    """Both transports, and an upstream that tells them the same."""

    loop: asyncio.AbstractEventLoop
    plan: Plan = field(init=False)
    lean: Transport = field(init=False)
    session: Transport = field(init=False)

    def both(self, answer: Said) -> tuple[Outcome, Outcome]:
        """What each made of it: (lean, session)."""
        return self.loop.run_until_complete(self._both(answer))

    async def _both(self, answer: Said) -> tuple[Outcome, Outcome]:
        return await self._one(self.lean, answer), await self._one(self.session, answer)

    async def _one(self, transport: Transport, answer: Said) -> Outcome:
        path = self.plan.path(answer)
        body = b"{}" if answer.method == "POST" else None
        request = asked(self.plan.upstream, path, method=answer.method, body=body)
        task = asyncio.create_task(outcome(transport, request, fresh=True))
        await finished(task, await self.plan.said(path))
        self.plan.forget(path)
        found = await task
        # As the relay does: what is no status of HTTP's is no answer.
        return (
            found
            if (isinstance(found, Failed) and not found.status) or 200 <= found.status <= 599
            else Failed("UpstreamInvalid")
        )


@pytest.fixture
def tidy() -> None:
    """One loop serves all examples; each test of the others looks for what is left behind."""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One pair for all examples."""
    loop = uvloop.new_event_loop()
    # What aiohttp leaves to the loop to report is another test's matter.
    loop.set_exception_handler(lambda *_: None)
    found = Pair(loop)
    context = planned()

    async def begin() -> None:
        found.plan = await context.__aenter__()
        found.lean, found.session = made("lean"), made("session")

    async def end() -> None:
        await found.lean.close()
        await found.session.close()
        await context.__aexit__(None, None, None)

    loop.run_until_complete(begin())
    yield found
    loop.run_until_complete(end())
    loop.close()


def reason(pair: Pair, answer: Said, lean: Outcome, session: Outcome) -> str:
    """Why it is right that the outcomes differ; "" when it is not."""
    if lean == session:
        return "they do not"
    if len(answer.pieces) < len(answer.data):
        # aiohttp reports what comes in one segment as one failure: a head with a broken body, an answer with something behind it.
        single = Said(tuple(answer.data[at : at + 1] for at in range(len(answer.data))), answer.end, answer.method)
        return reason(pair, single, *pair.both(single))
    if isinstance(lean, Answered):
        return ""
    if answer.end == "reset" and isinstance(session, Answered) and lean.body == session.body:
        return "a reset is no end of a body that has no other"
    return objection(answer.data)


@settings(max_examples=300, deadline=None)
@given(answer=said())
def test_a_valid_answer_is_the_same_to_both(pair: Pair, answer: Said) -> None:
    assert not objection(answer.data)
    lean, session = pair.both(answer)
    assert isinstance(lean, Answered), (lean, session)
    assert lean == session


@settings(max_examples=800, deadline=None)
@given(answer=said(spoilt=3))
def test_a_spoilt_answer_is_the_same_to_both_or_there_is_a_reason(pair: Pair, answer: Said) -> None:
    lean, session = pair.both(answer)
    assert reason(pair, answer, lean, session), (lean, session)
    if isinstance(lean, Answered):
        assert not objection(answer.data), lean


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None)
@given(answer=said(spoilt=4))
def test_a_spoilt_answer_is_the_same_to_both_in_the_long_run(pair: Pair, answer: Said) -> None:
    lean, session = pair.both(answer)
    assert reason(pair, answer, lean, session), (lean, session)
    if isinstance(lean, Answered):
        assert not objection(answer.data), lean
