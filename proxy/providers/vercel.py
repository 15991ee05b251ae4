"""Vercel's AI gateway: Anthropic's dialect under the same root."""

from .compatible import provider_of
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

VERCEL = Compatible(
    name="vercel",
    base_url="https://ai-gateway.vercel.sh/v1",
    keys=("AI_GATEWAY_API_KEY",),
    offers=frozenset(("embeddings", "responses", "messages")),
    history=frozenset(("reasoning_details", "cache_control")),
    quirks=Quirks(mirror=True),
)

provider = provider_of(VERCEL)
