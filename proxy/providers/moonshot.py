"""Moonshot (Kimi): reasoning models take one temperature, and their tool calls come back with the reasoning."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import OVERLOADED, QUOTA, RATE, Meaning, Quirks
from .openai_dialect.spec import Compatible

MOONSHOT = Compatible(
    name="moonshot",
    base_url="https://api.moonshot.ai/v1",
    keys=("MOONSHOT_API_KEY",),
    places={"messages": "{host}/anthropic/v1/messages"},
    params=ParamMap(
        rename=CAP,
        drop=frozenset(("functions", "function_call")),
        clamp={"temperature": (0, 1)},
        edits=(edits.KIMI_SAMPLING, edits.CHOICE_TOLD),
        messages=(messages.SYSTEM, messages.placeheld(edits.KIMI_REASONS)),
    ),
    history=frozenset(("reasoning_content",)),
    top_k=False,
    quirks=Quirks(
        meanings={
            "exceeded_current_quota_error": QUOTA,
            "rate_limit_reached_error": RATE,
            "engine_overloaded_error": Meaning(429, OVERLOADED.type, OVERLOADED.code),
            "content_filter": Meaning(400, "invalid_request_error", "content_filter"),
        }
    ),
)

provider = provider_of(MOONSHOT)
