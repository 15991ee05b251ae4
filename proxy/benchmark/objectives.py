"""The service level that a good request meets: ``ttft:300 tpot:50 e2el:2000``, upper bounds in milliseconds as vLLM writes them."""

from collections.abc import Iterable

METRICS = ("ttft", "tpot", "e2el")


class BadObjective(ValueError):
    """No objective can be read from it."""


def read(texts: Iterable[str]) -> dict[str, float]:
    """Metric to its bound in seconds. Raises ``BadObjective``."""
    found: dict[str, float] = {}
    for item in (item for text in texts for item in text.replace(",", " ").split()):
        name, _, bound = item.partition(":")
        try:
            limit = float(bound)
        except ValueError:
            limit = -1.0
        if name not in METRICS or not 0 < limit < float("inf"):
            raise BadObjective(f"{item!r} is no objective: write METRIC:MILLISECONDS with {', '.join(METRICS)}")
        if name in found:
            raise BadObjective(f"{name} is given twice")
        found[name] = limit / 1000.0
    return found
