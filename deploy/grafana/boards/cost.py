"""Where does the money go, and whose budget is near its end?"""

from .panels import ANY_IS_BAD, BLUE, GREEN, RED, YELLOW, Panel, Row, lines, stat
from .queries import JOB, ROUTE, TARGET, grown, mean, rate

COST = (
    Row(
        "",
        (
            stat(
                "Cost",
                "What providers cost the operator within the range, failed tries included.",
                grown("tollway_cost_usd_total", labels=TARGET),
                "currencyUSD",
                steps=((None, BLUE),),
            ),
            stat(
                "Charged",
                "What customers were charged within the range.",
                grown("tollway_charge_usd_total", labels=TARGET),
                "currencyUSD",
                steps=((None, BLUE),),
            ),
            stat(
                "Saved by the cache",
                "What these answers would have cost.",
                grown("tollway_cache_saved_usd_total", labels=f'{JOB}, of="cost"'),
                "currencyUSD",
            ),
            stat(
                "Cost of 1,000 requests",
                "Of those that a provider answered.",
                f"1000 * {grown('tollway_cost_usd_total', labels=TARGET)} / {grown('tollway_upstream_attempts_total', labels=TARGET + ', outcome=' + chr(34) + 'ok' + chr(34))}",
                "currencyUSD",
                steps=((None, BLUE),),
            ),
            stat(
                "Budgets above 80 %",
                "Used or held.",
                f'count (1 - tollway_budget_remaining_usd{{{JOB}, period!="credit"}} / on (job, instance, scope, name, period) tollway_budget_limit_usd{{{JOB}}} >= 0.8) or vector(0)',
                "short",
                steps=((None, GREEN), (1, YELLOW)),
            ),
            stat(
                "Without a price",
                "Requests within the range whose price is not known: they are in no figure here.",
                f"{grown('tollway_unpriced_requests_total', labels=TARGET)} or vector(0)",
                "short",
                steps=ANY_IS_BAD,
                decimals=0,
            ),
        ),
        4,
    ),
    Row(
        "Where the money goes",
        (
            lines(
                "Cost an hour by provider",
                "Failed tries included.",
                (f"3600 * {rate('tollway_cost_usd_total', 'provider', TARGET)}", "{{provider}}"),
                unit="currencyUSD",
                stacked=True,
                wide=12,
            ),
            lines(
                "Cost an hour by model",
                "The ten dearest.",
                (f"topk(10, 3600 * {rate('tollway_cost_usd_total', 'model', TARGET)})", "{{model}}"),
                unit="currencyUSD",
                stacked=True,
                wide=12,
            ),
            Panel(
                title="By provider and model",
                about="Within the range.",
                queries=((f"sort_desc({grown('tollway_cost_usd_total', 'provider, model', TARGET)})", ""),),
                unit="currencyUSD",
                kind="table",
                names={"provider": "Provider", "model": "Model", "Value": "Cost"},
                wide=12,
            ),
            lines(
                "Cost and charge an hour",
                "The gap is what plans add, or give away.",
                (f"3600 * {rate('tollway_cost_usd_total', labels=TARGET)}", "cost"),
                (f"3600 * {rate('tollway_charge_usd_total', labels=TARGET)}", "charge"),
                unit="currencyUSD",
                wide=12,
            ),
        ),
    ),
    Row(
        "Budgets",
        (
            Panel(
                title="Used",
                about="Share of each budget that is used or held; above 1 a soft one is overdrawn.",
                queries=(
                    (
                        f'topk(20, 1 - min by (scope, name, period) (tollway_budget_remaining_usd{{{JOB}, period!="credit"}}) / max by (scope, name, period) (tollway_budget_limit_usd{{{JOB}}}))',
                        "{{name}} ({{period}})",
                    ),
                ),
                unit="percentunit",
                kind="bargauge",
                most=1,
                steps=((None, GREEN), (0.8, YELLOW), (1, RED)),
                wide=12,
            ),
            Panel(
                title="Left",
                about="Of budgets in their period, and of prepaid balances (credit).",
                queries=((f"sort(min by (scope, name, period) (tollway_budget_remaining_usd{{{JOB}}}))", ""),),
                unit="currencyUSD",
                kind="table",
                names={"scope": "Of", "name": "Name", "period": "Period", "Value": "Left"},
                wide=12,
            ),
        ),
    ),
    Row(
        "Tokens",
        (
            lines(
                "By direction",
                "cached and cache_write are part of input, reasoning of output.",
                (rate("tollway_tokens_total", "direction", TARGET), "{{direction}}"),
                unit="short",
            ),
            lines(
                "Where the numbers come from",
                "reported by the provider, counted here, or estimated.",
                (rate("tollway_tokens_total", "source", f'{TARGET}, direction=~"input|output"'), "{{source}}"),
                unit="short",
                stacked=True,
            ),
            lines(
                "Estimates",
                "Estimated over reported tokens of prompts, mean: 1 is exact.",
                (
                    mean("tollway_tokens_estimate_error_ratio", "provider", f'{JOB}, provider=~"$provider"'),
                    "{{provider}}",
                ),
                unit="short",
                decimals=2,
            ),
        ),
    ),
    Row(
        "By key (telemetry.key_metrics)",
        (
            lines(
                "Charge an hour",
                "The ten dearest keys. Empty unless telemetry.key_metrics is set.",
                (
                    f"topk(10, 3600 * {rate('tollway_key_usd_total', 'key', JOB + ', of=' + chr(34) + 'charge' + chr(34))})",
                    "{{key}}",
                ),
                unit="currencyUSD",
                stacked=True,
            ),
            lines(
                "Requests",
                "The ten busiest keys.",
                (f"topk(10, {rate('tollway_key_requests_total', 'key')})", "{{key}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Tokens",
                "The ten keys with the most.",
                (f"topk(10, {rate('tollway_key_tokens_total', 'key')})", "{{key}}"),
                unit="short",
                stacked=True,
            ),
        ),
    ),
    Row(
        "Shadows",
        (
            lines(
                "Cost of copies an hour",
                "Part of the cost above.",
                (f"3600 * {rate('tollway_shadow_cost_usd_total', 'route, model', ROUTE)}", "{{route}} → {{model}}"),
                unit="currencyUSD",
                wide=12,
            ),
            lines(
                "Cost of what both answered, an hour",
                "The model that answers, and its shadow.",
                (
                    f"3600 * {rate('tollway_shadow_compared_cost_usd_total', 'route, side', ROUTE)}",
                    "{{route}}: {{side}}",
                ),
                unit="currencyUSD",
                wide=12,
            ),
        ),
    ),
)
