"""Together: counts log probabilities, and some models write their reasoning into the text."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

TOGETHER = Compatible(
    name="together",
    base_url="https://api.together.ai/v1",
    keys=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
    offers=frozenset(("completions", "embeddings", "images", "speech", "transcriptions", "rerank")),
    params=ParamMap(
        rename=CAP,
        drop=frozenset(("top_logprobs",)),
        clamp={"n": (1, 128)},
        edits=(edits.TOGETHER_LOGPROBS,),
        messages=(messages.SYSTEM,),
    ),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(TOGETHER)
