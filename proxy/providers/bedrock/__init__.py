"""AWS Bedrock: chat by Converse and ConverseStream, embeddings and rerank by invoke, signed or with a Bedrock API key."""

import re
from typing import Literal

from msgspec import Struct

from ...translation.contract import Operation
from ...wire.values import JsonObject
from ..account import Account
from ..base import AuthSpec, OptionError, Settings
from .chat import Converse
from .embeddings import Cohere, Rerank, Titan
from .families import foundation

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

_STATIC = (
    ("access_key_id", "AWS_ACCESS_KEY_ID"),
    ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("session_token", "AWS_SESSION_TOKEN"),
)
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")


class Guardrail(Struct, frozen=True, forbid_unknown_fields=True):
    """A guardrail that every chat request gets, whatever the client says."""

    id: str
    version: str = "DRAFT"
    trace: Literal["enabled", "disabled", "enabled_full"] = "disabled"
    streaming: Literal["sync", "async"] = "sync"
    """``sync``: text waits until it was assessed."""


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """``options`` of a Bedrock provider."""

    region: str | None = None
    profile: str | None = None
    """Of the AWS configuration files."""
    endpoint: str | None = None
    """Base URL of the runtime: a VPC endpoint, or a FIPS host."""
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    guardrail: Guardrail | None = None


def provider(settings: Settings) -> Account:
    """An account at Bedrock. A Bedrock API key travels as a bearer token; without one requests are signed."""
    options = settings.read(Options)
    url = settings.base_url or options.endpoint
    region = options.region or settings.variable(*REGION_VARIABLES) or (_region_in(url) if url else None)
    key = settings.api_key
    if region is not None and _REGION.fullmatch(region) is None:
        raise OptionError("options.region", f"{region[:100]!r} is no AWS region; write it as us-east-1.")
    if region is None and (url is None or not (key or settings.forwards)):
        raise OptionError(
            "options.region", "is missing: set it, or AWS_REGION in the environment, to the region of your models."
        )
    chat = Converse(_guardrail(options.guardrail))

    def operation(endpoint: str, model: str) -> Operation | None:
        return chat if endpoint == "chat" else _other(endpoint, foundation(model))

    return Account(
        settings,
        base_url=(url or runtime(region or "")).rstrip("/"),
        credentials=(("authorization", f"Bearer {key}"),) if key else (),
        operations=operation,
        auth=None
        if key or settings.forwards
        else AuthSpec(scheme="sigv4", options=_signing(options, settings, region or "")),
        catalogued="bedrock",
    )


def runtime(region: str) -> str:
    """The runtime's address in ``region``; China's regions have a domain of their own."""
    return f"https://bedrock-runtime.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def _region_in(url: str) -> str | None:
    """The region that an AWS host name tells."""
    found = re.search(rf"//[^/]*bedrock-runtime(?:-fips)?\.({_REGION.pattern})\.", url)
    return found[1] if found is not None else None


def _signing(options: Options, settings: Settings, region: str) -> dict[str, str]:
    """What the signature needs: static keys where they are given, whole, else where to look for others."""
    found = {"region": region, "service": "bedrock"}
    if options.access_key_id is not None:
        if not options.secret_access_key:
            raise OptionError("options.secret_access_key", "is missing beside access_key_id.")
        given = {name: getattr(options, name) for name, _ in _STATIC}
    elif options.profile is not None:
        return {**found, "profile": options.profile}
    else:
        given = {name: settings.variable(variable) for name, variable in _STATIC}
        if not (given["access_key_id"] and given["secret_access_key"]):
            profile = settings.variable("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
            return {**found, "profile": profile} if profile else found
    return {**found, **{name: value for name, value in given.items() if value}}


def _guardrail(given: Guardrail | None) -> JsonObject | None:
    if given is None:
        return None
    return {
        "guardrailIdentifier": given.id,
        "guardrailVersion": given.version,
        "trace": given.trace,
        "streamProcessingMode": given.streaming,
    }


def _other(endpoint: str, model: str) -> Operation | None:
    """Operations besides chat, by the foundation model: each has its own body."""
    if endpoint == "embeddings":
        if model.startswith("amazon.titan-embed"):
            return Titan()
        return Cohere() if model.startswith("cohere.embed") else None
    if endpoint == "rerank" and model.startswith(("cohere.rerank", "amazon.rerank")):
        return Rerank()
    return None
