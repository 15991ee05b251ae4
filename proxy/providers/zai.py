"""Z.ai (GLM): thinks by default, knows one tool choice and one stop sequence; errors have numbers."""

from .compatible import provider_of
from .openai_dialect import edits, messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import FILTERED, INVALID, KEY, QUOTA, RATE, Quirks
from .openai_dialect.spec import Compatible

ZAI = Compatible(
    name="zai",
    base_url="https://api.z.ai/api/paas/v4",
    keys=("ZAI_API_KEY", "ZHIPU_API_KEY"),
    offers=frozenset(("embeddings", "images", "videos", "speech", "transcriptions")),
    places={"messages": "{host}/api/anthropic/v1/messages"},
    params=ParamMap(
        rename=CAP,
        clamp={"temperature": (0.01, 1), "top_p": (0.01, 1)},
        edits=(edits.GLM_SAMPLING, edits.GLM_THINKING, edits.CHOICE_OR_NO_TOOLS, edits.SCHEMA_AS_INSTRUCTION),
        messages=(messages.SYSTEM,),
    ),
    history=frozenset(("reasoning_content",)),
    top_k=False,
    quirks=Quirks(
        meanings={
            **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), KEY),
            **dict.fromkeys(("1210", "1213", "1214"), INVALID),
            "1113": QUOTA,
            "1301": FILTERED,
            **dict.fromkeys(("1302", "1303", "1305"), RATE),
        }
    ),
)

provider = provider_of(ZAI)
