"""Both fronts under bodies and answers that keep no rule: one clear refusal or a well-formed result, never anything else."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.translation.fronts import FRONTS
from proxy.wire.values import dumps
from tests.support.fronts import asked

_KEYS = st.sampled_from(
    """model messages system input instructions role content type text tools tool_choice name namespace input_schema parameters
    thinking output_config effort format schema metadata user_id cache_control id tool_use_id call_id arguments output source
    data url media_type signature encrypted_content summary title strict stop_sequences max_tokens max_output_tokens reasoning
    include top_logprobs budget_tokens image_url file_data choices message delta tool_calls function reasoning_content refusal
    thinking_blocks provider_blocks block citations annotations images usage prompt_tokens prompt_tokens_details logprobs index
    finish_reason extra_content""".split()
)
_WORDS = st.sampled_from(
    """user assistant system developer message function_call function_call_output custom_tool_call reasoning text image document
    tool_use tool_result thinking redacted_thinking search_result input_text input_image input_file output_text refusal function
    custom allowed_tools auto any tool none base64 url content enabled disabled adaptive max json_schema anthropic f stop
    tool_calls length bash_20250124 web_search_20250305 tollway1.e30= a_tw1_e30""".split()
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | _WORDS | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=25,
)
_bodies = st.dictionaries(_KEYS, _json, max_size=8)
_behaviours = st.sampled_from(
    [
        Behaviour(),
        Behaviour(thinking="always", can_disable_thinking=False),
        Behaviour(efforts=("low", "high"), max_output=9),
    ]
)


@st.composite
def _likely(draw: st.DrawFn) -> dict[str, Any]:
    """A body whose outline is right, so that its depths are reached."""
    blocks = st.lists(st.dictionaries(_KEYS, _json, max_size=6) | _json, max_size=4)
    messages = st.lists(st.fixed_dictionaries({"role": _WORDS, "content": blocks | _WORDS}), max_size=3)
    items = st.lists(st.dictionaries(_KEYS, _json, max_size=6), max_size=4)
    tools = st.lists(st.dictionaries(_KEYS, _json, max_size=5), max_size=3)
    return {**draw(_bodies), "messages": draw(messages), "input": draw(messages) + draw(items), "tools": draw(tools)}


@pytest.mark.parametrize("path", sorted(FRONTS))
@given(body=_bodies | _likely(), behaviour=_behaviours, model=st.sampled_from(["up", "claude-opus-5"]))
@settings(max_examples=120, deadline=None)
def test_any_body_is_a_chat_request_or_refused(
    path: str, body: dict[str, Any], behaviour: Behaviour, model: str
) -> None:
    ask = asked(behaviour=behaviour, model=model)
    refused: InvalidRequest | None = None
    chat: Any = {}
    try:
        chat = FRONTS[path]().request(body, ask)
    except InvalidRequest as error:
        refused = error
    if refused is not None:
        assert refused.message
        assert refused.param
        return
    dumps(chat)
    messages = chat["messages"]
    assert messages
    assert all(message["role"] in ("system", "developer", "user", "assistant", "tool") for message in messages)
    assert all(isinstance(name, str) and name for name in ask.notes.dropped + ask.notes.rewritten)


@pytest.mark.parametrize("path", sorted(FRONTS))
@given(body=_bodies, message=_bodies, choice=_bodies, whole=_bodies)
@settings(max_examples=120, deadline=None)
def test_any_answer_is_an_answer(path: str, body: Any, message: Any, choice: Any, whole: Any) -> None:
    front, ask = FRONTS[path](), asked()
    with contextlib.suppress(InvalidRequest):
        front.request(body, ask)
    found = front.reply({**whole, "choices": [{**choice, "index": 0, "message": message}]}, ask)
    dumps(found)
    assert isinstance(found.get("content", found.get("output")), list)
    stream = front.stream(ask)
    chunk: Any = {**whole, "choices": [{**choice, "index": 0, "delta": message}]}
    assert (stream.begin() + stream.feed([chunk]) + stream.close()).endswith(b"\n\n")
    front.reply(whole, ask)
