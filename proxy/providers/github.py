"""GitHub Models: Azure's serving of OpenAI's and other models, under OpenAI's rules."""

from .compatible import provider_of
from .openai_dialect.quirks import Meaning, Quirks
from .openai_dialect.spec import Compatible

GITHUB = Compatible(
    name="github",
    base_url="https://models.github.ai/inference",
    keys=("GITHUB_TOKEN",),
    offers=frozenset(("embeddings",)),
    shims=True,
    top_k=False,
    quirks=Quirks(
        think=True,
        meanings={"tokens_limit_reached": Meaning(400, "invalid_request_error", "context_length_exceeded")},
    ),
)

provider = provider_of(GITHUB)
