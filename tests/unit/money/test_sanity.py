"""Figures of a provider that cannot be: our own count, and a mark. Figures that only look so: theirs."""

import pytest

from proxy.context import RequestContext, TokenEstimate
from proxy.errors import UpstreamCut
from proxy.money.sanity import ABSURD, TAG, doubted, judged, needs_count
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import EMBEDDINGS, IMAGES, RESPONSES
from proxy.wire.usage import NO_USAGE, Usage, reported, usage_in

from .made import COUNTED, context, pricing

OWN = Usage(input=950, output=100, input_source="counted", output_source="counted")


def made(usage: Usage, *, text: str = "") -> RequestContext:
    ctx = context(pricing())
    ctx.usage = usage
    if text:
        ctx.output_text.append(text)
    return ctx


def test_believable_usage_is_not_even_counted() -> None:
    ctx = made(reported(prompt=9000, output=100_000))
    assert not doubted(ctx)
    assert not needs_count(ctx)
    assert judged(ctx, OWN) is ctx.usage
    assert TAG not in ctx.tags


@pytest.mark.parametrize(
    ("usage", "text"),
    [(reported(prompt=9501, output=100), ""), (reported(prompt=1000, output=1001), "some words")],
)
def test_ten_times_our_count_is_not_believed(usage: Usage, text: str) -> None:
    ctx = made(usage, text=text)
    assert doubted(ctx)
    assert needs_count(ctx)
    own = Usage(input=950, output=100, input_source="counted", output_source="counted")
    found = judged(ctx, own)
    assert (found.input, found.input_source) == (950, "counted")
    # Where only the prompt was doubted only it was counted.
    assert (found.output, found.output_source) == (100, "counted" if text else "reported")
    assert ctx.tags[TAG] == ABSURD
    ctx.usage = own
    prices = pricing()
    assert "usage_absurd" in prices.entry(ctx, prices.settled(ctx), 1.0, 2.0).flags


def test_a_count_that_agrees_clears_the_doubt() -> None:
    ctx = made(reported(prompt=9501, output=100))
    assert judged(ctx, Usage(input=951, output=1, input_source="counted", output_source="counted")) is ctx.usage
    assert TAG not in ctx.tags


def test_small_figures_are_never_absurd() -> None:
    ctx = made(reported(prompt=1000, output=1000), text="ok")
    ctx.estimate = TokenEstimate(likely=3, bound=20)
    own = Usage(input=3, output=1, input_source="counted", output_source="counted")
    assert judged(ctx, own) is ctx.usage


def test_reasoning_and_sound_leave_no_text() -> None:
    ctx = made(reported(prompt=1000, output=50_000, reasoning=48_000, audio_output=1_500), text="short")
    assert judged(ctx, OWN) is ctx.usage


@pytest.mark.parametrize(
    "field", [b'"previous_response_id":"r"', b'"image_url":{}', b'"tools":[{"type":"web_search"}]']
)
def test_what_the_body_does_not_show_cannot_contradict(field: bytes) -> None:
    ctx = made(reported(prompt=900_000, output=1))
    ctx.body, ctx.endpoint = b'{"input":"x",' + field + b"}", RESPONSES
    assert not doubted(ctx)
    assert judged(ctx, OWN) is ctx.usage


def test_more_than_the_bytes_can_hold_is_needed_to_doubt_a_prompt() -> None:
    ctx = made(reported(prompt=9501, output=1))
    ctx.estimate = TokenEstimate(likely=900, bound=10_000)
    assert not doubted(ctx)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -5, "completion_tokens": 3},
        {"prompt_tokens": 5, "completion_tokens": -3},
        {"prompt_tokens": "many"},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
    ],
)
def test_missing_and_negative_usage_is_counted(usage: dict[str, object] | None) -> None:
    found = usage_in(usage) if usage else None  # type: ignore[arg-type]
    assert found is None
    ctx = made(found or NO_USAGE, text="words")
    assert needs_count(ctx)
    assert judged(ctx, COUNTED) is COUNTED


def test_a_cut_stream_pays_for_what_was_sent_and_not_for_its_first_report() -> None:
    ctx = made(reported(prompt=1000, output=1), text="many words")
    ctx.error, ctx.outcome, ctx.first_token_at = UpstreamCut("x"), "upstream_error", 3.0
    ctx.request = RequestView(stream=True)
    found = judged(ctx, OWN)
    assert (found.input, found.input_source, found.output, found.output_source) == (1000, "reported", 100, "counted")
    assert pricing().settled(ctx).count == "reported"
    ctx.usage = found
    assert pricing().settled(ctx).count == "counted"


def test_what_is_counted() -> None:
    ctx = made(NO_USAGE)
    assert needs_count(ctx)
    ctx.endpoint = EMBEDDINGS
    assert needs_count(ctx)
    ctx.endpoint = IMAGES
    assert not needs_count(ctx)
    early = made(NO_USAGE)
    early.attempts[-1].status, early.outcome = 0, "client_closed"
    assert needs_count(early), "the prompt is charged"
    early.ledger_id = ""
    assert not needs_count(early), "nobody pays for it"
    early.attempts.clear()
    assert not needs_count(early)
