"""Nebius Token Factory: models behind vLLM."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

NEBIUS = Compatible(
    name="nebius",
    base_url="https://api.tokenfactory.nebius.com/v1",
    keys=("NEBIUS_API_KEY",),
    offers=frozenset(("completions", "embeddings", "images")),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(NEBIUS)
