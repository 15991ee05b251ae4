"""Friendli: serverless endpoints."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

FRIENDLI = Compatible(
    name="friendli",
    base_url="https://api.friendli.ai/serverless/v1",
    keys=("FRIENDLI_TOKEN",),
    offers=frozenset(("completions",)),
    params=ParamMap(rename=CAP, messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(FRIENDLI)
