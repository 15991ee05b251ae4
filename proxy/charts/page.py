"""One HTML page that needs no network and runs no script: style, tiles, sections, tables. Light and dark follow the reader's system.

It is written as XML too, so that a parser can judge it, and its policy forbids every source but the page itself.
"""

from collections.abc import Sequence

from msgspec import Struct

from .markup import Markup, element, joined, text
from .style import SHEET

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Column(Struct, frozen=True, kw_only=True):
    """A table's column: ``numeric`` ones are set flush right in figures of equal width; ``hint`` explains the heading."""

    heading: str
    numeric: bool = False
    hint: str = ""


class Tile(Struct, frozen=True, kw_only=True):
    """A figure that is to be seen first. ``note`` says what it is measured against."""

    label: str
    value: str
    note: str = ""


def page(title: str, *parts: Markup, subtitle: str = "", footer: str = "") -> str:
    """The whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", text(title)),
        element("style", Markup(SHEET)),
    )
    heading = element(
        "header",
        element("h1", text(title)),
        element("p", text(subtitle), class_="subtitle") if subtitle else Markup(""),
    )
    end = element("footer", text(footer)) if footer else Markup("")
    body = element("body", element("main", heading, *parts, end))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def section(title: str, *parts: Markup, note: str = "") -> Markup:
    """A heading, what belongs under it, and a sentence on how to read it."""
    said = element("p", text(note), class_="note") if note else Markup("")
    return element("section", element("h2", text(title)), said, *parts)


def figure(caption: str, picture: Markup, *, note: str = "") -> Markup:
    """A plot with its caption, and how it is to be read."""
    said = element("span", text(note), class_="small") if note else Markup("")
    return element("figure", element("figcaption", text(caption), said), picture)


def pair(*parts: Markup) -> Markup:
    """Beside each other where there is room."""
    return element("div", *parts, class_="pair")


def folded(summary: str, *parts: Markup) -> Markup:
    """What is shown when asked for."""
    return element("details", element("summary", text(summary)), *parts)


def notice(*words: str) -> Markup:
    """What the reader must know before trusting a figure; nothing for no words."""
    if not words:
        return Markup("")
    return element("div", *(element("p", text(line)) for line in words), class_="notice", role="note")


def tiles(found: Sequence[Tile]) -> Markup:
    """A row of figures."""
    return element(
        "div",
        *(
            element(
                "div",
                element("div", text(tile.label), class_="label"),
                element("div", text(tile.value), class_="value"),
                element("div", text(tile.note), class_="small") if tile.note else Markup(""),
                class_="tile",
            )
            for tile in found
        ),
        class_="tiles",
    )


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, caption: str = "") -> Markup:
    """``rows`` of cells as words; the first cell of each is its heading."""
    head = element(
        "thead",
        element(
            "tr",
            *(
                element("th", text(column.heading), scope="col", class_=_kind(column), title=column.hint or None)
                for column in columns
            ),
        ),
    )
    body = element("tbody", *(_row(columns, row) for row in rows))
    said = element("caption", text(caption)) if caption else Markup("")
    return element("div", element("table", said, head, body), class_="scroll", tabindex="0")


def _row(columns: Sequence[Column], row: Sequence[str]) -> Markup:
    cells = [
        element("td" if at else "th", text(cell) or Markup("&#160;"), class_=_kind(column), scope=None if at else "row")
        for at, (column, cell) in enumerate(zip(columns, row, strict=True))
    ]
    return element("tr", *cells)


def _kind(column: Column) -> str | None:
    return "number" if column.numeric else None


def listed(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names and what they stand for: the settings of a run."""
    parts = [joined(element("dt", text(name)), element("dd", text(value))) for name, value in pairs]
    return element("dl", *parts)
