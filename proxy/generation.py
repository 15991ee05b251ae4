"""Configuration to services: what a reload makes anew."""

import time
from collections.abc import Mapping

from . import catalogue
from .catalogued import Facts, bare_names, listed_models, lists_models, owner_of, rows_of
from .config import Config
from .config.traffic import Key, Timeouts
from .context import Limits, Principal, Target
from .identity.failures import FailureLimiter
from .identity.keyring import Forwarder, Keyring, Open
from .protocols import Authenticator, Clock, ModelEntry
from .relay.relay import RelaySettings
from .relay.upload import BodyLimits
from .routing.directory import WILDCARD, Directory

_DEFAULTS = Limits(connect=5.0, first_byte=None, idle=120.0, total=1800.0)


def authenticator(config: Config, clock: Clock) -> Authenticator:
    """Who may call, by ``auth.mode``."""
    auth = config.auth
    failures = FailureLimiter(per_address=auth.failures_per_minute, total=auth.failures_total_per_minute, clock=clock)
    match auth.mode:
        case "open":
            return Open()
        case "forward":
            return Forwarder(failures)
        case "keys":
            return Keyring([(key.key.reveal(), _principal(key)) for key in config.keys], failures)


def _principal(key: Key) -> Principal:
    allowed = WILDCARD in key.models if key.passthrough is None else key.passthrough
    stable_only = key.stability == "stable"
    return Principal(name=key.name, tenant=key.name, models=key.models, passthrough=allowed, stable_only=stable_only)


def directory(config: Config, wall: Clock = time.time) -> Directory:
    """Public names to targets, and what can be listed behind wildcards. Opens the catalogue as ``config`` has it."""
    catalogue.configure(rows_of(config))
    models = {}
    for name, model in config.models.items():
        first = model.targets[0]
        limits = _limits(first.timeouts, config.timeouts)
        models[name] = Target(provider=first.provider, model=first.model, limits=limits)
    everything = _limits(Timeouts(), config.timeouts)
    providers = {name: Target(provider=name, model=WILDCARD, limits=everything) for name in config.providers}
    bare = {} if config.models else bare_names(config)
    facts = Facts(config, wall)

    def snapshot(name: str) -> Target | None:
        owner = owner_of(config, name) if bare else None
        return Target(provider=owner, model=name, limits=everything) if owner is not None else None

    wildcard = models.get(WILDCARD)
    return Directory(
        models=models,
        providers=providers,
        catalogued=_catalogued(config, bare),
        passthrough=config.passthrough.provider,
        bare={name: Target(provider=owner, model=model, limits=everything) for name, (owner, model) in bare.items()},
        snapshot=snapshot,
        successors=config.successors,
        standing=facts.standing,
        about=facts.about,
        lists=wildcard is not None and lists_models(config, wildcard.provider),
    )


def _limits(own: Timeouts, shared: Timeouts) -> Limits:
    return Limits(
        connect=own.connect or shared.connect or _DEFAULTS.connect,
        first_byte=own.first_byte or shared.first_byte,
        idle=own.idle or shared.idle or _DEFAULTS.idle,
        total=own.total or shared.total or _DEFAULTS.total,
    )


def _catalogued(config: Config, bare: Mapping[str, tuple[str, str]]) -> list[ModelEntry]:
    """Known models of each provider: bare behind ``"*"``, else as ``provider/model``, and those of ``bare``."""
    wildcard = config.models.get(WILDCARD)
    sole = wildcard.targets[0].provider if wildcard is not None and wildcard.targets[0].model == WILDCARD else None
    entries = [ModelEntry(name, owner) for name, (owner, _) in bare.items()]
    for name, provider in config.providers.items():
        prefix = "" if name == sole else f"{name}/"
        entries += [ModelEntry(prefix + model, name) for model in listed_models(config, provider)]
    return entries


def relay_settings(config: Config) -> RelaySettings:
    """What the configuration says about relaying."""
    return RelaySettings(
        keepalive=config.streaming.keepalive,
        send_timeout=config.server.send_timeout,
        include_usage=config.streaming.include_usage,
        server_timing=config.telemetry.server_timing,
        gateway_headers=config.telemetry.gateway_headers,
    )


def body_limits(config: Config) -> BodyLimits:
    """What the configuration says about request bodies."""
    server = config.server
    return BodyLimits(
        body=server.max_body,
        upload=server.max_upload,
        idle=server.body_idle_timeout,
        total=server.body_total_timeout,
        upload_total=server.upload_total_timeout,
        spool_dir=server.spool_dir,
    )


def known_models(config: Config) -> set[str]:
    """Upstream model names that may stand in a metric label."""
    names = {target.model for model in config.models.values() for target in model.targets}
    for provider in config.providers.values():
        names.update(info.id for info in catalogue.models_of(provider.use))
    names.discard(WILDCARD)
    return names
