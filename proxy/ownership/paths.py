"""Which row of the table a path is, and which ids it names. A path without a row is read with suspicion.

Literal segments match in any case and decoded once, as a lenient upstream would; what is still encoded after that is refused.
"""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from msgspec import Struct

from ..errors import NotFound
from .google import is_google, read_google
from .naming import Named, inside, looks_handed_out, scoped, tuned
from .table import FAMILIES, TABLE, Row

PLACES = frozenset(
    """models model deployments engines publishers projects locations accounts organizations gateways regions guardrail guardrails
    providers""".split()
)
"""Segments whose next one is the operator's configuration, not an object that a request made."""

STATELESS = frozenset(
    """completions chat messages embeddings embed embed_content rerank moderations classify classifications ocr speech generations
    transcriptions translations tokenize detokenize count_tokens count-tokens converse converse-stream invoke
    invoke-with-response-stream generate summarize score predict apply transcribe input_tokens fim""".split()
)
"""Last segments of operations that keep nothing: their answers hand out nothing."""

TOUCHING_ALL = frozenset("all bulk cancel clear delete export list purge query remove reset search stop".split())
"""Words of a last segment without an id before it that would reach everybody's objects."""

_RELATIVE = ("", ".", "..")
_VERSIONS = ("v1", "v2", "openai", "api", "inference", "compatible-mode", "backend", "async")


class Reading(Struct, frozen=True):
    """What a method and path say. ``row`` is ``None`` where the table has none; ``unknown``: nor is it known to keep nothing.

    ``collection``: of a path in Google's style, where its answer's plain ids belong; ``scope``: of a path without a row, the same.
    """

    row: Row | None
    named: tuple[Named, ...] = ()
    unknown: bool = False
    collection: str = ""
    scope: str = ""


class _Pattern:
    """One template: its segments, and whether the last takes the rest."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.parts = row.template.split("/")[1:]
        self.greedy = self.parts[-1].endswith("...}")

    def read(self, raw: Sequence[str]) -> tuple[Named, ...] | None:
        """The ids that ``raw`` (decoded segments) names here; ``None`` when it does not fit."""
        if len(raw) != len(self.parts) and not (self.greedy and len(raw) > len(self.parts)):
            return None
        named = []
        for index, part in enumerate(self.parts):
            if not part.startswith("{"):
                if raw[index].lower() != part:
                    return None
            elif self.greedy and index == len(self.parts) - 1:
                model = tuned("/".join(raw[index:]))
                named += [Named(model, "model", "model")] if model is not None else []
            elif part[1] in "~=":
                # Not to be found under another parent; should its provider look elsewhere, nobody else's id may be in it.
                words = [raw[index]] if part[1] == "~" else []
                named += [Named(word, _word(part), "id", strict=False) for word in (*words, *inside(raw[index]))]
            else:
                named.append(Named(raw[index], _word(part), "id"))
        return tuple(named)


def _word(slot: str) -> str:
    return slot.strip("{}~=").replace("_", " ")


_LITERAL = frozenset(part for row in TABLE for part in row.template.split("/")[1:] if not part.startswith("{"))


def _patterns() -> dict[tuple[str, str], list[_Pattern]]:
    """By method and first segment, templates with more literal segments first: ``/videos/characters`` is no video."""
    found: dict[tuple[str, str], list[_Pattern]] = {}
    for row in sorted(TABLE, key=lambda row: row.template.count("{")):
        found.setdefault((row.method, row.template.split("/")[1]), []).append(_Pattern(row))
    return found


_PATTERNS = _patterns()


def segments_of(path: str) -> list[str]:
    """The path's segments, decoded once. Raises ``NotFound`` for what one parser would read otherwise than another."""
    segments = [unquote(part, errors="surrogateescape") for part in path.split("/")[1:]]
    for part in segments:
        if "%" in part or ";" in part or not part.isprintable() or any(p in _RELATIVE for p in part.split("/")):
            raise NotFound(
                f"Invalid URL ({path[:200]}): a part of the path is empty, relative, encoded twice, or holds what no id does."
            )
    return segments


def read_path(method: str, path: str) -> Reading:
    """A path of the surface, without its prefix."""
    return _read(method, path, "")


def read_native(method: str, path: str) -> Reading:
    """A path of ``/native/<provider>/…``: the provider's own API, whose version and product prefixes do not matter."""
    provider, _, rest = path.removeprefix("/native/").partition("/")
    return _read(method, "/" + rest, unquote(provider))


def provider_named(path: str) -> str:
    """The provider that a path of ``/native/<provider>/…`` names."""
    return unquote(path.removeprefix("/native/").partition("/")[0])


@lru_cache(maxsize=512)
def _fixed(method: str, path: str) -> Row | None:
    for pattern in _PATTERNS.get((method, path.split("/")[1]), ()):
        if pattern.row.template == path:
            return pattern.row
    return None


def row_of(method: str, template: str) -> Row | None:
    """The row of a listed path, for a chain that serves only that."""
    return _fixed(method, template)


def _read(method: str, path: str, provider: str) -> Reading:
    segments = segments_of(path)
    method = "GET" if method in ("HEAD", "OPTIONS") else method
    if provider:
        if is_google(segments):
            row, named, collection = read_google(method, segments)
            return Reading(row, named, collection=collection)
        while len(segments) > 1 and segments[0].lower() in _VERSIONS:
            segments = segments[1:]
    for pattern in _PATTERNS.get((method, segments[0].lower()), ()):
        found = pattern.read(segments)
        if found is not None:
            return Reading(pattern.row, found)
    return _unknown(method, segments, provider)


def _unknown(method: str, segments: list[str], provider: str) -> Reading:
    """No row: whatever could be an id is one, and must be the caller's."""
    named: list[Named] = []
    family = segments[0].lower()
    scope = provider
    place = False
    if "/ai/run/" in "/".join(("", *segments)).lower():
        return Reading(None)
    for index, part in enumerate(segments):
        follows = index == 1 and family in FAMILIES and part.lower() not in _LITERAL
        # An encoded slash makes two segments for one upstream and one for another: read as an id, nobody owns it.
        if not place and (follows or "/" in part or looks_handed_out(part)):
            named.append(Named(scoped(part, scope), "object", "id"))
        place = not place and part.lower() in PLACES
        scope = f"{scope}/{part.lower()}"
    stateless = segments[-1].lower() in STATELESS and method == "POST"
    return Reading(None, tuple(named), unknown=not stateless, scope=scope)
