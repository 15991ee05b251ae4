"""The result as JSON, with the names that ``vllm bench serve`` gives its fields, so that what plots those reads these.

What only we know is under ``tollway``. Where nothing was measured there is ``null``, never 0.
"""

from collections.abc import Iterator

from ..wire.values import Json, JsonObject
from .figures import Figures
from .outcome import Outcome
from .statistics import Difference, Repetition, Summary
from .timeline import Timeline

METRICS = ("ttft", "tpot", "itl", "e2el")


def document(found: Outcome, *, details: bool = False) -> JsonObject:
    """``details`` adds the lists of single requests that vLLM saves with ``--save-detailed``."""
    settings = found.settings
    made: JsonObject = {
        "date": settings.date,
        "endpoint_type": "openai-chat",
        "backend": "openai-chat",
        "label": None,
        "model_id": settings.model,
        "tokenizer_id": None,
        "num_prompts": found.measured.completed + found.measured.failed + found.measured.interrupted,
        "request_rate": settings.rate if settings.rate is not None else "inf",
        "burstiness": 1.0 if settings.rate is not None and settings.arrivals == "poisson" else None,
        "max_concurrency": settings.concurrency,
        **_figures(found.measured),
    }
    if details:
        made |= _details([each for each in found.timelines if each.side == 0])
    made["tollway"] = _ours(found)
    return made


def _figures(found: Figures) -> JsonObject:
    """Throughput and times of one side. Times in milliseconds."""
    made: JsonObject = {
        "duration": found.duration,
        "completed": found.completed,
        "failed": found.failed,
        "total_input_tokens": found.input_tokens,
        "total_output_tokens": found.output_tokens,
        "request_throughput": found.rate(found.completed),
        "request_goodput": None if found.good is None else found.rate(found.good),
        "output_throughput": found.rate(found.output_tokens),
        "total_token_throughput": found.rate(found.input_tokens + found.output_tokens),
        "max_output_tokens_per_s": float(found.peak_tokens),
        "max_concurrent_requests": found.peak_in_flight,
    }
    for name in METRICS:
        made.update(_times(name, getattr(found, name)))
    return made


def _times(name: str, found: Summary | None) -> Iterator[tuple[str, Json]]:
    for kind in ("mean", "median", "std"):
        yield f"{kind}_{name}_ms", None if found is None else getattr(found, kind) * 1000
    for percent in (50.0, 90.0, 95.0, 99.0):
        yield f"p{percent:g}_{name}_ms", None if found is None else found.percentiles[percent] * 1000


def _details(found: list[Timeline]) -> JsonObject:
    """One item a request in the order they were taken up; seconds, as in vLLM."""
    return {
        "input_lens": [each.input_tokens for each in found],
        "output_lens": [each.tokens if each.good else 0 for each in found],
        "ttfts": [each.ttft if each.good else None for each in found],
        "itls": [list(each.gaps) if each.good else [] for each in found],
        "latencies": [each.latency for each in found],
        "start_times": [each.due for each in found],
        "queue_times": [each.sent - each.due for each in found],
        "errors": [each.error for each in found],
    }


def _ours(found: Outcome) -> JsonObject:
    settings, measured, made = found.settings, found.measured, found.generator
    return {
        "version": settings.version,
        "url": settings.url,
        "seed": settings.seed,
        "stream": settings.stream,
        "arrivals": settings.arrivals if settings.rate is not None else None,
        "prompts": settings.prompts,
        "answers": settings.answers,
        "warmup": settings.warmup,
        "cooldown": settings.cooldown,
        "interrupted": found.interrupted,
        "warnings": list(found.warnings),
        "goodput_slo_ms": {name: bound * 1000 for name, bound in settings.objectives.items()},
        **_side(measured),
        "generator": {
            "cpu": made.cpu,
            "lateness_ms": _summary(made.lateness),
            "waiting_ms": _summary(made.waiting),
            "no_descriptors": made.descriptors,
        },
        "server": None
        if found.server is None
        else {
            "cpu_s": found.server.cpu,
            "cpu_s_per_1000_requests": found.server.per_1000,
            "rss_bytes": found.server.resident,
            "processes": found.server.processes,
        },
        "baseline": None
        if found.direct is None
        else {"url": settings.baseline, **_figures(found.direct), **_side(found.direct)},
        "added_latency_ms": {name: [_difference(one) for one in each] for name, each in found.added.items()},
        "runs": [_figures(run) for run in found.runs],
        "repetition": {name: _repetition(name, one) for name, one in found.repetition.items()},
    }


def _side(found: Figures) -> JsonObject:
    return {
        "not_finished": found.interrupted,
        "errors_by_class": dict(found.errors),
        "error_examples": dict(found.messages),
        "good": found.good,
        "chunks_per_request": _summary(found.chunks, 1.0),
        "token_source": _source(found),
        "usage_reported": found.usage_reported,
        "usage_mismatches": found.usage_mismatches,
        "cached_answers": found.cached,
        "gateway_overhead_ms": _summary(found.overhead),
    }


def _source(found: Figures) -> str:
    """Where the numbers of output tokens are from."""
    if found.usage_reported == found.completed:
        return "usage"
    return "mixed" if found.usage_reported else "chunks"


def _summary(found: Summary | None, factor: float = 1000.0) -> Json:
    if found is None:
        return None
    return {
        "mean": found.mean * factor,
        "median": found.median * factor,
        "std": found.std * factor,
        "min": found.least * factor,
        "max": found.most * factor,
        **{f"p{percent:g}": value * factor for percent, value in found.percentiles.items()},
    }


def _difference(found: Difference) -> Json:
    return {
        "percentile": found.percent,
        "value": found.value * 1000,
        "low": found.low * 1000,
        "high": found.high * 1000,
    }


def _repetition(name: str, found: Repetition) -> Json:
    """Throughputs a second, times in milliseconds."""
    factor = 1.0 if name.endswith("throughput") else 1000.0
    return {
        "runs": found.runs,
        "mean": found.mean * factor,
        "std": found.std * factor,
        "variation": found.variation,
        "limit": found.limit * factor,
    }
