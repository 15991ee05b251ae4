"""The new configuration as text: one line a target, comments that say which of LiteLLM's keys a part comes from."""

import json
import re
from collections.abc import Iterator, Mapping

from ..config.problems import dotted
from .deployments import Made
from .source import Leaf, Scalar

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
WIDTH = 110
"""Characters that a mapping on one line may have."""

ABOUT: dict[str, str] = {
    "server": "Where the gateway listens. LiteLLM's port, so that clients keep their base URL.",
    "auth": "Who may call.",
    "admin": "The admin API has a key of its own; without one it is closed.",
    "keys": "What callers present.",
    "limits": "Requests at once, of one key and of everybody.",
    "providers": "Accounts. Deployments with the same credentials at the same place share one.",
    "models": "Public names. Deployments of one model_name are targets of one entry.",
    "catalogue": "What the file said of models; prices are US dollars per million tokens.",
    "timeouts": "Limits upstream. Single targets may have their own.",
    "retry": "Tries of one request, over all targets.",
    "health": "When a target rests.",
    "cache": "Answers that are kept. docs/cache.md says which are.",
    "storage": "The database of keys, accounts and the ledger.",
    "state": "What several gateways count together.",
    "telemetry": "What leaves the process about requests.",
}
"""Section to the comment above it."""


def yaml_text(made: Mapping[str, Made], *, origin: str) -> str:
    """The whole file; ``origin``: name of the file that it was made from."""
    lines = [f"# Made from {origin} by `tollway migrate litellm`. Check it with `tollway check`."]
    for name, section in made.items():
        lines += ["", *_above(name, section), *_entry(name, section, 0)]
    return "\n".join(lines) + "\n"


def _above(name: str, section: Made) -> Iterator[str]:
    if name in ABOUT:
        yield f"# {ABOUT[name]}"


def _entry(name: str, made: Made, depth: int) -> Iterator[str]:
    pad, key = "  " * depth, scalar(name)
    if isinstance(made, Leaf):
        yield f"{pad}{key}: {scalar(made.value)}" + (f"  # {made.note}" if made.note else "")
    elif not made:
        yield f"{pad}{key}: {'{}' if isinstance(made, dict) else '[]'}"
    elif depth and len(flat := flow(made)) + len(pad) + len(key) <= WIDTH and not _noted(made):
        yield f"{pad}{key}: {flat}{_from(made, depth)}"
    elif isinstance(made, dict):
        yield f"{pad}{key}:{_from(made, depth)}"
        for child, value in made.items():
            yield from _entry(child, value, depth + 1)
    else:
        yield f"{pad}{key}:"
        for item in made:
            note = _note(item)
            yield f"{pad}  - {flow(item)}" + (f"  # {note}" if note else "")


def _from(made: Made, depth: int) -> str:
    """Entries of providers and models say where they come from."""
    first = _first(made) if depth == 1 else None
    if first is None or first.path[:1] != ("model_list",) or first.node.line is None:
        return ""
    return f"  # {dotted(first.path[:2])}, line {first.node.line}"


def _first(made: Made) -> Leaf | None:
    if isinstance(made, Leaf):
        return made
    children = made.values() if isinstance(made, dict) else made
    return next((leaf for child in children if (leaf := _first(child)) is not None), None)


def _noted(made: Made) -> bool:
    """Is there a remark inside, which needs a line of its own?"""
    return _note(made) != ""


def _note(made: Made) -> str:
    if isinstance(made, Leaf):
        return made.note
    children = made.values() if isinstance(made, dict) else made
    return ", ".join(dict.fromkeys(note for child in children if (note := _note(child))))


def flow(made: Made) -> str:
    """On one line."""
    if isinstance(made, Leaf):
        return scalar(made.value)
    if isinstance(made, dict):
        return "{" + ", ".join(f"{scalar(name)}: {flow(child)}" for name, child in made.items()) + "}"
    return "[" + ", ".join(flow(child) for child in made) + "]"


def scalar(value: Scalar) -> str:
    """A value as YAML 1.2 and 1.1 read it alike; text that could be something else is quoted as JSON is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
