"""One chain's isolation, as its link uses it: admits a request, and registers what is to be done with its answer."""

from collections.abc import Sequence
from functools import partial

from ..context import RequestContext
from ..errors import InvalidRequest, NotFound, UnsupportedMedia
from ..policy.accounts import keys_of
from ..protocols import Owners
from ..wire.endpoints import NATIVE, REALTIME, Endpoint
from .answering import AnswerWatch
from .bodies import GENERATION
from .checking import check
from .form import FormNames, WatchedForm, boundary_of
from .google import is_google
from .held import Inflate
from .naming import Named
from .paths import Reading, segments_of
from .places import Placed, bound_to, gone, place_of, provider_of
from .reach import Configured, Names, Reach
from .requests import keeps, named_by, plain, read, reading_of, refuse_all
from .sealed import carries, sealed_in
from .sealing import SealWatch
from .sockets import SocketWatch

SEALING = frozenset(("chat", "messages", "responses", "native"))
"""Endpoints (by name) whose answers hand out sealed texts, and whose requests carry them back."""

_UPLOADS = ("/files", "/uploads/", "/skills", "/containers/")


class Guard:
    """``shared``: model names that the configuration offers to everybody; ``inflate``: how a compressed answer is read.

    ``reach``: where requests may end; what they name or carry goes back to the place that made it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        path: str | None,
        *,
        owners: Owners,
        reach: Reach,
        shared: frozenset[str],
        inflate: Inflate,
    ) -> None:
        self._endpoint = endpoint
        self._reading = reading_of(endpoint, path)
        self._generates = path is not None and endpoint.name in GENERATION
        self._seals = endpoint.name in SEALING
        self._owners = owners
        self._reach = reach
        self._shared = shared
        self._inflate = inflate

    def passes(self, ctx: RequestContext) -> bool:
        """Has nobody to be asked, and nothing to be done with the answer? Cheap; where it says no, ``admit`` looks closely."""
        if not (ctx.plain or ctx.words) or not self._generates or not plain(ctx):
            return False
        return not (self._seals and self._reach.ways(ctx).several)

    async def admit(self, ctx: RequestContext) -> None:
        """Sets ``ctx.bound``, and what is done with the answer.

        Raises ``ObjectNotFound``, ``PermissionDenied`` for what cannot be told apart by account, or ``InvalidRequest``.
        """
        seals = self._seals and self._reach.ways(ctx).several
        carried = seals and not ctx.plain and carries(ctx.body)
        nothing = self._generates and plain(ctx)
        account = ctx.principal.account or ctx.principal.tenant
        if not nothing or carried:
            await self._admit(ctx, account, nothing=nothing, carried=carried)
        if seals:
            ctx.answers.append(SealWatch(ctx, owners=self._owners, account=account, inflate=self._inflate))

    async def _admit(self, ctx: RequestContext, account: str, *, nothing: bool, carried: bool) -> None:
        reading = self._reading or self._read(ctx)
        looks = self._owners.enforced or not self._reach.single
        if looks:
            named = [] if nothing else self._named(ctx, reading)
            sealed = sealed_in(ctx.body) if carried else []
            if named or sealed:
                ctx.bound = await self._bound(ctx, account, named, sealed)
            if ctx.upload is not None and self._owners.enforced:
                await watch_upload(ctx, reading, self._owners, account)
        if nothing:
            return
        if self._endpoint is REALTIME:
            several = not self._reach.single
            ctx.frames = SocketWatch(
                ctx, owners=self._owners, account=account, shared=self._shared, looks=looks, several=several
            )
        elif keeps(ctx, reading):
            self._watch(ctx, reading, account)

    def _read(self, ctx: RequestContext) -> Reading:
        try:
            return read(ctx)
        except NotFound:
            if self._owners.enforced:
                raise
            return Reading(None)

    def _named(self, ctx: RequestContext, reading: Reading) -> list[Named]:
        """What the request names. Where nobody is kept apart, what cannot be read is its provider's business."""
        if not self._owners.enforced:
            try:
                return named_by(ctx, reading, self._shared)
            except InvalidRequest:
                return [*reading.named]
        named = named_by(ctx, reading, self._shared)
        refuse_all(ctx, reading)
        return named

    async def _bound(self, ctx: RequestContext, account: str, named: Sequence[Named], sealed: Sequence[str]) -> str:
        """The place that the request goes to, "" if it is free."""
        placed = await check(self._owners, account, named, sealed)
        if not placed or self._reach.single:
            return ""
        bound = bound_to(each for each in placed if self._binds(ctx, each))
        if not self._reach.has(bound):
            raise gone(bound)
        return bound

    def _binds(self, ctx: RequestContext, each: Placed) -> bool:
        """A native path says itself whose objects it means. What is carried whole binds only where its maker could answer for the model:
        sent along to a model of another provider's, it is history, which a translation leaves out or that provider judges."""
        near = (self._endpoint is not NATIVE and each.firm) or provider_of(each.place) in self._reach.ways(
            ctx
        ).providers
        return near and (each.firm or self._reach.has(each.place))

    def _watch(self, ctx: RequestContext, reading: Reading, account: str) -> None:
        said = b" ".join((ctx.path.encode(), ctx.query, ctx.body))
        watch = AnswerWatch(
            reading,
            owners=self._owners,
            account=account,
            place=partial(place_of, ctx),
            said=said,
            method=ctx.method,
            inflate=self._inflate,
        )
        if watch.idle:
            return
        ctx.answers.append(watch)
        if watch.lists:
            # A list that comes compressed would have to be undone first, and not every compression can be.
            ctx.raw_headers = [pair for pair in ctx.raw_headers if pair[0] != b"accept-encoding"]


def guard(
    endpoint: Endpoint,
    path: str | None,
    *,
    owners: Owners,
    config: Configured,
    directory: Names,
    inflate: Inflate,
) -> Guard:
    """The guard of one chain of a gateway that is configured so."""
    return Guard(
        endpoint,
        path,
        owners=owners,
        reach=Reach(keys_of(config), directory),
        shared=frozenset(config.models) - {"*"},
        inflate=inflate,
    )


async def watch_upload(ctx: RequestContext, reading: Reading, owners: Owners, account: str) -> None:
    """Puts a form's watch around it; refuses a body of a kind in which ids could hide.

    Raises ``UnsupportedMedia``, ``InvalidRequest`` or ``ObjectNotFound``.
    """
    upload = ctx.upload
    assert upload is not None
    given = ctx.headers.get(b"content-type", b"")
    kind = given.partition(b";")[0].strip().lower()
    if kind != b"multipart/form-data":
        if not kind.startswith((b"audio/", b"video/", b"image/")) and kind not in (b"application/sdp", *_raw(ctx)):
            raise UnsupportedMedia(
                "Send this body as application/json or multipart/form-data: several accounts share this gateway, and it must see "
                "whose objects a request names.",
                code="unsupported_content_type",
            )
        return
    boundary = boundary_of(given)
    if boundary is None:
        raise InvalidRequest("The multipart content type names no boundary.", code="invalid_multipart")

    async def owned(named: Sequence[Named]) -> None:
        placed = await check(owners, account, named)
        if placed and ctx.attempts:
            bound_to([Placed("this request", place_of(ctx)), *placed])
        elif placed:
            bound = [Placed("another object", ctx.bound)] if ctx.bound else []
            ctx.bound = bound_to([*bound, *placed])

    row = reading.row
    uploads = row is not None and row.template.startswith(_UPLOADS)
    form = ctx.upload = WatchedForm(ctx, upload, FormNames(boundary, uploads=uploads), owned)
    if ctx.endpoint.body == "any":
        # Elsewhere the provider is still to be chosen, and the form to be renamed for it.
        await form.begin()


def _raw(ctx: RequestContext) -> tuple[bytes, ...]:
    """Google's uploads are the bytes of a file, and nothing else; what other paths take as such may be JSON after all."""
    if ctx.endpoint is NATIVE:
        segments = segments_of(ctx.path)[2:]
        if is_google(segments) and segments[0].lower() == "upload":
            kind = ctx.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            return (kind,)
    return ()
