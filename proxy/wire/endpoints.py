"""The OpenAI surface as data: which operation a method and path name, and how its body and stream are read.

Anything not listed is carried to the pass-through provider. Source: OpenAI's API description, August 2026.
"""

from typing import Literal

from msgspec import Struct

BodyKind = Literal["json", "form", "any", "none", "socket"]
"""``json``: decoded whole; ``form``: multipart (or JSON) with a model field; ``any``: whatever comes; ``none``; ``socket``: WebSocket."""

Dialect = Literal["chat", "completions", "responses", "messages", "events", "opaque"]
"""How a stream of this operation speaks: what its deltas, usage and end look like. ``opaque``: end of body is the end."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """An API operation. ``name`` is the metric label, ``operation`` OpenTelemetry's ``gen_ai.operation.name``."""

    name: str
    operation: str
    body: BodyKind
    dialect: Dialect = "opaque"
    model: Literal["required", "optional", "hint", "never"] = "required"
    """``hint``: a configured model name in the body chooses its provider; any other leaves the choice to ``passthrough``."""
    shape: Literal["openai", "anthropic"] = "openai"
    """Whose error envelope its clients read."""
    replay: bool = False
    """May a request be sent once more after its connection died without an answer? Only where nothing is created."""


CHAT = Endpoint(name="chat", operation="chat", body="json", dialect="chat", replay=True)
COMPLETIONS = Endpoint(name="completions", operation="text_completion", body="json", dialect="completions", replay=True)
RESPONSES = Endpoint(name="responses", operation="chat", body="json", dialect="responses", replay=True)
EMBEDDINGS = Endpoint(name="embeddings", operation="embeddings", body="json", replay=True)
MODERATIONS = Endpoint(name="moderations", operation="moderation", body="json", model="optional", replay=True)
IMAGES = Endpoint(name="images", operation="generate_content", body="form", dialect="events", model="optional")
SPEECH = Endpoint(name="speech", operation="generate_content", body="json", dialect="events", replay=True)
TRANSCRIPTIONS = Endpoint(name="transcriptions", operation="generate_content", body="form", dialect="events")
RERANK = Endpoint(name="rerank", operation="rerank", body="json", replay=True)
DECISIONS = Endpoint(name="decisions", operation="chat", body="json", replay=True)
VIDEOS = Endpoint(name="videos", operation="generate_content", body="form", model="optional")
REALTIME = Endpoint(name="realtime", operation="realtime", body="socket", model="optional")
NATIVE = Endpoint(name="native", operation="passthrough", body="any", model="hint")
MODELS = Endpoint(name="models", operation="list_models", body="none", model="never")
MESSAGES = Endpoint(name="messages", operation="chat", body="json", dialect="messages", shape="anthropic", replay=True)
COUNT_TOKENS = Endpoint(name="count_tokens", operation="count_tokens", body="json", shape="anthropic", replay=True)
TOKENS = Endpoint(name="tokens", operation="count_tokens", body="json")
PASSTHROUGH = Endpoint(name="passthrough", operation="passthrough", body="any", dialect="opaque", model="hint")

SURFACE: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/chat/completions", CHAT),
    ("POST", "/responses", RESPONSES),
    ("POST", "/embeddings", EMBEDDINGS),
    ("POST", "/completions", COMPLETIONS),
    ("POST", "/responses/input_tokens", RESPONSES),
    ("POST", "/responses/compact", RESPONSES),
    ("POST", "/moderations", MODERATIONS),
    ("POST", "/images/generations", IMAGES),
    ("POST", "/images/edits", IMAGES),
    ("POST", "/images/variations", IMAGES),
    ("POST", "/audio/speech", SPEECH),
    ("POST", "/audio/transcriptions", TRANSCRIPTIONS),
    ("POST", "/audio/translations", TRANSCRIPTIONS),
    ("POST", "/rerank", RERANK),
    ("POST", "/decisions", DECISIONS),
    ("POST", "/videos", VIDEOS),
    ("POST", "/tokens", TOKENS),
    ("POST", "/messages", MESSAGES),
    ("POST", "/messages/count_tokens", COUNT_TOKENS),
    ("GET", "/models", MODELS),
)

SOCKETS: tuple[str, ...] = ("/realtime", "/responses", "/live")
"""Paths that speak WebSocket; ``/live`` also has children."""

FAMILIES: frozenset[str] = frozenset(
    """agents assistants audio batches chat chatkit completions containers content_provenance_checks conversations decisions
    embeddings evals files fine_tuning images live messages models moderations organization projects prompts realtime rerank responses
    safety score skills threads tokens uploads vector_stores videos webhooks""".split()
)
"""First path segments that are served without a ``/v1`` prefix; under ``/v1`` any path is carried."""

ADMIN_FAMILIES: frozenset[str] = frozenset(("organization", "projects"))
"""Account administration: carried only with ``passthrough.admin``."""

PREFIXES: tuple[str, ...] = ("/v1", "/openai/v1", "/openai", "")
"""One surface under four names, longest match first where they overlap."""

ANTHROPIC_PREFIXES: tuple[str, ...] = ("/v1", "/anthropic/v1", "/anthropic", "")
"""The names of Anthropic's operations: ``/messages`` and what is below it."""
