"""What routing keeps across reloads (health, budgets, allowances, traces), and what it makes anew of each configuration."""

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from random import Random
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from . import generation
from .affinity.hints import prompt_hint
from .config import Config
from .failover.budget import Budgets
from .failover.course import Courses, Surroundings
from .failover.hedging import Hedging
from .health.board import HealthBoard
from .health.reporting import Reporter
from .policy.accounts import keys_of
from .protocols import Board, Clock
from .routing.directory import Directory
from .routing.explain import Explainer
from .routing.lifecycle import notices
from .routing.policies import policies
from .routing.router import Router
from .routing.scores import load_scores
from .telemetry.metrics import Metrics

if TYPE_CHECKING:
    from .state.link import StateLink
    from .state.push import Push
    from .state.settings import LinkSettings


class Steered(Struct, frozen=True, kw_only=True):
    """Of one configuration."""

    router: Router
    courses: Courses
    explainer: Explainer
    board: Board


class Steering:
    """One for the process. ``wall``: unix seconds."""

    def __init__(self, config: Config, metrics: Metrics, *, clock: Clock, wall: Clock) -> None:
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._wall = wall
        # Not for secrets: who is asked first, and how long a pause is.
        self._rng = Random(int.from_bytes(os.urandom(8)))  # noqa: S311
        self._budgets = Budgets(clock)
        self._hedging = Hedging(clock)
        self.board = self._board(config)
        self._push: Push | None = None
        self.reporter = Reporter(self.board, metrics, clock=clock)

    def use(self, config: Config) -> None:
        """Another configuration holds: what is known of targets stays, but of providers with another address or key."""
        before, self._config = self._config, config
        changed = [name for name, provider in config.providers.items() if before.providers.get(name) != provider]
        self.board.use(config.health, provider_keys=keys_of(config), forwards=_forwards(config), changed=changed)

    def made(self, config: Config, directory: Directory, *, apart: bool = False) -> Steered:
        """Router, courses and explanations under ``config``. ``apart``: on trial, with health figures and budgets of its own."""
        scores = load_scores(config.routing.scores) if config.routing.scores is not None else None
        board = self._board(config) if apart else self.board
        router = generation.router(
            config, directory, board=board, scores=scores, clock=self._clock, wall=self._wall, rng=self._rng
        )
        courses = Courses(
            Surroundings(
                router=router,
                board=board,
                budgets=Budgets(self._clock) if apart else self._budgets,
                hedging=Hedging(self._clock) if apart else self._hedging,
                retries=config.retry,
                clock=self._clock,
                rng=self._rng,
                sleep=asyncio.sleep,
                followed=self._metrics.followed,
                stopped=self._metrics.failover_stopped,
                notices=partial(notices, directory),
                **({"hint": prompt_hint} if any(keys > 1 for keys in keys_of(config).values()) else {}),
            )
        )
        explainer = Explainer(
            board=board,
            policies=policies(scores, quality=config.routing.auto.quality),
            scores=scores,
            allows=directory.allows,
        )
        return Steered(router=router, courses=courses, explainer=explainer, board=board)

    def loops(self, shared: "tuple[LinkSettings, StateLink] | None") -> list[Coroutine[Any, Any, None]]:
        """What runs in the background: health is told to and heard from the other workers, where a state is ``shared``."""
        if shared is None:
            return []
        from .health.sharing import CHANNEL, SharedHealth  # noqa: PLC0415 - only where a state is shared
        from .state.push import Push  # noqa: PLC0415 - an extra

        settings, link = shared
        self._push = Push(settings, link, channel=CHANNEL)
        return [SharedHealth(self.board, link, self._push, sender=token_hex(8)).run()]

    async def close(self) -> None:
        """Nothing is heard any more."""
        if self._push is not None:
            await self._push.close()

    def _board(self, config: Config) -> HealthBoard:
        return HealthBoard(
            config.health,
            provider_keys=keys_of(config),
            forwards=_forwards(config),
            clock=self._clock,
            rng=self._rng,
        )


def _forwards(config: Config) -> tuple[str, ...]:
    """Providers that get the client's own credential."""
    return tuple(config.providers) if config.auth.mode == "forward" else ()
