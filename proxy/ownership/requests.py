"""What a request names, in its path, query, model and body, and whether it can be told apart by account at all."""

import re
from urllib.parse import unquote, unquote_plus

import msgspec
from msgspec import Raw, Struct

from ..context import RequestContext
from ..errors import PermissionDenied
from ..wire.endpoints import NATIVE, Endpoint
from ..wire.values import UNREADABLE
from .bodies import concerns_nobody, escapes, names_in, profile_of, reads_everybodys, tells_nothing
from .google import name_in
from .naming import Named, inside, tuned
from .paths import TOUCHING_ALL, Reading, read_native, read_path, row_of

STRICT_QUERY = frozenset(
    """call_id thread_id file_id assistant_id vector_store_id container_id conversation conversation_id session_id batch_id response_id
    previous_response_id""".split()
)
"""Query parameters that choose an object; others, cursors among them, must only not hold another account's id."""

_SEPARATORS = re.compile(rb"[&;]")


class _Asked(Struct, frozen=True):
    store: Raw = Raw()


_asked = msgspec.json.Decoder(_Asked)


def reading_of(endpoint: Endpoint, path: str | None) -> Reading | None:
    """What is known of a chain's requests beforehand: those of a listed path are all alike."""
    return Reading(row_of("POST", path)) if path is not None and endpoint.body != "none" else None


def read(ctx: RequestContext) -> Reading:
    """What this request's path says. Raises ``NotFound``."""
    return (read_native if ctx.endpoint is NATIVE else read_path)(ctx.method, ctx.path)


def keeps(ctx: RequestContext, reading: Reading) -> bool:
    """Will the provider keep what this request makes? Chats only where asked to, responses unless asked not to."""
    row = reading.row
    if row is None:
        return True
    if row.template == "/messages":
        return b"code_execution" in ctx.body or b'container"' in ctx.body
    if not row.stored and row.template != "/responses":
        return True
    if b'"store"' not in ctx.body:
        return not row.stored or b'"audio"' in ctx.body
    try:
        store = bytes(_asked.decode(ctx.body).store)
    except UNREADABLE:
        return True
    return store == b"true" or (not row.stored and store != b"false") or (row.stored and b'"audio"' in ctx.body)


def named_by(ctx: RequestContext, reading: Reading, shared: frozenset[str]) -> list[Named]:
    """Every id that path, query, model and JSON body name. ``shared``: model names that the configuration offers to all.

    Raises ``InvalidRequest`` for a body that cannot be read.
    """
    named = [*reading.named]
    if ctx.query:
        named += _in_query(ctx.query)
    for model in (ctx.request.model, *(ctx.request.models or ())):
        if model is not None and "t:" in model.lower() and model not in shared and (name := tuned(model)) is not None:
            named.append(Named(name, "model", "model"))
    if ctx.body:
        found = names_in(ctx.body, profile_of(ctx.endpoint.name))
        named += [name for name in found if name.param != "model" or name.ident not in shared]
    return named


def plain(ctx: RequestContext) -> bool:
    """Does a request to generate name nothing, and leave nothing behind? For nearly all of them one scan says so."""
    body, model = ctx.body, ctx.request.model
    return (
        not ctx.query
        and ctx.upload is None
        and (model is None or ":" not in model)
        and not ctx.request.models
        and (bool(ctx.plain) or tells_nothing(ctx.words) or (concerns_nobody(body) and not escapes(body)))
    )


def refuse_all(ctx: RequestContext, reading: Reading) -> None:
    """Raises ``PermissionDenied`` for what cannot be told apart by account."""
    row = reading.row
    why = row.refused if row is not None else ""
    last = unquote(ctx.path).rpartition("/")[2].lower()
    if row is None and reading.unknown and not reading.named:
        words = set(re.split(r"[-_:.]", last))
        if ctx.method in ("DELETE", "PUT", "PATCH") or (ctx.method == "POST" and words & TOUCHING_ALL):
            why = "it could touch the objects of every account"
    if ctx.method == "HEAD" and (row.listed if row is not None else reading.unknown and not reading.named):
        why = "the length of a list tells of the objects of every account"
    if row is not None and ctx.body:
        if row.template.startswith(("/evals", "/graders")) and reads_everybodys(ctx.body):
            why = "its data source reads what every account has stored"
        if row.template == "/uploads" and b"batch" in ctx.body.lower():
            why = "the input of a batch is checked as it is uploaded, which a file in parts escapes; use POST /files"
        if reading.collection == "batches" and re.search(rb"file_?name", ctx.body, re.IGNORECASE) is not None:
            why = "the input file of a batch at Google is not checked; send its requests inline"
    if why:
        raise PermissionDenied(
            f"Several accounts share this gateway, and {ctx.method} {ctx.path[:200]} is not offered: {why}.",
            code="not_isolated",
        )


def _in_query(query: bytes) -> list[Named]:
    named = []
    for part in _SEPARATORS.split(query):
        name, _, value = part.decode("latin-1").partition("=")
        param, text = unquote_plus(name).lower(), unquote_plus(value)
        if param in STRICT_QUERY and text:
            named.append(Named(text, "object", param))
        plain = _decoded(part.decode("latin-1"))
        named += [Named(ident, "object", param, strict=False) for ident in inside(plain)]
        google = name_in(plain) if "/" in plain else None
        named += [Named(google, "object", param)] if google is not None else []
    return named


def _decoded(text: str) -> str:
    """As far as anybody could decode it."""
    for _ in range(8):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    return text
