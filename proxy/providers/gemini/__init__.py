"""Google's Gemini API (AI Studio): chat, embeddings and images in its own dialect, ``generateContent``."""

from msgspec import Struct

from ...translation.contract import Operation
from ..account import Account
from ..base import Settings
from .dialect import Address, Gemini, model_path
from .embeddings import Embeddings
from .images import Images

BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
KEY_HEADER = "x-goog-api-key"


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``options`` of a Gemini provider: there are none."""


def google_operation(endpoint: str, model: str, address: Address, *, vertex: bool) -> Operation | None:
    """The translation of an endpoint, for both of Google's hosts."""
    match endpoint:
        case "chat":
            return Gemini(address, vertex=vertex)
        case "embeddings":
            return Embeddings(address, vertex=vertex)
        case "images":
            return Images(address, vertex=vertex)
        case _:
            return None


def operation(endpoint: str, model: str) -> Operation | None:
    """AI Studio's."""
    return google_operation(endpoint, model, model_path, vertex=False)


def provider(settings: Settings) -> Account:
    """An account at AI Studio; a ``base_url`` that is a bare host gets ``/v1beta``."""
    settings.read(Options)
    url = (settings.base_url or BASE_URL).rstrip("/")
    if url.count("/") == 2:
        url += "/v1beta"
    key = settings.api_key
    return Account(
        settings,
        base_url=url,
        native=url.removesuffix("/v1beta"),
        credentials=((KEY_HEADER, key),) if key else (),
        operations=operation,
        forwarded=KEY_HEADER,
        catalogued="gemini",
    )
