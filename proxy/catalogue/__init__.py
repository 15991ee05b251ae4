"""The model catalogue: what is known about each provider's models. Package data, read at first use, never from the network.

``models.json`` is maintained by hand and by review: one model a line, prices in micro-dollars per million tokens. An operator's
own rows and a refreshed file come on top (``Book``).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from .book import Book
from .model import Catalogue, Modality, ModelInfo, Stability

__all__ = [
    "Book",
    "Catalogue",
    "Modality",
    "ModelInfo",
    "Stability",
    "answering",
    "catalogue",
    "changed",
    "configure",
    "current",
    "info",
    "models_of",
    "refresh",
    "shelve",
    "shipped",
]


@cache
def catalogue() -> Catalogue:
    """The catalogue that this version ships."""
    return msgspec.json.decode(files(__name__).joinpath("models.json").read_bytes(), type=Catalogue)


@cache
def shipped() -> Book:
    """The shipped catalogue, ready to be looked up."""
    return Book(catalogue().models)


class _Shelf:
    """What is open in this process: the shipped or refreshed book, with the configuration's rows on top."""

    base: Book | None = None
    rows: Mapping[str, Mapping[str, object]] = {}
    book: Book | None = None


def current() -> Book:
    """What is known now: shipped or refreshed, and as the configuration has it."""
    return _Shelf.book or shipped()


def configure(rows: Mapping[str, Mapping[str, object]]) -> None:
    """Puts the configuration's rows on top (see ``changed``). Raises ``ValueError``, and then nothing changes."""
    _Shelf.book = changed(_Shelf.base or shipped(), rows) if rows else _Shelf.base
    _Shelf.rows = rows


def refresh(data: bytes) -> int:
    """Puts the catalogue in ``data`` (the format of ``models.json``) in the shipped one's place; the number of its models.

    Raises ``ValueError`` for one that is not whole, and then nothing changes.
    """
    try:
        found = msgspec.json.decode(data, type=Catalogue)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a catalogue: {error}") from None
    if not found.models:
        raise ValueError("a catalogue without models")
    base = Book(found.models)
    _Shelf.book = changed(base, _Shelf.rows)
    _Shelf.base = base
    return len(found.models)


def shelve() -> None:
    """Back to the shipped catalogue alone."""
    _Shelf.base, _Shelf.rows, _Shelf.book = None, {}, None


def models_of(provider: str) -> tuple[ModelInfo, ...]:
    """Every model of a provider id (``openai``), retired ones included, in the catalogue's order."""
    return current().models_of(provider)


def info(provider: str, model: str) -> ModelInfo | None:
    """What is known about a model by the provider's own id, by an alias, a dated snapshot, or as another host spells it."""
    return current().info(provider, model)


def answering(provider: str, model: str, today: date) -> str:
    """Whose rules hold for ``model`` today: its own, or those of the model to which its provider has rerouted it."""
    found = info(provider, model)
    if (
        found is None
        or not found.rerouted
        or found.successor is None
        or found.shutdown is None
        or today < found.shutdown
    ):
        return model
    return found.successor


def changed(book: Book, models: Mapping[str, Mapping[str, object]]) -> Book:
    """``book`` with the rows of ``models`` (``provider/id`` to fields) changed or added. Raises ``ValueError``, naming the row."""
    return book.with_rows(_rows(book, models))


def _rows(book: Book, models: Mapping[str, Mapping[str, object]]) -> Iterable[ModelInfo]:
    for name, fields in models.items():
        provider, slash, ident = name.partition("/")
        if not slash or not ident:
            raise ValueError(f"{name}: a model is named provider/id")
        old = book.exact(provider, ident)
        known = (
            msgspec.to_builtins(old)
            if old is not None
            else {"id": ident, "provider": provider, "source": "configuration"}
        )
        try:
            yield msgspec.convert({**known, **fields}, ModelInfo)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from None
