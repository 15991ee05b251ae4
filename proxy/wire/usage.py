"""Token counts, where each number came from, and how OpenAI's two ``usage`` shapes are read."""

from typing import Literal

import msgspec
from msgspec import Struct

Source = Literal["reported", "counted", "estimated"]
"""``reported`` by the provider, ``counted`` by our tokeniser from the text that passed, ``estimated`` from bytes."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of one request. ``input`` includes ``cached`` and ``output`` includes ``reasoning``, as OpenAI reports them."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    input_source: Source = "estimated"
    output_source: Source = "estimated"


NO_USAGE = Usage()


class _Details(Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class ReportedUsage(Struct, frozen=True):
    """``usage`` as chat (``prompt_tokens``) or responses, images and audio (``input_tokens``) write it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None

    def normalised(self) -> Usage | None:
        """Our classes; ``None`` when the object holds no sane token figure (durations, negatives)."""
        prompt = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        if prompt is None or prompt < 0:
            return None
        output = (self.completion_tokens if self.completion_tokens is not None else self.output_tokens) or 0
        if output < 0:
            return None
        details_in = self.prompt_tokens_details or self.input_tokens_details
        details_out = self.completion_tokens_details or self.output_tokens_details
        cached = (details_in.cached_tokens or 0) if details_in else 0
        reasoning = (details_out.reasoning_tokens or 0) if details_out else 0
        return Usage(
            input=prompt,
            output=output,
            # A part cannot exceed its whole, whatever a provider writes.
            cached=min(max(cached, 0), prompt),
            reasoning=min(max(reasoning, 0), output),
            input_source="reported",
            output_source="reported",
        )


class _Reply(Struct, frozen=True):
    usage: ReportedUsage | None = None


_reply = msgspec.json.Decoder(_Reply)


def reported_in(body: bytes) -> Usage | None:
    """Usage of a whole JSON answer; ``None`` when it reports none or is not what it says."""
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return reply.usage.normalised() if reply.usage is not None else None
