"""What ends a request's way through its targets."""

from typing import Literal

from ..context import RequestContext
from ..policy.faults import Fault, FaultKind

Stop = Literal["attempts", "budget", "deadline", "nothing_left", "not_replayable", "client"]

STOPS: dict[Stop, str] = {
    "attempts": "As many tries were made as `retry.attempts` or `x-tollway-retries` allow.",
    "budget": "The retry budget of the upstream that the request began with is used up.",
    "deadline": "Too little of the request's deadline is left for one more try, or for the pause before it.",
    "nothing_left": "Every target and fallback that the fault allows was tried, rests or is full.",
    "not_replayable": "The request may have created something, or its body was streamed through and is gone.",
    "client": "The request is at fault: it would fail anywhere.",
}
"""Why nothing more was tried. docs/failover.md prints it."""

NOTHING_CREATED: frozenset[FaultKind] = frozenset(
    (
        "connect",
        "connect_timeout",
        "tls",
        "limited_here",
        "rate_limited",
        "overloaded",
        "credentials",
        "quota",
        "model_missing",
        "forbidden",
        "too_large",
        "context_length",
        "content_policy",
    )
)
"""Faults after which no target has begun to work: then even a request that may create something goes elsewhere."""


def final(fault: Fault) -> bool:
    """Is nothing to be tried after such a fault?"""
    action = fault.action
    return not (action.again or action.elsewhere or action.named)


def repeatable(ctx: RequestContext, fault: Fault) -> bool:
    """May the request be sent once more, after this fault?"""
    return ctx.upload is None and (ctx.endpoint.replay or fault.kind in NOTHING_CREATED)
