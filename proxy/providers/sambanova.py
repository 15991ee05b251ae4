"""SambaNova: overlooks log probabilities, several answers, penalties and seeds; said here rather than silently."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

SAMBANOVA = Compatible(
    name="sambanova",
    base_url="https://api.sambanova.ai/v1",
    keys=("SAMBANOVA_API_KEY",),
    offers=frozenset(("embeddings", "transcriptions", "responses")),
    params=ParamMap(
        drop=frozenset(
            ("logprobs", "top_logprobs", "n", "presence_penalty", "frequency_penalty", "seed", "logit_bias")
        ),
        messages=(messages.SYSTEM,),
    ),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(SAMBANOVA)
