"""OpenRouter: its own extensions pass; reasoning comes with details that tool loops must give back; errors come inside a 200."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

OPENROUTER = Compatible(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    keys=("OPENROUTER_API_KEY",),
    headers={"http-referer": ("referer", "OPENROUTER_REFERER"), "x-title": ("title", "OPENROUTER_TITLE")},
    offers=frozenset(("messages", "responses", "embeddings", "completions")),
    params=ParamMap(messages=(messages.REASONING,)),
    history=frozenset(("reasoning_content", "reasoning", "reasoning_details", "cache_control")),
    quirks=Quirks(mirror=True),
)

provider = provider_of(OPENROUTER)
