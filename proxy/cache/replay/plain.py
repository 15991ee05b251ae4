"""The plain answer of an entry in either form, and who folds and unfolds each dialect."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from ...protocols import CacheEntry
from ...wire.values import JsonObject
from . import chat, completions, messages, responses
from .reading import SenselessError, documents, read


class Dialect(Struct, frozen=True):
    """``fold``: events to a plain answer. ``unfold``: back, with a usage chunk of this ``usage`` where there is one of its own."""

    fold: Callable[[Iterable[JsonObject]], JsonObject]
    unfold: Callable[[JsonObject, JsonObject | None], bytes]
    chunked: bool
    """Is usage a chunk of its own, which only a client that asks for it gets?"""


DIALECTS = {
    "chat": Dialect(chat.fold, chat.unfold, chunked=True),
    "completions": Dialect(completions.fold, completions.unfold, chunked=True),
    "responses": Dialect(responses.fold, lambda whole, _: responses.unfold(whole), chunked=False),
    "messages": Dialect(messages.fold, lambda whole, _: messages.unfold(whole), chunked=False),
}


def dialect_of(entry: CacheEntry) -> Dialect:
    """Raises ``SenselessError`` for an endpoint that has no streams."""
    found = DIALECTS.get(entry.endpoint)
    if found is None:
        raise SenselessError
    return found


def plain(entry: CacheEntry) -> JsonObject:
    """The answer as one object. Raises ``SenselessError``."""
    if entry.form == "json":
        return read(entry.body)
    if entry.form != "events":
        raise SenselessError
    return dialect_of(entry).fold(documents(entry.body) + documents(entry.usage_event))
