"""Ollama: a model's context is cut silently where the server is set so; tool choice, bias and several answers are overlooked."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

OLLAMA = Compatible(
    name="ollama",
    base_url="http://localhost:11434/v1",
    keys=("OLLAMA_API_KEY",),
    keyless=True,
    offers=frozenset(("completions", "embeddings", "responses", "messages")),
    params=ParamMap(
        rename=CAP,
        drop=frozenset(("tool_choice", "logit_bias", "n")),
        messages=(messages.SYSTEM, messages.REASONING),
    ),
    history=frozenset(("reasoning_content", "reasoning")),
    quirks=Quirks(mirror=True, think=True),
)

provider = provider_of(OLLAMA)
