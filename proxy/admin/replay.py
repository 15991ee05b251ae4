"""A request sent twice under one ``Idempotency-Key`` is done once, and answered as the first time, but for secrets.

What makes objects claims the key first and gives them ids that follow from it: whoever repeats finds them, even after a crash
between the two; money is posted and its key kept in one SQL transaction.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from ..storage.errors import StorageConflict
from ..storage.queries import Answer, Idempotency
from ..storage.records import Transaction
from ..wire.values import Json
from .desk import ID_BYTES, Desk, new_id

MOST_STORED = 200


class Replayed(Struct, frozen=True):
    """An answer that was given before."""

    body: Mapping[str, object]


class Repeat(Struct, frozen=True, kw_only=True):
    """An ``Idempotency-Key``, within its actor, and the digest of what was asked under it."""

    key: str
    actor: str
    digest: bytes

    def once(self, answer: Callable[[Sequence[Transaction], Mapping[str, int]], Answer]) -> Idempotency:
        """As the database takes it."""
        return Idempotency(key=self._stored, scope=self.actor, request_digest=self.digest, answer=answer)

    @property
    def _stored(self) -> str:
        """The key, or what stands for one that is longer than the database's."""
        return self.key if len(self.key) <= MOST_STORED else f"sha256:{hashlib.sha256(self.key.encode()).hexdigest()}"

    def id(self, prefix: str, pepper: bytes) -> str:
        """The id of what is made under this key: always the same, and nobody's guess."""
        text = f"{prefix}\0{self.actor}\0{self.key}".encode()
        return f"{prefix}_{hmac.digest(pepper, text, 'sha256').hex()[: 2 * ID_BYTES]}"


def repeat_of(key: str | None, actor: str, method: str, path: str, body: Json) -> Repeat | None:
    """The request's ``Repeat``; ``None`` without a key. The order of a body's fields does not matter."""
    if key is None:
        return None
    asked = json.dumps([method, path, body], sort_keys=True)
    return Repeat(key=key, actor=actor, digest=hashlib.sha256(asked.encode()).digest())


def id_for(prefix: str, desk: Desk, repeat: Repeat | None) -> str:
    """A new object's id."""
    return new_id(prefix) if repeat is None else repeat.id(prefix, desk.pepper)


async def made_once(
    desk: Desk,
    repeat: Repeat | None,
    *,
    shown: Mapping[str, object],
    make: Callable[[], Awaitable[object]],
    there: Callable[[], Awaitable[Mapping[str, object] | None]],
) -> Replayed | None:
    """Makes an object whose id is ``id_for``; ``shown`` is what a replay is answered. ``None``: it was made now.

    ``there`` gives, if the object is there, what of the answer is chance or time (a hint, the creation): of several attempts under
    one key, the one that succeeded is not always the one that claimed the key. Raises ``StorageConflict`` where the key was used for
    something else, and whatever ``make`` raises.
    """
    if repeat is None:
        await make()
        return None
    once = repeat.once(lambda _posted, _balances: Answer(200, dict(shown)))
    before = await desk.db.answered(once)
    if before is None:
        await desk.db.post([], idempotency=once)
    elif (made := await there()) is not None:
        return Replayed({**before.body, **made})
    try:
        await make()
    except StorageConflict:
        # Two requests at once: the other one was faster. Anything else that is taken is a conflict indeed.
        made = await there()
        if made is None:
            raise
        return Replayed({**shown, **made})
    return None
