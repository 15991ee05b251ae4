"""What does the cache answer, what does that save, and is it right?"""

from .panels import ANY_IS_BAD, BLUE, GREEN, QUANTILES, RED, YELLOW, Row, lines, stat
from .queries import JOB, ROUTE, grown, quantile, quantiles, rate, share

LOOKUPS = "tollway_cache_lookups_total"
ASKED = f'{JOB}, result!~"bypass|disabled"'


def hits(kind: str) -> str:
    """Share of the lookups of a kind that were answered, within the range."""
    return share(
        grown(LOOKUPS, labels=f'{JOB}, kind="{kind}", result=~"hit|shared"'),
        grown(LOOKUPS, labels=f'{ASKED}, kind="{kind}"'),
    )


CACHE = (
    Row(
        "",
        (
            stat("Exact hits", "Share of the lookups within the range.", hits("exact"), "percentunit", decimals=1),
            stat(
                "Semantic hits", "Share of the lookups within the range.", hits("semantic"), "percentunit", decimals=1
            ),
            stat(
                "Saved",
                "What these answers would have cost the operator.",
                grown("tollway_cache_saved_usd_total", labels=f'{JOB}, of="cost"'),
                "currencyUSD",
            ),
            stat(
                "Tokens not asked for",
                "Input and output of answers that came from the cache.",
                grown("tollway_cache_saved_tokens_total"),
                "short",
            ),
            stat(
                "Would have been wrong",
                "Share of the compared answers that differ from what the semantic cache would have served.",
                share(
                    grown("tollway_cache_observations_total", labels=f'{ROUTE}, result="different"'),
                    grown("tollway_cache_observations_total", labels=ROUTE),
                ),
                "percentunit",
                steps=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
                decimals=2,
            ),
            stat(
                "Store errors",
                "Times within the range that a store could not be used.",
                f"{grown('tollway_cache_errors_total')} or vector(0)",
                "short",
                steps=ANY_IS_BAD,
                decimals=0,
            ),
        ),
        4,
    ),
    Row(
        "Lookups",
        (
            lines(
                "Exact",
                "shared: the answer was still being made for another.",
                (rate(LOOKUPS, "result", f'{JOB}, kind="exact"'), "{{result}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Semantic",
                "shadow and explore: looked up, and the provider asked all the same.",
                (rate(LOOKUPS, "result", f'{JOB}, kind="semantic"'), "{{result}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Inputs of embeddings",
                "Each input is looked up by itself.",
                (rate(LOOKUPS, "result", f'{JOB}, kind="input"'), "{{result}}"),
                unit="ops",
                stacked=True,
            ),
        ),
    ),
    Row(
        "What it saves",
        (
            lines(
                "Dollars an hour",
                "charge: what customers did not pay. cost: what providers were not paid.",
                (f"3600 * {rate('tollway_cache_saved_usd_total', 'of')}", "{{of}}"),
                unit="currencyUSD",
            ),
            lines(
                "Tokens a second",
                "That no provider was asked for.",
                (rate("tollway_cache_saved_tokens_total", "direction"), "{{direction}}"),
                unit="short",
            ),
            lines(
                "Time of a whole request",
                "p95, from the cache and from providers.",
                (
                    quantile(0.95, "tollway_request_duration_seconds", labels=f'{ROUTE}, provider="cache"'),
                    "from the cache",
                ),
                (
                    quantile(0.95, "tollway_request_duration_seconds", labels=f'{ROUTE}, provider!="cache"'),
                    "from providers",
                ),
                unit="s",
                colours={"from the cache": GREEN, "from providers": BLUE},
            ),
        ),
    ),
    Row(
        "Why not",
        (
            lines(
                "Not looked up",
                "By the reason that x-tollway-cache-reason said.",
                (rate("tollway_cache_bypassed_total", "reason"), "{{reason}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Kept, or why not",
                "Fresh answers.",
                (rate("tollway_cache_kept_total", "result"), "{{result}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Told apart by a guard",
                "Questions that were similar enough, and not the same.",
                (rate("tollway_cache_guard_refusals_total", "guard"), "{{guard}}"),
                unit="reqps",
                stacked=True,
            ),
        ),
    ),
    Row(
        "Is the semantic cache right?",
        (
            lines(
                "Compared with fresh answers",
                "What would have been served, by route.",
                (rate("tollway_cache_observations_total", "route, result", ROUTE), "{{route}}: {{result}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Embedder's time",
                "How long it took to put one question into numbers.",
                *quantiles("tollway_cache_embedding_seconds", labels=JOB),
                unit="s",
                colours=QUANTILES,
            ),
            lines(
                "Embedder's calls",
                "ok, or the kind of failure.",
                (rate("tollway_cache_embeddings_total", "result"), "{{result}}"),
                unit="ops",
                stacked=True,
                colours={"ok": GREEN},
            ),
        ),
    ),
    Row(
        "Where it lies",
        (
            lines(
                "Answers in memory",
                "Of all gateways.",
                (f"sum (tollway_cache_entries{{{JOB}}})", "answers"),
                (
                    f"sum (increase(tollway_cache_evictions_total{{{JOB}}}[$__rate_interval]))",
                    "made room for others, in each step",
                ),
                unit="short",
            ),
            lines(
                "Memory",
                "By gateway.",
                (f"sum by (instance) (tollway_cache_bytes{{{JOB}}})", "{{instance}}"),
                unit="bytes",
            ),
            lines(
                "Store errors",
                "down, busy, full: each is a miss. corrupt, truncated, foreign, version: something else writes there.",
                (rate("tollway_cache_errors_total", "kind"), "{{kind}}"),
                unit="ops",
                stacked=True,
            ),
        ),
    ),
)
