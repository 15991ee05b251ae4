"""Configuration to routes: which targets a public model name has, and which names ``auto`` chooses from."""

from collections.abc import Sequence

from . import catalogue
from .catalogued import listed_models
from .config import Config
from .config.traffic import Model, Timeouts
from .config.traffic import Target as Configured
from .context import Limits, Target
from .policy.routes import Retry
from .policy.targets import Candidate, Facts, Route
from .protocols import Directory
from .routing.auto import Autos
from .routing.directory import WILDCARD

_DEFAULTS = Limits(connect=5.0, first_byte=None, idle=120.0, total=1800.0)


def limits_of(own: Timeouts, shared: Timeouts) -> Limits:
    """A target's time limits: its own, else the shared ones, else the usual."""
    return Limits(
        connect=own.connect or shared.connect or _DEFAULTS.connect,
        first_byte=own.first_byte or shared.first_byte,
        idle=own.idle or shared.idle or _DEFAULTS.idle,
        total=own.total or shared.total or _DEFAULTS.total,
    )


def retry_of(config: Config) -> Retry:
    """That of models without one of their own."""
    shared = config.retry
    return Retry(attempts=shared.attempts, base=shared.base, longest=shared.longest)


def routes_of(config: Config) -> dict[str, Route]:
    """Each configured name's, wildcards as they are written. Facts hold a target's own region only."""
    usual = retry_of(config)
    return {name: _route(name, model, config.timeouts, usual) for name, model in config.models.items()}


def _route(name: str, model: Model, timeouts: Timeouts, usual: Retry) -> Route:
    return Route(
        label=name,
        candidates=tuple(_candidate(name, target, timeouts) for target in model.targets),
        policy=model.policy,
        sticky_by=model.sticky_by,
        retry=model.retry or usual,
        hedge=model.hedge,
        slow_stream=model.slow_stream,
        slo=model.slo,
        shadow=model.shadow,
        continues=model.continue_streams,
        fallbacks=model.fallbacks,
        on_context_length=model.fallbacks_for.context_length,
        on_content_policy=model.fallbacks_for.content_policy,
        cache=model.cache,
    )


def _candidate(name: str, target: Configured, timeouts: Timeouts) -> Candidate:
    return Candidate(
        target=Target(provider=target.provider, model=target.model, limits=limits_of(target.timeouts, timeouts)),
        model=name,
        weight=target.weight,
        capacity=target.concurrency or 0,
        queue=target.queue.wait,
        queue_size=target.queue.size,
        continues=target.continues,
        facts=Facts(region=target.region or ""),
    )


def autos(config: Config, directory: Directory, *, scored: bool) -> Autos:
    """``auto`` and its kin: over the configured names that talk; where there are none, over the catalogue's stable ones."""
    configured = [name for name, model in config.models.items() if name != WILDCARD and _talks(config, model)]
    policy = config.routing.auto.policy
    return Autos(
        names=configured or _catalogued(config),
        directory=directory,
        policy="priority" if policy == "balanced" and not scored else policy,
        retry=retry_of(config),
        stable=not configured,
    )


def _talks(config: Config, model: Model) -> bool:
    """Is none of its targets known to be for something else?"""
    for target in model.targets:
        provider = config.providers.get(target.provider)
        info = catalogue.info(provider.use, target.model) if provider is not None else None
        if info is not None and info.mode in ("embedding", "rerank"):
            return False
    return True


def _catalogued(config: Config) -> Sequence[str]:
    """``provider/model`` of every model of the configured providers that talks."""
    found = []
    for name, provider in config.providers.items():
        talking = {info.id for info in catalogue.models_of(provider.use) if info.mode in ("chat", "responses")}
        found += [f"{name}/{model}" for model in listed_models(config, provider) if model in talking]
    return found
