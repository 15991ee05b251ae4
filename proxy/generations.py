"""The chains in force: of one configuration, or of two while a changed one is on trial."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, structs
from starlette.types import ASGIApp

from .config import Config, Loaded
from .inflight import InFlight
from .local.health import State
from .rollout.arm import Arm
from .rollout.canary import Canary, Trial
from .rollout.halves import base_of
from .rollout.split import Split
from .services import Services
from .surface import Build
from .wire.endpoints import Endpoint

if TYPE_CHECKING:
    from .state.link import StateLink
    from .state.push import Push
    from .state.settings import LinkSettings

CHANNEL = "{tollway}:canary"
"""Where workers tell each other how a trial ended."""


class Staging(Struct, frozen=True, kw_only=True):
    """What makes a generation one of two. ``beside``: the configuration of the other, whose connections are needed too."""

    trial: Trial
    arm: Arm
    beside: Config

    @property
    def tried(self) -> bool:
        """Is it the one on trial, which needs health figures of its own?"""
        return self.arm is self.trial.trial


class Make(Protocol):
    """Makes one generation."""

    def __call__(self, config: Config, staging: Staging | None = None) -> Services:
        """``staging``: it is one of two."""


class Generations:
    """``current`` serves everybody, or everybody who does not get the one on trial. Requests under way keep theirs."""

    def __init__(
        self,
        config: Config,
        *,
        make: Make,
        chain: Callable[[Endpoint, str | None, Services], ASGIApp],
        canary: Canary,
        state: State,
    ) -> None:
        """``chain``: the chain of one endpoint over a generation. Until ``show`` nothing of a change is seen outside."""
        self._make = make
        self._chain = chain
        self._canary = canary
        self._state = state
        self._rebuild: Callable[[Build], None] = _unseen
        self._tried: Config | None = None
        self._push: Push | None = None
        self.current = make(config)

    def show(self, rebuild: Callable[[Build], None]) -> None:
        """From now on ``rebuild`` swaps the chains behind the routes."""
        self._rebuild = rebuild

    def build(self, endpoint: Endpoint, path: str | None) -> ASGIApp:
        """The current chain of one endpoint."""
        return self._chain(endpoint, path, self.current)

    def take(self, loaded: Loaded) -> None:
        """A good new configuration: in force at once, or its routing on trial first, where it says so and differs."""
        config = loaded.config
        base = base_of(self.current.config, config) if config.canary is not None else None
        self._canary.end()
        self._state.config_error = ""
        if base is None or config.canary is None:
            self._serve(config)
        else:
            self._tried = config
            self._stage(base, self._canary.begin(config.canary, loaded.digest))

    def remake(self) -> None:
        """Something that all generations look at has changed (the catalogue)."""
        if self._canary.trial is None:
            self._serve(self.current.config)
        else:
            self._stage(self.current.config, self._canary.trial)

    def look(self) -> bool:
        """Called again and again: has a trial ended? True once when it has."""
        end = self._canary.look()
        if end is None:
            return False
        kept = self._tried if end.kept else None
        self._state.config_error = "" if end.kept else end.said
        self._serve(kept if kept is not None else self.current.config)
        return True

    def share(self, shared: "tuple[LinkSettings, StateLink] | None", tasks: InFlight) -> None:
        """Where a state is shared, a verdict of one worker is every worker's."""
        if shared is None:
            return
        from .state.push import Push  # noqa: PLC0415 - an extra

        settings, link = shared
        push = self._push = Push(settings, link, channel=CHANNEL)
        push.listen(self._canary.heard)
        self._canary.tell = lambda word: tasks.spawn(push.publish(word))

    async def close(self) -> None:
        """Nothing is heard any more."""
        if self._push is not None:
            await self._push.close()

    def _serve(self, config: Config) -> None:
        self._tried = None
        self.current = self._make(config)
        self._rebuild(self.build)

    def _stage(self, base: Config, trial: Trial) -> None:
        tried = self._tried
        assert tried is not None
        current = self._make(base, Staging(trial=trial, arm=trial.base, beside=tried))
        fresh = self._make(tried, Staging(trial=trial, arm=trial.trial, beside=base))
        # Who is let in, and how often a wrong key may be tried, does not depend on the draw.
        other = structs.replace(fresh, authenticator=current.authenticator)
        self.current = current

        def build(endpoint: Endpoint, path: str | None) -> ASGIApp:
            return Split(self.build(endpoint, path), self._chain(endpoint, path, other), trial.choose)

        self._rebuild(build)


def _unseen(_: Build) -> None:
    """Before there are routes."""
