"""What fails, who is to blame, and what does the gateway do about it?"""

from .panels import ANY_IS_BAD, BLUE, GREEN, RED, YELLOW, Panel, Row, lines, stat
from .queries import FAILED, JOB, REQUESTS, ROUTE, TARGET, WHOLE, grown, quantile, rate, share

RELIABILITY = (
    Row(
        "",
        (
            stat(
                "Without error",
                "Share of the requests within the range that did not fail, their callers' mistakes apart.",
                f"1 - {share(grown(REQUESTS, labels=f'{WHOLE}, {FAILED}'), grown(REQUESTS, labels=WHOLE))}",
                "percentunit",
                steps=((None, RED), (0.99, YELLOW), (0.995, GREEN)),
                decimals=3,
            ),
            stat(
                "Pace of errors",
                "Over one hour, of what 99.5 % in 30 days allow: at 1 it is just used up, at 14.4 in two days.",
                f"{share(f'sum (rate({REQUESTS}{{{WHOLE}, {FAILED}}}[1h]))', f'sum (rate({REQUESTS}{{{WHOLE}}}[1h]))')} / 0.005",
                "short",
                steps=((None, GREEN), (1, YELLOW), (6, RED)),
                decimals=1,
            ),
            stat(
                "Targets given up",
                "Open, or without a usable key.",
                f"count (max by (provider, model) (tollway_target_state{{{TARGET}}}) >= 4) or vector(0)",
                "short",
                steps=ANY_IS_BAD,
            ),
            stat(
                "Rescued",
                "Tries after a failed one, a second: retries, failovers, fallbacks, hedges.",
                rate("tollway_failovers_total"),
                "reqps",
                steps=((None, BLUE),),
            ),
            stat(
                "Refused by limits",
                "Limits and budgets that refused, a second.",
                f"{rate('tollway_ratelimit_decisions_total', labels=JOB + ', result=' + chr(34) + 'denied' + chr(34))} or vector(0)",
                "reqps",
                steps=((None, BLUE),),
            ),
            stat(
                "State store",
                "By the gateway that sees it worst.",
                f"min (tollway_store_up{{{JOB}}})",
                "short",
                steps=((None, RED), (1, GREEN)),
                words={0: ("down", RED), 1: ("up", GREEN)},
            ),
        ),
        4,
    ),
    Row(
        "Errors",
        (
            lines(
                "Failed requests by provider",
                "Through no fault of their callers. No provider: the gateway did not get so far.",
                (rate(REQUESTS, "provider, outcome", f"{WHOLE}, {FAILED}"), "{{provider}} {{outcome}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "By status",
                "All requests that did not end well. 0: there was no answer.",
                (rate(REQUESTS, "code", f'{WHOLE}, outcome!="ok"'), "{{code}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Tries at providers",
                "By outcome; each try of a request counts.",
                (rate("tollway_upstream_attempts_total", "outcome", TARGET), "{{outcome}}"),
                unit="reqps",
                stacked=True,
                colours={"ok": GREEN, "4xx": YELLOW, "5xx": RED},
            ),
        ),
    ),
    Row(
        "Targets",
        (
            Panel(
                title="State",
                about="As the worker sees it that sees it worst.",
                queries=((f"max by (provider, model) (tollway_target_state{{{TARGET}}})", "{{provider}}/{{model}}"),),
                unit="short",
                kind="state-timeline",
                words={
                    0: ("ready", GREEN),
                    1: ("full", "yellow"),
                    2: ("probing", BLUE),
                    3: ("cooling", YELLOW),
                    4: ("no key", "dark-red"),
                    5: ("open", RED),
                },
                wide=16,
            ),
            lines(
                "Given up, keys at rest",
                "How often within each step, by reason.",
                (
                    f"sum by (provider, reason) (increase(tollway_target_opened_total{{{TARGET}}}[$__rate_interval]))",
                    "{{provider}}: {{reason}}",
                ),
                (
                    f'sum by (provider, reason) (increase(tollway_key_rested_total{{{JOB}, provider=~"$provider"}}[$__rate_interval]))',
                    "key of {{provider}}: {{reason}}",
                ),
                unit="short",
            ),
            lines(
                "Tries after a failed one",
                "retry: the same target. failover: another. fallback: another model. hedge: beside a slow one.",
                (rate("tollway_failovers_total", "role"), "{{role}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Not tried again",
                "Failed requests, by why they were left at that.",
                (rate("tollway_failover_stopped_total", "reason"), "{{reason}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Provider's time to its answer's head",
                "p95, by provider.",
                (quantile(0.95, "tollway_upstream_duration_seconds", "provider"), "{{provider}}"),
                unit="s",
            ),
        ),
    ),
    Row(
        "Limits and targets of routes",
        (
            lines(
                "Decisions",
                "denied, would have been (shadow), could not be asked (unavailable).",
                (rate("tollway_ratelimit_decisions_total", "scope, limit, result"), "{{scope}} {{limit}} {{result}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Waiting for a limit, p95",
                "Until they were admitted, or refused after all.",
                (quantile(0.95, "tollway_queue_wait_seconds", "result", JOB), "{{result}}"),
                unit="s",
            ),
            lines(
                "Objectives that are met",
                "Share of the requests with targets of their own.",
                (
                    share(
                        rate("tollway_slo_requests_total", "route, objective", f'{ROUTE}, result="met"'),
                        rate("tollway_slo_requests_total", "route, objective", ROUTE),
                    ),
                    "{{route}} {{objective}}",
                ),
                unit="percentunit",
                most=1,
            ),
        ),
    ),
    Row(
        "Stores",
        (
            lines(
                "Calls to the state store that failed",
                "By kind.",
                (rate("tollway_store_errors_total", "kind"), "{{kind}}"),
                unit="ops",
            ),
            lines(
                "Behind in the ledger",
                "Age of the oldest entry that the database does not have; keys: since they were last confirmed.",
                (f"max (tollway_ledger_lag_seconds{{{JOB}}})", "ledger"),
                (f"max (tollway_stored_keys_stale_seconds{{{JOB}}})", "keys"),
                unit="s",
            ),
            lines(
                "Journal",
                "Write-ahead files: what waits for the database.",
                (f"sum (tollway_journal_bytes{{{JOB}}})", "bytes"),
                unit="bytes",
            ),
        ),
    ),
    Row(
        "The gateway itself",
        (
            lines(
                "Event loop lag",
                "How late the heartbeat was.",
                (f"max by (instance) (tollway_event_loop_lag_seconds{{{JOB}}})", "{{instance}}"),
                unit="s",
            ),
            lines(
                "What should not be",
                "Within each step: bugs met, settlers that broke, log lines lost.",
                (
                    f"sum by (type) (increase(tollway_unexpected_errors_total{{{JOB}}}[$__rate_interval]))",
                    "bug: {{type}}",
                ),
                (
                    f"sum by (settler) (increase(tollway_settler_failures_total{{{JOB}}}[$__rate_interval]))",
                    "settler: {{settler}}",
                ),
                (f"sum (increase(tollway_log_dropped_total{{{JOB}}}[$__rate_interval]))", "log lines lost"),
                unit="short",
            ),
            lines(
                "Trials of a changed configuration",
                "Requests judged: base and trial, ok and error.",
                (rate("tollway_canary_requests_total", "arm, result"), "{{arm}} {{result}}"),
                unit="reqps",
            ),
        ),
    ),
)
