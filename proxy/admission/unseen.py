"""Requests whose cost their own answer does not show: ones that name no model, and answers that are made after they have ended."""

from urllib.parse import unquote

from ..context import RequestContext
from ..errors import InvalidRequest, PermissionDenied
from ..wire.values import object_in

LOOKS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods that use no model. A WebSocket begins with a GET all the same."""

_KEEPS = frozenset(
    "files upload uploads conversations prompts vector_stores assistants threads skills evals graders moderations".split()
)
"""First segments of paths whose objects are only kept, and cost nothing or next to nothing to make."""

_ANSWERS = frozenset({"conversations"})
"""Those that use a model at other providers than OpenAI."""

_RUNS = frozenset("runs run search remix".split())
"""Segments below them that use a model all the same."""


def generates(ctx: RequestContext) -> bool:
    """Does a request that is passed on as it is use a model, so that its answer has an output nobody here can cap?"""
    if ctx.endpoint.body == "socket":
        return True
    named = ctx.request.model or (ctx.target is not None and ctx.target.model)
    return ctx.endpoint.model == "hint" and ctx.method not in LOOKS and bool(named)


def spends(ctx: RequestContext) -> bool:
    """May a request that names no model cost something?"""
    if ctx.endpoint.body == "socket":
        return True
    if ctx.method in LOOKS or ctx.endpoint.model == "never" or ctx.endpoint.operation == "count_tokens":
        return False
    segments = unquote(ctx.path).lower().split("/")
    while segments and (segments[0] in ("", "v1", "openai", "anthropic", "native") or segments[0][:2] in ("v1", "v2")):
        segments = segments[2:] if segments[0] == "native" else segments[1:]
    if not segments or segments[0] not in _KEEPS or (segments[0] in _ANSWERS and ctx.path.startswith("/native/")):
        return True
    return not _RUNS.isdisjoint(segments)


_SECRETS = frozenset(
    ("/realtime/client_secrets", "/realtime/sessions", "/realtime/transcription_sessions", "/chatkit/sessions")
)
"""Operations that hand out a credential for the provider itself."""


def refuse_secrets(ctx: RequestContext) -> None:
    """With a provider's own credential a caller would go past every limit and the ledger. Raises ``PermissionDenied``."""
    if ctx.method not in LOOKS and ctx.path.rstrip("/").lower() in _SECRETS:
        raise PermissionDenied(
            "A client secret works at the provider itself, past this gateway's limits and ledger, so it is not handed out here. Connect "
            "through the gateway; its operator can allow it with passthrough.admin."
        )


def refuse_later(ctx: RequestContext) -> None:
    """A response in the background is paid for when nobody asks any more. Raises ``InvalidRequest``."""
    body = ctx.body
    if b'"background"' not in body and b"\\u00" not in body:
        return
    document = object_in(body)
    if document is not None and document.get("background") is True:
        raise InvalidRequest(
            "This key has a budget or pays for its use, and what a response in the background costs is known only when it has ended. "
            "Leave 'background' out; with 'stream' long answers arrive as they are made.",
            param="background",
            code="unsupported_parameter",
        )
