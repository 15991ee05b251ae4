"""A long stream is kept when its beginning and its end are fit, and its middle is judged when it is wanted for the first time.

Most answers are never asked for again, and reading all of a long one costs as much as relaying it. Nothing is given that was not judged.
"""

from msgspec import field

from ..protocols import CacheEntry
from .fitness.verdicts import Unfit
from .judging import unfit

LONG = 8 * 1024
"""Bytes of a stream that are judged at once."""

_FIRST, _LAST = 2, 3
"""Events at the beginning, and at the end, that are judged at once."""

_END = b"\n\n"


class Unproven(CacheEntry, frozen=True, array_like=True, kw_only=True):
    """A stream whose middle nobody has looked at. It stays in this process. ``tools``: are calls of tools kept?"""

    tools: bool = False
    _verdicts: list[Unfit] = field(default_factory=list)
    """At most one: what was said when it was first wanted."""

    @property
    def fit(self) -> bool:
        """May it be given? All of it is looked at now, once."""
        if not self._verdicts:
            self._verdicts.append(unfit(self.endpoint, self.form, self.body, tools=self.tools))
        return not self._verdicts[0]


def unproven(entry: CacheEntry, *, tools: bool) -> Unproven:
    """``entry``, of which only the ends were judged."""
    return Unproven(
        endpoint=entry.endpoint,
        form=entry.form,
        body=entry.body,
        stored_at=entry.stored_at,
        expires=entry.expires,
        content_type=entry.content_type,
        usage_event=entry.usage_event,
        usage=entry.usage,
        provider=entry.provider,
        model=entry.model,
        public=entry.public,
        tenant=entry.tenant,
        tags=entry.tags,
        tools=tools,
    )


def promising(entry: CacheEntry, *, tools: bool) -> bool:
    """Is it a stream whose ends are fit? What is wrong with another is for ``unfit`` to say, which sees the whole."""
    if entry.form != "events":
        return False
    body = entry.body
    begin, end = 0, len(body)
    for _ in range(_FIRST):
        begin = body.find(_END, begin) + len(_END)
    for _ in range(_LAST + 1):
        end = body.rfind(_END, 0, end)
    end += len(_END)
    if not len(_END) <= begin < end:
        return False
    return not unfit(entry.endpoint, "events", body[:begin] + body[end:], tools=tools)
