"""Is what a request names the caller's, and where is it? Another account's id and one that nobody has are refused in the same words."""

from collections.abc import Sequence

from ..errors import ModelNotFound, ObjectNotFound
from ..protocols import Owned, Owners
from .naming import LONGEST, Named
from .places import Placed

SEALED = "encrypted reasoning or a signed thought"


async def check(owners: Owners, account: str, named: Sequence[Named], sealed: Sequence[str] = ()) -> list[Placed]:
    """Where each is that is known, in one store call; ``sealed``: what sealed texts are remembered as, which are anybody's who has them.

    Raises ``ObjectNotFound`` for the first id that is not the caller's, in the same words whether it exists or not.
    """
    asked = [name for name in named if 0 < len(name.ident) <= LONGEST]
    idents = [*(name.ident for name in asked), *sealed]
    found = await owners.owners(idents) if idents else ()
    known = dict(zip(idents, found, strict=True))
    if owners.enforced:
        for name in named:
            owned = known.get(name.ident)
            if (owned is None or owned.account != account) and (name.strict or owned is not None):
                raise _missing(name)
    placed = [Placed(f"the {name.kind} {_shown(name)}", _place(known[name.ident]), name.strict) for name in asked]
    placed += [Placed(SEALED, _place(known[ident]), firm=False) for ident in sealed]
    return [each for each in placed if each.place]


def _place(owned: Owned | None) -> str:
    return owned.place if owned is not None else ""


def _shown(name: Named) -> str:
    return repr(name.ident[:200].encode("ascii", "replace").decode())


def _missing(name: Named) -> ObjectNotFound | ModelNotFound:
    if name.kind == "model":
        shown = name.ident[:200].encode("ascii", "replace").decode()
        return ModelNotFound(f"The model `{shown}` does not exist or you do not have access to it.", param="model")
    return ObjectNotFound(f"No such {name.kind}: {_shown(name)}.", param=name.param)
