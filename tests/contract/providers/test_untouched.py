"""Where an account says that it changes nothing, whatever the request: the very bytes, and nothing on the way back."""

from typing import Any

import orjson
import pytest

from proxy.catalogue.behaviour import behaviour_of
from proxy.providers import PROVIDERS
from proxy.translation.ask import Ask
from proxy.translation.carried import ID_MARK, MARK
from proxy.wire.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, MODERATIONS, RERANK, RESPONSES

from . import driver
from .cases import cases

BODY = orjson.dumps(
    {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "d"},
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "assistant", "content": MARK, "tool_calls": [{"id": ID_MARK + "c", "function": {"name": "f"}}]},
        ],
        "input": [{"type": "reasoning", "encrypted_content": MARK}, {"type": "message", "call_id": ID_MARK + "c"}],
        **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_k"), 1.9),
        **dict.fromkeys(("max_tokens", "n", "seed", "top_logprobs"), 2),
        **dict.fromkeys(("stream", "logprobs", "store", "parallel_tool_calls"), True),
        "tools": [{"type": "custom"}, {"type": "function", "function": {"name": "f", "strict": True}}],
        "tool_choice": "required",
        "reasoning_effort": "minimal",
        "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
        "stop": ["a", "b", "c", "d", "e"],
        "user": "u",
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "logit_bias": {"1": 1},
        "modalities": ["text"],
    }
)
MODELS = (
    "small",
    "gpt-4o",
    "gpt-5.4",
    "o1-mini",
    "claude-sonnet-4-5",
    "deepseek-chat",
    "grok-4",
    "glm-4.6",
    "qwen3-8b",
)


@pytest.mark.parametrize("use", PROVIDERS)
def test_untouched_means_the_very_bytes(use: str) -> None:
    account: Any = driver.account(next(case for case in cases() if case.provider == use))
    passing = account._passing
    if passing is None:
        return
    for model in MODELS:
        behaviour = behaviour_of(model)
        for endpoint in (CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MESSAGES, MODERATIONS, RERANK):
            if passing.untouched(endpoint, behaviour):
                ask = Ask(model=model, public="m", stream=True, behaviour=behaviour)
                assert passing.edit(endpoint, BODY, ask) is BODY
                assert passing.repair(endpoint, ask) is None
                assert not ask.notes.dropped
                assert not ask.notes.rewritten


def test_plain_chat_of_openai_is_untouched_and_that_of_its_reasoning_models_is_not() -> None:
    account: Any = driver.account(next(case for case in cases() if case.provider == "openai"))
    assert account._untouched(CHAT, account._model("small", driver.NOW))
    assert not account._untouched(CHAT, account._model("o1-mini", driver.NOW))
    assert not account._untouched(RESPONSES, account._model("small", driver.NOW)), (
        "other models' reasoning is taken out"
    )


def test_what_is_known_of_a_model_holds_for_a_day() -> None:
    account: Any = driver.account(next(case for case in cases() if case.provider == "openai"))
    first = account._model("gpt-4o", driver.NOW)
    assert account._model("gpt-4o", driver.NOW + 60) is first
    assert account._model("gpt-4o", driver.NOW + 86_400) is not first
    for number in range(3000):
        account._model(f"m{number}", driver.NOW)
    assert len(account._models) <= 1025
