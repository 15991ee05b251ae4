"""DeepSeek: thinks unless told otherwise, and wants the reasoning of its tool calls back."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

DEEPSEEK = Compatible(
    name="deepseek",
    base_url="https://api.deepseek.com",
    keys=("DEEPSEEK_API_KEY",),
    offers=frozenset(("responses",)),
    places={"completions": "{host}/beta/completions", "messages": "{host}/anthropic/v1/messages"},
    params=ParamMap(
        rename=CAP,
        edits=(edits.FUNCTIONS_ONLY, edits.SCHEMA_AS_INSTRUCTION, edits.DEEPSEEK_THINKING),
        messages=(messages.SYSTEM, messages.OLD_REASONER),
    ),
    history=frozenset(("reasoning_content",)),
    top_k=False,
    quirks=Quirks(),
)

provider = provider_of(DEEPSEEK)
