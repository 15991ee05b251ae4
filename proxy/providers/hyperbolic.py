"""Hyperbolic: models behind vLLM; errors come without an envelope."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

HYPERBOLIC = Compatible(
    name="hyperbolic",
    base_url="https://api.hyperbolic.xyz/v1",
    keys=("HYPERBOLIC_API_KEY",),
    offers=frozenset(("completions", "images", "speech")),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(HYPERBOLIC)
