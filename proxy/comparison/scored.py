"""The scores that routing reads (``routing.scores``), from a comparison: by target, over all prompts and by routing's own classes.

docs/routing.md describes the format.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from ..benchmark.statistics import summarise
from ..routing.kinds import KINDS
from ..routing.scores import GENERAL, VERSION
from ..wire.values import JsonObject
from .summary import Comparison, Graded, p95, quality

LEAST = 20
"""Graded answers from which a class has a score of its own; below it the general one holds, which is surer."""


def scores_of(comparison: Comparison, found: Sequence[Graded]) -> JsonObject:
    """The file's contents. Who has no verdict at all gets no score."""
    answered = [each for each in found if each.answer is not None and not each.answer.error]
    rows: JsonObject = {}
    for row in comparison.models:
        own = [each for each in answered if each.model == row.model]
        # Several targets under one name: the name holds for those that answered nothing now.
        if len(row.places) != 1 and (scores := _scores(own)):
            rows[row.model] = scores
    for place in dict.fromkeys(_place(each) for each in answered):
        if place and (scores := _scores([each for each in answered if _place(each) == place])):
            rows[place] = scores
    return {
        "version": VERSION,
        "generated": comparison.generated,
        "source": f"tollway compare, {comparison.dataset}, {comparison.prompts} prompts",
        "scores": rows,
    }


def _place(each: Graded) -> str:
    return each.answer.place if each.answer is not None else ""


def _scores(found: Sequence[Graded]) -> JsonObject:
    """By class of prompt, as routing names them."""
    general = _score(found)
    if general is None:
        return {}
    ttft = p95(summarise(_times(found)))
    scores: JsonObject = {GENERAL: general if ttft is None else general | {"ttft_p95": round(ttft, 4)}}
    for kind in KINDS:
        score = _score([each for each in found if each.kind == kind])
        if kind != GENERAL and score is not None and int(str(score["n"])) >= LEAST:
            scores[kind] = score
    return scores


def _times(found: Iterable[Graded]) -> list[float]:
    return [each.answer.ttft for each in found if each.answer is not None and each.answer.ttft is not None]


def _score(found: Sequence[Graded]) -> JsonObject | None:
    known = quality(found)
    if known.share is None:
        return None
    score, low, high = (round(value, 4) for value in (known.share, known.low, known.high))
    return {"score": score, "n": known.graded, "interval": [min(low, score), max(high, score)]}


def written(scores: Mapping[str, object], path: Path) -> str:
    """As YAML, or as JSON for a path that ends so."""
    if path.suffix == ".json":
        return json.dumps(scores, indent=2) + "\n"
    return yaml.safe_dump(dict(scores), sort_keys=False, allow_unicode=True)
