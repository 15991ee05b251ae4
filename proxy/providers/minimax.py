"""MiniMax: failures come inside a 200; older models think in their text and want to read it again."""

from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import ParamMap
from .openai_dialect.quirks import FILTERED, INVALID, KEY, OVERLOADED, QUOTA, RATE, Meaning, Quirks
from .openai_dialect.spec import Compatible

MINIMAX = Compatible(
    name="minimax",
    base_url="https://api.minimax.io/v1",
    keys=("MINIMAX_API_KEY",),
    offers=frozenset(("responses",)),
    places={"messages": "{host}/anthropic/v1/messages"},
    params=ParamMap(
        drop=frozenset(("n", "presence_penalty", "frequency_penalty", "logit_bias")),
        clamp={"temperature": (0.01, 1)},
        messages=(messages.SYSTEM, messages.REWRAPPED),
    ),
    history=frozenset(("reasoning_content",)),
    top_k=False,
    quirks=Quirks(
        think=True,
        meanings={
            "1001": Meaning(504, "server_error", "timeout"),
            "1002": RATE,
            "1004": KEY,
            "1008": QUOTA,
            "1024": Meaning(500, "server_error"),
            "1026": FILTERED,
            "1027": FILTERED,
            "1033": OVERLOADED,
            "1039": Meaning(429, "tokens", "rate_limit_exceeded"),
            "2013": INVALID,
            "2049": KEY,
        },
    ),
)

provider = provider_of(MINIMAX)
