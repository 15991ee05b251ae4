"""PromQL of the dashboards, in pieces."""

from .panels import Queries

REQUESTS = "tollway_requests_total"
JOB = 'job=~"$job"'
ROUTE = f'{JOB}, route=~"$route"'
TARGET = f'{JOB}, provider=~"$provider", model=~"$model"'
WHOLE = f'{ROUTE}, provider=~"$provider", model=~"$model"'
FAILED = 'outcome=~"upstream_error|timeout|internal_error", code!~"4[01].|42[0-8]|4[3-9]."'
"""Errors that are not the caller's: as in deploy/prometheus/rules.yaml."""


def rate(metric: str, by: str = "", labels: str = JOB) -> str:
    """Per second, summed."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}[$__rate_interval]))"


def grown(metric: str, by: str = "", labels: str = JOB) -> str:
    """Within the shown range, summed."""
    return f"sum{f' by ({by})' if by else ''} (increase({metric}{{{labels}}}[$__range]))"


def share(part: str, whole: str) -> str:
    """0 where there is a whole and no part."""
    return f"({part} or 0 * {whole}) / {whole}"


def quantile(of: float, metric: str, by: str = "", labels: str = WHOLE) -> str:
    """Of a histogram."""
    return f"histogram_quantile({of}, sum by ({', '.join(filter(None, ('le', by)))}) (rate({metric}_bucket{{{labels}}}[$__rate_interval])))"


def quantiles(metric: str, *, labels: str = WHOLE) -> Queries:
    """The usual three."""
    return tuple(
        (quantile(of, metric, labels=labels), name) for of, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )


def mean(metric: str, by: str = "", labels: str = JOB) -> str:
    """Of a histogram."""
    return f"{rate(metric + '_sum', by, labels)} / {rate(metric + '_count', by, labels)}"
