"""Requests that never were, with times that can be added up by hand."""

from array import array
from collections.abc import Sequence

from proxy.benchmark.phases import Phase
from proxy.benchmark.timeline import Timeline


def request(
    due: float = 0.0,
    *,
    first: float | None = 0.1,
    gaps: Sequence[float] = (0.01, 0.01),
    tail: float = 0.0,
    late: float = 0.0,
    tokens: int | None = None,
    error: str = "",
    side: int = 0,
    number: int = 0,
    phase: Phase = "measured",
) -> Timeline:
    """``first``: seconds from due to the first chunk; ``gaps`` follow; ``tail``: from the last chunk to the end."""
    chunks = array("d")
    at = due
    if first is not None:
        at += first
        chunks.append(at)
        for gap in gaps:
            at += gap
            chunks.append(at)
    return Timeline(
        number=number,
        side=side,
        phase=phase,
        due=due,
        taken=due + late,
        sent=due + late,
        ended=at + tail,
        chunks=chunks,
        status=200,
        error=error,
        message="as it was said" if error else "",
        input_tokens=10,
        output_tokens=tokens,
    )
