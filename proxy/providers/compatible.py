"""A provider that speaks OpenAI's own dialect: the client's bytes go out with the configured edits spliced in."""

from urllib.parse import quote, unquote_to_bytes

from ..context import RequestContext, Target
from ..protocols import UpstreamRequest
from ..wire.headers import upstream_headers
from ..wire.splice import with_model, with_usage


class Compatible:
    """Pure: a request context in, the upstream's bytes out. ``base_url`` ends without a slash and includes its version part."""

    def __init__(
        self, *, name: str, base_url: str, api_key: str | None, headers: tuple[tuple[str, str], ...], forwards: bool
    ) -> None:
        self.name = name
        self.forwards = forwards
        self._base_url = base_url
        self._socket_url = "ws" + base_url.removeprefix("http")
        added = list(headers)
        if api_key is not None and not forwards and "authorization" not in dict(headers):
            added.append(("authorization", f"Bearer {api_key}"))
        self._added = added
        self._replaced = frozenset(name for name, _ in headers)

    def encode(self, ctx: RequestContext, target: Target, *, include_usage: bool) -> UpstreamRequest:
        """The request for ``target``. Raises ``InvalidRequest`` for headers no client library can carry."""
        headers = upstream_headers(ctx.raw_headers, forwards=self.forwards)
        if self._replaced:
            headers = [pair for pair in headers if pair[0] not in self._replaced]
        headers += self._added
        if self.forwards and ctx.principal.forwarded is not None:
            headers.append(("authorization", "Bearer " + ctx.principal.forwarded.decode("latin-1")))
        renamed = target.model != ctx.request.model and ctx.request.model is not None and target.model
        socket = ctx.endpoint.body == "socket"
        url = (self._socket_url if socket else self._base_url) + ctx.path
        query = ctx.query
        if renamed and socket:
            query = _with_model_query(query, target.model)
        if query:
            url = f"{url}?{query.decode('latin-1')}"
        if ctx.upload is not None:
            if renamed:
                ctx.upload.rename(target.model)
            return UpstreamRequest(
                method=ctx.method, url=url, headers=headers, body=ctx.upload.chunks(), length=ctx.upload.length
            )
        body = ctx.body
        if renamed and body:
            body = with_model(body, target.model)
        if include_usage:
            body = with_usage(body)
            # A chunk cannot be withheld from a compressed stream.
            headers = [pair for pair in headers if pair[0] != "accept-encoding"]
        return UpstreamRequest(method=ctx.method, url=url, headers=headers, body=body or _empty(ctx.method))


def _empty(method: str) -> bytes | None:
    """A POST without a body says ``content-length: 0``; a GET has none."""
    return b"" if method in ("POST", "PUT", "PATCH") else None


def _key(part: bytes) -> bytes:
    """The decoded name of one query parameter."""
    return unquote_to_bytes(part.partition(b"=")[0].replace(b"+", b" "))


def _with_model_query(query: bytes, model: str) -> bytes:
    """``query`` with its ``model`` parameter replaced, every other byte as it was."""
    escaped = quote(model, safe="").encode()
    parts = [b"model=" + escaped if _key(part) == b"model" else part for part in query.split(b"&")]
    return b"&".join(parts)
