"""Azure OpenAI and Foundry: OpenAI's dialect at Azure's addresses, under names of deployments, with Azure's credentials.

Answers pass as they come. The first event without choices, id or model, verdicts of the content filter after the end, and error
bodies without an ``error`` member are all read by OpenAI's own SDKs, so none of them is worth a changed byte.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from ...translation.contract import Operation
from ..account import Account
from ..base import AuthSpec, OptionError, Settings
from .address import Address, address_of
from .chat import DeploymentChat, FoundryClaude
from .passing import AzurePassing

ENDPOINT_VARIABLES = ("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE")
VERSION_VARIABLES = ("OPENAI_API_VERSION", "AZURE_API_VERSION")


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``options`` of an Azure provider."""

    api_version: str | None = None
    """A date (``2024-10-21``): addresses by deployment. ``preview``: sent along to the v1 API. Unset: the v1 API as it is."""
    deployments: dict[str, str] = {}
    """Model names to the deployments that serve them; other names are deployments themselves."""
    base_models: dict[str, str] = {}
    """Deployments to the model behind them, where the name does not tell (``prod-chat: gpt-5.1``)."""
    auth: Literal["key", "entra"] | None = None
    """Unset: ``key``, or ``entra`` when there is no key but a token or an identity."""
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    token_file: str | None = None
    """A workload's federated token."""
    authority: str | None = None
    """Where tokens come from, in clouds of their own."""
    scope: str | None = None


def provider(settings: Settings) -> Account:
    """An account at one Azure resource. Raises ``OptionError`` without its address, or without an identity for Entra."""
    options = settings.read(Options)
    given = settings.base_url or settings.variable(*ENDPOINT_VARIABLES)
    if not given:
        raise OptionError(
            "base_url", "missing: set it to https://<resource>.openai.azure.com/openai/v1, or set AZURE_OPENAI_ENDPOINT"
        )
    # The variable speaks to clients that know an endpoint only; a base_url that names the v1 API has decided.
    usual = settings.variable(*VERSION_VARIABLES) if settings.base_url is None else None
    address = address_of(given, options.api_version or usual)
    key = settings.api_key
    auth = None if settings.forwards else _auth(options, settings, address, key)
    passing = AzurePassing(address, deployments=options.deployments, base_models=options.base_models)
    claude, deployed = FoundryClaude(passing), DeploymentChat(address, passing)

    def operations(endpoint: str, model: str) -> Operation | None:
        if endpoint != "chat" or not model:
            return None
        return claude if passing.speaks_anthropic(model) else deployed

    return Account(
        settings,
        base_url=address.root,
        credentials=(("api-key", key),) if key and auth is None else (),
        operations=operations,
        passing=passing,
        auth=auth,
        native=address.root,
        forwarded="api-key",
        catalogued="openai",
    )


def _auth(options: Options, settings: Settings, address: Address, key: str | None) -> AuthSpec | None:
    """How Entra is asked for a token; ``None``: the key it is."""
    identity = _identity(options, settings, address)
    complete = "token" in identity or (
        identity.keys() >= {"tenant_id", "client_id"}
        and not identity.keys().isdisjoint(("client_secret", "token_file"))
    )
    if options.auth == "key" or (options.auth is None and (key or not complete)):
        return None
    if not complete:
        raise OptionError(
            "options.auth",
            "entra needs options.tenant_id and options.client_id with options.client_secret or options.token_file "
            "(or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE), or a token in "
            "AZURE_OPENAI_AD_TOKEN",
        )
    return AuthSpec(scheme="entra", options=identity)


def _identity(options: Options, settings: Settings, address: Address) -> dict[str, str]:
    """The options of the scheme; what the operator wrote wins over what a workload finds in its environment."""
    found: Mapping[str, str | None] = {
        "tenant_id": options.tenant_id or settings.variable("AZURE_TENANT_ID"),
        "client_id": options.client_id or settings.variable("AZURE_CLIENT_ID"),
        "authority": options.authority or settings.variable("AZURE_AUTHORITY_HOST"),
        "scope": options.scope or address.scope,
    }
    if options.token_file is not None:
        secrets: Mapping[str, str | None] = {"token_file": options.token_file}
    else:
        secrets = {"client_secret": options.client_secret or settings.variable("AZURE_CLIENT_SECRET")}
        if not secrets["client_secret"]:
            secrets = {"token_file": settings.variable("AZURE_FEDERATED_TOKEN_FILE")}
    if options.client_secret is None and options.token_file is None:
        secrets = {**secrets, "token": settings.variable("AZURE_OPENAI_AD_TOKEN")}
    return {name: value for name, value in {**found, **secrets}.items() if value}
