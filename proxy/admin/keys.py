"""Virtual keys: made and shown once, listed, changed, rotated with an overlap, revoked."""

from collections.abc import Mapping

from msgspec import UNSET, Struct, structs

from ..errors import Conflict, ObjectNotFound
from ..identity.virtual_keys import digest, hint, new_key
from ..policy.terms import Scopes
from ..storage.errors import StorageConflict
from ..storage.records import AccountRecord, KeyRecord
from . import answers, views
from .accounts import TRIES
from .asked import KeyNew, KeyPatch, KeyRotate, Nothing
from .calls import Call
from .desk import Desk
from .pages import page
from .queries import KeysQuery
from .replay import id_for, made_once
from .terms import budgets_of, check_limits, check_networks, expiry
from .times import iso, span

SCOPES = (
    "models", "endpoints", "providers", "networks", "passthrough", "stability", "controls", "regions", "max_price", "slo", "cache",
)  # fmt: skip
SAME = ("name", "limits", "metadata")


async def create(desk: Desk, call: Call[KeyNew, Nothing]) -> Struct:
    """A new key."""
    body = call.body
    check_limits(body.limits)
    check_networks(body.networks)
    account = await desk.account(body.account)
    _open(account)
    text = new_key()
    record = KeyRecord(
        id=id_for("key", desk, call.repeat),
        account=account.id,
        name=body.name,
        digest=digest(desk.pepper, text.encode()),
        hint=hint(text),
        created=call.at,
        scopes=Scopes(**{name: getattr(body, name) for name in SCOPES}),
        limits=body.limits,
        budgets=budgets_of(body.budget, body.budgets) or (),
        output_cap=body.max_output_tokens,
        expires=expiry(body.expires, call.at),
        metadata=body.metadata,
    )
    shown = views.key(record, call.at)
    after = views.plain(shown)
    replayed = await made_once(
        desk,
        call.repeat,
        shown={**after, "key": None},
        make=lambda: desk.db.create_key(record, call.audit("key.create", record.id, None, after)),
        there=lambda: _made(desk, record.id),
    )
    return replayed or await _told(desk, shown, text)


async def listed(desk: Desk, call: Call[Nothing, KeysQuery]) -> answers.Page[answers.Key]:
    """Keys, the latest first."""
    account = None if call.query.account is None else (await desk.account(call.query.account)).id

    async def fetch(*, limit: int, after: str | None) -> list[KeyRecord]:
        return await desk.db.keys(account, limit=limit, after=after)

    return await page(
        fetch,
        lambda record: views.key(record, call.at),
        lambda record: record.id,
        limit=call.query.limit,
        cursor=call.query.cursor,
    )


async def show(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Key:
    """One key, without its text."""
    return views.key(await _key(desk, call.path["key"]), call.at)


async def change(desk: Desk, call: Call[KeyPatch, Nothing]) -> answers.Key:
    """One key with some of its fields replaced."""
    body = call.body
    check_limits(body.limits)
    check_networks(body.networks)
    changes = _named(body, SAME)
    scopes = _named(body, SCOPES)
    budgets = budgets_of(body.budget, body.budgets)
    if budgets is not None:
        changes["budgets"] = budgets
    if body.max_output_tokens is not UNSET:
        changes["output_cap"] = body.max_output_tokens
    if not isinstance(body.expires, type(UNSET)):
        changes["expires"] = expiry(body.expires, call.at)
    expected = call.expected if body.version is UNSET else body.version
    for _ in range(TRIES):
        before = await _key(desk, call.path["key"])
        if before.revoked is not None and before.revoked <= call.at:
            raise Conflict("The key is revoked, which is for good; make another.")
        after = structs.replace(before, scopes=structs.replace(before.scopes, **scopes), **changes)
        stored = await _stored(desk, call, before, after, expected, "key.update")
        if stored is not None:
            return views.key(stored, call.at)
    raise Conflict("Others are changing this key all the time; try again.")


async def revoke(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Key:
    """It stops working on every worker within a second, for good; once more changes nothing."""
    for _ in range(TRIES):
        before = await _key(desk, call.path["key"])
        if before.revoked is not None and before.revoked <= call.at:
            return views.key(before, call.at)
        after = structs.replace(before, revoked=call.at)
        stored = await _stored(desk, call, before, after, call.expected, "key.revoke")
        if stored is not None:
            return views.key(stored, call.at)
    raise Conflict("Others are changing this key all the time; try again.")


async def rotate(desk: Desk, call: Call[KeyRotate, Nothing]) -> Struct:
    """A new key with the same terms and the same counters; the old one works on for ``overlap``."""
    overlap = span(call.body.overlap, "overlap")
    old = await _key(desk, call.path["key"])
    ident = id_for("key", desk, call.repeat)
    if old.replaced_by != ident:
        if old.revoked is not None:
            raise Conflict(
                "The key is revoked or was rotated before; rotate the key that replaced it."
                if old.replaced_by
                else "The key is revoked; make another."
            )
        if old.expires is not None and old.expires <= call.at:
            raise Conflict("The key has expired: set another expires first.", param="expires")
        _open(await desk.account(old.account))
    text = new_key()
    new = structs.replace(
        old,
        id=ident,
        digest=digest(desk.pepper, text.encode()),
        hint=hint(text),
        created=call.at,
        revoked=None,
        replaced_by=None,
        root=old.counted_as,
        version=1,
    )
    ended = structs.replace(old, revoked=call.at + overlap, replaced_by=new.id)
    shown = views.key(new, call.at)
    after = views.plain(shown)
    audit = call.audit("key.rotate", old.id, views.plain(views.key(old, call.at)), after)
    replayed = await made_once(
        desk,
        call.repeat,
        shown={**after, "key": None},
        make=lambda: desk.db.rotate_key(ended, call.expected or old.version, new, audit),
        there=lambda: _made(desk, new.id),
    )
    return replayed or await _told(desk, shown, text)


async def _made(desk: Desk, ident: str) -> Mapping[str, object] | None:
    found = await desk.db.key(ident)
    return None if found is None else {"hint": found.hint, "created": iso(found.created)}


async def _told(desk: Desk, shown: answers.Key, text: str) -> answers.KeyMade:
    await desk.tell()
    return views.key_made(shown, text)


async def _stored(
    desk: Desk,
    call: Call[KeyPatch, Nothing] | Call[Nothing, Nothing],
    before: KeyRecord,
    after: KeyRecord,
    expected: int | None,
    action: str,
) -> KeyRecord | None:
    """What is stored now; ``None`` where somebody else was faster and the caller named no version."""
    if after == before and expected in (None, before.version):
        return before
    audit = call.audit(
        action, before.id, views.plain(views.key(before, call.at)), views.plain(views.key(after, call.at))
    )
    try:
        stored = await desk.db.update_key(after, before.version if expected is None else expected, audit)
    except StorageConflict:
        if expected is None:
            return None
        raise
    await desk.tell()
    return stored


async def _key(desk: Desk, ident: str) -> KeyRecord:
    found = await desk.db.key(ident)
    if found is None:
        raise ObjectNotFound("There is no key with this id.", param="key")
    return found


def _open(account: AccountRecord) -> None:
    if account.status == "closed":
        raise Conflict("The account is closed, which is for good; make another.", param="account")


def _named(body: Struct, names: tuple[str, ...]) -> dict[str, object]:
    """The fields that the body named."""
    values: Mapping[str, object] = {name: getattr(body, name) for name in names}
    return {name: value for name, value in values.items() if value is not UNSET}
