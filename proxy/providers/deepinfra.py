"""DeepInfra: no call can be forced."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

DEEPINFRA = Compatible(
    name="deepinfra",
    base_url="https://api.deepinfra.com/v1/openai",
    keys=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
    offers=frozenset(("completions", "embeddings", "images", "speech", "transcriptions")),
    places={"messages": "{host}/anthropic/v1/messages"},
    params=ParamMap(rename=CAP, edits=(edits.CHOICE_AUTO,), messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(DEEPINFRA)
