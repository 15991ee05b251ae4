"""One chain's isolation, as its link uses it: admits a request, and registers what is to be done with its answer."""

from collections.abc import Sequence

from ..context import RequestContext
from ..errors import InvalidRequest, UnsupportedMedia
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
from .requests import keeps, named_by, plain, read, reading_of
from .sockets import SocketWatch

_UPLOADS = ("/files", "/uploads/", "/skills", "/containers/")


class Guard:
    """``shared``: model names that the configuration offers to everybody; ``inflate``: how a compressed answer is read."""

    def __init__(
        self, endpoint: Endpoint, path: str | None, *, owners: Owners, shared: frozenset[str], inflate: Inflate
    ) -> None:
        self._endpoint = endpoint
        self._reading = reading_of(endpoint, path)
        self._generates = path is not None and endpoint.name in GENERATION
        self._owners = owners
        self._shared = shared
        self._inflate = inflate

    async def admit(self, ctx: RequestContext) -> None:
        """Raises ``ObjectNotFound``, ``PermissionDenied`` for what cannot be told apart by account, or ``InvalidRequest``."""
        if self._generates and plain(ctx):
            return
        reading = self._reading or read(ctx)
        account = ctx.principal.account or ctx.principal.tenant
        if self._owners.enforced:
            await check(self._owners, account, named_by(ctx, reading, self._shared))
            if ctx.upload is not None:
                await watch_upload(ctx, reading, self._owners, account)
        if self._endpoint is REALTIME:
            ctx.frames = SocketWatch(ctx.path, owners=self._owners, account=account, shared=self._shared)
        elif keeps(ctx, reading):
            self._watch(ctx, reading, account)

    def _watch(self, ctx: RequestContext, reading: Reading, account: str) -> None:
        said = b" ".join((ctx.path.encode(), ctx.query, ctx.body))
        watch = AnswerWatch(
            reading, owners=self._owners, account=account, said=said, method=ctx.method, inflate=self._inflate
        )
        if watch.idle:
            return
        ctx.answers.append(watch)
        if watch.lists:
            # A list that comes compressed would have to be undone first, and not every compression can be.
            ctx.raw_headers = [pair for pair in ctx.raw_headers if pair[0] != b"accept-encoding"]


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
        await check(owners, account, named)

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
