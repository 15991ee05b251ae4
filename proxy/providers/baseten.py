"""Baseten: model APIs behind vLLM and SGLang."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

BASETEN = Compatible(
    name="baseten",
    base_url="https://inference.baseten.co/v1",
    keys=("BASETEN_API_KEY",),
    offers=frozenset(),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(BASETEN)
