"""Vouchers: codes worth money. A code is shown once and kept as a digest under the pepper, as keys are."""

import secrets

from msgspec import Struct, structs

from ..errors import ObjectNotFound
from ..identity.virtual_keys import digest
from ..storage import queries
from . import answers, views
from .asked import Nothing, VoucherNew, VoucherUse
from .calls import Call
from .credits import moved_once, open_account
from .desk import Desk
from .pages import page
from .queries import Paging
from .replay import id_for, made_once
from .terms import amount, expiry
from .times import iso

PREFIX = "twv-"
CODE_DIGITS = 26
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""32 digits without those that look like others: a code of 26 holds 130 random bits, and can be read out."""


def new_code() -> str:
    """A code nobody has."""
    return PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(CODE_DIGITS))


def code_digest(pepper: bytes, code: str) -> bytes:
    """32 bytes; case and blanks around it do not matter."""
    return digest(pepper, b"voucher\0" + code.strip().lower().encode())


async def create(desk: Desk, call: Call[VoucherNew, Nothing]) -> Struct:
    """A new voucher."""
    body = call.body
    code = new_code()
    row = queries.Voucher(
        id=id_for("vch", desk, call.repeat),
        micro_usd=amount(body.usd, "usd"),
        uses=body.uses,
        created=call.at,
        expires=expiry(body.expires, call.at),
        note=body.note,
    )

    async def there() -> dict[str, object] | None:
        found = await desk.db.voucher(row.id)
        return None if found is None else {"created": iso(found.created)}

    shown = views.voucher(row)
    after = views.plain(shown)
    audit = call.audit("voucher.create", row.id, None, after)
    replayed = await made_once(
        desk,
        call.repeat,
        shown={**after, "code": None},
        make=lambda: desk.db.create_voucher(row, code_digest(desk.pepper, code), audit),
        there=there,
    )
    return replayed or answers.VoucherMade(**structs.asdict(shown), code=code)


async def listed(desk: Desk, call: Call[Nothing, Paging]) -> answers.Page[answers.Voucher]:
    """Vouchers, the latest first."""
    return await page(
        desk.db.vouchers, views.voucher, lambda row: row.id, limit=call.query.limit, cursor=call.query.cursor
    )


async def show(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Voucher:
    """One voucher, without its code."""
    return views.voucher(await _voucher(desk, call.path["voucher"]))


async def revoke(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Voucher:
    """Nobody can redeem it any more; what was redeemed stays."""
    before = await _voucher(desk, call.path["voucher"])
    if before.revoked is not None:
        return views.voucher(before)
    after = structs.replace(before, revoked=call.at)
    audit = call.audit(
        "voucher.revoke", before.id, views.plain(views.voucher(before)), views.plain(views.voucher(after))
    )
    return views.voucher(await desk.db.revoke_voucher(before.id, call.at, audit))


async def redeem(desk: Desk, call: Call[VoucherUse, Nothing]) -> Struct:
    """Adds a voucher's worth to an account, each account once."""
    account = await open_account(desk, call.path["account"])
    audit = call.audit("voucher.redeem", account.id, None, {"account": account.id})
    code = code_digest(desk.pepper, call.body.code)
    return await moved_once(
        desk,
        call.repeat,
        lambda once: desk.db.redeem_voucher(code, account.id, call.at, call.actor, audit=audit, idempotency=once),
    )


async def _voucher(desk: Desk, ident: str) -> queries.Voucher:
    found = await desk.db.voucher(ident)
    if found is None:
        raise ObjectNotFound("There is no voucher with this id.", param="voucher")
    return found
