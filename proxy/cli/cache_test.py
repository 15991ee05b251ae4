"""``tollway cache test``: the proof of the semantic cache, on the built-in pairs or on the operator's own."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from ..policy.caching import SemanticCache
from ..protocols import EmbedderFailed
from ..semantic.proof.pairs import RECORDED_WITH, Pair, PairsUnreadable, built_in, read
from ..semantic.proof.scoring import Scored, Tally, scored, tallies, tally, wilson
from ..wire.values import JsonObject
from . import Failure
from .printed import aligned

EXTRA = 'pip install "tollway[semantic-local]"'
LANGUAGES = frozenset(
    """arabic chinese dutch french german greek hebrew hindi indonesian italian japanese korean polish portuguese russian spanish
    swedish thai turkish ukrainian vietnamese""".split()
)  # fmt: skip
"""Kinds that are one row of the table."""

HEADINGS = ("", "PAIRS", "GUARDS", "EMBEDDER", "BOTH", "BOTH, 95 %")
RIGHT = frozenset(range(1, 5))


@click.command(
    epilog="Exit codes: 0 nothing wrong would be served, 1 something would, or a file cannot be read, 2 wrong usage."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1),
    default=SemanticCache().threshold,
    show_default=True,
    help="Cosine from which on the embedder says the same.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Own pairs instead, a line each: {"a", "b", "same"} (repeatable).',
)
@click.option("--embed", is_flag=True, help="Compute the cosines of the built-in pairs afresh (half a minute).")
@click.option("--json", "as_document", is_flag=True, help="Print one JSON document.")
def test(threshold: float, sets: tuple[Path, ...], embed: bool, as_document: bool) -> None:
    """Show what guards, embedder and both would serve of pairs that must not match, and of pairs that should.

    The built-in pairs carry cosines as the local model gave them, so nothing but this command is needed. Own pairs are
    embedded by the local model, unless they have a "similarity".
    """
    pairs = _read(sets) if sets else built_in()
    pairs, embedder = _embedded(pairs, afresh=embed, own=bool(sets))
    rows = scored(pairs)
    wrong = [row for row in rows if not row.pair.same and row.served(threshold)]
    if as_document:
        click.echo(json.dumps(_document(rows, wrong, threshold, embedder), indent=2, ensure_ascii=False))
    else:
        for line in _lines(rows, wrong, threshold, embedder):
            click.echo(line)
    if wrong:
        raise SystemExit(1)


def _read(files: Sequence[Path]) -> tuple[Pair, ...]:
    """All pairs of the files. Raises ``Failure``."""
    found: list[Pair] = []
    for file in files:
        try:
            found += read(file.read_bytes().splitlines(), name=str(file))
        except (PairsUnreadable, OSError) as error:
            raise Failure(f"{error}.", fix='write one JSON object a line: {"a": "…", "b": "…", "same": true}') from None
    return tuple(found)


def _embedded(pairs: tuple[Pair, ...], *, afresh: bool, own: bool) -> tuple[tuple[Pair, ...], str]:
    """The pairs with the cosines there are, and whose they are; "" where there are none."""
    if not afresh and not own:
        return pairs, f"{RECORDED_WITH}, as recorded"
    lacking = pairs if afresh else tuple(pair for pair in pairs if pair.similarity is None)
    if not lacking:
        return pairs, "as given"
    try:
        found, name = asyncio.run(_cosines(lacking))
    except (EmbedderFailed, ImportError) as error:
        if afresh:
            raise Failure(f"No cosines: {error}.", fix=EXTRA) from None
        return pairs, ""
    return tuple(found.get(id(pair), pair) for pair in pairs), name


async def _cosines(pairs: Sequence[Pair]) -> tuple[dict[int, Pair], str]:
    """By the local model: each pair's ``id`` to the pair with its cosine."""
    from ..semantic.embedders.local import LocalEmbedder

    embedder = LocalEmbedder()
    try:
        found = {}
        for start in range(0, len(pairs), 16):
            some = pairs[start : start + 16]
            vectors = await embedder.embed([text for pair in some for text in (pair.a, pair.b)])
            for index, pair in enumerate(some):
                cosine = float(sum(x * y for x, y in zip(vectors[2 * index], vectors[2 * index + 1], strict=True)))
                found[id(pair)] = msgspec.structs.replace(pair, similarity=cosine)
        return found, embedder.name
    finally:
        await embedder.close()


# ---- printing -------------------------------------------------------------------------------------------------------
def _lines(rows: Sequence[Scored], wrong: Sequence[Scored], threshold: float, embedder: str) -> Iterator[str]:
    for same, title in (
        (False, "Must not match: every hit is a wrong answer"),
        (True, "Should match: every hit is saved"),
    ):
        some = [row for row in rows if row.pair.same is same]
        if some:
            yield title
            yield aligned([HEADINGS, *map(_cells, _tallies(some, threshold))], right=RIGHT)
            yield ""
    if embedder:
        yield f"Hits at cosine {threshold:g} ({embedder})."
    else:
        yield f"— : no cosines. Both counts what guards alone let through. Fix: {EXTRA}"
    for row in wrong:
        yield f"WRONG  {row.pair.kind}: {row.pair.a!r} and {row.pair.b!r}"
    yield f"{len(wrong)} wrong answers would be served." if wrong else "No wrong answer would be served."


def _tallies(rows: Sequence[Scored], threshold: float) -> list[Tally]:
    """By kind, then by part, then all."""
    languages = len({row.pair.kind for row in rows} & LANGUAGES)
    kinds = tallies(
        rows, threshold, by=lambda pair: f"{languages} other languages" if pair.kind in LANGUAGES else pair.kind
    )
    parts = tallies(rows, threshold, by=lambda pair: pair.part)
    return [*(kinds if len(kinds) > 1 else ()), *(parts if len(parts) > 1 else ()), tally("all", rows, threshold)]


def _cells(row: Tally) -> tuple[str, ...]:
    low, high = wilson(row.both, row.pairs)
    embedder = "—" if row.embedder is None else str(row.embedder)
    interval = f"{low:.1%} to {high:.1%}" if row.pairs >= 20 else ""
    return row.name, str(row.pairs), str(row.guards), embedder, str(row.both), interval


def _document(rows: Sequence[Scored], wrong: Sequence[Scored], threshold: float, embedder: str) -> JsonObject:
    """The same, and which guard refused how often."""
    document: JsonObject = {"threshold": threshold, "embedder": embedder or None, "wrong": len(wrong)}
    for same, name in ((False, "must_not_match"), (True, "should_match")):
        some = [row for row in rows if row.pair.same is same]
        document[name] = {
            "all": _row(tally("all", some, threshold)),
            "parts": {one.name: _row(one) for one in tallies(some, threshold, by=lambda pair: pair.part)},
            "kinds": {one.name: _row(one) for one in tallies(some, threshold, by=lambda pair: pair.kind)},
            "guards": {
                guard: sum(row.guard == guard for row in some) for guard in sorted({row.guard for row in some} - {""})
            },
        }
    return document


def _row(row: Tally) -> JsonObject:
    return {
        "pairs": row.pairs,
        "guards": row.guards,
        "embedder": row.embedder,
        "both": row.both,
        "both_interval": [round(bound, 4) for bound in wilson(row.both, row.pairs)],
    }
