"""LM Studio: an error may be a bare sentence, and has an event of its own in a stream."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

LMSTUDIO = Compatible(
    name="lmstudio",
    base_url="http://localhost:1234/v1",
    keys=("LM_STUDIO_API_KEY",),
    keyless=True,
    offers=frozenset(("completions", "embeddings", "responses", "messages")),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    history=frozenset(("reasoning_content",)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(LMSTUDIO)
