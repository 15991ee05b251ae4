"""Accounts: made, listed, shown, changed, closed. What a file owns is shown here and changed there."""

from msgspec import UNSET, Struct, structs

from ..errors import Conflict, InvalidRequest
from ..policy.terms import AT_COST
from ..storage.errors import StorageConflict
from ..storage.records import AccountRecord
from . import answers, views
from .asked import AccountNew, AccountPatch, Nothing
from .calls import Call
from .desk import Desk
from .pages import page
from .queries import Paging
from .replay import id_for, made_once
from .terms import budgets_of, check_limits
from .times import iso

TRIES = 5
"""Times that a change is tried again because somebody else changed the same object in between."""


async def create(desk: Desk, call: Call[AccountNew, Nothing]) -> Struct:
    """A new account."""
    body = call.body
    check_limits(body.limits)
    if body.name.startswith("acc_"):
        raise InvalidRequest("name must not begin with acc_, as ids do.", param="name", code="invalid_value")
    if body.name in desk.file_accounts():
        raise Conflict("The configuration file has an account with this name.", param="name")
    record = AccountRecord(
        id=id_for("acc", desk, call.repeat),
        name=body.name,
        created=call.at,
        limits=body.limits,
        budgets=budgets_of(body.budget, body.budgets) or (),
        plan=body.plan or AT_COST,
        metadata=body.metadata,
    )

    async def there() -> dict[str, object] | None:
        found = await desk.db.account(record.id)
        return None if found is None else {"created": iso(found.created)}

    made = views.account(record)
    shown = views.plain(made)
    replayed = await made_once(
        desk,
        call.repeat,
        shown=shown,
        make=lambda: desk.db.create_account(record, call.audit("account.create", record.id, None, shown)),
        there=there,
    )
    if replayed is not None:
        return replayed
    await desk.tell()
    return made


async def listed(desk: Desk, call: Call[Nothing, Paging]) -> answers.Page[answers.Account]:
    """Accounts, the latest first."""
    return await page(
        desk.db.accounts,
        lambda record: views.account(desk.overlaid(record)),
        lambda record: record.id,
        limit=call.query.limit,
        cursor=call.query.cursor,
    )


async def show(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Account:
    """One account."""
    return views.account(await desk.account(call.path["account"]))


async def change(desk: Desk, call: Call[AccountPatch, Nothing]) -> answers.Account:
    """One account with some of its fields replaced."""
    body = call.body
    check_limits(body.limits)
    changes: dict[str, object] = {
        name: value
        for name in ("name", "status", "limits", "plan", "metadata")
        if (value := getattr(body, name)) is not UNSET
    }
    budgets = budgets_of(body.budget, body.budgets)
    if budgets is not None:
        changes["budgets"] = budgets
    expected = call.expected if body.version is UNSET else body.version
    return await _changed(desk, call, changes, expected, "account.update")


async def close(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Account:
    """Its keys stop working at once; its ledger stays. For good."""
    return await _changed(desk, call, {"status": "closed"}, call.expected, "account.close")


async def _changed(
    desk: Desk,
    call: Call[AccountPatch, Nothing] | Call[Nothing, Nothing],
    changes: dict[str, object],
    expected: int | None,
    action: str,
) -> answers.Account:
    """Writes it against the version it was read at: the caller's, or again and again the present one."""
    for _ in range(TRIES):
        before = await desk.account(call.path["account"])
        _check_change(desk, before, changes)
        after = structs.replace(before, **changes)
        if after == before and expected in (None, before.version):
            return views.account(before)
        audit = call.audit(action, before.id, views.plain(views.account(before)), views.plain(views.account(after)))
        version = before.version if expected is None else expected
        try:
            stored = await desk.db.update_account(after, version, audit)
        except StorageConflict:
            now = await desk.db.account(before.id)
            if expected is None and now is not None and now.version != before.version:
                continue
            raise
        await desk.tell()
        return views.account(desk.overlaid(stored))
    raise Conflict("Others are changing this account all the time; try again.")


def _check_change(desk: Desk, before: AccountRecord, changes: dict[str, object]) -> None:
    """Raises ``Conflict`` for what nobody may do to this account, ``InvalidRequest`` for an impossible name."""
    owned = sorted(changes.keys() & {"name", "limits", "budgets", "plan"})
    if before.id in desk.file_accounts() and owned:
        raise Conflict(f"The configuration file owns this account: change {owned[0]} there.", param=owned[0])
    if before.status == "closed" and changes != {"status": "closed"}:
        raise Conflict("The account is closed, which is for good; make another.")
    name = changes.get("name")
    if isinstance(name, str) and name.startswith("acc_"):
        raise InvalidRequest("name must not begin with acc_, as ids do.", param="name", code="invalid_value")
    if isinstance(name, str) and name in desk.file_accounts():
        raise Conflict("The configuration file has an account with this name.", param="name")
