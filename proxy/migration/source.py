"""LiteLLM's file while it is being read: every leaf is either taken or reported, and what nobody asked for is reported at the end."""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath

from msgspec import Struct

from ..config.document import Node
from ..config.problems import Path
from .findings import Finding, Kind

ENVIRONMENT = "os.environ/"
"""What a reference to a variable begins with."""

_SECRET = re.compile(r"key$|access_key|secret|password|token$|authorization", re.IGNORECASE)
_PASSWORD = re.compile(r"^[a-z+]+://[^/@]*:[^/@]+@")

Scalar = str | int | float | bool | None


class Leaf(Struct, eq=False, frozen=True):
    """A value of the new configuration and the key it came from; ``note`` is the comment behind it."""

    value: Scalar
    path: Path
    node: Node
    note: str = ""


class Source:
    """The tree of one LiteLLM configuration, its included files merged in."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.findings: list[Finding] = []
        self._covered: set[Path] = set()
        self._kept: set[Path] = set()
        self._said: set[tuple[Path, Kind]] = set()

    # ---- reading ----------------------------------------------------------------------------------------------------

    def node(self, path: Path) -> Node | None:
        """What stands at ``path``; a key without a value counts as absent."""
        found = self.root
        for step in path:
            inside = found.value
            if isinstance(step, int) and isinstance(inside, list) and step < len(inside):
                found = inside[step]
            elif isinstance(step, str) and isinstance(inside, dict) and step in inside:
                found = inside[step]
            else:
                return None
        return found

    def has(self, path: Path) -> bool:
        """Is there a value?"""
        found = self.node(path)
        return found is not None and found.value is not None

    def names(self, path: Path) -> tuple[str, ...]:
        """Keys of a mapping, none where there is no mapping."""
        found = self.node(path)
        return tuple(found.value) if found is not None and isinstance(found.value, dict) else ()

    def items(self, path: Path) -> Iterator[tuple[Path, Node]]:
        """Entries of a list with their paths."""
        found = self.node(path)
        if found is not None and isinstance(found.value, list):
            for index, item in enumerate(found.value):
                yield (*path, index), item

    def text(self, path: Path) -> str | None:
        """A scalar as text, references untouched; ``None`` where there is none."""
        found = self.node(path)
        if found is None or found.value is None or isinstance(found.value, dict | list):
            return None
        return found.value if isinstance(found.value, str) else found.text or str(found.value)

    def take(self, path: Path) -> None:
        """All below ``path`` was carried over."""
        self._covered.add(path)
        self._kept.add(path)

    def leaf(self, path: Path, value: Scalar, note: str = "") -> Leaf:
        """A value made of what stands at ``path``, which is thereby carried over."""
        found = self.node(path)
        assert found is not None
        self.take(path)
        return Leaf(value, path, found, note)

    def refer(self, path: Path) -> Leaf | None:
        """The scalar at ``path`` in our words: references become ``${VAR}``, all else stays what it is."""
        found = self.node(path)
        if found is None or found.value is None or isinstance(found.value, dict | list):
            return None
        self.take(path)
        if not isinstance(found.value, str):
            return Leaf(found.value, path, found)
        return self._referred(found.value, path, found, asked=path)

    def _referred(self, text: str, path: Path, node: Node, *, asked: Path, depth: int = 0) -> Leaf:
        """``asked``: the key whose value it is; ``path``: where that stands, which may be among the variables."""
        if not text.startswith(ENVIRONMENT):
            self._warn(text, path, asked)
            return Leaf(text.replace("${", "$${"), path, node)
        name = text.removeprefix(ENVIRONMENT)
        at: Path = ("environment_variables", name)
        given = self.node(at)
        if given is None or given.value is None or isinstance(given.value, dict | list) or depth > 8:
            return Leaf(f"${{{name}}}", path, node)
        self.take(at)
        value = given.value if isinstance(given.value, str) else given.text or str(given.value)
        if value == f"{ENVIRONMENT}{name}":
            return Leaf(f"${{{name}}}", path, node)
        return self._referred(value, at, given, asked=asked, depth=depth + 1)

    def _warn(self, text: str, path: Path, asked: Path) -> None:
        """Says that a secret stands in the file as it is."""
        if text and text != "none" and (_SECRET.search(str(asked[-1])) or _PASSWORD.search(text)):
            self.say(
                "secret",
                path,
                "It stands in the file as plain text, and in the new one.",
                'put it into a variable: os.environ/VAR there, "${VAR}" here',
            )

    def variable(self, name: str, path: Path, default: str | None = None) -> Leaf:
        """The variable that LiteLLM would look at by itself; ``path``: because of which key."""
        at: Path = ("environment_variables", name)
        if self.has(at):
            found = self.refer(at)
            if found is not None:
                return found
        node = self.node(path)
        assert node is not None
        return Leaf(f"${{{name}}}" if default is None else f"${{{name}:-{default}}}", path, node)

    def number(self, path: Path) -> float | None:
        """A number to compute with; one that only the environment knows is reported, and ``None``."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            known = "stands in a variable, and what is made of it has to be computed" if "os.environ" in text else ""
            self.lose(path, f"The number {known or 'cannot be read'}.", "write the number into the new file")
            return None

    # ---- saying -----------------------------------------------------------------------------------------------------

    def say(self, kind: Kind, path: Path, why: str, instead: str = "") -> None:
        """One entry of the report about all below ``path``; the same is said once."""
        if (path, kind) in self._said:
            return
        self._said.add((path, kind))
        found = self.node(path) or self._nearest(path)
        where = FilePath(found.origin).name
        self.findings.append(Finding(kind=kind, path=path, where=where, line=found.line, why=why, instead=instead))
        self._covered.add(path)
        if kind == "changed":
            self._kept.add(path)
        elif kind == "not_carried":
            self._kept.discard(path)

    def lose(self, path: Path, why: str, instead: str = "") -> None:
        """All below ``path`` is not carried over."""
        self.say("not_carried", path, why, instead)

    def _nearest(self, path: Path) -> Node:
        while path:
            path = path[:-1]
            found = self.node(path)
            if found is not None:
                return found
        return self.root

    def first(self, *paths: Path) -> Path | None:
        """The first that is there; the others are told to be overruled."""
        there = [path for path in paths if self.has(path)]
        for path in there[1:]:
            self.lose(path, f"{'.'.join(map(str, there[0]))} says it already, which holds.", "one of the two")
        return there[0] if there else None

    # ---- accounting -------------------------------------------------------------------------------------------------

    def leaves(self) -> Iterator[Path]:
        """Every key with a value, and every empty list or mapping."""
        pending: list[tuple[Path, Node]] = [((), self.root)]
        while pending:
            path, node = pending.pop()
            if isinstance(node.value, dict) and node.value:
                pending += [((*path, name), child) for name, child in reversed(node.value.items())]
            elif isinstance(node.value, list) and node.value:
                pending += [((*path, index), child) for index, child in reversed(list(enumerate(node.value)))]
            elif path:
                yield path

    def covered(self, path: Path) -> bool:
        """Was it taken, or reported?"""
        return any(path[:length] in self._covered for length in range(1, len(path) + 1))

    def kept(self, path: Path) -> bool:
        """Was it taken?"""
        return any(path[:length] in self._kept for length in range(1, len(path) + 1))

    def missed(self) -> Iterator[Path]:
        """Leaves that nobody has spoken of."""
        return (path for path in self.leaves() if not self.covered(path))
