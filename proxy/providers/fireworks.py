"""Fireworks: reasons in ``reasoning_content``; images and audio have hosts of their own."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.spec import Compatible

FIREWORKS = Compatible(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    keys=("FIREWORKS_API_KEY",),
    offers=frozenset(("completions", "embeddings", "responses", "rerank", "messages")),
    params=ParamMap(
        rename=CAP,
        clamp={"top_logprobs": (0, 5)},
        edits=(edits.FIREWORKS_EFFORT,),
        messages=(messages.SYSTEM,),
    ),
    history=frozenset(("reasoning_content",)),
)

provider = provider_of(FIREWORKS)
