"""What types cannot say about routing: fallbacks that lead somewhere and not in circles, policies that have what they need, keys."""

import re
from collections.abc import Callable, Collection, Mapping

from .problems import CONTROL, Path, nearest
from .schema import Config
from .traffic import Model, Provider

Report = Callable[..., None]
"""(path, sentence[, hint])."""

_SCORED = ("best", "balanced")
_STICKY = ("user", "key", "session", "prompt")
_HEADER = re.compile(r"header:[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_MOST_SHOWN = 8

_KINDS: tuple[tuple[Path, Callable[[Model], tuple[str, ...]]], ...] = (
    (("fallbacks",), lambda model: model.fallbacks),
    (("fallbacks_for", "context_length"), lambda model: model.fallbacks_for.context_length),
    (("fallbacks_for", "content_policy"), lambda model: model.fallbacks_for.content_policy),
)
"""Where fallbacks stand in a model, and how they are read. Each kind is a graph of its own."""


class RoutingChecks:
    """Checks of one configuration. ``given``: was this path written, or has it its default?"""

    def __init__(
        self,
        config: Config,
        *,
        providers: Collection[str],
        bad: Report,
        warn: Callable[[Path, str], None],
        readable: Callable[[Path, str], bool],
        given: Callable[[Path], bool],
    ) -> None:
        self._config = config
        self._providers = providers
        self._bad = bad
        self._warn = warn
        self._readable = readable
        self._given = given

    def run(self) -> None:
        """Every check, in the order of the file."""
        for name, provider in self._config.providers.items():
            self._keys(("providers", name), provider)
        for name, model in self._config.models.items():
            at: Path = ("models", name)
            self._names(at, model)
            self._targets(at, model)
            self._sticky(at, model)
            self._second(at, model)
        for place, read in _KINDS:
            self._circles(place, {name: read(model) for name, model in self._config.models.items()})
        self._scores()

    # ---- providers --------------------------------------------------------------------------------------------------

    def _keys(self, at: Path, provider: Provider) -> None:
        if provider.api_keys and provider.api_key is not None:
            self._bad((*at, "api_keys"), "stands beside api_key: put that one first in the list, and leave api_key out")
        seen: dict[str, int] = {}
        for index, key in enumerate(provider.api_keys):
            text = key.reveal()
            if not text.strip():
                self._bad((*at, "api_keys", index), "is empty: is its variable or file empty?")
            elif text in seen:
                self._bad((*at, "api_keys", index), f"the same key as api_keys[{seen[text]}]: leave one of them out")
            elif CONTROL.search(text):
                self._bad(
                    (*at, "api_keys", index), "holds a line break or control character, which no HTTP header can carry"
                )
            seen.setdefault(text, index)

    # ---- models -----------------------------------------------------------------------------------------------------

    def _names(self, at: Path, model: Model) -> None:
        for place, read in _KINDS:
            listed: set[str] = set()
            for index, name in enumerate(read(model)):
                self.model((*at, *place, index), name)
                if name in listed:
                    self._warn((*at, *place, index), f"names {name!r} a second time, which changes nothing")
                listed.add(name)
        if model.shadow is not None:
            self.model((*at, "shadow", "model"), model.shadow.model)
            if self._config.auth.mode == "forward":
                self._bad(
                    (*at, "shadow"),
                    "has no account to ask with: with auth.mode: forward every credential is a client's; leave shadow out",
                )
            if model.shadow.model == at[-1]:
                self._bad((*at, "shadow", "model"), "is the model itself: name another to compare it with")

    def model(self, at: Path, name: str) -> None:
        """Does a public name lead somewhere?"""
        models = self._config.models
        provider, slash, rest = name.partition("/")
        if name == "*":
            self._bad(at, 'must be a name that clients could ask for, not "*"')
        elif name not in models and "*" not in models and not (slash and rest and provider in self._providers):
            names = [known for known in models if known != at[1]]
            self._bad(at, f'unknown model "{name}": name one of models, or provider/model', nearest(name, names))

    def _targets(self, at: Path, model: Model) -> None:
        if model.policy == "weighted" and not any(target.weight for target in model.targets):
            self._bad((*at, "targets"), "every weight is 0, so nobody would get a request: give one of them a weight")
        if model.continue_streams and not any(target.continues for target in model.targets):
            self._bad(
                (*at, "continue_streams"), "none of the targets can go on from a half-written answer: set continues"
            )
        seen: dict[tuple[str, str], int] = {}
        for index, target in enumerate(model.targets):
            place = (target.provider, target.model)
            if place in seen:
                self._warn(
                    (*at, "targets", index), f"is the same place as targets[{seen[place]}], and is not tried after it"
                )
            seen.setdefault(place, index)
            if target.queue.wait and target.concurrency is None:
                self._warn((*at, "targets", index, "queue"), "has no effect without concurrency")

    def _sticky(self, at: Path, model: Model) -> None:
        by = model.sticky_by
        if by not in _STICKY and _HEADER.fullmatch(by) is None:
            forms = f"{', '.join(_STICKY)}, or header: and the name of a request header"
            self._bad((*at, "sticky_by"), f"must be {forms}", nearest(by, _STICKY))
        elif model.policy != "sticky" and self._given((*at, "sticky_by")):
            self._warn((*at, "sticky_by"), "has no effect without policy: sticky")

    def _second(self, at: Path, model: Model) -> None:
        """What needs a second place to go."""
        if len(model.targets) > 1 or model.fallbacks:
            return
        for name, setting in (("hedge", model.hedge), ("slow_stream", model.slow_stream)):
            if setting is not None:
                self._warn((*at, name), "has no effect with one target and no fallbacks: there is nowhere else to go")

    def _circles(self, place: Path, edges: Mapping[str, tuple[str, ...]]) -> None:
        """One problem for each circle, at the entry that closes it, seen from its first model."""
        done: set[str] = set()
        for begin in edges:
            way = [begin] if begin not in done else []
            open_ends = [iter(enumerate(edges[begin]))] if way else []
            while open_ends:
                index, following = next(open_ends[-1], (-1, ""))
                if index < 0:
                    open_ends.pop()
                    done.add(way.pop())
                elif following in way:
                    circle = _shown([*way[way.index(following) :], following])
                    self._bad(
                        ("models", way[-1], *place, index),
                        f"leads in a circle ({circle}): the last of a chain has no fallback to an earlier one",
                    )
                elif following in edges and following not in done:
                    way.append(following)
                    open_ends.append(iter(enumerate(edges[following])))

    # ---- scores -----------------------------------------------------------------------------------------------------

    def _scores(self) -> None:
        routing = self._config.routing
        if routing.scores is not None:
            self._readable(("routing", "scores"), routing.scores)
            return
        for name, model in self._config.models.items():
            if model.policy in _SCORED:
                self._bad(
                    ("models", name, "policy"),
                    f"{model.policy} needs quality scores: name their file with routing.scores",
                )
        at: Path = ("routing", "auto")
        if routing.auto.policy == "best":
            self._bad((*at, "policy"), "best needs quality scores: name their file with routing.scores")
        elif routing.auto.policy == "balanced" and self._given((*at, "policy")):
            # It is the default, so it may be written; but whoever writes it expects more than the order of the file.
            self._warn((*at, "policy"), "is the same as priority without routing.scores")
        if self._given((*at, "quality")):
            self._warn((*at, "quality"), "has no effect without routing.scores")


def _shown(names: list[str]) -> str:
    return " → ".join(names if len(names) <= _MOST_SHOWN else [*names[:3], "…", *names[-3:]])
