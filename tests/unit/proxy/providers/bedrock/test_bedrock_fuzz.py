"""Requests of any shape: a body or one clear refusal, never anything else."""

import copy
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.behaviour import behaviour_of
from proxy.errors import ClientError
from proxy.providers.bedrock.chat import Converse
from proxy.translation.ask import Ask

MODELS = [
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "global.anthropic.claude-opus-5-5",
    "amazon.nova-2-lite-v1:0",
    "mistral.mistral-large-2407-v1:0",
    "amazon.titan-text-express-v1",
    "",
    "arn:aws:bedrock:::",
]

keys = st.sampled_from(
    """role content type text image_url url file file_data filename tool_calls tool_call_id id function name arguments thinking_blocks
    thinking signature data provider_blocks block at index cache_control ttl system user assistant tool json_schema schema
    parameters anyOf required properties effort budget_tokens mode tools""".split()
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(
        ["user", "assistant", "tool", "system", "text", "image_url", "file", "function", "data:image/png;base64,AA", "json_schema",
         "high", "none", "auto", "required", "thinking", "bedrock", "{}", "allowed_tools"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=10,
)  # fmt: skip
fields = st.sampled_from(
    """tools tool_choice functions function_call response_format reasoning_effort reasoning thinking stop temperature top_p top_k
    max_tokens max_completion_tokens user metadata requestMetadata service_tier cache_control parallel_tool_calls guardrailConfig
    additionalModelRequestFields n seed novel""".split()
)
turns = st.lists(st.dictionaries(keys, values, max_size=5) | values, max_size=4)


@settings(max_examples=500, deadline=None)
@given(turns, st.dictionaries(fields, values, max_size=5), st.sampled_from(MODELS))
def test_a_body_or_a_refusal(messages: list[Any], more: dict[str, Any], model: str) -> None:
    chat = {"messages": messages, **more}
    before = copy.deepcopy(chat)
    ask = Ask(model=model, behaviour=behaviour_of(model))
    body: Any = None
    with suppress(ClientError):
        body = orjson.loads(Converse().encode(chat, ask).body)
    if body is not None:
        assert body["messages"][0]["role"] == "user"
        assert all(turn["content"] for turn in body["messages"])
    assert chat == before


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "a\u2028b", "😀"])
def test_odd_characters_travel_or_are_replaced(text: str) -> None:
    messages: Any = [{"role": "user", "content": text}]
    body = orjson.loads(Converse().encode({"messages": messages}, Ask(model="amazon.nova-pro-v1:0")).body)
    assert body["messages"][0]["content"] == [{"text": text if text != "\ud800" else "?"}]
