"""What families accept, in every spelling of their names."""

import timeit

import pytest

from proxy.catalogue import catalogue
from proxy.catalogue.behaviour import DEFAULT, LONGEST_NAME, behaviour_of, canonical

SPELLINGS = {
    "claude-sonnet-4-5": (
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5-latest",
        "claude-sonnet-4.5",
        "claude-4.5-sonnet",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-sonnet-4.5:beta",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5@20250929",
        "publishers/anthropic/models/claude-sonnet-4-5@20250929",
        "databricks-claude-sonnet-4-5",
        "CLAUDE-SONNET-4-5",
    ),
    "gpt-4o-mini": (
        "gpt-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "openai/gpt-4o-mini",
        "ft:gpt-4o-mini-2024-07-18:org:name:id",
    ),
    "o3-mini": ("o3-mini", "o3-mini-2025-01-31", "openai/o3-mini:online"),
    "gemini-2.5-pro": (
        "gemini-2.5-pro",
        "models/gemini-2.5-pro",
        "google/gemini-2.5-pro",
        "publishers/google/models/gemini-2.5-pro",
    ),
    "gpt-5.1": ("gpt-5.1", "gpt-5.1-2025-11-13"),
}


@pytest.mark.parametrize(("name", "spelling"), [(name, one) for name, many in SPELLINGS.items() for one in many])
def test_every_spelling_is_the_model(name: str, spelling: str) -> None:
    assert canonical(spelling) == name
    assert behaviour_of(spelling) is behaviour_of(name) is not DEFAULT


@pytest.mark.parametrize(
    ("model", "thinking", "efforts", "sampling", "prefill", "forced", "inline", "most"),
    [
        ("claude-haiku-4-5", "manual", 0, "yes", True, True, False, 64_000),
        ("claude-sonnet-4-5", "manual", 0, "yes", True, True, False, 64_000),
        ("claude-opus-4-5", "manual", 3, "yes", True, True, False, 64_000),
        ("claude-sonnet-4-6", "adaptive", 4, "yes", False, True, False, 128_000),
        ("claude-opus-4-6", "adaptive", 4, "yes", False, True, False, 128_000),
        ("claude-opus-4-7", "adaptive", 5, "no", False, True, False, 128_000),
        ("claude-opus-4-8", "adaptive", 5, "no", False, True, True, 128_000),
        ("claude-sonnet-5", "adaptive", 5, "no", False, True, False, 128_000),
        ("claude-opus-5", "adaptive", 5, "no", False, True, True, 128_000),
        ("claude-sonnet-5-5", "always", 5, "no", False, False, True, 128_000),
        ("claude-opus-5-5", "always", 5, "no", False, False, True, 128_000),
        ("claude-haiku-5-5", "adaptive", 5, "no", False, True, True, 128_000),
        ("claude-fable-5", "always", 5, "no", False, False, True, 128_000),
        ("claude-mythos-5-2", "always", 5, "no", False, False, True, 128_000),
        ("claude-opus-7", "adaptive", 5, "no", False, True, False, 128_000),
        ("claude-sonnet-5-9-20270101", "adaptive", 5, "no", False, True, False, 128_000),
    ],
)
def test_claude(
    model: str, thinking: str, efforts: int, sampling: str, prefill: bool, forced: bool, inline: bool, most: int
) -> None:
    found = behaviour_of(model)
    assert (found.thinking, len(found.efforts), found.sampling) == (thinking, efforts, sampling)
    assert (found.prefill, found.forced_tools, found.inline_system, found.max_output) == (prefill, forced, inline, most)
    assert found.can_disable_thinking == (thinking != "always")
    assert found.json_schema
    assert not found.adapt


@pytest.mark.parametrize(
    ("model", "sampling", "efforts"),
    [
        ("gpt-4o", "yes", ""),
        ("o1-preview", "no", ""),
        ("o1-mini", "no", ""),
        ("o1", "no", "low medium high"),
        ("o3", "no", "low medium high"),
        ("o4-mini", "no", "low medium high"),
        ("gpt-5", "no", "minimal low medium high"),
        ("gpt-5-nano", "no", "minimal low medium high"),
        ("gpt-5-chat-latest", "yes", ""),
        ("gpt-5.1", "effort_none", "none low medium high"),
        ("gpt-5.2", "effort_none", "none low medium high xhigh"),
        ("gpt-5.4-mini", "effort_none", "none low medium high xhigh"),
        ("gpt-5.2-chat-latest", "no", "medium"),
        ("gpt-5.5", "effort_none_explicit", "none low medium high xhigh"),
        ("gpt-5.6-luna", "effort_none_explicit", "none low medium high xhigh"),
        ("gpt-6-astra", "no", "low medium high xhigh max"),
        ("gpt-6.1-sol", "no", "low medium high xhigh max"),
        ("gpt-6-luna", "no", "none low medium high xhigh max"),
        ("gpt-6.1-terra", "no", "none low medium high xhigh max"),
    ],
)
def test_openai(model: str, sampling: str, efforts: str) -> None:
    found = behaviour_of(model)
    assert (found.sampling, found.efforts) == (sampling, tuple(efforts.split()))
    assert found.adapt
    assert found.completion_cap == (not model.startswith("gpt-4"))


@pytest.mark.parametrize("model", ["o1-preview", "o1-mini-2024-09-12"])
def test_the_first_reasoning_models_take_the_least(model: str) -> None:
    found = behaviour_of(model)
    refused = (
        found.tools,
        found.images,
        found.json_mode,
        found.json_schema,
        found.stop,
        found.several,
        found.penalties,
    )
    assert not any(refused)
    assert found.system_role == "none"
    assert found.streaming


@pytest.mark.parametrize(
    ("model", "thinking", "budget", "off", "sampling"),
    [
        ("gemini-2.5-pro", "budget", (128, 32_768), False, "yes"),
        ("gemini-2.5-flash", "budget", (1, 24_576), True, "yes"),
        ("gemini-2.5-flash-lite", "budget", (512, 24_576), True, "yes"),
        ("gemini-3.1-pro-preview", "level", (0, 0), False, "yes"),
        ("gemini-3.8-flash", "level", (0, 0), False, "no"),
        ("gemini-3.5-flash-lite", "level", (0, 0), False, "no"),
        ("gemini-4-argon", "level", (0, 0), False, "yes"),
        ("gemini-2.0-flash", "none", (0, 0), True, "yes"),
    ],
)
def test_gemini(model: str, thinking: str, budget: tuple[int, int], off: bool, sampling: str) -> None:
    found = behaviour_of(model)
    assert (found.thinking, found.thinking_budget) == (thinking, budget)
    assert (found.can_disable_thinking, found.sampling) == (off, sampling)


@pytest.mark.parametrize(
    "model", ["", "llama-3.3-70b", "gpt-oss-120b", "my-o3", "x" * (LONGEST_NAME + 1), "o1x", "gpt"]
)
def test_unknown_models_take_everything(model: str) -> None:
    assert behaviour_of(model) is DEFAULT


def test_the_table_and_the_catalogue_agree_on_sampling() -> None:
    for model in catalogue().models:
        found = behaviour_of(model.id)
        if found is not DEFAULT and model.mode in ("chat", "responses"):
            assert (found.sampling == "yes") == (model.sampling == "yes"), model.id


def test_a_look_up_is_cheap() -> None:
    behaviour_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    took = min(
        timeit.repeat(lambda: behaviour_of("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), number=1000, repeat=5)
    )
    assert took / 1000 < 5e-6
