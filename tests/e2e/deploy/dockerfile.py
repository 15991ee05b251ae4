"""The Dockerfile as data, and what it does to files carried out without a container engine: its context, its COPYs, its RUN."""

import fnmatch
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy/image/Dockerfile"


class Step(NamedTuple):
    """One instruction; ``text`` with continuations joined."""

    word: str
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, options (``--from=…``) included."""
        return shlex.split(self.text)

    @property
    def exec_form(self) -> list[str]:
        """The arguments of an instruction that names a program. Raises ``ValueError`` for the shell's form."""
        found: list[str] = json.loads(self.text)
        return found


class Stage(NamedTuple):
    """``FROM base AS name`` and what follows it."""

    name: str
    base: str
    steps: list[Step]

    def all(self, word: str) -> list[Step]:
        """Its instructions of one kind."""
        return [step for step in self.steps if step.word == word]


def steps(text: str) -> list[Step]:
    """Every instruction, in order; comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        found.append(Step(word.upper(), rest.strip()))
    return found


def stages(text: str) -> tuple[dict[str, str], dict[str, Stage]]:
    """(the ARGs before the first stage with their defaults, stages by name, in order)."""
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for step in steps(text):
        if step.word == "FROM":
            base, _, name = re.sub(r"\s+[Aa][Ss]\s+", " ", step.text).partition(" ")
            current = found[name] = Stage(name, base, [])
        elif current is None:
            name, _, value = step.text.partition("=")
            arguments[name] = expand(value, arguments)
        else:
            current.steps.append(step)
    return arguments, found


def expand(text: str, values: dict[str, str]) -> str:
    """``${NAME}`` by its value."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def sent(path: str, rules: list[str]) -> bool:
    """Does ``path`` (a file, relative) belong to the build context? The last rule of ``.dockerignore`` that matches decides."""
    parts = path.split("/")
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        patterns = [pattern, pattern.removeprefix("**/")] if pattern.startswith("**/") else [pattern]
        names = above + parts if pattern.startswith("**/") else above
        if any(
            fnmatch.fnmatchcase(name, each) and ("/" not in name or "/" in each) for each in patterns for name in names
        ):
            ignored = not rule.startswith("!")
    return not ignored


def ignore_rules() -> list[str]:
    """The lines of ``.dockerignore`` that say something."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def carry_out_copies(stage: Stage, folder: Path) -> None:
    """What the COPYs of ``stage`` bring from the checkout, into ``folder``."""
    rules = ignore_rules()
    for copy in stage.all("COPY"):
        *sources, target = copy.words
        for source in sources:
            origin = ROOT / source
            place = folder / target / (origin.name if target.endswith("/") else "")
            files = [origin] if origin.is_file() else [path for path in origin.rglob("*") if path.is_file()]
            for file in files:
                if sent(str(file.relative_to(ROOT)), rules):
                    to = place / file.relative_to(origin) if origin.is_dir() else place
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, to)
