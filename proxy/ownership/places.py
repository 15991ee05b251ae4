"""Where an object was made: ``provider#key`` (the key's number, from 0), or ``provider`` where any key of it will do."""

from collections.abc import Iterable

from msgspec import Struct

from ..context import RequestContext
from ..errors import InvalidRequest


class Placed(Struct, frozen=True):
    """``what`` a request names or carries, in words for an error, and the place that made it.

    ``firm``: it is only a name, of no use elsewhere; else the request carries the thing itself, such as a sealed text or a whole item.
    """

    what: str
    place: str
    firm: bool = True


def place_of(ctx: RequestContext) -> str:
    """Where the request went, or is going: the place of its latest attempt."""
    if not ctx.attempts:
        return ""
    attempt = ctx.attempts[-1]
    return f"{attempt.provider}#{attempt.key}"


def provider_of(place: str) -> str:
    """The provider of a place."""
    return place.partition("#")[0]


def met(one: str, other: str) -> str | None:
    """The place that both allow; ``None``: there is none."""
    if one == other or other == provider_of(one):
        return one
    return other if one == provider_of(other) else None


def bound_to(found: Iterable[Placed]) -> str:
    """The one place at which everything was made, "" where none is known. Raises ``InvalidRequest`` where there are two."""
    bound = ""
    first: Placed | None = None
    for each in found:
        if first is None:
            first, bound = each, each.place
            continue
        both = met(bound, each.place)
        if both is None:
            raise apart(first, each)
        bound = both
    return bound


def gone(place: str) -> InvalidRequest:
    """The 400 for what a key made that is no longer there."""
    provider, _, key = place.partition("#")
    return InvalidRequest(
        f"This request continues something that provider {provider!r} keeps under its key number {int(key) + 1}, and the gateway's "
        "configuration has no such key any more. Start anew without what it refers to; the gateway's owner can put the key back.",
        code="bound_elsewhere",
    )


def apart(one: Placed, other: Placed) -> InvalidRequest:
    """The 400 for objects that no place has together."""
    return InvalidRequest(
        f"This request joins what was made at two places: {one.what} at {one.place}, {other.what} at {other.place}. What a provider "
        "keeps or seals can only be used with the account that made it; make one of them again where the other is, or leave it out.",
        code="objects_apart",
    )
