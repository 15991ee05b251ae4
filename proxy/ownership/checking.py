"""Is what a request names the caller's? Another account's id and one that nobody has are refused in the same words."""

from collections.abc import Sequence

from ..errors import ModelNotFound, ObjectNotFound
from ..protocols import Owners
from .naming import LONGEST, Named


async def check(owners: Owners, account: str, named: Sequence[Named]) -> None:
    """Raises ``ObjectNotFound`` for the first id that is not the caller's, in the same words whether it exists or not."""
    if not named:
        return
    asked = [name for name in named if 0 < len(name.ident) <= LONGEST]
    found = await owners.owners([name.ident for name in asked]) if asked else ()
    known = {name.ident: owner for name, owner in zip(asked, found, strict=True)}
    for name in named:
        owner = known.get(name.ident)
        if owner != account and (name.strict or owner is not None):
            raise _missing(name)


def _missing(name: Named) -> ObjectNotFound | ModelNotFound:
    shown = name.ident[:200].encode("ascii", "replace").decode()
    if name.kind == "model":
        return ModelNotFound(f"The model `{shown}` does not exist or you do not have access to it.", param="model")
    return ObjectNotFound(f"No such {name.kind}: {shown!r}.", param=name.param)
