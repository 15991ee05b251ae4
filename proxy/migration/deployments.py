"""One entry of ``model_list``: the account it uses, the model there, its share, and what it says of the model."""

from decimal import Decimal
from typing import TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct, field

from ..config.problems import Path
from .source import ENVIRONMENT, Leaf, Source
from .vendors import VENDORS, Vendor, vendor_of

Made: TypeAlias = "Leaf | dict[str, Made] | list[Made]"
"""A part of the new configuration."""

Section: TypeAlias = dict[str, Made]

KEYLESS = frozenset({"ollama", "vllm", "lmstudio", "vertex", "bedrock"})
"""Kinds that LiteLLM calls without a key unless it is given one."""

SHARES = ("weight", "rpm", "tpm")
"""What LiteLLM divides by, the first that any deployment of a model has."""

LIMITS = {"rpm": "rpm", "tpm": "tpm", "itpm": "input_tpm", "otpm": "output_tpm"}
_ROUTES = ("converse/", "converse_like/", "invoke/", "responses/", "chat/")
_OPTIONS: dict[str, dict[str, str]] = {
    "openai": {"organization": "organization"},
    "azure": {
        "tenant_id": "tenant_id",
        "client_id": "client_id",
        "client_secret": "client_secret",
        "azure_scope": "scope",
    },
    "vertex": {"vertex_project": "project", "vertex_location": "location"},
    "bedrock": {
        "aws_region_name": "region",
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
        "aws_profile_name": "profile",
    },
}
"""Kind to its settings in LiteLLM's words and ours."""

_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_token_batches": "batch_input",
    "output_cost_per_token_batches": "batch_output",
}
_FACTS = {
    "max_input_tokens": "max_input",
    "max_output_tokens": "max_output",
    "max_tokens": "max_output",
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
}
_MILLION = Decimal(1_000_000)


class Deployment(Struct, eq=False):
    """``account``: fields of its provider; ``prefix``: LiteLLM's name of the vendor; ``order``, and ``shares``
    by what they are measured in (weight, requests, tokens), as numbers."""

    path: Path
    public: str
    prefix: str
    model: Leaf
    account: Section
    order: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    target: Section = field(default_factory=dict)
    retries: Leaf | None = None
    facts: Section = field(default_factory=dict)

    @property
    def at(self) -> Path:
        """Where its parameters stand."""
        return (*self.path, "litellm_params")


class Reader:
    """Reads deployments of one source; ``credentials``: names of ``credential_list`` to their paths."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._credentials = {
            name: path
            for path, _ in source.items(("credential_list",))
            if (name := source.text((*path, "credential_name"))) is not None
        }

    def read(self, path: Path) -> Deployment | None:
        """``None``: it cannot be carried over, which is reported."""
        source = self._source
        public, named = source.text((*path, "model_name")), source.text((*path, "litellm_params", "model"))
        if public is None or named is None:
            source.lose(path, "It has no model_name or no litellm_params.model.", "complete or remove it")
            return None
        prefix, model = vendor_of(named, source.text((*path, "litellm_params", "custom_llm_provider")))
        at = (*path, "litellm_params", "model")
        if named == "*":
            prefix, model = (public.partition("/")[0] if "/" in public else "openai"), "*"
        vendor = VENDORS.get(prefix)
        if vendor is None and not prefix and self._where(path, "api_base") is not None:
            prefix, vendor = "openai", VENDORS["openai"]
        if vendor is None:
            said = f"The provider {prefix!r} has" if prefix else "The name does not tell its provider, which has"
            source.lose(
                path,
                f"{said} no counterpart here.",
                "if it speaks OpenAI's dialect: use: openai with its base_url; docs/providers.md lists the others",
            )
            return None
        found = Deployment(
            path=path, public=public, prefix=prefix, model=source.leaf(at, self._named(at, prefix, model)), account={}
        )
        source.take((*path, "model_name"))
        source.take((*path, "litellm_params", "custom_llm_provider"))
        self._account(found, vendor)
        self._target(found)
        self._facts(found, vendor)
        return found

    # ---- names ------------------------------------------------------------------------------------------------------

    def _named(self, at: Path, prefix: str, model: str) -> str:
        """The model's name at the provider, without the way that LiteLLM takes to it."""
        for route in _ROUTES:
            if model.startswith(route) and prefix in ("bedrock", "azure", "openai"):
                self._source.say(
                    "changed", at, f"The way {route!r} is not chosen: the gateway takes the one that fits."
                )
                model = model.removeprefix(route)
        region, slash, rest = model.partition("/")
        if prefix == "bedrock" and slash and region.count("-") >= 2 and "." not in region:
            self._source.say("changed", at, "The region is the provider's.", f"options.region: {region}")
            return rest
        if prefix == "huggingface" and model.count("/") == 2:
            return f"{rest}:{region}"
        return model

    def _where(self, path: Path, name: str) -> Path | None:
        """Where a parameter stands: at the deployment, or in the credential that it names."""
        own = (*path, "litellm_params", name)
        if self._source.has(own):
            return own
        credential = self._source.text((*path, "litellm_params", "litellm_credential_name"))
        at = self._credentials.get(credential or "")
        if at is not None:
            self._source.take((*path, "litellm_params", "litellm_credential_name"))
            self._source.take((*at, "credential_name"))
            if self._source.has((*at, "credential_values", name)):
                return (*at, "credential_values", name)
        return None

    def _refer(self, found: Deployment, name: str) -> Leaf | None:
        at = self._where(found.path, name)
        return self._source.refer(at) if at is not None else None

    # ---- the account ------------------------------------------------------------------------------------------------

    def _account(self, found: Deployment, vendor: Vendor) -> None:
        source, account, at = self._source, found.account, (*found.at, "model")
        use = vendor.use
        base = self._refer(found, "api_base") or self._refer(found, "base_url")
        if use == "bedrock":
            base = base or self._refer(found, "aws_bedrock_runtime_endpoint")
        if base is None and use == "azure":
            base = source.variable("AZURE_API_BASE" if found.prefix != "azure_ai" else "AZURE_AI_API_BASE", at)
        if base is None and vendor.address is not None:
            base = source.leaf(at, vendor.address)
        if base is None and vendor.addressed:
            source.lose(at, "Its address is not in the file.", "add api_base")
        if base is not None and found.prefix == "azure_ai":
            use, base = _foundry(base)
        account["use"] = source.leaf(at, use)
        options = self._options(found, use)
        if base is not None and use == "cloudflare":
            base = self._cloudflare(base, options)
        if base is not None:
            account["base_url"] = base
        self._key(found, vendor, use, base)
        if options:
            account["options"] = options
        self._headers(found)
        region = self._refer(found, "region_name")
        if region is not None:
            account["region"] = region
        limits: Section = {}
        for name, ours in LIMITS.items():
            limit = self._refer(found, name)
            if limit is not None:
                limits[ours] = limit
        if limits:
            account["limits"] = limits

    def _key(self, found: Deployment, vendor: Vendor, use: str, base: Leaf | None) -> None:
        source, at = self._source, (*found.at, "model")
        key = self._refer(found, "api_key")
        if key is None and vendor.variables and "client_id" not in self._source.names(found.at):
            own = base is None or vendor.address is not None or use == "azure"
            key = source.variable(vendor.variables[0], at, None if own else "none")
        elif key is None and base is not None and use == "openai":
            key = source.leaf(at, "none")
        if key is not None:
            found.account["api_key"] = key

    def _options(self, found: Deployment, use: str) -> Section:
        source, options = self._source, dict[str, Made]()
        for theirs, ours in _OPTIONS.get(use, {}).items():
            value = self._refer(found, theirs)
            if value is not None:
                options[ours] = value
        if use == "azure":
            self._azure(found, options)
        if use == "vertex":
            at = self._where(found.path, "vertex_credentials")
            text = source.text(at) if at is not None else None
            if at is not None and text is not None and not text.lstrip().startswith("{"):
                file = source.refer(at)
                assert file is not None
                options["credentials_file"] = file
            elif at is not None:
                source.lose(at, "Credentials are read from a file only.", "save them and set options.credentials_file")
        return options

    def _azure(self, found: Deployment, options: Section) -> None:
        source = self._source
        at = self._where(found.path, "api_version")
        if at is not None:
            if source.text(at) in ("latest", "v1"):
                source.say("changed", at, "Without options.api_version the v1 API is used, which has no dates.")
            else:
                version = source.refer(at)
                assert version is not None
                options["api_version"] = Leaf(str(version.value), version.path, version.node)
        base_model = (*found.path, "model_info", "base_model")
        text = source.text(base_model)
        if text is not None and isinstance(found.model.value, str):
            options["base_models"] = {found.model.value: source.leaf(base_model, text.rpartition("/")[2])}

    def _cloudflare(self, base: Leaf, options: Section) -> Leaf | None:
        """LiteLLM's address has the account in it."""
        _, found, rest = str(base.value).partition("/accounts/")
        if not found:
            return base
        options["account_id"] = Leaf(rest.partition("/")[0], base.path, base.node)
        return None

    def _headers(self, found: Deployment) -> None:
        headers: Section = {}
        for name in ("extra_headers", "headers"):
            at = self._where(found.path, name)
            for header in self._source.names(at) if at is not None else ():
                assert at is not None
                value = self._source.refer((*at, header))
                if value is not None:
                    headers[header] = value
        if headers:
            found.account["headers"] = headers

    # ---- the target -------------------------------------------------------------------------------------------------

    def _target(self, found: Deployment) -> None:
        source, at = self._source, found.at
        found.order = source.number((*at, "order"))
        for name in SHARES:
            share = source.number((*at, name))
            if share is not None:
                found.shares[name] = share
        for name in ("order", "weight"):
            if source.has((*at, name)) and not source.covered((*at, name)):
                source.take((*at, name))
        timeouts: Section = {}
        wait = self._refer(found, "timeout")
        if wait is not None:
            timeouts["first_byte"] = timeouts["idle"] = wait
        stream_wait = self._refer(found, "stream_timeout")
        if stream_wait is not None:
            source.say(
                "changed",
                stream_wait.path,
                "It is the longest silence inside an answer: streams and plain answers share the limit until the first byte.",
                "x-tollway-first-byte-timeout-ms in streamed requests",
            )
            timeouts["idle"] = stream_wait
        if timeouts:
            found.target["timeouts"] = timeouts
        slots = self._refer(found, "max_parallel_requests")
        if slots is not None:
            found.target["concurrency"] = slots
        for name in ("num_retries", "max_retries"):
            retries = source.number((*at, name))
            if retries is not None:
                found.retries = source.leaf((*at, name), max(0, int(retries)))
                source.say("changed", (*at, name), "Tries are counted for the model, over all its targets.")

    # ---- the model --------------------------------------------------------------------------------------------------

    def _facts(self, found: Deployment, vendor: Vendor) -> None:
        """What ``catalogue.models`` can say; of a wildcard it says nothing."""
        if "*" in str(found.model.value):
            return
        source, prices = self._source, dict[str, Made]()
        for place in ((*found.path, "model_info"), found.at):
            for theirs, ours in _PRICES.items():
                at = (*place, theirs)
                cost = source.text(at)
                if cost is None or source.number(at) is None:
                    continue
                prices[ours] = source.leaf(at, float(Decimal(cost) * _MILLION))
        for theirs, ours in _FACTS.items():
            at = (*found.path, "model_info", theirs)
            if source.has(at) and ours not in found.facts and not str(source.text(at)).startswith(ENVIRONMENT):
                value = source.refer(at)
                assert value is not None
                found.facts[ours] = value
        sees = source.node((*found.path, "model_info", "supports_vision"))
        if sees is not None and sees.value is True:
            at = (*found.path, "model_info", "supports_vision")
            found.facts["inputs"] = [source.leaf(at, "text"), source.leaf(at, "image")]
        if prices:
            found.facts["prices"] = prices


def _foundry(base: Leaf) -> tuple[str, Leaf]:
    """Azure's other addresses: models of Foundry, and endpoints that have one model each."""
    url = str(base.value)
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if host.endswith(".models.ai.azure.com"):
        return "openai", Leaf(f"{url.rstrip('/').removesuffix('/v1')}/v1", base.path, base.node)
    if host.endswith(".services.ai.azure.com") and urlsplit(url).path in ("", "/"):
        return "azure", Leaf(f"{url.rstrip('/')}/models", base.path, base.node)
    return "azure", base
