"""xAI: reasoning models refuse penalties and stop; reasoning is not among the completion tokens; an error is a bare sentence."""

from .compatible import provider_of
from .openai_dialect import edits
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import FILTERED, Meaning, Quirks
from .openai_dialect.spec import Compatible

XAI = Compatible(
    name="xai",
    base_url="https://api.x.ai/v1",
    keys=("XAI_API_KEY",),
    offers=frozenset(("responses", "images", "videos", "speech", "transcriptions", "embeddings", "realtime")),
    params=ParamMap(edits=(edits.XAI_REASONING,)),
    top_k=False,
    quirks=Quirks(
        reasoning_beside=True,
        meanings={
            "SAFETY_CHECK": Meaning(0, FILTERED.type, FILTERED.code),
            "invalid-argument": Meaning(0, "invalid_request_error"),
        },
    ),
)

provider = provider_of(XAI)
