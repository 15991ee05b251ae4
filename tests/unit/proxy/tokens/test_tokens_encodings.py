"""Model names to vocabularies."""

import pytest

from proxy.tokens.encodings import UNKNOWN, _look_up, tokenizer_for


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4.5-preview", "o200k_base"),
        ("gpt-5.6-sol", "o200k_base"),
        ("gpt-6-luna", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
        ("openai/gpt-oss-20b", "o200k_harmony"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo-16k", "cl100k_base"),
        ("azure/gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("ft:gpt-4o-mini-2024-07-18:org::abc", "o200k_base"),
        ("ft:gpt-3.5-turbo:org::abc", "cl100k_base"),
        ("openrouter/openai/gpt-4", "cl100k_base"),
        ("GPT-4o", "o200k_base"),
    ],
)
def test_openai_models_are_counted(model: str, encoding: str) -> None:
    tokenizer = tokenizer_for(model)
    assert (tokenizer.encoding, tokenizer.source, tokenizer.factor) == (encoding, "counted", 1.0)


@pytest.mark.parametrize(
    ("model", "family", "factor"),
    [
        ("claude-3-5-sonnet-20241022", "claude-older", 1.3),
        ("claude-2.1", "claude-older", 1.3),
        ("claude-sonnet-4-20250514", "claude-older", 1.3),
        ("claude-opus-4-6", "claude-older", 1.3),
        ("claude-haiku-4-5@20251001", "claude-older", 1.3),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-older", 1.3),
        ("anthropic/claude-sonnet-4.5", "claude-older", 1.3),
        ("claude-opus-4-7", "claude", 1.6),
        ("claude-opus-4-7-20260101", "claude", 1.6),
        ("claude-sonnet-5", "claude", 1.6),
        ("claude-mythos-1", "claude", 1.6),
        ("claude-next", "claude", 1.6),
        ("models/gemini-2.5-pro", "gemini-2", 1.05),
        ("gemini-3-pro", "gemini", 1.05),
        ("meta-llama/Llama-4-Scout", "llama", 1.1),
        ("open-mixtral-8x7b", "mistral", 1.25),
        ("mistral-large-latest", "mistral", 1.05),
        ("qwen3-max", "qwen", 1.05),
        ("grok-4", "grok", 1.05),
        ("my-alias", "unknown", 1.0),
    ],
)
def test_other_families_are_estimated_with_a_margin(model: str, family: str, factor: float) -> None:
    tokenizer = tokenizer_for(model)
    assert (tokenizer.family, tokenizer.factor, tokenizer.source) == (family, factor, "estimated")
    assert tokenizer.encoding == "o200k_base"


def test_the_cache_is_bounded_and_long_names_do_not_enter_it() -> None:
    before = _look_up.cache_info().currsize
    assert tokenizer_for("x" * 10_000) is UNKNOWN
    assert tokenizer_for(None) is tokenizer_for("") is UNKNOWN
    assert _look_up.cache_info().currsize == before
    for number in range(3000):
        tokenizer_for(f"model-{number}")
    assert _look_up.cache_info().currsize <= 1024


def test_an_encoding_asked_for_overrules_the_model() -> None:
    tokenizer = tokenizer_for("claude-opus-4-7", encoding="cl100k_base")
    assert (tokenizer.vocabulary, tokenizer.factor, tokenizer.source) == ("cl100k_base", 1.0, "counted")
