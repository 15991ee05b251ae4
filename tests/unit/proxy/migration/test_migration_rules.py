"""One rule of the conversion each: what a key of LiteLLM's becomes, and what is said where it cannot become anything."""

from collections.abc import Callable

import pytest
import yaml

from proxy.migration import Migration

Migrate = Callable[[str], Migration]


def made(found: Migration) -> dict[str, object]:
    value = yaml.safe_load(found.text("config.yaml"))
    assert isinstance(value, dict)
    return value


def at(found: Migration, *path: str | int) -> object:
    value: object = made(found)
    for step in path:
        assert isinstance(value, dict | list)
        value = value[step]  # type: ignore[index,call-overload]
    return value


def told(found: Migration, path: str) -> str:
    """What is said of one key."""
    return "\n".join(str(finding) for finding in found.findings if f": {path}: " in str(finding))


def one(params: str, more: str = "") -> str:
    return f"model_list:\n  - model_name: m\n    litellm_params: {{{params}}}\n{more}"


# ---- providers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "provider", "model"),
    [
        ("model: gpt-4o", {"use": "openai", "api_key": "${OPENAI_API_KEY}"}, "gpt-4o"),
        ("model: claude-opus-4-5", {"use": "anthropic", "api_key": "${ANTHROPIC_API_KEY}"}, "claude-opus-4-5"),
        ("model: groq/openai/gpt-oss-120b", {"use": "groq", "api_key": "${GROQ_API_KEY}"}, "openai/gpt-oss-120b"),
        ("model: x, custom_llm_provider: mistral", {"use": "mistral", "api_key": "${MISTRAL_API_KEY}"}, "x"),
        ("model: own, api_base: 'http://h:1/v1'", {"use": "openai", "base_url": "http://h:1/v1", "api_key": "${OPENAI_API_KEY:-none}"}, "own"),
        ("model: litellm_proxy/x, api_base: 'http://h:1'", {"use": "openai", "base_url": "http://h:1", "api_key": "${LITELLM_PROXY_API_KEY:-none}"}, "x"),
        ("model: hosted_vllm/a/b, api_base: 'http://h:1/v1'", {"use": "vllm", "base_url": "http://h:1/v1"}, "a/b"),
        ("model: bedrock/converse/eu.anthropic.x, aws_region_name: eu-west-1", {"use": "bedrock", "options": {"region": "eu-west-1"}}, "eu.anthropic.x"),
        ("model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: l, vertex_credentials: /k.json", {"use": "vertex", "options": {"project": "p", "location": "l", "credentials_file": "/k.json"}}, "gemini-2.5-pro"),
        ("model: azure/d, api_base: 'https://r.openai.azure.com', api_version: preview, tenant_id: t, client_id: c, client_secret: os.environ/S", {"use": "azure", "base_url": "https://r.openai.azure.com", "options": {"tenant_id": "t", "client_id": "c", "client_secret": "${S}", "api_version": "preview"}}, "d"),
        ("model: azure/d", {"use": "azure", "base_url": "${AZURE_API_BASE}", "api_key": "${AZURE_API_KEY}"}, "d"),
        ("model: azure_ai/m, api_base: 'https://r.services.ai.azure.com', api_key: os.environ/K", {"use": "azure", "base_url": "https://r.services.ai.azure.com/models", "api_key": "${K}"}, "m"),
        ("model: azure_ai/m, api_base: 'https://r.eastus.models.ai.azure.com/', api_key: os.environ/K", {"use": "openai", "base_url": "https://r.eastus.models.ai.azure.com/v1", "api_key": "${K}"}, "m"),
        ("model: 'cloudflare/@cf/m', api_base: 'https://api.cloudflare.com/client/v4/accounts/abc/ai/run/'", {"use": "cloudflare", "api_key": "${CLOUDFLARE_API_KEY}", "options": {"account_id": "abc"}}, "@cf/m"),
        ("model: huggingface/together/org/m", {"use": "huggingface", "api_key": "${HUGGINGFACE_API_KEY}"}, "org/m:together"),
        ("model: gpt-4o, api_key: 'a${b'", {"use": "openai", "api_key": "a$${b"}, "gpt-4o"),
    ],
)  # fmt: skip
def test_the_provider_and_the_model_there(
    migrated: Migrate, params: str, provider: dict[str, object], model: str
) -> None:
    found = migrated(one(params))
    providers = at(found, "providers")
    assert isinstance(providers, dict)
    assert list(providers.values()) == [provider]
    assert at(found, "models", "m", "targets", 0, "model") == model


def test_a_provider_that_is_not_here_and_its_fallbacks(migrated: Migrate) -> None:
    found = migrated(one("model: sagemaker/x", "router_settings: {fallbacks: [{m: [n]}]}\n"))
    assert "'sagemaker' has no counterpart" in told(found, "model_list[0]")
    assert "no model of this name" in told(found, "router_settings.fallbacks[0].m")
    assert found.lost


def test_a_credential_of_the_list_is_the_deployments(migrated: Migrate) -> None:
    found = migrated(
        one("model: openai/x, litellm_credential_name: c")
        + "credential_list: [{credential_name: c, credential_values: {api_key: os.environ/K, api_base: 'http://h/v1'}}]\n"
    )
    assert at(found, "providers", "openai") == {"use": "openai", "base_url": "http://h/v1", "api_key": "${K}"}
    assert not found.lost


def test_variables_of_the_file_stand_where_they_are_used(migrated: Migrate) -> None:
    found = migrated(
        one("model: openai/x, api_key: os.environ/A") + "environment_variables: {A: os.environ/B, B: sk-plain}\n"
    )
    assert at(found, "providers", "openai", "api_key") == "sk-plain"
    assert "sk-plain" not in "\n".join(map(str, found.findings))
    assert "plain text" in "\n".join(map(str, found.findings))


def test_deployments_of_one_account_share_a_provider_unless_they_have_limits(migrated: Migrate) -> None:
    found = migrated(
        """
        model_list:
          - {model_name: a, litellm_params: {model: openai/x}}
          - {model_name: b, litellm_params: {model: openai/y}}
          - {model_name: c, litellm_params: {model: openai/z, tpm: 1000}}
        """
    )
    providers = at(found, "providers")
    assert isinstance(providers, dict)
    assert list(providers) == ["openai", "openai-c"]
    assert providers["openai-c"]["limits"] == {"tpm": 1000}


# ---- models ---------------------------------------------------------------------------------------------------------


def three(first: str, second: str, third: str, more: str = "") -> str:
    lines = [
        f"  - {{model_name: m, litellm_params: {{model: groq/{name}, {extra}}}}}"
        for name, extra in (("x", first), ("y", second), ("z", third))
    ]
    return "model_list:\n" + "\n".join(lines) + "\n" + more


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        (("weight: 0.9", "weight: 0.05", "weight: 0.05"), [90, 5, 5]),
        (("weight: 2", "rpm: 100", "weight: 1"), [2, 0, None]),
        (("tpm: 3000000", "tpm: 1500000", "tpm: 30"), [1000000, 500000, 10]),
        (("temperature: 1", "temperature: 1", "temperature: 1"), [None, None, None]),
    ],
)
def test_shares_are_whole_weights(migrated: Migrate, shares: tuple[str, str, str], weights: list[int | None]) -> None:
    targets = at(migrated(three(*shares)), "models", "m", "targets")
    assert isinstance(targets, list)
    assert [target.get("weight") for target in targets] == weights
    assert at(migrated(three(*shares)), "models", "m", "policy") == "weighted"


def test_an_order_is_the_order_of_the_targets(migrated: Migrate) -> None:
    model = at(migrated(three("order: 3", "order: 1", "order: 2")), "models", "m")
    assert isinstance(model, dict)
    assert [target["model"] for target in model["targets"]] == ["y", "z", "x"]
    assert "policy" not in model


def test_of_several_that_lead_the_others_stand_by(migrated: Migrate) -> None:
    model = at(migrated(three("order: 1", "order: 1", "order: 2")), "models", "m")
    assert isinstance(model, dict)
    assert [target.get("weight") for target in model["targets"]] == [None, None, 0]
    assert model["policy"] == "weighted"


@pytest.mark.parametrize(
    ("strategy", "policy", "remark"),
    [
        ("simple-shuffle", "weighted", ""),
        ("least-busy", "least_busy", ""),
        ("latency-based-routing", "lowest_latency", ""),
        ("cost-based-routing", "lowest_cost", ""),
        ("usage-based-routing-v2", "least_busy", "least busy one is taken"),
        ("custom", "weighted", "no such strategy"),
    ],
)
def test_strategies(migrated: Migrate, strategy: str, policy: str, remark: str) -> None:
    found = migrated(three("rpm: 5", "rpm: 5", "rpm: 5", f"router_settings: {{routing_strategy: {strategy}}}\n"))
    assert at(found, "models", "m", "policy") == policy
    said = told(found, "router_settings.routing_strategy")
    assert (remark in said) if remark else not said


def test_tries_reach_the_fallbacks(migrated: Migrate) -> None:
    text = """
        model_list:
          - {model_name: a, litellm_params: {model: groq/x, max_retries: 0}}
          - {model_name: b, litellm_params: {model: groq/y}}
          - {model_name: c, litellm_params: {model: groq/z}}
        router_settings: {num_retries: 0, fallbacks: [{a: [b, c]}, {b: [{model: c}]}]}
        """
    found = migrated(text)
    assert at(found, "retry", "attempts") == 1
    assert at(found, "models", "a", "retry", "attempts") == 3
    assert at(found, "models", "b") == {
        "targets": [{"provider": "groq", "model": "y"}],
        "fallbacks": ["c"],
        "retry": {"attempts": 2},
    }


def test_prices_and_limits_of_a_model(migrated: Migrate) -> None:
    found = migrated(
        one("model: openai/x, input_cost_per_token: 2.5e-06")
        + "    model_info: {output_cost_per_token: 0.00001, cache_read_input_token_cost: 1.25e-06, max_output_tokens: 4096, supports_reasoning: true}\n"
    )
    row = at(found, "catalogue", "models", "openai/x")
    assert row == {
        "max_output": 4096,
        "reasoning": True,
        "prices": {"input": 2.5, "output": 10, "cached_input": 1.25},
    }


# ---- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "path", "value"),
    [
        ("router_settings: {timeout: 30}", ("timeouts",), {"first_byte": 30, "idle": 30}),
        ("litellm_settings: {request_timeout: 30}\nrouter_settings: {stream_timeout: 5}", ("timeouts",), {"first_byte": 30, "idle": 5}),
        ("litellm_settings: {num_retries: 30}", ("retry", "attempts"), 10),
        ("router_settings: {allowed_fails: 0, cooldown_time: 600}", ("health",), {"consecutive": 1, "cooldown": 600, "longest": 600}),
        ("router_settings: {disable_cooldowns: true}", ("health", "enabled"), False),
        ("litellm_settings: {cache: true}", ("cache", "exact", "enabled"), True),
        ("litellm_settings: {cache: true, cache_params: {type: redis, host: h, port: 7000, password: 'p@w'}}", ("state", "url"), "redis://:p%40w@h:7000"),
        ("litellm_settings: {cache: true, cache_params: {type: redis}}", ("state", "url"), "redis://:${REDIS_PASSWORD:-}@${REDIS_HOST}:${REDIS_PORT:-6379}"),
        ("litellm_settings: {cache: true, cache_params: {type: redis-semantic, similarity_threshold: 0.3, redis_semantic_cache_embedding_model: m}}", ("cache", "semantic"), {"enabled": True, "embedder": "m", "threshold": 0.5}),
        ("router_settings: {redis_url: os.environ/REDIS_URL}", ("state", "url"), "${REDIS_URL}"),
        ("general_settings: {database_url: os.environ/DATABASE_URL}", ("storage",), {"type": "postgres", "url": "${DATABASE_URL}"}),
        ("general_settings: {master_key: os.environ/M}", ("keys",), [{"name": "master", "key": "${M}"}]),
        ("general_settings: {max_parallel_requests: 9}", ("limits", "default", "concurrency"), 9),
        ("general_settings: {max_request_size_mb: 2.5}", ("server", "max_body"), 2621440),
        ("litellm_settings: {max_budget: 5, budget_duration: 7d}\ngeneral_settings: {master_key: k}", ("keys", 0, "budget"), {"usd": 5, "per": "week"}),
        ("litellm_settings: {callbacks: [otel, prometheus]}", ("telemetry",), {"otlp": "${OTEL_EXPORTER_OTLP_ENDPOINT:-}", "prometheus": True}),
        ("", ("auth", "mode"), "open"),
        ("", ("server", "port"), 4000),
    ],
)  # fmt: skip
def test_settings(migrated: Migrate, more: str, path: tuple[str | int, ...], value: object) -> None:
    assert at(migrated(one("model: openai/x", more + "\n")), *path) == value


@pytest.mark.parametrize(
    ("more", "path", "remark"),
    [
        ("litellm_settings: {cache: true, cache_params: {type: s3, s3_bucket_name: b}}", "litellm_settings.cache_params.type", "in memory"),
        ("litellm_settings: {cache: true, cache_params: {type: redis-semantic}}", "litellm_settings.cache_params.type", "nothing is compared"),
        ("router_settings: {num_retries: os.environ/N}", "router_settings.num_retries", "computed"),
        ("router_settings: {timeout: 5}\nlitellm_settings: {request_timeout: 6}", "litellm_settings.request_timeout", "router_settings.timeout says it already"),
        ("litellm_settings: {max_budget: 5, budget_duration: 3d}\ngeneral_settings: {master_key: k}", "litellm_settings.budget_duration", "calendar"),
        ("general_settings: {custom_auth: a.b}", "general_settings.custom_auth", "auth.jwt"),
        ("guardrails: [{guardrail_name: x}]", "guardrails", "no guardrails"),
        ("nobody: {knows: it}", "nobody.knows", "docs/configuration.md"),
    ],
)  # fmt: skip
def test_what_is_said(migrated: Migrate, more: str, path: str, remark: str) -> None:
    assert remark in told(migrated(one("model: openai/x", more + "\n")), path)


def test_whatever_a_whole_vendor_cannot_say_is_told(migrated: Migrate) -> None:
    found = migrated(
        "model_list: [{model_name: groq/*, litellm_params: {model: groq/*, timeout: 5, rpm: 9, max_retries: 1}}]"
    )
    assert at(found, "providers", "groq", "limits") == {"rpm": 9}
    for name in ("timeout", "max_retries"):
        assert "whole provider" in told(found, f"model_list[0].litellm_params.{name}")


@pytest.mark.parametrize(
    "text",
    [
        one("model: azure/d, api_base: 'http://h', client_id: a, tenant_id: b, client_secret: canary"),
        one("model: bedrock/x, aws_access_key_id: a, aws_secret_access_key: canary"),
        one("model: openai/x, extra_headers: {authorization: canary}"),
        one("model: openai/x", "general_settings: {database_url: 'postgresql://u:canary@h/d'}\n"),
        one("model: openai/x", "router_settings: {redis_host: h, redis_password: canary}\n"),
        one("model: openai/x", "environment_variables: {OPENAI_API_KEY: canary}\n"),
        one("model: openai/x", "general_settings: {master_key: canary}\n"),
    ],
)
def test_every_secret_in_plain_text_is_warned_of_and_never_repeated(migrated: Migrate, text: str) -> None:
    found = migrated(text)
    assert [finding for finding in found.findings if finding.kind == "secret"]
    assert "canary" in found.text("config.yaml")
    assert "canary" not in "\n".join(map(str, found.findings))
