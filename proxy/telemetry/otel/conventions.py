"""OpenTelemetry's names for what happened: the GenAI conventions as of 1.36 and, where asked for, as they are now.

Sources: open-telemetry/semantic-conventions v1.36.0 and v1.40.0, open-telemetry/semantic-conventions-genai (November 2026).
"""

from collections.abc import Mapping

from msgspec import Struct

DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Seconds: bounds of all GenAI times."""

HTTP_DURATION = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS = tuple(4.0**power for power in range(14))

PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "moonshot": "moonshot_ai",
}
"""Our provider ids whose well-known name is another. The others keep theirs."""

_FORMERLY: Mapping[str, str] = {"x_ai": "xai"}

UNGENERATIVE = frozenset(("passthrough", "list_models", "count_tokens"))
"""Operations that ask no model for anything: they have spans, and no GenAI metrics."""

EMBEDDINGS = "embeddings"


class Named(Struct, frozen=True):
    """A metric: its name, unit and what it says. ``bounds`` of its buckets; none: it is a counter."""

    name: str
    unit: str
    about: str
    bounds: tuple[float, ...] = ()


class Names(Struct, frozen=True, kw_only=True):
    """One generation of the conventions. ``None``: it has no such metric."""

    provider: str
    """The attribute that says whose model it is."""
    cache_write: str
    duration: Named
    first: Named
    between: Named
    usage: Named | None
    """One histogram of all tokens, by ``gen_ai.token.type``."""
    input: Named | None = None
    output: Named | None = None
    """Tokens of one operation."""
    counters: Mapping[str, Named] = {}
    """Tokens in all, by the fields of ``Usage``."""


def _seconds(name: str, about: str) -> Named:
    return Named(name, "s", about, DURATION)


def _tokens(name: str, about: str) -> Named:
    return Named(name, "{token}", about, TOKENS)


def _count(name: str, about: str) -> Named:
    return Named(name, "{token}", about)


_OPERATION, _INFERENCE, _VECTORS = "gen_ai.client.operation.", "gen_ai.client.inference.", "gen_ai.client.embeddings."

_TIMES = {
    "duration": "From sending to a provider to the end of its answer.",
    "first": "From sending to a provider to the first generated token.",
    "between": "Time per chunk after the first.",
}

FORMER = Names(
    provider="gen_ai.system",
    cache_write="gen_ai.usage.cache_creation.input_tokens",
    duration=_seconds(_OPERATION + "duration", _TIMES["duration"]),
    first=_seconds(_OPERATION + "time_to_first_chunk", _TIMES["first"]),
    between=_seconds(_OPERATION + "time_per_output_chunk", _TIMES["between"]),
    usage=_tokens("gen_ai.client.token.usage", "Tokens of an operation."),
)
"""What is used unless the newer ones are asked for."""

LATEST = Names(
    provider="gen_ai.provider.name",
    cache_write="gen_ai.usage.cache_write.input_tokens",
    duration=_seconds(_INFERENCE + "duration", _TIMES["duration"]),
    first=_seconds(_INFERENCE + "time_to_first_chunk", _TIMES["first"]),
    between=_seconds(_INFERENCE + "time_per_output_chunk", _TIMES["between"]),
    usage=None,
    input=_tokens(_INFERENCE + "operation.input_tokens", "Input tokens of an operation."),
    output=_tokens(_INFERENCE + "operation.output_tokens", "Output tokens of an operation."),
    counters={
        "input": _count(_INFERENCE + "usage.input_tokens", "Input tokens."),
        "output": _count(_INFERENCE + "usage.output_tokens", "Output tokens."),
        "cached": _count(_INFERENCE + "usage.cache_read.input_tokens", "Input tokens read from a provider's cache."),
        "cache_write": _count(_INFERENCE + "usage.cache_write.input_tokens", "Input tokens written to one."),
        "reasoning": _count(_INFERENCE + "usage.reasoning.output_tokens", "Output tokens spent on reasoning."),
    },
)

LATEST_EMBEDDINGS = Names(
    provider=LATEST.provider,
    cache_write=LATEST.cache_write,
    duration=_seconds(_VECTORS + "duration", _TIMES["duration"]),
    first=LATEST.first,
    between=LATEST.between,
    usage=None,
    input=_tokens(_VECTORS + "operation.input_tokens", "Input tokens of an operation."),
)

HTTP_SERVER = Named("http.server.request.duration", "s", "From a request's head to its end.", HTTP_DURATION)


def names_of(operation: str, *, latest: bool) -> Names:
    """Those that an operation's spans and metrics have."""
    if not latest:
        return FORMER
    return LATEST_EMBEDDINGS if operation == EMBEDDINGS else LATEST


def provider_name(use: str, *, latest: bool) -> str:
    """A provider id of ours as the conventions write it."""
    name = PROVIDERS.get(use, use)
    return name if latest else _FORMERLY.get(name, name)
