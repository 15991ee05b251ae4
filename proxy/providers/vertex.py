"""Vertex AI: Gemini in its own dialect, Claude in Anthropic's, other publishers' models at the OpenAI-compatible endpoint.

With a project it authenticates by OAuth (service account, workload identity, application default credentials); with nothing
but an API key it is Vertex in express mode, which serves Google's own models only.
"""

from urllib.parse import quote

from msgspec import Struct

from ..catalogue.behaviour import Behaviour
from ..translation.ask import Ask
from ..translation.contract import Operation, Translation
from ..wire.endpoints import CHAT, Endpoint
from .account import Account
from .anthropic.dialect import AnthropicChat
from .anthropic.host import Host
from .base import AuthSpec, OptionError, Settings
from .gemini import KEY_HEADER, google_operation
from .openai_dialect.chat import CompatibleChat
from .openai_dialect.spec import Compatible

CLAUDE_VERSION = "vertex-2023-10-16"
LOCATION = "global"


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``options`` of a Vertex provider; what is not set comes from Google's own environment variables."""

    project: str | None = None
    location: str | None = None
    credentials_file: str | None = None
    """A service account's key, or the configuration of a workload identity."""


class Place(Struct, frozen=True, kw_only=True):
    """Where an account's models are. ``project`` is empty in express mode. Paths are below the base URL."""

    project: str = ""
    location: str = LOCATION

    @property
    def root(self) -> str:
        """The path that all others begin with."""
        if not self.project:
            return ""
        return f"/projects/{quote(self.project, safe='')}/locations/{quote(self.location, safe='')}"

    def google(self, model: str) -> str:
        """A model of Google's, or a tuned one of this project (``endpoints/123``)."""
        if model.startswith("endpoints/"):
            return f"{self.root}/endpoints/{quote(model.removeprefix('endpoints/'), safe='')}"
        return f"{self.root}/publishers/google/models/{quote(model.removeprefix('google/'), safe='')}"

    def claude(self, ask: Ask) -> str:
        """A model of Anthropic's."""
        method = "streamRawPredict" if ask.stream else "rawPredict"
        name = quote(ask.model.removeprefix("anthropic/"), safe="@")
        return f"{self.root}/publishers/anthropic/models/{name}:{method}"

    def host(self) -> str:
        """The API's base URL. Multi-regions and ``global`` have hosts of their own."""
        if not self.project or self.location == "global":
            return "https://aiplatform.googleapis.com/v1"
        if self.location in ("us", "eu"):
            return f"https://aiplatform.{self.location}.rep.googleapis.com/v1"
        return f"https://{self.location}-aiplatform.googleapis.com/v1"


class SharedEndpoint:
    """``endpoints/openapi``: models of other publishers, named ``publisher/model``, in OpenAI's dialect."""

    def __init__(self, base_url: str, place: Place) -> None:
        self._url = f"{base_url}{place.root}/endpoints/openapi"
        self._open = bool(place.project)

    def url(self, endpoint: Endpoint, model: str, path: str) -> str | None:
        """For ``chat`` with a model of another publisher."""
        foreign = "/" in model and not model.startswith(("google/", "anthropic/", "endpoints/"))
        return f"{self._url}{path}" if self._open and foreign and endpoint.name == "chat" else None

    def edit(self, endpoint: Endpoint, body: bytes, ask: Ask) -> bytes:
        """As it came."""
        return body

    def repair(self, endpoint: Endpoint, ask: Ask) -> Translation | None:
        """Nothing is known to deviate."""
        return None

    def untouched(self, endpoint: Endpoint, behaviour: Behaviour) -> bool:
        """Always."""
        return True

    def minds(self, endpoint: Endpoint, behaviour: Behaviour) -> frozenset[str] | None:
        """Nothing."""
        return frozenset()


def provider(settings: Settings) -> Account:
    """An account at Vertex AI. Raises ``OptionError`` where neither a project nor a key is known."""
    options = settings.read(Options)
    project = options.project or settings.variable("GOOGLE_CLOUD_PROJECT") or ""
    key = settings.api_key
    if key is None and not project and settings.base_url is None:
        key = settings.variable("GOOGLE_API_KEY")
    place = Place(
        project="" if key is not None and options.project is None else project,
        location=options.location or settings.variable("GOOGLE_CLOUD_LOCATION") or LOCATION,
    )
    if not place.project and key is None and not settings.forwards:
        raise OptionError(
            "options.project",
            "set the Google Cloud project here or in GOOGLE_CLOUD_PROJECT (or an api_key for express mode)",
        )
    base_url = (settings.base_url or place.host()).rstrip("/")
    if base_url.count("/") == 2:
        base_url += "/v1"
    shared = SharedEndpoint(base_url, place)
    foreign = CompatibleChat(
        Compatible(
            name="vertex", base_url="", chat_path=f"{place.root}/endpoints/openapi/chat/completions", top_k=False
        )
    )
    claude = AnthropicChat(
        Host(path=place.claude, version_in_body=CLAUDE_VERSION, image_urls=False, service_tier=False, betas_in="none")
    )

    def operations(endpoint: str, model: str) -> Operation | None:
        if model.startswith(("claude", "anthropic/")):
            return claude if endpoint == "chat" and place.project else None
        if endpoint == "chat" and shared.url(CHAT, model, "/chat/completions") is not None:
            return foreign
        return google_operation(endpoint, model, place.google, vertex=True)

    return Account(
        settings,
        base_url=base_url,
        native=base_url.removesuffix("/v1"),
        credentials=((KEY_HEADER, key),) if key is not None else (),
        operations=operations,
        passing=shared,
        auth=None if key is not None else _oauth(settings, options),
        forwarded="authorization" if place.project else KEY_HEADER,
        catalogued="gemini",
    )


def _oauth(settings: Settings, options: Options) -> AuthSpec:
    """Google's tokens: from the file that is named here or in the environment, else wherever its library finds them."""
    file = options.credentials_file or settings.variable("GOOGLE_APPLICATION_CREDENTIALS")
    return AuthSpec(scheme="google", options={"credentials_file": file} if file else {})
