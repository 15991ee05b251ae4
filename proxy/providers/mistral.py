"""Mistral: refuses unknown fields and what it does not expect in messages; reasoning comes as parts of the content."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import QUOTA, RATE, Meaning, Quirks
from .openai_dialect.spec import Compatible

MISTRAL = Compatible(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    keys=("MISTRAL_API_KEY",),
    offers=frozenset(("embeddings", "moderations", "speech", "transcriptions")),
    params=ParamMap(
        rename={**CAP, "seed": "random_seed"},
        only=frozenset(
            """model messages temperature top_p max_tokens stream stop random_seed response_format tools tool_choice
            presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode safe_prompt reasoning_effort
            metadata guardrails document_image_limit document_page_limit prompt_cache_key""".split()
        ),
        values={"tool_choice": {"required": "any"}},
        edits=(edits.PLAIN_SCHEMAS,),
        messages=(
            messages.SYSTEM,
            messages.NAMELESS,
            messages.SHORT_IDS,
            messages.THINKING_PARTS,
            messages.plain(),
            messages.STRICT_ORDER,
        ),
    ),
    others={"embeddings": ParamMap(rename={"dimensions": "output_dimension"}, drop=frozenset(("user",)))},
    history=frozenset(("reasoning_content",)),
    top_k=False,
    quirks=Quirks(
        meanings={
            "1300": RATE,
            "rate_limited": RATE,
            "service_tier_capacity_exceeded": RATE,
            "Requests rate limit exceeded": RATE,
            "monthly quota": QUOTA,
            "invalid_model": Meaning(0, "invalid_request_error", "model_not_found"),
        }
    ),
    limits={
        b"x-ratelimit-limit-req-minute": b"x-ratelimit-limit-requests",
        b"x-ratelimit-remaining-req-minute": b"x-ratelimit-remaining-requests",
        b"x-ratelimit-limit-tokens-minute": b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-tokens-minute": b"x-ratelimit-remaining-tokens",
    },
)

provider = provider_of(MISTRAL)
