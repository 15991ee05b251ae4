"""vLLM: takes nearly everything; newer servers reason in ``reasoning``, and count in every chunk when asked to."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

VLLM = Compatible(
    name="vllm",
    base_url="http://localhost:8000/v1",
    keys=("VLLM_API_KEY", "HOSTED_VLLM_API_KEY"),
    keyless=True,
    offers=frozenset(("completions", "embeddings", "responses", "speech", "transcriptions", "rerank", "messages")),
    params=ParamMap(messages=(messages.SYSTEM,)),
    history=frozenset(("reasoning_content",)),
    quirks=Quirks(mirror=True, think=True, late_usage=False),
)

provider = provider_of(VLLM)
