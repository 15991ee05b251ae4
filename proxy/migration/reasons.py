"""Why a key of LiteLLM's has no place here, and what does its work instead. Keys that are not named get a general sentence."""

from fnmatch import fnmatchcase

from ..config.problems import Path
from .findings import Kind

_CLIENTS = "let clients send it"
_LEDGER = "docs/accounts.md: accounts, keys and budgets are made with `tollway accounts` and `tollway keys`"

_REASONS: tuple[tuple[str, Kind, str, str], ...] = (
    # ---- one deployment ---------------------------------------------------------------------------------------------
    (
        "model_list.*.litellm_params.drop_params",
        "needless",
        "What a model does not take is always left out.",
        "read x-tollway-dropped, or send x-tollway-strict: true",
    ),
    (
        "model_list.*.litellm_params.mock_response",
        "not_carried",
        "There are no canned answers.",
        "run `tollway mock` as the provider",
    ),
    (
        "model_list.*.litellm_params.tags",
        "not_carried",
        "There is no routing by tags.",
        "a model of its own with those targets, allowed by keys[].models",
    ),
    (
        "model_list.*.litellm_params.max_budget",
        "not_carried",
        "A target has no budget.",
        "budget of a key or an account",
    ),
    (
        "model_list.*.litellm_params.budget_duration",
        "not_carried",
        "A target has no budget.",
        "budget of a key or an account",
    ),
    (
        "model_list.*.litellm_params.azure_ad_token",
        "not_carried",
        "A token that was fetched once runs out.",
        "options.auth: entra, or AZURE_OPENAI_AD_TOKEN",
    ),
    (
        "model_list.*.litellm_params.aws_*",
        "not_carried",
        "Roles are not assumed by the gateway itself.",
        "name the role in a profile of the AWS configuration: options.profile",
    ),
    (
        "model_list.*.litellm_params.vertex_*",
        "not_carried",
        "Vertex takes project, location and credentials_file.",
        "options in docs/providers.md",
    ),
    (
        "model_list.*.litellm_params.*_cost_per_*",
        "not_carried",
        "Prices are per million tokens of text.",
        "catalogue.models.<use/model>.prices",
    ),
    (
        "model_list.*.litellm_params.*_cost*",
        "not_carried",
        "This price is not told apart.",
        "catalogue.models.<use/model>.prices",
    ),
    (
        "model_list.*.litellm_params.*auto_router*",
        "not_carried",
        "Routing by embedded examples is another thing here.",
        "docs/routing.md: the model name auto, with quality scores",
    ),
    (
        "model_list.*.litellm_params.ssl_verify",
        "not_carried",
        "Certificates are always checked.",
        "providers.<name>.ca_file",
    ),
    ("model_list.*.litellm_params.*", "not_carried", "Nothing is added to the requests of clients.", _CLIENTS),
    ("model_list.*.model_info.id", "needless", "A target is named by its provider and model.", ""),
    ("model_list.*.model_info.mode", "needless", "What a model does is known from the path that is called.", ""),
    (
        "model_list.*.model_info.access_groups",
        "not_carried",
        "There are no groups of models.",
        "patterns in keys[].models",
    ),
    ("model_list.*.model_info.team_*", "not_carried", "Models belong to nobody.", "keys[].models"),
    (
        "model_list.*.model_info.health_check_*",
        "needless",
        "Targets are judged by their real requests; nothing is sent to test them.",
        "",
    ),
    ("model_list.*.model_info.description", "needless", "It is a remark.", "a comment in the new file"),
    (
        "model_list.*.model_info.*",
        "not_carried",
        "It changes nothing here.",
        "docs/models.md names what a row of catalogue.models can say",
    ),
    ("model_list.*.*", "not_carried", "LiteLLM itself does not read it here.", "litellm_params or model_info"),
    # ---- router -----------------------------------------------------------------------------------------------------
    (
        "router_settings.enable_pre_call_checks",
        "needless",
        "Targets that cannot serve a request are always left out.",
        "",
    ),
    ("router_settings.set_verbose", "needless", "telemetry.log_level says how much is logged.", ""),
    ("router_settings.debug_level", "needless", "telemetry.log_level says how much is logged.", ""),
    ("router_settings.client_ttl", "needless", "Connections are kept and renewed by themselves.", ""),
    ("router_settings.polling_interval", "needless", "State is shared at once.", ""),
    (
        "router_settings.retry_policy",
        "not_carried",
        "What is tried again follows from the fault, not from its class of exception.",
        "docs/failover.md, and retry.attempts",
    ),
    (
        "router_settings.model_group_retry_policy",
        "not_carried",
        "What is tried again follows from the fault.",
        "models.<name>.retry",
    ),
    (
        "router_settings.retry_after",
        "not_carried",
        "A pause is of a random length, or what the provider asked for.",
        "retry.base and retry.longest",
    ),
    (
        "router_settings.allowed_fails_policy",
        "not_carried",
        "Faults of all kinds count alike, but for those that say nothing of a target's health.",
        "docs/health.md",
    ),
    (
        "router_settings.provider_budget_config",
        "not_carried",
        "A provider has no budget.",
        "budget of a key or an account",
    ),
    (
        "router_settings.enable_tag_filtering",
        "not_carried",
        "There is no routing by tags.",
        "models of their own, allowed by keys[].models",
    ),
    (
        "router_settings.routing_strategy_args",
        "not_carried",
        "The policies have no settings of this kind.",
        "docs/routing.md",
    ),
    ("router_settings.max_fallbacks", "not_carried", "Tries are bounded all together.", "retry.attempts"),
    (
        "router_settings.caching_groups",
        "not_carried",
        "Answers are kept apart by model.",
        "cache.groups shares them among accounts",
    ),
    ("router_settings.redis_db", "not_carried", "It is part of the URL.", "state.url: redis://host:6379/1"),
    (
        "router_settings.cache_responses",
        "not_carried",
        "It is the cache of the library, not of the proxy.",
        "cache.exact",
    ),
    # ---- litellm ----------------------------------------------------------------------------------------------------
    (
        "litellm_settings.drop_params",
        "needless",
        "What a model does not take is always left out and named in x-tollway-dropped.",
        "",
    ),
    (
        "litellm_settings.modify_params",
        "needless",
        "Requests are always adapted to what a model takes; x-tollway-rewritten names it.",
        "",
    ),
    ("litellm_settings.json_logs", "needless", "Logs are always JSON.", ""),
    ("litellm_settings.set_verbose", "needless", "telemetry.log_level says how much is logged.", ""),
    ("litellm_settings.turn_off_message_logging", "needless", "No part of a prompt or answer is ever logged.", ""),
    ("litellm_settings.redact_user_api_key_info", "needless", "Keys are never logged.", ""),
    (
        "litellm_settings.force_ipv4",
        "not_carried",
        "Addresses are tried as the system orders them.",
        "the host's resolver settings",
    ),
    ("litellm_settings.ssl_verify", "not_carried", "Certificates are always checked.", "providers.<name>.ca_file"),
    (
        "litellm_settings.*callback*",
        "not_carried",
        "There are no callbacks.",
        "telemetry.otlp, which every such tool can take, and the access log",
    ),
    (
        "litellm_settings.guardrails",
        "not_carried",
        "There are no guardrails.",
        "the provider's own, such as options.guardrail of bedrock",
    ),
    ("litellm_settings.default_internal_user_params", "not_carried", "There are no users with passwords.", _LEDGER),
    ("litellm_settings.default_team_*", "not_carried", "Teams are accounts here.", _LEDGER),
    ("litellm_settings.*max_*budget", "not_carried", "Budgets belong to keys and accounts.", _LEDGER),
    (
        "litellm_settings.upperbound_key_generate_params",
        "not_carried",
        "Whoever has the admin key sets any limit.",
        _LEDGER,
    ),
    (
        "litellm_settings.cache_params.namespace",
        "not_carried",
        "Answers are kept apart by key, account or x-tollway-cache-namespace.",
        "cache.share, cache.groups",
    ),
    (
        "litellm_settings.cache_params.supported_call_types",
        "not_carried",
        "Every endpoint whose answers can be kept is.",
        "models.<name>.cache.exact: false",
    ),
    (
        "litellm_settings.cache_params.s3_*",
        "not_carried",
        "Answers are kept in memory or in a Redis.",
        "state.type: redis",
    ),
    (
        "litellm_settings.cache_params.gcs_*",
        "not_carried",
        "Answers are kept in memory or in a Redis.",
        "state.type: redis",
    ),
    (
        "litellm_settings.cache_params.qdrant_*",
        "not_carried",
        "Vectors are kept by the gateway itself.",
        "cache.semantic.index",
    ),
    ("litellm_settings.cache_params.*", "not_carried", "The cache has no such setting.", "docs/cache.md"),
    (
        "litellm_settings.telemetry",
        "needless",
        "Nothing is sent to anybody but the providers and what you name.",
        "",
    ),
    ("litellm_settings.*", "not_carried", "There is no such setting.", "docs/configuration.md lists all"),
    ("router_settings.*", "not_carried", "There is no such setting.", "docs/routing.md, docs/failover.md"),
    # ---- general ----------------------------------------------------------------------------------------------------
    (
        "general_settings.store_model_in_db",
        "not_carried",
        "Models are in the file alone.",
        "edit the file: it is applied while the gateway runs",
    ),
    (
        "general_settings.*background_health_check*",
        "needless",
        "Targets are judged by their real requests; nothing is sent to test them.",
        "",
    ),
    (
        "general_settings.health_check_*",
        "needless",
        "Targets are judged by their real requests; nothing is sent to test them.",
        "",
    ),
    ("general_settings.database_connection_*", "needless", "The pool needs no setting.", ""),
    ("general_settings.proxy_batch_write_at", "needless", "What was spent is written as it happens.", ""),
    (
        "general_settings.disable_spend_logs",
        "not_carried",
        "With a database every request is in the ledger.",
        "storage.type: none keeps nothing",
    ),
    (
        "general_settings.alert*",
        "not_carried",
        "The gateway sends no messages.",
        "deploy/prometheus/rules.yaml and your alert manager",
    ),
    (
        "general_settings.pass_through_endpoints",
        "not_carried",
        "A provider's own API is under /native/<provider>.",
        "docs/native.md",
    ),
    ("general_settings.custom_auth", "not_carried", "No code of yours is run.", "auth.jwt, or keys"),
    (
        "general_settings.*jwt*",
        "not_carried",
        "Signed tokens are set up in another way.",
        "auth.jwt in docs/configuration.md",
    ),
    (
        "general_settings.*key_management*",
        "not_carried",
        "Secrets come from variables and files.",
        "${VAR} or file:/run/secrets/name, which your secret store can fill",
    ),
    (
        "general_settings.*key_vault*",
        "not_carried",
        "Secrets come from variables and files.",
        "${VAR} or file:/run/secrets/name",
    ),
    (
        "general_settings.infer_model_from_keys",
        "needless",
        "The models of a provider are reached as provider/model.",
        "",
    ),
    ("general_settings.allowed_routes", "not_carried", "Endpoints are opened for each key.", "keys[].endpoints"),
    ("general_settings.ui_*", "not_carried", "There is no login page.", "the admin key opens /admin/v1"),
    ("general_settings.*", "not_carried", "There is no such setting.", "docs/configuration.md lists all"),
    # ---- the rest ---------------------------------------------------------------------------------------------------
    (
        "environment_variables.*",
        "not_carried",
        "A configuration sets no variables of its process.",
        "set it where the gateway is started",
    ),
    (
        "mcp_servers",
        "not_carried",
        "MCP servers are not called by the gateway.",
        "clients call them, or name them in a Responses request",
    ),
    ("mcp_*", "not_carried", "MCP servers are not called by the gateway.", "clients call them"),
    (
        "guardrails",
        "not_carried",
        "There are no guardrails.",
        "the provider's own, such as options.guardrail of bedrock",
    ),
    ("vector_store_registry", "not_carried", "Vector stores are the provider's own.", "/v1/vector_stores passes"),
    ("search_tools", "not_carried", "Searching is the provider's own tool.", ""),
    ("*_settings", "not_carried", "It belongs to a part that does not exist here.", ""),
    ("credential_list.*.credential_info", "needless", "It is a remark.", "a comment in the new file"),
    ("credential_list.*", "not_carried", "No deployment uses it.", "providers.<name>"),
)
"""Glob over the dotted path without brackets; kind, sentence, what to do instead. The first that fits a path or one of its parents."""

_TOPS = frozenset({"guardrails", "mcp_servers", "vector_store_registry", "search_tools"})


def reason_of(path: Path) -> tuple[Path, Kind, str, str]:
    """What to say of a leaf that nobody took, and about how much of its path it is said."""
    whole = ".".join(map(str, path))
    for pattern, kind, why, instead in _REASONS:
        if fnmatchcase(whole, pattern) or fnmatchcase(whole, f"{pattern}.*"):
            return path[: _depth(path, pattern)], kind, why, instead
    return path, "not_carried", "Nothing here does what it does.", "docs/configuration.md lists all settings"


def _depth(path: Path, pattern: str) -> int:
    """Steps of the path that the pattern speaks of: a list below it is one entry of the report."""
    return min(len(path), pattern.count(".") + 1)
