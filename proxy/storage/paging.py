"""Pages by key, newest first: the next one begins where the last row stood, however many rows came since."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Select, select, tuple_

from . import checks


def newest_first(
    query: Select[Any], ident: Column[Any], *order: Column[Any], limit: int, after: str | None
) -> Select[Any]:
    """``query`` as one page, ordered by ``order`` downwards. ``after``: ``ident`` of the last row before it."""
    query = query.order_by(*(column.desc() for column in order)).limit(checks.rows(limit))
    if after is None:
        return query
    place = select(*order).where(ident == after).scalar_subquery()
    here: ColumnElement[Any] = order[0] if len(order) == 1 else tuple_(*order)
    return query.where(here < place)
