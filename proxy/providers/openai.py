"""OpenAI, and any server that speaks its dialect under another base URL."""

from .compatible import Compatible

BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"


def provider(
    name: str, *, base_url: str | None, api_key: str | None, headers: tuple[tuple[str, str], ...], forwards: bool
) -> Compatible:
    """An account at OpenAI, or at ``base_url``: a bare host gets ``/v1``, a path is taken as it is given."""
    url = (base_url or BASE_URL).rstrip("/")
    if url.count("/") == 2:
        url += "/v1"
    return Compatible(name=name, base_url=url, api_key=api_key, headers=headers, forwards=forwards)
