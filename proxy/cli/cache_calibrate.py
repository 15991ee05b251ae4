"""``tollway cache calibrate``: the threshold that keeps wrong answers of the semantic cache under a bound, told from pairs."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from ..policy.caching import SemanticCache
from ..protocols import EmbedderFailed
from ..semantic.calibration import GRID, Calibration, Rate, Row, calibrated
from ..semantic.proof.pairs import RECORDED_WITH, Pair, built_in
from ..semantic.proof.scoring import scored
from ..wire.values import JsonObject
from . import Failure
from .printed import aligned

LINE = 'write one JSON object a line: {"a": "…", "b": "…", "same": true}, with "similarity" where it is known'
EXTRA = 'pip install "tollway[semantic-local]", or give every pair its "similarity"'
BATCH = 16
HEADINGS = (
    "THRESHOLD",
    "SERVED",
    "HIT RATE",
    "WRONG",
    "FALSE HITS",
    "AT MOST",
    "NO GUARDS: SERVED",
    "WRONG",
    "FALSE HITS",
)


class Unfit(Failure):
    """What was given cannot be calibrated with."""

    exit_code = 2


class _Within(click.FloatRange):
    """Without "nan", which is neither too small nor too large."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """A number between the two."""
        found = float(super().convert(value, param, ctx))
        if isnan(found):
            self.fail(f"{value} is no number.", param, ctx)
        return found


class _Line(Struct, frozen=True, kw_only=True):
    """Of a file: written by people, or by shadow mode, where ``same`` is ``null`` if it could not be told."""

    a: str
    b: str
    same: bool | None
    similarity: float | None = None


class _Given(Struct, frozen=True, kw_only=True):
    """``untold``: lines left out because nobody knows the truth. ``source``, ``embedder``: for people. ``own``: nobody made the guards with
    these pairs in view, so what is found on them means something elsewhere."""

    pairs: tuple[Pair, ...]
    untold: int
    source: str
    embedder: str
    own: bool = True


@click.command(
    epilog="Exit codes: 0 a threshold was picked, 1 none meets the bound, 2 the pairs cannot be used, or wrong usage."
)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--max-false-hits",
    "bound",
    type=_Within(0.000001, 1),
    default=SemanticCache().max_false_hits,
    show_default=True,
    help="Share of wrong answers among those served that is borne.",
)
@click.option(
    "--confidence",
    type=_Within(0.5, 0.999999),
    default=0.95,
    show_default=True,
    help="How sure the bound, and each interval, is to hold.",
)
@click.option(
    "--embedder",
    type=click.Choice(["local"]),
    default="local",
    show_default=True,
    help="What gives pairs without a similarity theirs.",
)
@click.option("--json", "as_document", is_flag=True, help="Print one JSON document.")
def calibrate(files: tuple[str, ...], bound: float, confidence: float, embedder: str, as_document: bool) -> None:
    """Pick the lowest threshold that keeps wrong answers under a bound, from pairs with the truth about them.

    FILE has a JSON object a line, {"a", "b", "same"}, or is what cache.semantic.record wrote; - is standard input. Without a FILE
    the built-in pairs are used, to show what it prints.
    """
    given = _with_cosines(_read(files) if files else _built_in())
    if not any(pair.same for pair in given.pairs):
        raise Unfit(
            f"None of the {len(given.pairs)} pairs should match, so no threshold has anything to serve.",
            fix='add pairs that ask the same, with "same": true',
        )
    found = calibrated(scored(given.pairs), bound=bound, confidence=confidence)
    if as_document:
        click.echo(json.dumps(_document(given, found, bound, confidence), indent=2, ensure_ascii=False))
    else:
        for line in _lines(given, found, bound, confidence):
            click.echo(line)
    if found.picked is None:
        raise SystemExit(1)


# ---- pairs ----------------------------------------------------------------------------------------------------------
def _built_in() -> _Given:
    return _Given(
        pairs=built_in(),
        untold=0,
        source="the built-in sets, which are no sample of your traffic",
        embedder=f"{RECORDED_WITH}, as recorded",
        own=False,
    )


def _read(files: Sequence[str]) -> _Given:
    """All lines of the files. Raises ``Unfit``."""
    lines: list[_Line] = []
    for file in files:
        name = "standard input" if file == "-" else file
        try:
            content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise Unfit(f"{name} cannot be read: {error.strerror}.", fix="name a file of pairs") from None
        found = list(_lines_of(content, name))
        if not found:
            raise Unfit(f"{name} has no pairs.", fix=LINE)
        lines += found
    pairs = tuple(
        Pair(a=line.a, b=line.b, same=line.same, similarity=line.similarity) for line in lines if line.same is not None
    )
    untold = len(lines) - len(pairs)
    if not pairs:
        raise Unfit(f'All {untold} lines have "same": null: of no pair the truth is known.', fix="set some by hand")
    source = ", ".join("standard input" if file == "-" else file for file in files)
    return _Given(pairs=pairs, untold=untold, source=source, embedder="as given")


def _lines_of(content: bytes, name: str) -> Iterator[_Line]:
    # Not splitlines(), which also splits at characters that JSON texts may have in them.
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            read = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unfit(f"{name}, line {number} is no pair: {error}.", fix=LINE) from None
        if read.similarity is not None and not -1.001 <= read.similarity <= 1.001:
            raise Unfit(f"{name}, line {number} is no pair: a similarity lies between -1 and 1.", fix=LINE)
        yield read


def _with_cosines(given: _Given) -> _Given:
    """Every pair with its similarity. Raises ``Unfit``."""
    lacking = [pair for pair in given.pairs if pair.similarity is None]
    if not lacking:
        return given
    try:
        cosines, name = asyncio.run(_cosines(lacking))
    except (EmbedderFailed, ImportError) as error:
        raise Unfit(f"{len(lacking)} pairs have no similarity, and there is no embedder: {error}.", fix=EXTRA) from None
    found = iter(cosines)
    pairs = tuple(
        pair if pair.similarity is not None else msgspec.structs.replace(pair, similarity=next(found))
        for pair in given.pairs
    )
    embedder = name if len(lacking) == len(pairs) else f"{name} for {len(lacking)} pairs, the others as given"
    return msgspec.structs.replace(given, pairs=pairs, embedder=embedder)


async def _cosines(pairs: Sequence[Pair]) -> tuple[list[float], str]:
    """Of each pair, by the local model, and its name. Raises ``EmbedderFailed``."""
    from ..semantic.embedders.local import LocalEmbedder

    embedder = LocalEmbedder()
    found: list[float] = []
    try:
        for start in range(0, len(pairs), BATCH):
            texts = [text for pair in pairs[start : start + BATCH] for text in (pair.a, pair.b)]
            vectors = await embedder.embed(texts)
            if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
                raise EmbedderFailed("dimensions", "it gave vectors of the wrong number or size")
            for one, other in zip(vectors[::2], vectors[1::2], strict=True):
                cosine = float(sum(x * y for x, y in zip(one, other, strict=True)))
                if not -1.001 <= cosine <= 1.001:
                    raise EmbedderFailed("not_finite", "it gave vectors without a direction")
                found.append(cosine)
        return found, embedder.name
    finally:
        await embedder.close()


# ---- printing -------------------------------------------------------------------------------------------------------
def _lines(given: _Given, found: Calibration, bound: float, confidence: float) -> Iterator[str]:
    yield f"{found.right + found.false} pairs of {given.source}."
    yield f"{found.right} should match, {found.false} must not. Similarities: {given.embedder}."
    if given.untold:
        yield f'Left out: {given.untold} with "same": null, where nobody knows.'
    yield ""
    cells = [_cells(row, bare) for row, bare in zip(found.guarded, found.bare, strict=True)]
    yield aligned([HEADINGS, *cells], right=frozenset(range(len(HEADINGS))))
    yield ""
    yield f"Intervals: Clopper-Pearson, two-sided {_percent(confidence)}; AT MOST: the one-sided upper bound at {_percent(confidence)}."
    if not found.false:
        yield "No pair is wrong. If they were written by hand, add some that read alike and ask something else."
    yield from _picked(found, bound, confidence)
    if not given.own:
        yield "The guards were made with most of these pairs in view: this promises nothing for others. Record yours with mode: shadow."
    elif found.picked is not None:
        yield "Picked and measured on the same pairs; others confirm it. It holds for questions like these, and for this embedder."
        yield ""
        yield f"cache: {{semantic: {{threshold: {found.picked.threshold:g}, max_false_hits: {bound:g}}}}}"


def _cells(row: Row, bare: Row) -> tuple[str, ...]:
    return (
        f"{row.threshold:.2f}",
        str(row.hits.count),
        _interval(row.hits),
        str(row.wrong.count),
        _interval(row.wrong),
        f"{row.most:.2%}" if row.wrong.of else "—",
        str(bare.hits.count),
        str(bare.wrong.count),
        _interval(bare.wrong),
    )


def _interval(rate: Rate) -> str:
    if rate.share is None:
        return "—"
    return f"{rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _picked(found: Calibration, bound: float, confidence: float) -> Iterator[str]:
    picked = found.picked
    if picked is None:
        clean = max((row.wrong.of for row in found.guarded if not row.wrong.count), default=0)
        yield f"No threshold from {GRID[0]:g} on keeps false hits under {_percent(bound)} with {_percent(confidence)} confidence."
        yield (
            f"It needs at least {found.needed} served pairs without a false hit to promise {_percent(bound)}"
            f" (rule of three); {clean} is the most that a threshold here has."
        )
        return
    yield (
        f"Picked {picked.threshold:g}: serves {picked.hits.count} of {picked.hits.of}, {picked.wrong.count} of them wrong;"
        f" with {_percent(confidence)} confidence at most {picked.most:.2%} are."
    )


def _document(given: _Given, found: Calibration, bound: float, confidence: float) -> JsonObject:
    return {
        "pairs": found.right + found.false,
        "should_match": found.right,
        "must_not_match": found.false,
        "left_out": given.untold,
        "source": given.source,
        "own": given.own,
        "embedder": given.embedder,
        "max_false_hits": bound,
        "confidence": confidence,
        "interval": "Clopper-Pearson",
        "needed_without_a_false_hit": found.needed,
        "picked": _row(found.picked) if found.picked is not None else None,
        "thresholds": [
            {**_row(row), "without_guards": _row(bare)} for row, bare in zip(found.guarded, found.bare, strict=True)
        ],
    }


def _row(row: Row) -> JsonObject:
    return {
        "threshold": row.threshold,
        "served": row.hits.count,
        "hit_rate": row.hits.share,
        "hit_rate_interval": [row.hits.low, row.hits.high],
        "wrong": row.wrong.count,
        "false_hit_rate": row.wrong.share,
        "false_hit_rate_interval": [row.wrong.low, row.wrong.high],
        "false_hit_rate_at_most": row.most,
    }
