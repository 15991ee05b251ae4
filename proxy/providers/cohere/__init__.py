"""Cohere, version 2 of its API: chat, embeddings and rerank in its own dialect."""

from msgspec import Struct

from ...translation.contract import Operation
from ..account import Account
from ..base import Settings
from .chat import Chat
from .embeddings import Embeddings
from .rerank import Rerank

BASE_URL = "https://api.cohere.com"

_CHAT = Chat()


def operation(endpoint: str, model: str) -> Operation | None:
    """The translation of an endpoint; the ones whose answer depends on the question are made for one request."""
    match endpoint:
        case "chat":
            return _CHAT
        case "embeddings":
            return Embeddings()
        case "rerank":
            return Rerank()
        case _:
            return None


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: whatever is written under ``options`` is a mistake."""


def provider(settings: Settings) -> Account:
    """An account at Cohere, or at a deployment that speaks its version 2. A version at the end of ``base_url`` is understood."""
    base_url = (settings.base_url or BASE_URL).rstrip("/").removesuffix("/v1").removesuffix("/v2")
    settings.read(Options)
    key = settings.api_key
    return Account(
        settings,
        base_url=base_url,
        credentials=(("authorization", f"Bearer {key}"),) if key else (),
        operations=operation,
        catalogued="cohere",
    )
