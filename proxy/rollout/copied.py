"""Which requests may be asked twice, and the copy that is sent: without state, without a promise made to the client."""

from collections.abc import Iterator

from msgspec import structs

from ..context import Principal, RequestContext
from ..policy.scopes import EVERYTHING
from ..wire.members import find
from ..wire.splice import replace, with_model
from ..wire.values import Json, JsonObject, object_in

LARGEST = 1024 * 1024
"""Bytes of a request that is copied."""

OPERATOR = Principal(name="shadow", tenant="shadow")
"""Whose rights a copy has, and whose account ("": nobody's) its ledger entry names."""

_STATE = frozenset(
    ("previous_response_id", "conversation", "file_id", "file_ids", "vector_store_ids", "container", "cached_content")
)
"""Members that name what one provider keeps."""

_ACTS = frozenset(("mcp", "item_reference"))
"""Types of tools and items that act, or lie, on the provider's side."""

_SCHEMAS = frozenset(("parameters", "input_schema", "schema", "json_schema", "metadata", "arguments"))
"""What is below them is the client's own; its names mean nothing here."""

_LEFT_OUT = frozenset(
    (b"accept-encoding", b"idempotency-key", b"traceparent", b"tracestate", b"baggage", b"x-request-id")
)
"""Headers of the original alone: a second request under them would be taken for the first."""


def comparable(ctx: RequestContext) -> bool:
    """Was it answered, or failed by a provider, in a way that a second answer can be held against? Cheap."""
    endpoint = ctx.endpoint
    if (
        not endpoint.replay
        or endpoint.operation == "count_tokens"
        or ctx.path in ("/responses/input_tokens", "/responses/compact")
    ):
        return False
    if ctx.principal.providers != EVERYTHING or ctx.principal.regions != EVERYTHING:
        # A copy is the operator's, and knows nothing of where the key's prompts may go.
        return False
    if not ctx.attempts or ctx.upload is not None or not ctx.body or ctx.request.models is not None:
        return False
    return ctx.outcome == "ok" or (ctx.outcome in ("upstream_error", "timeout") and ctx.status >= 500)


def stateless(ctx: RequestContext) -> bool:
    """Does the request name nothing that a provider keeps, and leave nothing there?"""
    document = object_in(ctx.body)
    if document is None or ctx.bound or document.get("background") is True or document.get("store") is True:
        return False
    if ctx.endpoint.dialect == "responses" and isinstance(document.get("prompt"), dict):
        return False
    return not any(_names_state(node) for node in _nodes(document))


def copy_of(ctx: RequestContext, model: str, *, started: float) -> RequestContext:
    """The request as the operator's own, for ``model``; nothing in it is shared that the copy changes."""
    raw = [pair for pair in ctx.raw_headers if pair[0] not in _LEFT_OUT and not pair[0].startswith(b"x-tollway-")]
    body = with_model(ctx.body, model)
    if ctx.endpoint.dialect == "responses":
        body = _unstored(body)
    return RequestContext(
        request_id=ctx.request_id,
        endpoint=ctx.endpoint,
        started=started,
        raw_headers=raw,
        headers=dict(raw),
        method=ctx.method,
        path=ctx.path,
        query=ctx.query,
        principal=OPERATOR,
        body=body,
        request=structs.replace(ctx.request, model=model),
        estimate=ctx.estimate,
    )


def _unstored(body: bytes) -> bytes:
    """``body`` with ``store: false``; left out it would mean true."""
    member = find(body, b"store")
    if member is not None:
        return replace(body, member, b"false")
    return body.replace(b"{", b'{"store":false,', 1)


def _names_state(node: JsonObject) -> bool:
    if node.get("type") in _ACTS or "mcp_servers" in node:
        return True
    return any(node.get(name) for name in _STATE if name in node)


def _nodes(document: JsonObject) -> Iterator[JsonObject]:
    """Every object in ``document`` but those that only the client understands."""
    waiting: list[Json] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            yield value
            waiting += [child for name, child in value.items() if name not in _SCHEMAS]
