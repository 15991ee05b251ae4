"""The fenced blocks of the pages: language, text, place, and the name that a test or a list knows each of them by."""

import re
import shlex
from functools import cache
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(msgspec.Struct, frozen=True):
    """One block. ``page`` is the path in the repository, ``number`` counts the blocks of the page from 1, ``line`` is where it begins."""

    page: str
    number: int
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        """How messages call it."""
        return f"{self.page}:{self.line} ({self.language or 'no language'})"


def blocks_of(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page=page,
            number=number,
            language=found["language"],
            text="".join(line.removeprefix(found["indent"]) for line in found["text"].splitlines(keepends=True)),
            line=text.count("\n", 0, found.start()) + 1,
        )
        for number, found in enumerate(FENCE.finditer(text), 1)
    ]


@cache
def pages() -> tuple[str, ...]:
    """Every page that users read, but decisions and the changelog's history."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "loadtest/README.md")]
    found += [path for path in (ROOT / "docs").rglob("*.md") if "node_modules" not in path.parts]
    found += [path for path in (ROOT / "deploy").rglob("*.md") if "node_modules" not in path.parts]
    return tuple(sorted(str(path.relative_to(ROOT)) for path in found))


class Command(msgspec.Struct, frozen=True):
    """One command of a shell block, continuation lines and all."""

    text: str

    @property
    def words(self) -> list[str]:
        """Past the variables that are set for it; none where it only sets variables."""
        return words_of(self.text)

    @property
    def ours(self) -> bool:
        """Is it a command of Tollway?"""
        return self.words[:1] == ["tollway"]

    def begins(self, start: str) -> bool:
        """Does it begin with these words?"""
        return self.words[: len(start.split())] == start.split()

    @property
    def plain(self) -> bool:
        """Is it one program with arguments, at most read from a file (``< FILE``), and nothing that only a shell understands?"""
        return re.search(r"[|>;$`]|&&", self.text) is None


def commands_of(block: Block) -> list[Command]:
    """The commands of a shell block, or of a console block (after ``$``), in order. Comments are no commands."""
    found: list[Command] = []
    parts: list[str] = []
    for line in block.text.splitlines():
        if block.language == "console" and not parts:
            if not line.startswith("$ "):
                continue
            line = line[2:]
        if not parts and (not line.strip() or line.lstrip().startswith("#")):
            continue
        parts.append(line)
        text = "\n".join(parts)
        if complete(text):
            found.append(Command(text=text))
            parts.clear()
    assert not parts, f"{block.place}: a command without its end: {parts}"
    return found


def complete(text: str) -> bool:
    """Does a shell have all of the command?"""
    if text.endswith("\\") or len(re.findall(r"^for ", text, re.MULTILINE)) > len(
        re.findall(r"^done", text, re.MULTILINE)
    ):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def words_of(text: str) -> list[str]:
    """The words of a command, past the variables that are set for it."""
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    while words and re.match(r"[A-Z_][A-Z0-9_]*=", words[0]):
        words.pop(0)
    return words
