"""Meta's Llama API in its compatible form."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import OPENAI_ONLY, ParamMap
from .openai_dialect.spec import Compatible

LLAMA = Compatible(
    name="llama",
    base_url="https://api.llama.com/compat/v1",
    keys=("LLAMA_API_KEY", "META_API_KEY"),
    params=ParamMap(drop=OPENAI_ONLY, messages=(messages.SYSTEM,)),
)

provider = provider_of(LLAMA)
