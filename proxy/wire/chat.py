"""The typed view of a request body: only the fields the gateway acts on; everything else stays in the original bytes."""

from typing import Annotated

from msgspec import Meta, Struct

TokenCap = Annotated[int, Meta(ge=0, le=100_000_000)]
Choices = Annotated[int, Meta(ge=1, le=1024)]
Names = Annotated[tuple[str, ...], Meta(max_length=20)]


class StreamOptions(Struct, frozen=True):
    """``stream_options`` as far as we act on it."""

    include_usage: bool | None = None


class RequestView(Struct, frozen=True):
    """What the links read of any JSON request. Caps are in tokens."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCap | None = None
    max_completion_tokens: TokenCap | None = None
    max_output_tokens: TokenCap | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    models: Names | None = None
    """Names to try in order, as OpenRouter has it."""


EMPTY = RequestView()

ACTED_ON: tuple[bytes, ...] = (
    b"model",
    b"models",
    b"stream",
    b"stream_options",
    b"max_tokens",
    b"max_completion_tokens",
    b"max_output_tokens",
    b"n",
    b"best_of",
)
"""Keys whose duplicates are refused: we would act on one copy and an upstream perhaps on the other."""

DESTINATION_KEYS: tuple[bytes, ...] = (
    b"api_base",
    b"api_base_url",
    b"base_url",
    b"api_key",
    b"api_type",
    b"custom_llm_provider",
)
"""Body keys with which other gateways let a client choose where its request, and our credentials, go."""
