"""Quality scores of models by class of prompt, from a file that ``tollway compare`` or the operator writes (docs/routing.md).

Read strictly, when the configuration is: a score that is silently not used would be worse than none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import yaml
from msgspec import Meta, Raw, Struct

from ..policy.targets import Candidate
from ..wire.values import UNREADABLE
from .kinds import KINDS

VERSION = 1

GENERAL = "general"

LARGEST = 16 * 1024 * 1024
"""Bytes of a file."""

DEPTH = 8
"""Levels of a file in YAML."""

_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

S = TypeVar("S", bound=Struct)

Unit = Annotated[float, Meta(ge=0, le=1)]


class Score(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``score`` from 0 to 1 over ``n`` prompts; ``interval``: where it lies with 95 % certainty, for people.

    ``ttft_p95``: seconds to the first token within which 95 of 100 answers began, for SLOs; heeded in the general class.
    """

    score: Unit
    n: Annotated[int, Meta(ge=1)]
    interval: tuple[Unit, Unit] | None = None
    ttft_p95: Annotated[float, Meta(ge=0, le=86_400)] | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: int
    generated: str
    scores: dict[str, dict[str, Raw]]
    source: str = ""


class Scores:
    """Looked up by ``provider/model`` first, then by the public name; of a class without a score the general one holds."""

    def __init__(self, scores: Mapping[str, Mapping[str, Score]], *, generated: str = "") -> None:
        self._scores = scores
        self.generated = generated
        self.classed: bool = any(kind != GENERAL for kinds in scores.values() for kind in kinds)
        """Does any class of prompt but the general one have scores? Else nobody needs to know a prompt's class."""
        self.timed: bool = any(self._ttft(name) is not None for name in scores)
        """Does any model have a time to the first token?"""

    def of(self, candidate: Candidate, kind: str) -> float | None:
        """From 0 to 1; ``None``: nothing is known."""
        for name in (candidate.place, candidate.model):
            by_kind = self._scores.get(name, {})
            found = by_kind.get(kind) or by_kind.get(GENERAL)
            if found is not None:
                return found.score
        return None

    def ttft(self, candidate: Candidate) -> float | None:
        """Seconds to the first token, the 95th percentile as it was measured; ``None``: it was not."""
        found = self._ttft(candidate.place)
        return found if found is not None else self._ttft(candidate.model)

    def _ttft(self, name: str) -> float | None:
        general = self._scores.get(name, {}).get(GENERAL)
        return general.ttft_p95 if general is not None else None


NO_SCORES = Scores({})


def load_scores(path: str | Path) -> Scores:
    """Reads the file. Raises ``ValueError``: which file, where in it, what is wrong, and the fix."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(
            f"the file of quality scores {path} cannot be read ({error.strerror}); name one that is there, or leave it out"
        ) from None
    if len(data) > LARGEST:
        raise ValueError(f"the file of quality scores {path} is larger than {LARGEST // 2**20} MiB; leave models out")
    return scores_in(_json_of(data, str(path)) if str(path).endswith((".yaml", ".yml")) else data, str(path))


def _json_of(data: bytes, name: str) -> bytes:
    """YAML as JSON. Raises ``ValueError``."""
    try:
        plain = _is_plain(data)
        value = yaml.load(data, Loader=_LOADER) if plain else None  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise ValueError(f"{name}: not YAML{where}; docs/routing.md shows the format") from None
    if not plain:
        raise ValueError(f"{name}: has references (*name), or is nested too deeply; write it plainly")
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: holds what JSON has not ({error}); docs/routing.md shows the format") from None


def _is_plain(data: bytes) -> bool:
    """Without references, of which a few can stand for more than any memory holds."""
    depth = 0
    for event in yaml.parse(data, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEPTH:
            return False
    return True


def scores_in(data: bytes, name: str) -> Scores:
    """``data`` as the contents of the file ``name``, in JSON. Raises ``ValueError``."""
    read = _decoded(data, _File, name, "")
    if read.version != VERSION:
        raise ValueError(f"{name}: version is {read.version}, and this gateway reads version {VERSION}: write it anew")
    scores = {
        model: {kind: _score(score, kind, name, f"scores[{model!r}][{kind!r}]") for kind, score in kinds.items()}
        for model, kinds in read.scores.items()
    }
    return Scores(scores, generated=read.generated)


def _score(raw: Raw, kind: str, name: str, at: str) -> Score:
    if kind not in KINDS:
        raise ValueError(f"{name}: {at} is no class of prompt that exists; classes are {', '.join(KINDS)}")
    found = _decoded(raw, Score, name, at)
    if found.interval is not None and not found.interval[0] <= found.score <= found.interval[1]:
        raise ValueError(f"{name}: {at}: the interval does not hold the score; write it as [low, high] around it")
    return found


def _decoded(data: bytes | Raw, kind: type[S], name: str, at: str) -> S:
    """``at``: where in the file it stands."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = (at + where.rstrip("`")).lstrip(".") or "the top level"
        raise ValueError(f"{name}: {what} (at {place}); docs/routing.md shows the format") from None
    except UNREADABLE as error:
        raise ValueError(f"{name}: not JSON ({type(error).__name__}); docs/routing.md shows the format") from None
