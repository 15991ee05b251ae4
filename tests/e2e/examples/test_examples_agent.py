"""The agent of docs/examples: its page, the bound on its steps, tools that act once, half a call that is never run."""

from collections.abc import Callable
from typing import Any

import pytest
from openai import APIError, OpenAI

from .conftest import Run, shown

pytestmark = pytest.mark.e2e

Load = Callable[[str], Any]
CALL = {"id": "call_1", "name": "look_up_order", "arguments": '{"order": "A-1"}'}


def test_it_prints_what_its_page_shows(run: Run) -> None:
    assert run("agent").stdout == shown("agent")


def test_several_streamed_calls_are_put_together(module: Load) -> None:
    agent = module("agent/agent.py")
    with OpenAI(default_headers={"x-mock-tool-calls": "2", "x-mock-preface": "5"}) as client:
        agent.client = client
        text, calls = agent.ask([{"role": "user", "content": "Where is my lamp?"}], True)
    assert text
    assert len({call["id"] for call in calls}) == 2
    assert all("error" not in str(agent.called(call["name"], call["arguments"])) for call in calls)


def test_a_model_that_goes_on_calling_is_stopped(module: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = module("agent/agent.py")
    allowed: list[bool] = []

    def ask(messages: object, may_call: bool) -> tuple[str, list[dict[str, str]]]:
        allowed.append(may_call)
        return "so far", [CALL]

    monkeypatch.setattr(agent, "ask", ask)
    assert agent.run("My lamp!") == "so far"
    assert allowed == [True] * agent.STEPS + [False]


def test_the_last_step_may_call_nothing(module: Load) -> None:
    agent = module("agent/agent.py")
    with agent.client:
        assert agent.run("My lamp, order A-2!", steps=0)
    assert agent.REFUNDS == {}


def test_money_is_paid_back_once(module: Load) -> None:
    agent = module("agent/agent.py")
    twice = [agent.called("refund_order", '{"order": "A-1"}') for _ in range(2)]
    assert twice == [{"refunded": 30.0, "already_done": False}, {"refunded": 30.0, "already_done": True}]
    assert agent.REFUNDS == {"A-1": 30.0}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("refund_order", "{"),
        ("refund_order", '{"amount": 5}'),
        ("sell_shop", "{}"),
        ("look_up_order", '{"order": "B"}'),
    ],
)
def test_a_broken_call_is_told_to_the_model(module: Load, name: str, arguments: str) -> None:
    agent = module("agent/agent.py")
    assert "error" in agent.called(name, arguments)


def test_half_a_call_is_never_run(module: Load) -> None:
    agent = module("agent/agent.py")
    headers = {"x-mock-fault": "cut-mid-event:3", "x-tollway-providers": "second"}
    with OpenAI(default_headers=headers, max_retries=0) as client:
        agent.client = client
        with pytest.raises(APIError):
            agent.run("My kettle, order A-1, is broken. I want my money back.")
    assert agent.REFUNDS == {}
