"""Requests that an account passes on unread: reading them would have changed nothing."""

from typing import Any, Literal

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.admission.capping import with_output_cap
from proxy.catalogue import behaviour
from proxy.catalogue.behaviour import Behaviour, behaviour_of
from proxy.context import RequestContext, Target
from proxy.providers.shims import shim
from proxy.providers.shims.minded import minded
from proxy.translation.ask import Ask
from proxy.translation.shimmed import shimmed
from proxy.wire.chat import RequestView
from proxy.wire.document import document_in, is_plain
from proxy.wire.endpoints import CHAT
from proxy.wire.values import JsonObject
from proxy.wire.words import words_in

from . import driver
from .cases import cases

MODELS = (
    "small", "gpt-4o", "gpt-5.2", "gpt-5.3-chat", "gpt-6.1-terra", "gpt-6", "grok-4.4", "grok-4.20-non-reasoning", "o1-preview", "gpt-4o-mini", "gpt-4.1", "gpt-4", "gpt-4-turbo", "gpt-audio", "gpt-5", "gpt-5-chat", "gpt-5-pro", "gpt-5.1",
    "gpt-5.2-chat", "gpt-5.4", "gpt-5.6-sol", "gpt-6-luna", "gpt-7", "o1", "o1-mini", "o1-pro", "o3", "o3-mini", "grok-4.3", "grok-4.20",
    "grok-build", "claude-sonnet-4-5", "deepseek-chat", "glm-4.6",
)  # fmt: skip
"""One of every family whose requests are adapted, and some others."""

USES = ("openai", "openrouter", "groq", "deepseek", "xai", "azure", "together", "vllm", "databricks", "mistral")

_number = st.sampled_from([0, 1, 0.5, 2])
_cap = st.sampled_from([None, 1, 50, 10_000_000])
_message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]),
        "content": st.sampled_from(["Hi", "", None, '"developer"', [{"type": "text", "text": "Hi"}]]),
    },
    optional={"name": st.just("n")},
)
_members: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), _number),
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), _cap),
    **dict.fromkeys(("stream", "logprobs", "echo"), st.booleans()),
    "top_logprobs": st.sampled_from([0, 3]),
    "n": st.sampled_from([None, 1, 2]),
    "stop": st.sampled_from([None, "end", ["a", "b"]]),
    "reasoning_effort": st.sampled_from([None, "none", "minimal", "low", "high", "max", "odd"]),
    "verbosity": st.sampled_from([None, "low", "medium"]),
    "stream_options": st.just({"include_usage": True}),
    "seed": st.just(7),
    "user": st.just("u"),
}
_messages = st.lists(_message, max_size=4)
bodies = st.one_of(
    st.fixed_dictionaries({"messages": _messages}, optional=_members),
    st.sampled_from(sorted(_members)).flatmap(
        lambda name: st.fixed_dictionaries({"messages": _messages, name: _members[name]})
    ),
)
"""Many members, or one beside the messages."""
families = st.builds(
    Behaviour,
    adapt=st.just(True),
    sampling=st.sampled_from(["yes", "no", "effort_none", "effort_none_explicit"]),
    system_role=st.sampled_from(["system", "developer", "none"]),
    efforts=st.sampled_from([(), ("low", "high"), ("none", "low")]),
    default_effort=st.sampled_from([None, "none", "low"]),
    max_output=st.sampled_from([None, 100]),
    **{
        name: st.booleans()
        for name, kind in Behaviour.__annotations__.items()
        if kind is bool and name not in ("adapt", "can_disable_thinking", "prefill", "forced_tools", "inline_system")
    },
)  # fmt: skip


_tool = st.sampled_from(
    [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}},
        {"type": "function", "function": {"name": "f", "strict": True}},
        {"type": "custom", "custom": {"name": "c"}},
    ]
)
_turn = st.one_of(
    _message,
    st.sampled_from(
        [
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "found"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        ]
    ),
)
_more: dict[str, st.SearchStrategy[Any]] = {
    "tools": st.lists(_tool, max_size=2),
    "functions": st.just([{"name": "f"}]),
    "tool_choice": st.sampled_from(["auto", "none", "required"]),
    "parallel_tool_calls": st.booleans(),
    "response_format": st.sampled_from(
        [{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}]
    ),
    "logit_bias": st.sampled_from([{}, {"1": 2}]),
    "prediction": st.just({"type": "content", "content": "p"}),
    "metadata": st.just({"stop": "x"}),
}
_turns = st.lists(_turn, max_size=4)
agents = st.one_of(
    st.fixed_dictionaries({"messages": _turns}, optional=_members | _more),
    st.sampled_from(sorted(_members | _more)).flatmap(
        lambda name: st.fixed_dictionaries({"messages": _turns, name: (_members | _more)[name]})
    ),
    st.sampled_from(sorted(_members)).flatmap(
        lambda name: st.fixed_dictionaries({"messages": _turns, "tools": _more["tools"], name: _members[name]})
    ),
)
"""Those of agents, most of them not plain."""


def context(document: JsonObject, model: str) -> RequestContext:
    """As parse leaves it."""
    body = orjson.dumps({"model": model, **document})
    found = document_in(body)
    assert found is not None
    ctx = driver.context("/chat/completions", body, {})
    ctx.request = msgspec.convert(found, RequestView)
    if is_plain(found):
        ctx.plain = frozenset(found)
    else:
        ctx.words = words_in(found, levels=64)
        assert ctx.words
    return ctx


def account(use: str) -> Any:
    return driver.account(next(case for case in cases() if case.provider == use))


@pytest.mark.parametrize("use", USES)
@settings(max_examples=300, deadline=None)
@given(document=st.one_of(bodies, agents), model=st.sampled_from(MODELS))
def test_what_suits_unread_suits_when_it_is_read(use: str, document: JsonObject, model: str) -> None:
    found, ctx = account(use), context(document, model)
    if found._suits(ctx, ctx.body, model, driver.NOW):
        ask = found._ask(ctx, Target(provider="here", model=model, limits=driver.LIMITS), now=driver.NOW)
        assert found._passing.edit(CHAT, ctx.body, ask) == ctx.body
        assert found._passing.repair(CHAT, ask) is None
        assert (ask.notes.dropped, ask.notes.rewritten) == ([], [])


@settings(max_examples=2000, deadline=None)
@given(document=st.one_of(bodies, agents), family=families)
def test_whatever_a_model_may_mind_is_named(document: JsonObject, family: Behaviour) -> None:
    """Families that do not exist yet."""
    ctx = context(document, "m")
    minds, names = minded(family), ctx.plain or ctx.words
    if minds is None or not minds.isdisjoint(names):
        return
    if family.max_output is not None and {"max_tokens", "max_completion_tokens"} & names:
        return
    if family.system_role == "developer" and b'"developer"' in ctx.body:
        return
    ask = Ask(model="m", behaviour=family)
    assert shim("chat", ctx.body, ask) is ctx.body
    assert shimmed("chat", ask) is None
    assert (ask.notes.dropped, ask.notes.rewritten) == ([], [])


TOOL: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

Suits = Literal["suits", "is read"]


@pytest.mark.parametrize(
    ("model", "given_", "verdict"),
    [
        ("gpt-4o-mini", {"temperature": 0.2, "max_tokens": 50, "stream": True, "stop": "x"}, "suits"),
        ("gpt-4o-mini", {"max_tokens": 1_000_000}, "is read"),
        ("gpt-4o-mini", {"max_completion_tokens": 1_000_000}, "is read"),
        ("gpt-4o-mini", {"verbosity": "low"}, "is read"),
        ("gpt-4o-mini", {"reasoning_effort": "low"}, "is read"),
        ("gpt-5.4", {"max_completion_tokens": 50}, "suits"),
        ("gpt-5.4", {"max_tokens": 50}, "is read"),
        ("gpt-5.4", {"temperature": 0.2}, "is read"),
        ("gpt-5.4", {"user": '"developer"'}, "suits"),
        ("gpt-5-pro", {"stream": True}, "is read"),
        ("o3", {"stop": "x"}, "is read"),
        ("o1-mini", {}, "is read"),
        ("grok-4.3", {"presence_penalty": 1}, "is read"),
        ("gpt-4o", {"tools": [TOOL], "max_tokens": 50, "parallel_tool_calls": False}, "suits"),
        ("gpt-4o", {"tools": [TOOL], "verbosity": "low"}, "is read"),
        ("gpt-4o", {"response_format": {"type": "json_object"}}, "suits"),
        ("gpt-4", {"response_format": {"type": "json_schema"}}, "is read"),
        ("gpt-5.4", {"tools": [TOOL]}, "is read"),
        ("gpt-5", {"tools": [TOOL]}, "suits"),
        ("o3", {"tools": [TOOL], "parallel_tool_calls": True}, "is read"),
    ],
)
def test_what_is_read(model: str, given_: JsonObject, verdict: Suits) -> None:
    ctx = context({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], **given_}, model)
    assert account("openai")._suits(ctx, ctx.body, model, driver.NOW) is (verdict == "suits")


def test_instructions_of_both_kinds_are_read() -> None:
    both: JsonObject = {"messages": [{"role": "system", "content": "s"}, {"role": "developer", "content": "d"}]}
    ctx = context(both, "gpt-5.4")
    assert not account("openai")._suits(ctx, ctx.body, "gpt-5.4", driver.NOW)


def test_a_cap_of_ours_is_seen() -> None:
    """One that was put in for the first target is more than another can write."""
    ctx = context({"messages": [{"role": "user", "content": "u"}]}, "gpt-4o")
    ctx.uncapped = ctx.body
    ctx.body, _ = with_output_cap(ctx.body, CHAT, 1_000_000)
    target = Target(provider="here", model="gpt-4o", limits=driver.LIMITS)
    prepared = account("openai").prepare(ctx, target, include_usage=False, now=driver.NOW)
    assert orjson.loads(prepared.request.body)["max_completion_tokens"] == 16_384


def test_what_is_neither_plain_nor_known_by_its_words_is_read() -> None:
    ctx = context({"messages": []}, "gpt-4o")
    assert account("openai")._suits(ctx, ctx.body, "gpt-4o", driver.NOW)
    ctx.plain = frozenset()
    assert not account("openai")._suits(ctx, ctx.body, "gpt-4o", driver.NOW)


def test_every_family_that_is_adapted_is_asked_for() -> None:
    assert {row for _, row in behaviour._rows() if row.adapt} <= {behaviour_of(model) for model in MODELS}
