"""Models that stand in for others. LiteLLM follows them at most five deep; here none may lead in a circle."""

from collections.abc import Collection

from ..config.problems import Path
from .deployments import Section
from .source import Leaf, Source

PLACES: tuple[Path, ...] = (("router_settings",), ("litellm_settings",))
"""Where fallbacks may stand, the stronger first."""


def listed(section: Section, kind: str) -> list[Leaf]:
    """A model's fallbacks of one kind; ``kind`` is ``""``, ``context_length`` or ``content_policy``."""
    found = section.get("fallbacks")
    if kind:
        kinds = section.get("fallbacks_for")
        found = kinds.get(kind) if isinstance(kinds, dict) else None
    return [each for each in found if isinstance(each, Leaf)] if isinstance(found, list) else []


class Fallbacks:
    """Writes fallbacks into ``models``; ``providers``: names whose models are reached without an entry."""

    def __init__(self, source: Source, models: dict[str, Section], providers: Collection[str]) -> None:
        self._source = source
        self._models = models
        self._providers = providers
        self._told: set[tuple[str, str]] = set()
        """Models that have fallbacks of a kind, written as such or as targets that stand by."""

    def build(self) -> None:
        """Those of single models first, then those of all others."""
        for section in PLACES:
            for name, kind in (
                ("fallbacks", ""),
                ("context_window_fallbacks", "context_length"),
                ("content_policy_fallbacks", "content_policy"),
            ):
                for path, _ in self._source.items((*section, name)):
                    for model in self._source.names(path):
                        self._stand_in(model, (*path, model), kind)
        for section in PLACES:
            at = (*section, "default_fallbacks")
            if self._source.has(at):
                self._stand_in("*", at, "")

    def _stand_in(self, model: str, at: Path, kind: str) -> None:
        """``model`` may be ``*``: those that have no fallbacks of their own."""
        source = self._source
        if model == "*" and model not in self._models:
            for name in self._models:
                if (name, kind) not in self._told:
                    self._add(name, at, kind, quiet=True)
            return
        if model not in self._models:
            source.lose(at, "There is no model of this name.", "correct the name")
            return
        if (model, kind) in self._told:
            source.lose(at, "Its fallbacks were set already, in router_settings.", "one list for each model")
            return
        self._told.add((model, kind))
        self._add(model, at, kind, quiet=False)

    def _add(self, model: str, at: Path, kind: str, *, quiet: bool) -> None:
        source, chosen = self._source, list[Leaf]()
        for entry, item in source.items(at):
            path = (*entry, "model") if isinstance(item.value, dict) else entry
            name = source.text(path)
            if name is None or (name not in self._models and not self._reachable(name)):
                source.lose(path, "It leads to no model of this file.", "correct the name, or add the model")
            elif name == model or name in [leaf.value for leaf in chosen]:
                if not quiet:
                    source.lose(path, "It is the model itself, or named already.", "remove it")
                source.take(path)
            elif self._leads_to(name, model, kind):
                self._inline(model, name, path, kind)
            else:
                chosen.append(source.leaf(path, name))
        if not chosen:
            return
        section = self._models[model]
        if kind:
            kinds = section.setdefault("fallbacks_for", {})
            assert isinstance(kinds, dict)
            kinds[kind] = list(chosen)
        else:
            section["fallbacks"] = list(chosen)

    def _reachable(self, name: str) -> bool:
        provider, slash, rest = name.partition("/")
        return "*" in self._models or bool(slash and rest and provider in self._providers)

    def _leads_to(self, begin: str, end: str, kind: str) -> bool:
        """Does following fallbacks of one kind from ``begin`` come to ``end``?"""
        seen, pending = set[str](), [begin]
        while pending:
            name = pending.pop()
            if name == end:
                return True
            if name not in seen and name in self._models:
                seen.add(name)
                pending += [str(leaf.value) for leaf in listed(self._models[name], kind)]
        return False

    def _inline(self, model: str, other: str, path: Path, kind: str) -> None:
        """A fallback that would lead in a circle: the other's targets stand by among the model's own."""
        source = self._source
        if kind:
            source.lose(path, "Fallbacks of one kind may not lead in a circle.", "leave one of the two out")
            return
        targets, theirs = self._models[model]["targets"], self._models[other]["targets"]
        assert isinstance(targets, list)
        assert isinstance(theirs, list)
        node = source.node(path)
        assert node is not None
        for each in theirs:
            assert isinstance(each, dict)
            weight = each.get("weight")
            if isinstance(weight, Leaf) and weight.value == 0 and weight.note.startswith("for "):
                continue
            targets.append({**each, "weight": Leaf(0, path, node, f"for {other}")})
        source.say(
            "changed", path, f"Fallbacks may not lead in a circle, so the targets of {other} stand by in {model}."
        )
