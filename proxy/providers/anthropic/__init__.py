"""Anthropic: chat requests translated to its Messages API; clients that speak that API themselves pass through untouched."""

from msgspec import Struct

from ...catalogue.behaviour import Behaviour
from ...translation.ask import Ask
from ...translation.contract import Operation, Translation
from ...translation.messages.native import native
from ...wire.endpoints import Endpoint
from ..account import Account
from ..base import Settings
from .dialect import AnthropicChat
from .host import Host

BASE_URL = "https://api.anthropic.com"

PASSED = frozenset(("messages", "count_tokens"))


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``options`` of an Anthropic provider."""

    version: str = ""
    """``anthropic-version`` of translated requests; empty: chosen for each request."""
    betas: tuple[str, ...] = ()
    """Added to ``anthropic-beta`` of every translated request."""


class MessagesPassing:
    """The Messages API under ``base_url`` + ``/v1``, spoken by the client itself: not a byte changes."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def url(self, endpoint: Endpoint, model: str, path: str) -> str | None:
        """For ``messages`` and ``count_tokens``."""
        return f"{self._base_url}/v1{path}" if endpoint.name in PASSED else None

    def edit(self, endpoint: Endpoint, body: bytes, ask: Ask) -> bytes:
        """As it came, but for thinking of other models, which Anthropic did not sign; what its model refuses it says itself."""
        cleaned = native(body)
        if cleaned is not body:
            ask.notes.rewrite("messages")
        return cleaned

    def repair(self, endpoint: Endpoint, ask: Ask) -> Translation | None:
        """Nothing deviates."""
        return None

    def untouched(self, endpoint: Endpoint, behaviour: Behaviour) -> bool:
        """Thinking may have to be cleaned."""
        return False

    def minds(self, endpoint: Endpoint, behaviour: Behaviour) -> frozenset[str] | None:
        """Not told by names."""
        return None


def provider(settings: Settings) -> Account:
    """An account at Anthropic, or at a host that speaks its Messages API under ``base_url``."""
    options = settings.read(Options)
    base_url = (settings.base_url or BASE_URL).rstrip("/").removesuffix("/v1")
    chat = AnthropicChat(Host(version=options.version, betas=options.betas))

    def operations(endpoint: str, model: str) -> Operation | None:
        return chat if endpoint == "chat" else None

    return Account(
        settings,
        base_url=base_url,
        credentials=credentials(settings),
        operations=operations,
        passing=MessagesPassing(base_url),
        catalogued="anthropic",
    )


def credentials(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The header with our key. Variables are the configuration's business: a key must not follow a foreign ``base_url``."""
    return (("x-api-key", settings.api_key),) if settings.api_key else ()
