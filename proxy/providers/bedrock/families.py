"""What Converse admits for each maker's models: data, by the model id. Source: the Converse API's guide and error answers, November 2026."""

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

_PROFILE = re.compile(r"^(?:us-gov|us|eu|apac|jp|au|ca|global)\.")
"""The geography that a cross-region inference profile puts before the model's id."""


class Family(Struct, frozen=True, kw_only=True):
    """The defaults describe a model of a maker we know nothing about."""

    name: str = ""
    system: bool = True
    """Is there a system prompt?"""
    tools: bool = True
    forced: bool = False
    """Are ``toolChoice`` ``any`` and ``tool`` taken?"""
    status: bool = False
    """Is a tool result's ``status`` taken?"""
    results_alone: bool = False
    """May nothing else stand in a message with tool results?"""
    results_json: bool = False
    """Are tool results JSON rather than text?"""
    results_media: bool = False
    """May images and documents stand inside tool results?"""
    results_beside_documents: bool = True
    stop: bool = True
    audio: bool = True
    caching: bool = False
    caching_tools: bool = False
    caching_ttl: bool = False
    schema: bool = False
    """Is ``outputConfig.textFormat`` taken (where the model's own behaviour does not say otherwise)?"""
    top_k: Literal["top_k", "inferenceConfig.topK", ""] = ""
    """Where it goes in ``additionalModelRequestFields``."""
    thinking: Literal["claude", "nova", "reasoning_effort", "reasoning.effort", ""] = ""
    """How reasoning is asked for in ``additionalModelRequestFields``."""
    short_ids: bool = False
    """Must the id of a tool call be nine letters and digits?"""


CLAUDE = Family(
    name="claude",
    forced=True,
    status=True,
    results_media=True,
    audio=False,
    caching=True,
    caching_tools=True,
    caching_ttl=True,
    schema=True,
    top_k="top_k",
    thinking="claude",
)
NOVA = Family(
    name="nova", forced=True, status=True, results_beside_documents=False, caching=True, top_k="inferenceConfig.topK"
)
NOVA_2 = Family(
    name="nova",
    forced=True,
    status=True,
    results_beside_documents=False,
    caching=True,
    top_k="inferenceConfig.topK",
    thinking="nova",
)
TITAN = Family(name="titan", system=False, tools=False)
LLAMA = Family(name="llama", results_alone=True, stop=False)
WRITER = Family(name="writer", results_alone=True)
MISTRAL_OLD = Family(name="mistral", system=False, tools=False)
MISTRAL = Family(name="mistral", results_alone=True, results_json=True, short_ids=True)
MISTRAL_LARGE = Family(name="mistral", forced=True, results_alone=True, results_json=True, short_ids=True)
COHERE = Family(name="cohere")
COHERE_LIGHT = Family(name="cohere", system=False, tools=False)
JURASSIC = Family(name="ai21", system=False, tools=False)
DEEPSEEK_R1 = Family(name="deepseek", tools=False)
OPEN = Family(name="open", schema=True)
"""Open-weight models with structured outputs: DeepSeek V3, Qwen, Gemma, Kimi, MiniMax, Nemotron."""
GPT_OSS = Family(name="gpt-oss", schema=True, thinking="reasoning_effort")
GPT = Family(name="gpt", schema=True, thinking="reasoning.effort")
UNKNOWN = Family()

_ROWS: tuple[tuple[str, Family], ...] = (
    ("anthropic.", CLAUDE),
    ("amazon.nova-2", NOVA_2),
    ("amazon.nova", NOVA),
    ("amazon.titan", TITAN),
    ("meta.", LLAMA),
    ("writer.", WRITER),
    ("mistral.mistral-7b", MISTRAL_OLD),
    ("mistral.mixtral-8x7b", MISTRAL_OLD),
    ("mistral.mistral-large", MISTRAL_LARGE),
    ("mistral.", MISTRAL),
    ("cohere.command-r", COHERE),
    ("cohere.command", COHERE_LIGHT),
    ("ai21.j2", JURASSIC),
    ("deepseek.r1", DEEPSEEK_R1),
    ("deepseek.", OPEN),
    ("qwen.", OPEN),
    ("google.", OPEN),
    ("moonshot", OPEN),
    ("minimax.", OPEN),
    ("nvidia.", OPEN),
    ("openai.gpt-oss", GPT_OSS),
    ("openai.", GPT),
)
"""The first row whose text begins the id (without its geography) holds."""


def foundation(model: str) -> str:
    """The foundation model's id in an id, an inference profile's id or an ARN; the last part of an ARN that names neither."""
    return _PROFILE.sub("", model.rpartition("/")[2])


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """The family of an upstream model name. An application inference profile names none: ``UNKNOWN``."""
    plain = foundation(model)
    return next((family for prefix, family in _ROWS if plain.startswith(prefix)), UNKNOWN)
