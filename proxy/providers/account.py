"""One account at one provider: who it is, where it listens, and how each operation reaches it: as it came, or translated."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from ..catalogue import ModelInfo, answering, info
from ..catalogue.behaviour import Behaviour, behaviour_of
from ..context import RequestContext, Target
from ..errors import EndpointUnsupported, InvalidJson, InvalidRequest
from ..protocols import Prepared, UpstreamRequest
from ..translation.ask import Ask
from ..translation.composed import Composed
from ..translation.contract import Front, Operation, Translation
from ..translation.fronts import FRONTS
from ..wire.endpoints import NATIVE, Endpoint
from ..wire.outgoing import Outgoing
from ..wire.splice import with_model, with_usage
from ..wire.values import object_in
from .base import AuthSpec, Settings
from .native import Metering

AGENT = "tollway"
"""``user-agent`` of translated requests: they are ours, not the client's."""

CARRIED = (b"traceparent", b"tracestate", b"baggage")
"""Client headers that a translated request keeps."""

_EPOCH = date(1970, 1, 1).toordinal()


class Passing(Protocol):
    """Operations where client and provider speak the same dialect: the client's bytes travel, with edits spliced in."""

    def url(self, endpoint: Endpoint, model: str, path: str) -> str | None:
        """The complete URL of an operation, without its query; ``None``: not in this dialect here."""

    def edit(self, endpoint: Endpoint, body: bytes, ask: Ask) -> bytes:
        """``body`` with the parameter map and the model's shims applied; the same bytes when nothing is due."""

    def repair(self, endpoint: Endpoint, ask: Ask) -> Translation | None:
        """For answers of a provider that deviates from the dialect; ``None``: bytes pass untouched."""

    def untouched(self, endpoint: Endpoint, behaviour: Behaviour) -> bool:
        """Would ``edit`` and ``repair`` of a model that behaves so do nothing, whatever the body?"""

    def minds(self, endpoint: Endpoint, behaviour: Behaviour) -> frozenset[str] | None:
        """Members for whose sake they could do something; ``None``: whatever it is made of. See ``shims.minded``."""


def _nothing(endpoint: str, model: str) -> Operation | None:
    return None


class _Model(Struct, frozen=True):
    """What is known of one upstream model; ``untouched``: operations (by name) for which nothing is ever changed, or something may be;
    ``minds``: members for whose sake."""

    info: ModelInfo | None
    behaviour: Behaviour
    untouched: dict[str, bool]
    minds: dict[str, frozenset[str] | None]
    most: int | None
    """Tokens that it can write; ``None``: not known."""
    instructed: bool
    """Does it take instructions from a developer, not a system?"""


_MODELS = 1024
"""Models that are remembered; names behind wildcards are anybody's to invent."""


class Account:
    """Pure: a request context in, the upstream's bytes and the way back out."""

    def __init__(
        self,
        settings: Settings,
        *,
        base_url: str,
        credentials: Sequence[tuple[str, str]] = (),
        operations: Callable[[str, str], Operation | None] = _nothing,
        passing: Passing | None = None,
        auth: AuthSpec | None = None,
        native: str | None = None,
        forwarded: str = "authorization",
        catalogued: str = "",
    ) -> None:
        """``operations``: (endpoint name, upstream model) to its translation; ``native``: base URL of ``/native/<provider>/`` where
        it is another: without the version, which the provider's own SDK writes;
        ``catalogued``: the provider id under which the catalogue lists the models."""
        self.name = settings.name
        self.forwards = settings.forwards
        self.auth = auth
        self._base_url = base_url
        self._operations = operations
        self._passing = passing
        self._native = native if native is not None else base_url
        self._forwarded = forwarded
        self._catalogued = catalogued
        own = dict(settings.headers)
        keys = [] if settings.forwards else [pair for pair in credentials if pair[0] not in own]
        self._added = [*settings.headers, *keys]
        self._replaced = frozenset(own)
        self._models: dict[str, _Model] = {}
        self._days = 0
        self._outgoing = Outgoing(forwards=self.forwards, added=self._added, replaced=self._replaced)

    def passes(self, endpoint: Endpoint, model: str, path: str) -> bool:
        """Does this operation travel as the client wrote it?"""
        return self._passing is not None and self._passing.url(endpoint, model, path) is not None

    def prepare(self, ctx: RequestContext, target: Target, *, include_usage: bool, now: int) -> Prepared:
        """The request for ``target``. Raises ``ClientError``: ``EndpointUnsupported``, or ``InvalidRequest`` for what cannot travel."""
        endpoint, path = ctx.endpoint, ctx.path
        if endpoint is NATIVE:
            return self._through(ctx)
        url = self._passing.url(endpoint, target.model, path) if self._passing is not None else None
        if url is not None:
            return self._pass(ctx, target, url, include_usage=include_usage, now=now)
        operation, front = self._operations(endpoint.name, target.model), None
        if ctx.upload is not None or (endpoint.body != "json" and path != "/images/generations"):
            operation = None
        if operation is None:
            front = FRONTS.get(path) if endpoint.name in ("messages", "responses") else None
            operation = self._operations("chat", target.model) if front is not None else None
        if operation is None:
            raise EndpointUnsupported(
                f"Provider {self.name!r} has no {path[:200]} for model {target.model[:200]!r}; route this model to a provider "
                "that has it.",
                param="model",
            )
        return self._translate(ctx, target, operation, front() if front is not None else None, now=now)

    # ---- the same dialect -------------------------------------------------------------------------------------------

    def _pass(self, ctx: RequestContext, target: Target, url: str, *, include_usage: bool, now: int) -> Prepared:
        assert self._passing is not None
        headers = self._headers(ctx)
        renamed = target.model != ctx.request.model and ctx.request.model is not None and target.model
        query = ctx.query
        if ctx.endpoint.body == "socket":
            url = "ws" + url.removeprefix("http")
            if renamed:
                query = _with_model_query(query, target.model)
        if query:
            url = f"{url}{'&' if '?' in url else '?'}{query.decode('latin-1')}"
        if ctx.upload is not None:
            if renamed:
                ctx.upload.rename(target.model)
            streamed = UpstreamRequest(
                method=ctx.method, url=url, headers=headers, body=ctx.upload.chunks(), length=ctx.upload.length
            )
            return Prepared(streamed)
        body, repair = ctx.body, None
        if renamed and body:
            body = with_model(body, target.model, ctx.request.model)
        if include_usage:
            body = with_usage(body, absent=_lacks(ctx, "stream_options"))
        if body and ctx.endpoint.body == "json" and not self._suits(ctx, body, target.model, now):
            ask = self._ask(ctx, target, now=now)
            body = self._passing.edit(ctx.endpoint, body, ask)
            repair = self._passing.repair(ctx.endpoint, ask)
            _tell(ctx, ask)
        if include_usage or repair is not None:
            # A chunk cannot be changed or withheld in a compressed stream.
            headers = [pair for pair in headers if pair[0] != "accept-encoding"]
        request = UpstreamRequest(method=ctx.method, url=url, headers=headers, body=body or _empty(ctx.method))
        return Prepared(request, repair)

    def _through(self, ctx: RequestContext) -> Prepared:
        """A native request: the provider's own API, byte for byte."""
        _, _, rest = ctx.path.removeprefix("/native/").partition("/")
        url = f"{self._native}/{rest}"
        if ctx.query:
            url = f"{url}?{ctx.query.decode('latin-1')}"
        headers = self._headers(ctx)
        metering = Metering(lambda model: self._operations("chat", model), "/" + rest)
        if ctx.upload is not None:
            body = ctx.upload.chunks()
            streamed = UpstreamRequest(method=ctx.method, url=url, headers=headers, body=body, length=ctx.upload.length)
            return Prepared(streamed, meter=metering)
        plain = UpstreamRequest(method=ctx.method, url=url, headers=headers, body=ctx.body or _empty(ctx.method))
        return Prepared(plain, meter=metering)

    def _headers(self, ctx: RequestContext) -> list[tuple[str, str]]:
        headers = self._outgoing.headers(ctx.raw_headers, ctx.headers.get(b"user-agent"))
        return [*headers, *self._forwarded_key(ctx)] if self.forwards else headers

    def _forwarded_key(self, ctx: RequestContext) -> list[tuple[str, str]]:
        key = ctx.principal.forwarded
        if not self.forwards or key is None:
            return []
        text = key.decode("latin-1")
        return [(self._forwarded, f"Bearer {text}" if self._forwarded == "authorization" else text)]

    # ---- another dialect --------------------------------------------------------------------------------------------

    def _ask(self, ctx: RequestContext, target: Target, *, now: int) -> Ask:
        request, known = ctx.request, self._model(target.model, now)
        options = request.stream_options
        return Ask(
            model=target.model,
            public=request.model or target.model,
            stream=request.stream is True,
            include_usage=options is not None and options.include_usage is True,
            created=now,
            request_id=ctx.request_id,
            info=known.info,
            behaviour=known.behaviour,
            headers=ctx.headers,
        )

    def _suits(self, ctx: RequestContext, body: bytes, model: str, now: int) -> bool:
        """Is there nothing to change in this request, and nothing in its answer? Where a look at the bytes would tell: no."""
        endpoint, known = ctx.endpoint, self._model(model, now)
        if self._untouched(endpoint, known):
            return True
        names = ctx.plain or ctx.words
        # A cap of ours is a member that the client's names do not tell of.
        if not names or ctx.uncapped:
            return False
        minds = self._minds(endpoint, known)
        if minds is None or not minds.isdisjoint(names):
            return False
        request, most = ctx.request, known.most
        if most is not None and ((request.max_tokens or 0) > most or (request.max_completion_tokens or 0) > most):
            return False
        if not known.instructed:
            return True
        return "developer" not in names if names is ctx.words else b'"developer"' not in body

    def _minds(self, endpoint: Endpoint, known: _Model) -> frozenset[str] | None:
        name = endpoint.name
        if name not in known.minds:
            assert self._passing is not None
            known.minds[name] = self._passing.minds(endpoint, known.behaviour)
        return known.minds[name]

    def _untouched(self, endpoint: Endpoint, known: _Model) -> bool:
        found = known.untouched.get(endpoint.name)
        if found is None:
            assert self._passing is not None
            found = known.untouched[endpoint.name] = self._passing.untouched(endpoint, known.behaviour)
        return found

    def _model(self, model: str, now: int) -> _Model:
        """An alias may stand for another model tomorrow, so what is known holds for a day (UTC); ``now`` in unix seconds."""
        days = now // 86_400
        if days != self._days or len(self._models) > _MODELS:
            self._days = days
            self._models.clear()
        found = self._models.get(model)
        if found is None:
            catalogued = self._catalogued
            row = info(catalogued, model) if catalogued else None
            answers = answering(catalogued, model, date.fromordinal(_EPOCH + days)) if catalogued else model
            behaviour = behaviour_of(answers)
            most = (row.max_output if row is not None else None) or behaviour.max_output
            found = self._models[model] = _Model(
                row, behaviour, {}, {}, most, instructed=behaviour.system_role == "developer"
            )
        return found

    def _translate(
        self, ctx: RequestContext, target: Target, operation: Operation, front: Front | None, *, now: int
    ) -> Prepared:
        ask = self._ask(ctx, target, now=now)
        document = object_in(ctx.body)
        if document is None:
            raise InvalidJson("The request body must be a JSON object that every parser reads alike.")
        if front is not None:
            document = front.request(document, ask)
        encoded = operation.encode(document, ask)
        _tell(ctx, ask)
        kept = [(name.decode(), value.decode("latin-1")) for name in CARRIED if (value := ctx.headers.get(name))]
        headers = [("content-type", "application/json"), ("user-agent", AGENT), *kept]
        headers += [pair for pair in encoded.headers if pair[0] not in self._replaced]
        headers += self._added
        headers += self._forwarded_key(ctx)
        request = UpstreamRequest(method="POST", url=self._base_url + encoded.path, headers=headers, body=encoded.body)
        return Prepared(request, Composed(ask, operation, front, forwards=self.forwards))


def _lacks(ctx: RequestContext, name: str) -> bool:
    """Is it known that the body has no member ``name``?"""
    names = ctx.plain or ctx.words
    return bool(names) and name not in names


def _tell(ctx: RequestContext, ask: Ask) -> None:
    """What was lost or changed: in the log, in the answer's headers, or in strict mode as a refusal."""
    notes = ask.notes
    if not notes.dropped and not notes.rewritten:
        return
    if ctx.headers.get(b"x-tollway-strict", b"").lower() == b"true":
        lost = ", ".join((*notes.dropped, *notes.rewritten))
        raise InvalidRequest(
            f"The model {ask.public[:200]!r} cannot be given these as they are: {lost[:1000]}. Leave them out, or leave out "
            "x-tollway-strict to have them adapted.",
            param=(*notes.dropped, *notes.rewritten)[0],
            code="unsupported_parameter",
        )
    ctx.dropped += notes.dropped
    ctx.rewritten += notes.rewritten


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
