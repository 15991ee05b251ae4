"""LiteLLM's ``config.yaml`` to our configuration: one way for the command, which writes it, and the loader, which uses it."""

from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

from msgspec import Struct

from ..config.document import Node
from ..config.load import FOREIGN
from ..config.problems import ConfigError, Path, Problem, dotted
from .accounts import Accounts
from .deployments import Made, Reader, Section
from .findings import Finding
from .reasons import reason_of
from .routes import Routes
from .settings import Settings
from .source import Leaf, Source
from .writing import yaml_text

ORDER = (
    "server", "auth", "admin", "keys", "limits", "providers", "models", "catalogue", "timeouts", "retry", "health",
    "cache", "storage", "state", "telemetry",
)  # fmt: skip
MOST_FILES = 100

Read = Callable[[FilePath], Node]
"""A file as a tree; raises ConfigError."""


class Migration(Struct, eq=False, frozen=True, kw_only=True):
    """``made``: the new configuration. ``findings``: what did not simply arrive. ``files``: those that were read besides the first."""

    made: Section
    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    source: Source

    @property
    def lost(self) -> bool:
        """Was anything not carried over?"""
        return any(finding.kind == "not_carried" for finding in self.findings)

    @property
    def carried(self) -> int:
        """Keys that arrived."""
        return sum(self.source.kept(path) for path in self.source.leaves())

    def text(self, origin: str) -> str:
        """The new file; ``origin``: name of the old one."""
        return yaml_text(self.made, origin=origin)

    def tree(self) -> tuple[Node, dict[str, str]]:
        """The same for the loader, with the lines of the old file; and dotted path here to the one there."""
        places: dict[str, str] = {}
        return _node(self.made, (), self.source.root, places), places


def is_litellm(root: Node) -> bool:
    """Is this LiteLLM's dialect?"""
    return isinstance(root.value, dict) and bool(FOREIGN & root.value.keys())


def migrate(root: Node, *, file: FilePath, read: Read) -> Migration:
    """The configuration of ``file``, which holds ``root``; ``read`` reads the files that it includes. Raises ConfigError."""
    files: list[str] = []
    source = Source(_with_included(root, file, read, files))
    if isinstance(source.root.value, dict) and (mixed := source.root.value.keys() & {"providers", "models"}):
        name = sorted(mixed)[0]
        raise ConfigError(
            [
                Problem(
                    message="stands beside LiteLLM's keys: a file is in one dialect; convert it with tollway migrate litellm",
                    path=name,
                    where=str(file),
                    line=source.root.value[name].line,
                )
            ]
        )
    reader = Reader(source)
    deployments = [found for path, _ in source.items(("model_list",)) if (found := reader.read(path)) is not None]
    accounts = Accounts(source, deployments)
    routes = Routes(source, deployments, accounts)
    routes.build()
    made = Settings(source, routes.models).build()
    made["providers"] = accounts.providers
    made["models"] = dict(routes.models)
    if routes.catalogue:
        made["catalogue"] = routes.catalogue
    for path in list(source.missed()):
        if not source.covered(path):
            part, kind, why, instead = reason_of(path)
            source.say(
                kind, part if not any(source.kept(leaf) for leaf in _below(source, part)) else path, why, instead
            )
    ordered = {name: made[name] for name in ORDER if name in made}
    return Migration(made=ordered, findings=tuple(_sorted(source.findings)), files=tuple(files), source=source)


def _below(source: Source, part: Path) -> Iterator[Path]:
    return (leaf for leaf in source.leaves() if leaf[: len(part)] == part)


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.where, finding.line or 0, dotted(finding.path)))


# ---- included files -------------------------------------------------------------------------------------------------


def _with_included(root: Node, file: FilePath, read: Read, files: list[str]) -> Node:
    """Lists are extended by those of included files, everything else is replaced by theirs."""
    pending = [(root, file)]
    assert isinstance(root.value, dict)
    merged: dict[str, Node] = {name: node for name, node in root.value.items() if name != "include"}
    seen = {file.resolve()}
    while pending:
        node, at = pending.pop(0)
        assert isinstance(node.value, dict)
        for name in _included(node, at):
            path = at.parent / name
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            files.append(str(path))
            if len(files) > MOST_FILES:
                raise ConfigError(
                    [Problem(message=f"more than {MOST_FILES} files are included", path="include", where=str(at))]
                )
            found = read(path)
            if not isinstance(found.value, dict):
                raise ConfigError([Problem(message="is not a mapping", where=str(path))])
            for key, value in found.value.items():
                if key != "include":
                    merged[key] = _joined(merged.get(key), value)
            pending.append((found, path))
    return Node(merged, root.origin, root.line)


def _included(node: Node, at: FilePath) -> list[str]:
    assert isinstance(node.value, dict)
    named = node.value.get("include")
    if named is None or named.value is None:
        return []
    if not isinstance(named.value, list) or not all(isinstance(item.value, str) for item in named.value):
        raise ConfigError([Problem(message="expected a list of files", path="include", where=str(at), line=named.line)])
    return [str(item.value) for item in named.value]


def _joined(known: Node | None, found: Node) -> Node:
    if known is not None and isinstance(known.value, list) and isinstance(found.value, list):
        return Node([*known.value, *found.value], known.origin, known.line)
    return found


# ---- the tree -------------------------------------------------------------------------------------------------------


def _node(made: Made, path: Path, root: Node, places: dict[str, str]) -> Node:
    if isinstance(made, Leaf):
        places[dotted(path)] = dotted(made.path)
        same = made.value is made.node.value
        return Node(made.value, made.node.origin, made.node.line, made.node.text if same else None)
    children: dict[str, Node] | list[Node]
    if isinstance(made, dict):
        children = {name: _node(child, (*path, name), root, places) for name, child in made.items()}
        first = next(iter(children.values()), None)
        name = next(iter(made), "")
        beneath = dotted((*path, name))
    else:
        children = [_node(child, (*path, index), root, places) for index, child in enumerate(made)]
        first = children[0] if children else None
        beneath = dotted((*path, 0))
    if path and beneath in places:
        places.setdefault(dotted(path), places[beneath])
    return Node(children, first.origin if first is not None else root.origin, first.line if first is not None else None)
