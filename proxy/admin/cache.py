"""Stored answers: how many there are, and forgetting them."""

import logging

from ..errors import InvalidRequest
from ..protocols import Purge
from ..storage.errors import StorageError
from . import answers
from .asked import CachePurge, Nothing
from .calls import Call
from .desk import Desk

_log = logging.getLogger("tollway.admin")

WHAT = "key, account, model and tag narrow it down, all: true forgets everything"


async def cache(desk: Desk, call: Call[Nothing, Nothing]) -> answers.Cache:
    """As the process that answers sees it."""
    return desk.cache()


async def purge(desk: Desk, call: Call[CachePurge, Nothing]) -> answers.CachePurged:
    """Forgets what agrees with all that is given. No database is needed; where there is one, the audit log has it."""
    what = await _meant(desk, call.body)
    forgotten = await desk.purge(what)
    if desk.database is not None:
        given = {name: value for name in ("key", "account", "model", "tag") if (value := getattr(what, name))}
        try:
            await desk.database.note(call.audit("cache.purge", "cache", None, {**(given or {"all": True})}))
        except StorageError as error:
            # It is done, and saying that it failed would make whoever wants wrong answers gone try in vain.
            _log.warning("a purge of the cache by %s is missing from the audit log: %s", call.actor, error)
    return forgotten


async def _meant(desk: Desk, body: CachePurge) -> Purge:
    """Raises ``InvalidRequest`` unless it says either what or everything."""
    narrowed = any((body.key, body.account, body.model, body.tag))
    if body.all and narrowed:
        raise InvalidRequest(f"all goes alone: {WHAT}.", param="all", code="invalid_value")
    if not body.all and not narrowed:
        raise InvalidRequest(f"Say what is to be forgotten: {WHAT}.", code="missing_required_parameter")
    return Purge(
        key=(body.key or "").lower(),
        account=await _account(desk, body.account or ""),
        model=body.model or "",
        tag=body.tag or "",
    )


async def _account(desk: Desk, named: str) -> str:
    """Answers are kept under the account's id. Who has no row in the database, such as a token's subject, is called what it is."""
    if not named or desk.database is None or named in desk.file_accounts():
        return named
    found = await desk.database.account(named) or await desk.database.account_named(named)
    return found.id if found is not None else named
