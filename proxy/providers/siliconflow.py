"""SiliconFlow: usage in every chunk; an error may be a bare string."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

SILICONFLOW = Compatible(
    name="siliconflow",
    base_url="https://api.siliconflow.com/v1",
    keys=("SILICONFLOW_API_KEY",),
    offers=frozenset(("embeddings", "rerank", "images", "speech", "transcriptions")),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(SILICONFLOW)
