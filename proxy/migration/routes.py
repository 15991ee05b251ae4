"""``model_list`` and what the router does with it: public names, their targets, policies, tries and aliases."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from msgspec import structs

from .. import catalogue
from ..config.problems import Path
from .accounts import Accounts
from .deployments import SHARES, Deployment, Section
from .fallbacks import PLACES, Fallbacks, listed
from .source import Leaf, Source

STRATEGIES: dict[str, tuple[str, str]] = {
    "simple-shuffle": ("weighted", ""),
    "least-busy": ("least_busy", ""),
    "latency-based-routing": ("lowest_latency", ""),
    "cost-based-routing": ("lowest_cost", ""),
    "usage-based-routing": (
        "least_busy",
        "There is no choice by tokens of the last minute; the least busy one is taken.",
    ),
    "usage-based-routing-v2": (
        "least_busy",
        "There is no choice by tokens of the last minute; the least busy one is taken.",
    ),
}
"""``routing_strategy`` to our policy, and what is different."""

TARGETS_OWN = ("timeout", "stream_timeout", "max_parallel_requests", "weight", "order", "num_retries", "max_retries")
"""What a deployment says of its target alone."""

MOST_TRIES = 10
MOST_WEIGHT = 1_000_000


class Routes:
    """Builds the sections ``models`` and ``catalogue`` of one source."""

    def __init__(self, source: Source, deployments: Sequence[Deployment], accounts: Accounts) -> None:
        self._source = source
        self._accounts = accounts
        self._groups: dict[str, list[tuple[Deployment, str]]] = {}
        for index, found in enumerate(deployments):
            for each in self._named(found):
                self._groups.setdefault(each.public, []).append((each, accounts.names[index]))
        self.models: dict[str, Section] = {}
        self.catalogue: Section = {}

    def build(self) -> None:
        """Targets, then what stands in for them, then other names of the same."""
        policy = self._strategy()
        for name, group in self._groups.items():
            self.models[name] = self._model(name, group, policy)
            for found, _ in group:
                self._row(found)
        Fallbacks(self._source, self.models, self._accounts.providers).build()
        self._tries()
        self._aliases()

    # ---- names ------------------------------------------------------------------------------------------------------

    def _named(self, found: Deployment) -> Iterator[Deployment]:
        """A deployment under the public names that it has here: patterns become the models that are known to fit."""
        source, public, model = self._source, found.public, str(found.model.value)
        at: Path = (*found.path, "model_name")
        if public == "*":
            if found.model.value != "*" or source.text((*found.at, "model")) == "*":
                source.say(
                    "changed", at, f"Names without an entry go to {found.prefix}; others are reached as provider/model."
                )
            yield found
        elif "*" not in public:
            yield found
        elif public.endswith("/*") and model == "*":
            # The provider has that name, so no entry is needed; what only an entry could say is lost.
            for name in TARGETS_OWN:
                if source.has((*found.at, name)):
                    source.lose(
                        (*found.at, name), "A whole provider has no settings of single targets.", "an entry of models"
                    )
        else:
            use = str(found.account["use"].value) if isinstance(found.account["use"], Leaf) else ""
            known = sorted({info.id for info in catalogue.models_of(use) if fnmatchcase(info.id, model)})
            before, _, after = public.partition("*")
            start, _, end = model.partition("*")
            if not known or public.count("*") != 1 or model.count("*") != 1:
                source.lose(
                    at, "A pattern that is not provider/* has no counterpart.", "name the models that are meant"
                )
                return
            source.say("changed", at, f"A pattern stands for the {len(known)} models that the catalogue knows now.")
            for ident in known:
                name = before + ident[len(start) : len(ident) - len(end)] + after
                yield structs.replace(found, public=name, model=Leaf(ident, found.model.path, found.model.node))

    # ---- targets ----------------------------------------------------------------------------------------------------

    def _strategy(self) -> str:
        source, at = self._source, ("router_settings", "routing_strategy")
        named = source.text(at)
        if named is None:
            return "weighted"
        policy, remark = STRATEGIES.get(named, ("", ""))
        if not policy:
            source.lose(
                at, "There is no such strategy; the shares by weight are kept.", "models.<name>.policy, docs/routing.md"
            )
            return "weighted"
        if remark:
            source.say("changed", at, remark, "models.<name>.policy, docs/routing.md")
        source.take(at)
        return policy

    def _model(self, name: str, group: list[tuple[Deployment, str]], policy: str) -> Section:
        source = self._source
        ordered = any(found.order is not None for found, _ in group)
        if ordered:
            group = sorted(group, key=lambda each: float("inf") if each[0].order is None else each[0].order)
        first = group[0][0].order
        stands_by = [ordered and found.order != first for found, _ in group]
        leading = len(group) - sum(stands_by)
        targets: list[Section] = []
        seen: dict[tuple[str, object], int] = {}
        measure = next((name for name in SHARES if any(name in found.shares for found, _ in group)), "weight")
        divided = policy == "weighted" or measure == "weight"
        shares = _weights([found.shares.get(measure) if divided else None for found, _ in group])
        for index, (found, provider) in enumerate(group):
            place = (provider, found.model.value)
            if place in seen:
                source.say("changed", found.path, "It is the same place as an earlier one, and a place stands once.")
                continue
            seen[place] = index
            target: Section = {
                "provider": source.leaf((*found.at, "model"), provider),
                "model": found.model,
                **found.target,
            }
            if leading > 1 and stands_by[index]:
                target["weight"] = source.leaf((*found.at, "order"), 0, "stands by")
            elif shares[index] != 1:
                target["weight"] = Leaf(shares[index], found.model.path, found.model.node)
            targets.append(target)
        model: Section = {"targets": list(targets)}
        if len(targets) > 1 and not (ordered and leading == 1):
            at = ("router_settings", "routing_strategy")
            place_of = at if source.has(at) else (*group[0][0].path, "model_name")
            node = source.node(place_of)
            assert node is not None
            model["policy"] = Leaf(policy, place_of, node)
        return model

    def _row(self, found: Deployment) -> None:
        """What the deployment says of its model, under the provider's kind."""
        use = found.account["use"]
        if not found.facts or not isinstance(use, Leaf):
            return
        rows = self.catalogue.setdefault("models", {})
        assert isinstance(rows, dict)
        name = f"{use.value}/{found.model.value}"
        known = rows.setdefault(name, found.facts)
        if known is not found.facts:
            self._source.say(
                "changed",
                (*found.path, "model_info"),
                "Another deployment of this model has said it already, which holds.",
            )

    # ---- tries ------------------------------------------------------------------------------------------------------

    def _tries(self) -> None:
        """LiteLLM counts tries for each model and its fallbacks apart, the gateway all together."""
        usual = self._usual()
        for name, section in self.models.items():
            group = self._groups.get(name, [])
            own = next((found.retries for found, _ in group if found.retries is not None), None)
            tries = (usual if own is None else int(str(own.value))) + 1
            others = listed(section, "")
            targets = section["targets"]
            assert isinstance(targets, list)
            spare = sum(isinstance(each, dict) and "weight" in each and _stands_by(each) for each in targets)
            wanted = min(MOST_TRIES, tries * (1 + len(others)) + spare)
            if own is None and not others and not spare:
                continue
            origin = own if own is not None else (others[0] if others else group[0][0].model)
            section["retry"] = {"attempts": Leaf(wanted, origin.path, origin.node, "over all targets and fallbacks")}

    def _usual(self) -> int:
        """Tries after the first, of every model. LiteLLM's own default is 2."""
        for section in PLACES:
            found = self._source.text((*section, "num_retries"))
            if found is not None and found.isdecimal():
                return int(found)
        return 2

    # ---- aliases ----------------------------------------------------------------------------------------------------

    def _aliases(self) -> None:
        source = self._source
        for section in (("router_settings",), ("litellm_settings",)):
            for option in ("model_group_alias", "model_alias_map"):
                for alias in source.names((*section, option)):
                    at = (*section, option, alias)
                    inside = (*at, "model")
                    named = source.text(inside) if source.has(inside) else source.text(at)
                    if alias in self.models:
                        source.lose(at, "There is a model of this name.", "rename one of them")
                    elif named is None or named not in self.models:
                        source.lose(at, "It leads to no model of this file.", "correct the name")
                    else:
                        self.models[alias] = self.models[named]
                        source.take(inside if source.has(inside) else at)
                        hidden = (*at, "hidden")
                        if source.has(hidden):
                            source.lose(hidden, "Every name that a key may use is listed.", "keys[].models")


def _stands_by(target: Section) -> bool:
    weight = target.get("weight")
    return isinstance(weight, Leaf) and weight.value == 0


def _weights(shares: Sequence[float | None]) -> list[int]:
    """Whole numbers in the proportion of the shares; 1 where none is given."""
    given = [share for share in shares if share is not None and share > 0]
    if not given:
        return [1] * len(shares)
    factor = 1.0
    while any(abs(share * factor - round(share * factor)) > 1e-9 for share in given) and factor < 1000:
        factor *= 10
    largest = max(given) * factor
    if largest > MOST_WEIGHT:
        factor *= MOST_WEIGHT / largest
    return [0 if share is None or share <= 0 else max(1, round(share * factor)) for share in shares]
