"""Why this provider: the values of the headers that say how a request was routed. Configured names and our own words only."""

from ..context import Attempt, RequestContext
from ..failover.classify import nothing_sent

LONGEST = 1024
"""Bytes of ``x-tollway-reason``."""

_MORE = b"; ..."


def reason_header(ctx: RequestContext) -> bytes:
    """The policy and, after failures, every try that was not the answer: ``policy=priority; openai/gpt-5: rate_limited 429``.

    "" before routing. Printable ASCII, at most ``LONGEST`` bytes.
    """
    plan = ctx.plan
    if plan is None:
        return b""
    parts = [f"policy={plan.policy}"]
    if plan.bound:
        parts.append(f"bound: {plan.bound}")
    last = len(ctx.attempts) - 1
    parts += [said for at, attempt in enumerate(ctx.attempts) if (said := _said(attempt, last=at == last))]
    text = _printable("; ".join(parts))
    return text if len(text) <= LONGEST else text[: LONGEST - len(_MORE)] + _MORE


def fallbacks(ctx: RequestContext) -> int:
    """How many fallback models were asked, each by its public name; a hedge may be one."""
    plan = ctx.plan
    own = {each.model for each in plan.candidates} if plan is not None else set()
    return len({each.public for each in ctx.attempts if _falls_back(each, own) and _sent(each)})


def _falls_back(attempt: Attempt, own: set[str]) -> bool:
    if attempt.role == "hedge":
        return attempt.public not in own and attempt.public != ""
    return attempt.role == "fallback"


def tries(ctx: RequestContext) -> int:
    """How many tries were made. One that a limit of ours forbade was none."""
    return sum([_sent(each) for each in ctx.attempts])


def _sent(attempt: Attempt) -> bool:
    return attempt.fault is None or not nothing_sent(attempt.fault)


def slo_header(ctx: RequestContext, now: float, charge: int | None = None) -> bytes | None:
    """``met; ttft=0.312/0.800``: what is known of the request's targets as its answer starts; ``None``: none of them, or no targets.

    ``now``: the request's clock; ``charge``: micro-dollars, where the whole answer is there.
    """
    slo = ctx.plan.asking.slo if ctx.plan is not None else None
    if slo is None:
        return None
    missed, figures = False, ""
    if slo.ttft is not None:
        waited = now - ctx.started
        missed = waited > slo.ttft
        figures += f"; ttft={waited:.3f}/{slo.ttft:.3f}"
    if slo.cost_usd is not None and charge is not None:
        missed = missed or charge > slo.cost_usd * 1e6
        figures += f"; cost={charge / 1e6:.6f}/{slo.cost_usd:.6f}"
    return (("missed" if missed else "met") + figures).encode() if figures else None


def _said(attempt: Attempt, *, last: bool) -> str:
    """``provider/model: fault status``; "" of the answer itself."""
    fault = attempt.fault
    if fault is None:
        return "" if last else f"{attempt.provider}/{attempt.model}: outrun"
    status = fault.status or attempt.status
    return f"{attempt.provider}/{attempt.model}: {fault.kind}{f' {status}' if status else ''}"


def _printable(text: str) -> bytes:
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text).encode()
