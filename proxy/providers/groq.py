"""Groq: refuses log probabilities, names and several answers; reasons in ``reasoning``; errors inside streams have an event of their own."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import Meaning, Quirks
from .openai_dialect.spec import Compatible

GROQ = Compatible(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    keys=("GROQ_API_KEY",),
    offers=frozenset(("responses", "transcriptions", "speech")),
    params=ParamMap(
        drop=frozenset(("logprobs", "top_logprobs", "logit_bias", "n", "top_k")),
        messages=(messages.NAMELESS, messages.REASONING, messages.plain("reasoning")),
    ),
    history=frozenset(("reasoning_content", "reasoning")),
    top_k=False,
    quirks=Quirks(
        mirror=True,
        meanings={"tool_use_failed": Meaning(400, "invalid_request_error", "tool_use_failed")},
    ),
)

provider = provider_of(GROQ)
