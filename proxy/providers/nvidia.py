"""NVIDIA NIM: each model has a schema of its own and refuses what is not in it; errors are problem documents."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, OPENAI_ONLY, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

NVIDIA = Compatible(
    name="nvidia",
    base_url="https://integrate.api.nvidia.com/v1",
    keys=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"),
    offers=frozenset(("embeddings", "completions")),
    params=ParamMap(rename=CAP, drop=OPENAI_ONLY, messages=(messages.SYSTEM, messages.plain())),
    quirks=Quirks(think=True),
)

provider = provider_of(NVIDIA)
