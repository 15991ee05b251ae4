"""Token counts, where each number came from, and how OpenAI's two ``usage`` shapes are read."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from .values import LARGEST, UNREADABLE, JsonObject

Source = Literal["reported", "counted", "estimated"]
"""``reported`` by the provider, ``counted`` by our tokeniser from the text that passed, ``estimated`` from bytes."""


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """Tokens of one request, as OpenAI reports them: ``input`` includes ``cached``, ``cache_write`` and ``audio_input``,
    ``output`` includes ``reasoning`` and ``audio_output``."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    audio_input: int = 0
    reasoning: int = 0
    audio_output: int = 0
    input_source: Source = "estimated"
    output_source: Source = "estimated"


NO_USAGE = Usage()


ABSURD_FACTOR = 10
FLOOR = 100
"""Tokens: below it nothing is absurd, since hidden prompts and framing are of that size."""

SANE = ABSURD_FACTOR * FLOOR
"""Up to so many are not too many, whatever we know of."""


def excessive(reported: int, own: int) -> bool:
    """Are so many tokens more than ten times what we know of?"""
    return reported > ABSURD_FACTOR * max(own, FLOOR)


def visible_output(usage: Usage) -> int:
    """Output tokens that leave a trace in the answer's text."""
    return usage.output - usage.reasoning - usage.audio_output


class _Details(Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class ReportedUsage(Struct, frozen=True, gc=False):
    """``usage`` as chat (``prompt_tokens``) or responses, images and audio (``input_tokens``) write it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None

    def normalised(self) -> Usage | None:
        """Our classes; ``None`` when the object holds no sane token figure (durations, negatives)."""
        prompt = self.prompt_tokens
        if prompt is None:
            prompt = self.input_tokens
        if prompt is None or not 0 <= prompt <= LARGEST:
            return None
        if self.prompt_tokens is None and (self.cache_read_input_tokens or self.cache_creation_input_tokens):
            return anthropic_usage(
                {
                    "input_tokens": prompt,
                    "output_tokens": max(self.output_tokens or 0, 0),
                    "cache_read_input_tokens": max(self.cache_read_input_tokens or 0, 0),
                    "cache_creation_input_tokens": max(self.cache_creation_input_tokens or 0, 0),
                }
            )
        output = (self.completion_tokens if self.completion_tokens is not None else self.output_tokens) or 0
        if not 0 <= output <= LARGEST:
            return None
        details_in = self.prompt_tokens_details or self.input_tokens_details
        details_out = self.completion_tokens_details or self.output_tokens_details
        if details_in is None and details_out is None:
            return Usage(input=prompt, output=output, input_source="reported", output_source="reported")
        return reported(
            prompt=prompt,
            output=output,
            cached=(details_in.cached_tokens or 0) if details_in else 0,
            cache_write=(details_in.cache_write_tokens or 0) if details_in else 0,
            audio_input=(details_in.audio_tokens or 0) if details_in else 0,
            reasoning=(details_out.reasoning_tokens or 0) if details_out else 0,
            audio_output=(details_out.audio_tokens or 0) if details_out else 0,
        )


def reported(
    *,
    prompt: int,
    output: int,
    cached: int = 0,
    cache_write: int = 0,
    audio_input: int = 0,
    reasoning: int = 0,
    audio_output: int = 0,
) -> Usage:
    """A provider's own figures. A part cannot exceed its whole, whatever a provider writes: what does is cut down."""
    if not (cached or cache_write or audio_input or reasoning or audio_output):
        return Usage(input=prompt, output=output, input_source="reported", output_source="reported")
    cached = min(max(cached, 0), prompt)
    reasoning = min(max(reasoning, 0), output)
    return Usage(
        input=prompt,
        output=output,
        cached=cached,
        cache_write=min(max(cache_write, 0), prompt - cached),
        audio_input=min(max(audio_input, 0), prompt),
        reasoning=reasoning,
        audio_output=min(max(audio_output, 0), output),
        input_source="reported",
        output_source="reported",
    )


def anthropic_usage(figures: Mapping[str, int]) -> Usage | None:
    """Usage from Anthropic's counters, whose ``input_tokens`` leaves out what was read from and written to the cache."""
    if "input_tokens" not in figures and "output_tokens" not in figures:
        return None
    cached = figures.get("cache_read_input_tokens", 0)
    written = figures.get("cache_creation_input_tokens", 0)
    prompt, output = figures.get("input_tokens", 0) + cached + written, figures.get("output_tokens", 0)
    if prompt > LARGEST or output > LARGEST:
        return None
    return reported(
        prompt=prompt,
        output=output,
        cached=cached,
        cache_write=written,
    )


class _Reply(Struct, frozen=True, gc=False):
    usage: ReportedUsage | None = None


_reply = msgspec.json.Decoder(_Reply)


_WORD = b'"usage"'

_TAIL = 4096
"""Bytes at the end of an answer in which its usage mostly stands."""


def reported_in(body: bytes) -> Usage | None:
    """Usage of a whole JSON answer; ``None`` when it reports none or is not what it says."""
    at = body.rfind(_WORD, -_TAIL)
    if at > 0 and body[at - 1] != 0x5C:
        # A quote that is not escaped begins a key here, and what is an object from it to the end is the rest of the answer's own.
        try:
            reply = _reply.decode(b"{" + body[at:])
        except UNREADABLE:
            pass
        else:
            if reply.usage is not None:
                return reply.usage.normalised()
    try:
        reply = _reply.decode(body)
    except UNREADABLE:
        return None
    return reply.usage.normalised() if reply.usage is not None else None


def usage_in(usage: JsonObject) -> Usage | None:
    """Usage from a decoded ``usage`` object, ours or a provider's; ``None`` when it holds no sane token figure."""
    if not usage:
        return None
    try:
        return msgspec.convert(usage, ReportedUsage).normalised()
    except msgspec.ValidationError:
        return None
