"""OpenAI, and any server that speaks its dialect under another base URL: every byte passes, but for the models' own rules."""

from .compatible import provider_of
from .openai_dialect.spec import Compatible

BASE_URL = "https://api.openai.com/v1"

OPENAI = Compatible(
    name="openai",
    base_url=BASE_URL,
    keys=("OPENAI_API_KEY",),
    headers={
        "openai-organization": ("organization", "OPENAI_ORG_ID"),
        "openai-project": ("project", "OPENAI_PROJECT_ID"),
    },
    exact=True,
    shims=True,
    top_k=False,
)

provider = provider_of(OPENAI)
