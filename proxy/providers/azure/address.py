"""Where an Azure resource serves what: three families of URLs over one root. Source: Azure's REST reference, November 2026."""

from typing import Literal
from urllib.parse import parse_qs, quote

from msgspec import Struct

Family = Literal["v1", "classic", "models"]
"""``v1``: as at OpenAI; ``classic``: by deployment, with a version's date; ``models``: the older address of Foundry models."""

MODELS_VERSION = "2024-05-01-preview"
"""The only version of the ``models`` family."""

FOUNDRY_SCOPE = "https://ai.azure.com/.default"
OPENAI_SCOPE = "https://cognitiveservices.azure.com/.default"

_KNOWN = ("/openai/v1", "/openai", "/models", "/anthropic/v1", "/anthropic")
_WITHOUT_DATE = ("", "v1", "latest", "preview")

_DEPLOYED = frozenset(
    (
        "/chat/completions", "/completions", "/embeddings", "/audio/transcriptions", "/audio/translations", "/audio/speech",
        "/images/generations", "/images/edits",
    )
)  # fmt: skip
"""What the classic family serves below a deployment; everything else stands beside the deployments."""

_MODELS = frozenset(("/chat/completions", "/embeddings", "/images/embeddings"))


class Address(Struct, frozen=True, kw_only=True):
    """One resource. ``root`` has no slash at its end; ``version`` is empty where none is sent."""

    root: str
    family: Family
    base: str
    """What paths are appended to, but for deployments."""
    version: str = ""

    @property
    def scope(self) -> str:
        """What a token of Entra must be good for."""
        return FOUNDRY_SCOPE if self.root.endswith(".services.ai.azure.com") else OPENAI_SCOPE

    def url(self, path: str, deployment: str) -> str | None:
        """The URL of an operation (``/chat/completions``), without the client's query; ``None``: not in this family."""
        if self.family == "classic" and path in _DEPLOYED:
            base = f"{self.base}/deployments/{quote(deployment, safe='')}"
        elif self.family == "models" and path not in _MODELS:
            return None
        else:
            base = self.base
        return f"{base}{path}?api-version={quote(self.version, safe='')}" if self.version else base + path


def address_of(given: str, version: str | None) -> Address:
    """``given``: a resource's host, or any address below it that Azure's portal shows, its version included."""
    url, _, query = given.partition("?")
    url = url.rstrip("/").partition("/openai/deployments/")[0]
    told = version if version is not None else parse_qs(query).get("api-version", [""])[0]
    suffix = next((known for known in _KNOWN if url.endswith(known)), "")
    root = url.removesuffix(suffix)
    if suffix == "/models":
        return Address(root=root, family="models", base=url, version=told or MODELS_VERSION)
    if told not in _WITHOUT_DATE:
        return Address(
            root=root.removesuffix("/v1"), family="classic", base=f"{root.removesuffix('/v1')}/openai", version=told
        )
    if not suffix and url.endswith("/v1"):
        # Behind a gateway of the operator's own, with paths of its own.
        return Address(root=url.removesuffix("/v1"), family="v1", base=url, version=_sent(told))
    return Address(root=root, family="v1", base=f"{root}/openai/v1", version=_sent(told))


def _sent(version: str) -> str:
    """``preview`` opts into what is not finished; ``v1`` is what is served anyway."""
    return version if version in ("preview", "latest") else ""
