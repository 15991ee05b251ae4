"""Hugging Face's router: what the provider behind it does shows through, so every repair is at hand."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

HUGGINGFACE = Compatible(
    name="huggingface",
    base_url="https://router.huggingface.co/v1",
    keys=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    headers={"x-hf-bill-to": ("bill_to", "HF_BILL_TO")},
    offers=frozenset(("responses",)),
    params=ParamMap(messages=(messages.SYSTEM,)),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(HUGGINGFACE)
