"""Perplexity: every chunk repeats the whole message; roles must take turns; sources stand beside the answer."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import OPENAI_ONLY, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

PERPLEXITY = Compatible(
    name="perplexity",
    base_url="https://api.perplexity.ai",
    keys=("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),
    offers=frozenset(),
    places={"responses": "{host}/v1/responses", "embeddings": "{host}/v1/embeddings"},
    params=ParamMap(
        rename={"max_completion_tokens": "max_tokens"},
        drop=frozenset(("stop", "n", "logprobs", "top_logprobs", "logit_bias", "seed"))
        | (OPENAI_ONLY - {"web_search_options"}),
        edits=(edits.NO_JSON_OBJECT,),
        messages=(messages.ALTERNATING, messages.SYSTEM),
    ),
    quirks=Quirks(think=True),
)

provider = provider_of(PERPLEXITY)
