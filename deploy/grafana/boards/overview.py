"""Is it well, what is it doing, and what does it add?"""

from .panels import ANY_IS_BAD, BAD_SHARE, BLUE, GREEN, LATE, OUTCOMES, QUANTILES, RED, YELLOW, Panel, Row, lines, stat
from .queries import FAILED, JOB, REQUESTS, ROUTE, TARGET, WHOLE, grown, quantile, quantiles, rate, share

OVERVIEW = (
    Row(
        "",
        (
            stat("Requests", "All requests a second, refused ones too.", rate(REQUESTS, labels=WHOLE), "reqps"),
            stat(
                "Failed",
                "Requests that failed through no fault of their callers.",
                share(rate(REQUESTS, labels=f"{WHOLE}, {FAILED}"), rate(REQUESTS, labels=WHOLE)),
                "percentunit",
                steps=BAD_SHARE,
                decimals=2,
            ),
            stat(
                "First token, p95",
                "From the request's head to the first token handed to the client. Streams only.",
                quantile(0.95, "tollway_time_to_first_token_seconds"),
                "s",
                steps=LATE,
            ),
            stat(
                "Added by the gateway, p99",
                "The gateway's own time before the provider was asked.",
                quantile(0.99, "tollway_overhead_seconds", labels=ROUTE),
                "s",
                steps=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
            ),
            stat(
                "Cost an hour",
                "What providers cost, at the pace of the last minutes.",
                f"3600 * {rate('tollway_cost_usd_total', labels=TARGET)}",
                "currencyUSD",
                steps=((None, BLUE),),
            ),
            stat(
                "In flight",
                "Requests under way, streams among them.",
                f"sum (tollway_inflight_requests{{{JOB}}})",
                "short",
                steps=((None, BLUE),),
            ),
        ),
        4,
    ),
    Row(
        "Traffic",
        (
            lines(
                "Requests by outcome",
                "rejected: the request was at fault, or a limit of ours. client_closed: the client left.",
                (rate(REQUESTS, "outcome", WHOLE), "{{outcome}}"),
                unit="reqps",
                stacked=True,
                colours=OUTCOMES,
                wide=12,
            ),
            lines(
                "Requests by route",
                "A route is a configured model name. other: none was found.",
                (rate(REQUESTS, "route", WHOLE), "{{route}}"),
                unit="reqps",
                stacked=True,
                wide=12,
            ),
        ),
    ),
    Row(
        "Latency",
        (
            lines(
                "Time to the first token",
                "Streams only; streams that ended without a token are not in it.",
                *quantiles("tollway_time_to_first_token_seconds"),
                unit="s",
                colours=QUANTILES,
            ),
            lines(
                "Whole request",
                "From the request's head to its end.",
                *quantiles("tollway_request_duration_seconds"),
                unit="s",
                colours=QUANTILES,
            ),
            lines(
                "Between tokens",
                "Mean time between the token events of one stream.",
                *quantiles("tollway_inter_token_seconds"),
                unit="s",
                colours=QUANTILES,
            ),
        ),
    ),
    Row(
        "Use",
        (
            lines(
                "Tokens",
                "cached and cache_write are part of input, reasoning of output.",
                (rate("tollway_tokens_total", "direction", TARGET), "{{direction}}"),
                unit="short",
            ),
            lines(
                "Cost an hour by provider",
                "Failed tries included.",
                (f"3600 * {rate('tollway_cost_usd_total', 'provider', TARGET)}", "{{provider}}"),
                unit="currencyUSD",
                stacked=True,
            ),
            lines(
                "Answered from the cache",
                "Share of the lookups of each kind.",
                (
                    share(
                        rate("tollway_cache_lookups_total", "kind", f'{JOB}, result=~"hit|shared"'),
                        rate("tollway_cache_lookups_total", "kind", f'{JOB}, result!~"bypass|disabled"'),
                    ),
                    "{{kind}}",
                ),
                unit="percentunit",
                most=1,
            ),
        ),
    ),
    Row(
        "The gateway itself",
        (
            lines(
                "Own time by link",
                "p95 in each link of the chain, of one request in sixteen.",
                (quantile(0.95, "tollway_link_seconds", "link", JOB), "{{link}}"),
                unit="s",
            ),
            lines(
                "Event loop lag",
                "How late the heartbeat was: every request of that worker waits as long.",
                (f"max by (instance) (tollway_event_loop_lag_seconds{{{JOB}}})", "{{instance}}"),
                unit="s",
            ),
            lines(
                "Under way and waiting",
                "Limit: in the waiting room of a limit. Target: for a place at a provider's model.",
                (f"sum (tollway_inflight_requests{{{JOB}}})", "under way"),
                (f"sum (tollway_queue_waiting{{{JOB}}})", "waiting for a limit"),
                (f"sum (tollway_target_waiting{{{JOB}}})", "waiting for a target"),
                unit="short",
            ),
        ),
    ),
    Row(
        "What runs",
        (
            Panel(
                title="Versions",
                about="Gateways that are scraped.",
                queries=((f"count by (job, version) (tollway_build_info{{{JOB}}})", ""),),
                unit="short",
                kind="table",
                names={"job": "Job", "version": "Version", "Value": "Gateways"},
                wide=8,
            ),
            lines(
                "Configuration",
                "1: the last load was good. 0: the file was refused and the last good one stays.",
                (f"min by (instance) (tollway_config_reload_success{{{JOB}}})", "{{instance}}"),
                unit="short",
                most=1,
                wide=8,
            ),
            stat(
                "Last load",
                "When the configuration in use was loaded, by the gateway that did it longest ago.",
                f"min (tollway_config_last_reload_timestamp_seconds{{{JOB}}}) * 1000",
                "dateTimeFromNow",
                steps=((None, BLUE),),
            ),
            stat(
                "Bugs met",
                "Requests within the range that ended with an unexpected error.",
                f"{grown('tollway_unexpected_errors_total')} or vector(0)",
                "short",
                steps=ANY_IS_BAD,
                decimals=0,
            ),
        ),
        6,
    ),
)
