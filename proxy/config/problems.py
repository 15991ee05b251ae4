"""What can be wrong with a configuration, and how it is said: path, place, sentence, nearest known name. Never a value."""

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from msgspec import Struct

Path = tuple[str | int, ...]
"""Keys and list positions from the root; ``dotted`` writes it as people do."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no name may hold and no terminal should be sent."""


def dotted(path: Path) -> str:
    """``("models", "gpt-4.1", "targets", 0)`` becomes ``models["gpt-4.1"].targets[0]``."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            # Control characters and lone surrogates come out escaped: paths go to terminals and logs.
            quoted = json.dumps(step, ensure_ascii=CONTROL.search(step) is not None)
            parts.append(f"[{quoted}]")
    return "".join(parts)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` was probably meant to be."""
    spelled = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold(), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to mend. ``where`` is a file, variable or flag; lines and columns count from 1."""

    message: str
    path: str = ""
    where: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = self.where or ""
        if self.line is not None:
            place += f":{self.line}" if place else f"line {self.line}"
            if self.column is not None:
                place += f":{self.column}"
        head = ": ".join(part for part in (place, self.path) if part)
        text = f"{head}: {self.message}" if head else self.message
        return f'{text} (did you mean "{self.hint}"?)' if self.hint else text


class ConfigError(Exception):
    """The configuration cannot be used. ``sources`` are the files that were looked at, so that a watcher sees the repair."""

    def __init__(self, problems: Sequence[Problem], sources: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        self.sources = tuple(sources)
        super().__init__(self.problems, self.sources)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
