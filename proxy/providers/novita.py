"""Novita: models behind vLLM and SGLang."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

NOVITA = Compatible(
    name="novita",
    base_url="https://api.novita.ai/openai/v1",
    keys=("NOVITA_API_KEY",),
    offers=frozenset(("completions", "embeddings", "rerank")),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(NOVITA)
