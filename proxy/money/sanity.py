"""Are a provider's figures believable? What is missing is counted here; what is ten times our own count is not taken over.

Counting is dear, so a cheap look comes first: only what it doubts is counted, and only what the count contradicts is replaced.
"""

import re

from msgspec import structs

from ..context import RequestContext
from ..wire.usage import Usage, excessive, visible_output
from .endings import ENDINGS, ending_of

TAG = "usage"
ABSURD = "absurd"
"""``ctx.tags[TAG]`` of a request whose reported usage was not believed."""

_COUNTABLE = ("chat", "completions", "responses", "messages")

_UNSEEN = (
    b'"previous_response_id"',
    b'"conversation"',
    b'"file_id"',
    b'"file_url"',
    b'"image_url"',
    b'"web_search',
    b'"web_fetch',
    b'"file_search"',
    b'"code_interpreter"',
    b'"code_execution',
    b'"search_parameters"',
    b'"mcp',
    b'"container"',
    b'"file_data"',
    b'"input_audio"',
    b'"video_url"',
    b'"document"',
    b'"source"',
    b"\\u00",
)
"""Fields of a request whose tokens the body does not show, a field whose name is escaped among them: their count cannot contradict
anybody."""

_PROMPT = re.compile(rb'"prompt"\s*:\s*\{')


def doubted(ctx: RequestContext) -> bool:
    """Is reported usage to be compared with a count? Cheap. Text beside reported usage is kept only where the relay doubts it."""
    usage = ctx.usage
    return usage.input_source == "reported" and (bool(ctx.output_text) or beyond_the_body(ctx, usage))


def beyond_the_body(ctx: RequestContext, usage: Usage) -> bool:
    """Is the prompt said to be longer than the body can hold? ``bound`` is one token a byte and the dearest image for each."""
    estimate, tokens = ctx.estimate, usage.input
    if tokens <= estimate.bound or not excessive(tokens, estimate.likely):
        return False
    return ctx.endpoint.dialect in _COUNTABLE and bool(ctx.body) and not _unseen(ctx.body)


def _unseen(body: bytes) -> bool:
    return any(field in body for field in _UNSEEN) or _PROMPT.search(body) is not None


def needs_count(ctx: RequestContext) -> bool:
    """Must tokens be counted before the request can be settled: none were reported, or the figures are doubted?"""
    usage = ctx.usage
    if usage.input_source == "reported" and not ctx.output_text and usage.input <= ctx.estimate.bound:
        # Nearly all.
        return False
    if not ctx.attempts or not (ctx.body or ctx.output_text):
        return False
    if usage.input_source == "reported":
        return bool(ctx.output_text) or beyond_the_body(ctx, usage)
    if ctx.endpoint.dialect not in _COUNTABLE and ctx.endpoint.name != "embeddings" and not any(ctx.output_text):
        return False
    return 200 <= ctx.attempts[-1].status < 300 or (bool(ctx.ledger_id) and ending_of(ctx).operator != "nothing")


def judged(ctx: RequestContext, own: Usage) -> Usage:
    """The usage that holds, given our ``own`` count: the reported one, unless it is missing, absurd, or stops short of what was sent."""
    reported = ctx.usage
    if reported.input_source != "reported":
        return own
    absurd_input = beyond_the_body(ctx, reported) and excessive(reported.input, own.input)
    absurd_output = bool(ctx.output_text) and excessive(visible_output(reported), own.output)
    if absurd_input or absurd_output:
        ctx.tags[TAG] = ABSURD
        if bool(ctx.output_text) or reported.output == 0:
            return own
        # Only the prompt was doubted, and so only it was counted.
        return Usage(
            input=own.input,
            output=reported.output,
            reasoning=reported.reasoning,
            audio_output=reported.audio_output,
            input_source=own.input_source,
            output_source=reported.output_source,
        )
    if reported.output == 0 and own.output > 0:
        # Nobody writes for nothing: a figure of 0 beside a text is none.
        prompt = reported if reported.input else own
        return structs.replace(prompt, output=own.output, output_source=own.output_source)
    if ending_of(ctx) is not ENDINGS["complete"] and own.output > reported.output:
        # A stream that was cut: its first event reports the prompt, and of the answer only the beginning.
        return structs.replace(reported, output=own.output, output_source=own.output_source)
    return reported
