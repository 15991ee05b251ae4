"""Cerebras: refuses penalties and biases, wants tool results as text; errors come without an envelope; limits count days."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Meaning, Quirks
from .openai_dialect.spec import Compatible

CEREBRAS = Compatible(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    keys=("CEREBRAS_API_KEY",),
    offers=frozenset(("completions",)),
    params=ParamMap(
        drop=frozenset(("frequency_penalty", "presence_penalty", "logit_bias", "n", "top_k")),
        edits=(edits.CEREBRAS_DEFAULTS,),
        messages=(messages.TEXT_RESULTS, messages.REASONING, messages.plain("reasoning")),
    ),
    history=frozenset(("reasoning_content", "reasoning")),
    top_k=False,
    quirks=Quirks(mirror=True, meanings={"queue_exceeded": Meaning(429, "rate_limit_error", "queue_exceeded")}),
    limits={
        b"x-ratelimit-limit-requests-day": b"x-ratelimit-limit-requests",
        b"x-ratelimit-remaining-requests-day": b"x-ratelimit-remaining-requests",
        b"x-ratelimit-reset-requests-day": b"x-ratelimit-reset-requests",
        b"x-ratelimit-limit-tokens-minute": b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-tokens-minute": b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-tokens-minute": b"x-ratelimit-reset-tokens",
    },
)

provider = provider_of(CEREBRAS)
