"""DashScope (Qwen): thinking is a switch that excludes JSON mode and forced calls; rerank and Anthropic's dialect have paths of their own."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import FILTERED, INVALID, QUOTA, RATE, Quirks
from .openai_dialect.spec import Compatible

DASHSCOPE = Compatible(
    name="dashscope",
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    keys=("DASHSCOPE_API_KEY",),
    offers=frozenset(("embeddings", "responses")),
    places={
        "rerank": "{host}/compatible-api/v1/reranks",
        "messages": "{host}/apps/anthropic/v1/messages",
    },
    params=ParamMap(
        rename=CAP,
        clamp={"n": (1, 4)},
        edits=(edits.QWEN_THINKING,),
        messages=(messages.SYSTEM,),
    ),
    history=frozenset(("cache_control", "reasoning_content")),
    quirks=Quirks(
        meanings={
            "data_inspection_failed": FILTERED,
            "DataInspectionFailed": FILTERED,
            "invalid_parameter_error": INVALID,
            "InvalidParameter": INVALID,
            "Throttling": RATE,
            "Arrearage": QUOTA,
        }
    ),
)

provider = provider_of(DASHSCOPE)
